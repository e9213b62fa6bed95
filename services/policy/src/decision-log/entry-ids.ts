import { randomUUID } from 'node:crypto';

const TIME_DIGITS = 12;
const SEQUENCE_DIGITS = 3;
const MAX_SEQUENCE = 0xfff;
/** Where the 62 random bits of a UUID begin, behind version and sequence. */
const RANDOM_FROM = 18;

/**
 * Ids of entries: UUIDv7 (RFC 9562 §5.7, §6.2 method 1), each greater than the one before. The random bits are those of
 * Node's own UUIDs, which asks the system for many at once: asking for each entry costs more than all else that is done
 * for it.
 */
export class EntryIds {
  #lastMs = 0;
  #sequence = 0;

  /** The next id, of this moment; of a later one when it would not be greater otherwise. */
  at(atMs: number): string {
    const ms = Math.floor(atMs);
    if (ms > this.#lastMs) {
      this.#lastMs = ms;
      this.#sequence = 0;
    } else if (this.#sequence < MAX_SEQUENCE) {
      this.#sequence += 1;
    } else {
      this.#lastMs += 1;
      this.#sequence = 0;
    }
    const time = this.#lastMs.toString(16).padStart(TIME_DIGITS, '0');
    const sequence = this.#sequence.toString(16).padStart(SEQUENCE_DIGITS, '0');
    return `${time.slice(0, 8)}-${time.slice(8)}-7${sequence}${randomUUID().slice(RANDOM_FROM)}`;
  }
}
