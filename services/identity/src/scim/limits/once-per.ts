const MINUTE_MS = 60_000;
const MAX_REMEMBERED = 10_000;

/** True once a minute per key: what is worth writing down is not worth writing down for every request of a loop. */
export class OncePer {
  readonly #intervalMs: number;
  readonly #last = new Map<string, number>();

  constructor(intervalMs = MINUTE_MS) {
    this.#intervalMs = intervalMs;
  }

  isDue(key: string, nowMs: number): boolean {
    const last = this.#last.get(key);
    if (last !== undefined && nowMs - last < this.#intervalMs) return false;
    this.#last.delete(key);
    this.#last.set(key, nowMs);
    if (this.#last.size > MAX_REMEMBERED) this.#forgetOldest();
    return true;
  }

  #forgetOldest(): void {
    const [oldest] = this.#last.keys();
    if (oldest !== undefined) this.#last.delete(oldest);
  }
}
