import type { Clock } from '@sallyport/storage';

/** What the clocks showed at one moment; a lease runs from the reading taken when its renewal was asked for. */
export interface Reading {
  readonly monotonicMs: number;
  readonly wallMs: number;
  /** Raised by every drop: a renewal asked for before a drop is worth nothing after it. */
  readonly generation: number;
}

/** ms by which wall time may outrun monotonic time before we assume that the machine was suspended. */
const SUSPENSION_TOLERANCE_MS = 100;

/**
 * Permission to decide from memory until a monotonic deadline.
 *
 * The deadline counts from the moment the renewal was *sent*, so whatever the network or the process did in between
 * only shortens it; no two clocks need to agree. Wall time can only end a lease early: where it outruns monotonic time,
 * the monotonic clock stood still (suspend, live migration) and the deadline means nothing. Setting the wall clock
 * back never lengthens anything.
 */
export class Lease {
  readonly #clock: Clock;
  readonly #ttlMs: number;
  #generation = 0;
  #heldFrom: Reading | null = null;
  #deadlineMs = Number.NEGATIVE_INFINITY;
  /** Monotonic and wall ms of the last moment that was looked at. An array of numbers: looking makes nothing. */
  readonly #last = new Float64Array(2);

  /** @param ttlMs upper bound of every lease, whatever the other side offers */
  constructor(clock: Clock, ttlMs: number) {
    this.#clock = clock;
    this.#ttlMs = ttlMs;
    this.#rememberNow();
  }

  /** To be taken immediately before the renewal is sent. */
  reading(): Reading {
    const monotonicMs = this.#clock.monotonicMs();
    const wallMs = this.#clock.now().getTime();
    this.#observe(monotonicMs, wallMs);
    return { monotonicMs, wallMs, generation: this.#generation };
  }

  /**
   * Extends the lease after a renewal was granted.
   *
   * @param sent what {@link reading} returned before the renewal was sent
   * @param offeredMs ms the other side offers; the smaller of it and our own bound counts
   * @returns false when the lease was dropped after the renewal was sent: it then proves nothing
   */
  adopt(sent: Reading, offeredMs: number): boolean {
    const now = this.reading();
    if (sent.generation !== this.#generation || outran(sent, now.monotonicMs, now.wallMs)) return false;
    const deadlineMs = sent.monotonicMs + Math.min(offeredMs, this.#ttlMs);
    if (deadlineMs <= this.#deadlineMs) return true;
    this.#deadlineMs = deadlineMs;
    this.#heldFrom = sent;
    return true;
  }

  /** ms left; 0 when it is not held. Read inside every decision: that is what makes a paused process deny. */
  remainingMs(): number {
    return this.remainingMsAt(this.#clock.monotonicMs(), this.#clock.now().getTime());
  }

  /** {@link Lease.remainingMs} for a moment the caller has just read from the same clock: for what decides often. */
  remainingMsAt(monotonicMs: number, wallMs: number): number {
    this.#observe(monotonicMs, wallMs);
    if (this.#heldFrom === null) return 0;
    if (outran(this.#heldFrom, monotonicMs, wallMs)) {
      this.drop();
      return 0;
    }
    return Math.max(0, this.#deadlineMs - monotonicMs);
  }

  /** Ends the lease and voids every renewal that is on its way. */
  drop(): void {
    this.#generation += 1;
    this.#heldFrom = null;
    this.#deadlineMs = Number.NEGATIVE_INFINITY;
    this.#rememberNow();
  }

  #rememberNow(): void {
    this.#last[0] = this.#clock.monotonicMs();
    this.#last[1] = this.#clock.now().getTime();
  }

  #observe(monotonicMs: number, wallMs: number): void {
    const lastMonotonicMs = this.#last[0] ?? monotonicMs;
    const lastWallMs = this.#last[1] ?? wallMs;
    if (hasOutrun(wallMs - lastWallMs, monotonicMs - lastMonotonicMs)) {
      this.drop();
      return;
    }
    this.#last[0] = monotonicMs;
    this.#last[1] = wallMs;
  }
}

const hasOutrun = (wallPassedMs: number, monotonicPassedMs: number): boolean =>
  wallPassedMs - monotonicPassedMs > SUSPENSION_TOLERANCE_MS;

const outran = (from: Reading, monotonicMs: number, wallMs: number): boolean =>
  hasOutrun(wallMs - from.wallMs, monotonicMs - from.monotonicMs);
