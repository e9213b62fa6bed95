export interface BucketSettings {
  /** Refilled per second. */
  readonly ratePerSecond: number;
  /** What a bucket holds, and so the most that can be taken at once. */
  readonly burst: number;
}

interface Bucket {
  tokens: number;
  atMs: number;
}

const SECOND_MS = 1_000;
/** What refilling in many small parts may lose. */
const ROUNDING = 1e-6;

/**
 * Token buckets by key, in the memory of this process. A key nobody has asked about has a full bucket.
 *
 * Holds at most `maxKeys`: the one that was not asked about for longest is forgotten, which fills it.
 */
export class TokenBuckets {
  readonly #settings: BucketSettings;
  readonly #maxKeys: number;
  readonly #buckets = new Map<string, Bucket>();

  constructor(settings: BucketSettings, maxKeys = 10_000) {
    this.#settings = settings;
    this.#maxKeys = maxKeys;
  }

  get size(): number {
    return this.#buckets.size;
  }

  /**
   * Takes one token, unless fewer than `keep` would stay. Answers 0 when it was taken, else the milliseconds after
   * which it can be taken if nobody else does; nothing is taken then.
   */
  take(key: string, nowMs: number, keep = 0): number {
    const bucket = this.#refilled(key, nowMs);
    const missing = 1 + keep - bucket.tokens;
    if (missing > ROUNDING) return Math.max(1, (missing / this.#settings.ratePerSecond) * SECOND_MS);
    bucket.tokens -= 1;
    return 0;
  }

  /** Takes tokens whether they are there or not, down to a debt of a whole bucket: `take` waits until it is paid. */
  charge(key: string, nowMs: number, count: number): void {
    const bucket = this.#refilled(key, nowMs);
    bucket.tokens = Math.max(-this.#settings.burst, bucket.tokens - count);
  }

  /** Undoes a `take` that turned out not to count. */
  giveBack(key: string): void {
    const bucket = this.#buckets.get(key);
    if (bucket !== undefined) bucket.tokens = Math.min(this.#settings.burst, bucket.tokens + 1);
  }

  #refilled(key: string, nowMs: number): Bucket {
    const { ratePerSecond, burst } = this.#settings;
    const bucket = this.#buckets.get(key) ?? { tokens: burst, atMs: nowMs };
    const elapsedMs = Math.max(0, nowMs - bucket.atMs);
    bucket.tokens = Math.min(burst, bucket.tokens + (elapsedMs / SECOND_MS) * ratePerSecond);
    bucket.atMs = Math.max(bucket.atMs, nowMs);
    // Written anew each time, so that the order of the map is the order of use.
    this.#buckets.delete(key);
    this.#buckets.set(key, bucket);
    if (this.#buckets.size > this.#maxKeys) this.#forgetOldest();
    return bucket;
  }

  #forgetOldest(): void {
    const [oldest] = this.#buckets.keys();
    if (oldest !== undefined) this.#buckets.delete(oldest);
  }
}
