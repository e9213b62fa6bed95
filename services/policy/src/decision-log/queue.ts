import { isProductionWrite, type Noted } from './entry.ts';

export type GapCause = 'overload' | 'unwritable' | 'process-ended';

/** What is missing from an organisation's log between two moments, by what it was. */
export interface Gap {
  readonly cause: GapCause;
  readonly fromMs: number;
  untilMs: number;
  denials: number;
  productionWrites: number;
  reads: number;
}

/** Beyond so many organisations with a gap at once, the others share one under {@link NO_ORGANIZATION}. */
const MAX_GAPS = 1_000;

/** Stands for an organisation that has no id. Nobody belongs to it. */
export const NO_ORGANIZATION = '00000000-0000-0000-0000-000000000000';

/** Which of the three kinds a decision is. */
export const kindOf = ({ allowed, action, place }: Noted): 'denials' | 'productionWrites' | 'reads' => {
  if (!allowed) return 'denials';
  return isProductionWrite(action, place) ? 'productionWrites' : 'reads';
};

/**
 * What waits to be written: bounded, first in first out, what must be kept before what was sampled. What finds no room
 * is counted, by organisation and kind, until the gap itself can be written.
 */
export class Queue {
  readonly #maxEntries: number;
  #kept: Noted[] = [];
  #sampled: Noted[] = [];
  #gaps = new Map<string, Gap>();

  /** `maxEntries` each of both kinds. */
  constructor(maxEntries: number) {
    this.#maxEntries = maxEntries;
  }

  get size(): number {
    return this.#kept.length + this.#sampled.length;
  }

  get hasGaps(): boolean {
    return this.#gaps.size > 0;
  }

  /** False when there was no room: the entry is part of a gap now. */
  add(noted: Noted): boolean {
    const waiting = noted.oneIn === 1 ? this.#kept : this.#sampled;
    if (waiting.length < this.#maxEntries) {
      waiting.push(noted);
      return true;
    }
    this.lose(noted, 'overload');
    return false;
  }

  /** Counts an entry that will never be written. */
  lose(noted: Noted, cause: GapCause): void {
    const wanted = `${cause} ${noted.orgId}`;
    const key = this.#gaps.has(wanted) || this.#gaps.size < MAX_GAPS ? wanted : `${cause} ${NO_ORGANIZATION}`;
    const gap = this.#gaps.get(key) ?? newGap(cause, noted.atMs);
    gap.untilMs = Math.max(gap.untilMs, noted.atMs);
    gap[kindOf(noted)] += 1;
    this.#gaps.set(key, gap);
  }

  /** The next entries to be written, at most so many; what must be kept first. */
  take(count: number): readonly Noted[] {
    const source = this.#kept.length > 0 ? this.#kept : this.#sampled;
    if (source.length > count) return source.splice(0, count);
    if (source === this.#kept) this.#kept = [];
    else this.#sampled = [];
    return source;
  }

  /** The gaps so far, by organisation; they count from the beginning afterwards. */
  takeGaps(): readonly (readonly [orgId: string, gap: Gap])[] {
    const taken = [...this.#gaps].map(([key, gap]) => [key.slice(key.indexOf(' ') + 1), gap] as const);
    this.#gaps = new Map();
    return taken;
  }

  /** Gaps that could not be written after all. */
  putBack(gaps: readonly (readonly [orgId: string, gap: Gap])[]): void {
    const newer = this.#gaps;
    this.#gaps = new Map(gaps.map(([orgId, gap]) => [`${gap.cause} ${orgId}`, gap]));
    for (const [key, gap] of newer) {
      const older = this.#gaps.get(key);
      if (older === undefined) this.#gaps.set(key, gap);
      else {
        older.untilMs = gap.untilMs;
        older.denials += gap.denials;
        older.productionWrites += gap.productionWrites;
        older.reads += gap.reads;
      }
    }
  }
}

const newGap = (cause: GapCause, atMs: number): Gap => ({
  cause,
  fromMs: atMs,
  untilMs: atMs,
  denials: 0,
  productionWrites: 0,
  reads: 0,
});
