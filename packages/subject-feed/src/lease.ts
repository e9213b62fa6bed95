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
  #last: Reading;

  /** @param ttlMs upper bound of every lease, whatever the other side offers */
  constructor(clock: Clock, ttlMs: number) {
    this.#clock = clock;
    this.#ttlMs = ttlMs;
    this.#last = this.#read();
  }

  /** To be taken immediately before the renewal is sent. */
  reading(): Reading {
    return this.#observe();
  }

  /**
   * Extends the lease after a renewal was granted.
   *
   * @param sent what {@link reading} returned before the renewal was sent
   * @param offeredMs ms the other side offers; the smaller of it and our own bound counts
   * @returns false when the lease was dropped after the renewal was sent: it then proves nothing
   */
  adopt(sent: Reading, offeredMs: number): boolean {
    const now = this.#observe();
    if (sent.generation !== this.#generation || outran(sent, now)) return false;
    const deadlineMs = sent.monotonicMs + Math.min(offeredMs, this.#ttlMs);
    if (deadlineMs <= this.#deadlineMs) return true;
    this.#deadlineMs = deadlineMs;
    this.#heldFrom = sent;
    return true;
  }

  /** ms left; 0 when it is not held. Read inside every decision: that is what makes a paused process deny. */
  remainingMs(): number {
    const now = this.#observe();
    if (this.#heldFrom === null) return 0;
    if (outran(this.#heldFrom, now)) {
      this.drop();
      return 0;
    }
    return Math.max(0, this.#deadlineMs - now.monotonicMs);
  }

  /** {@link Lease.remainingMs} for a moment the caller has just read from the same clock: for what decides often. */
  remainingMsAt(monotonicMs: number, wallMs: number): number {
    const last = this.#last;
    if (wallMs - last.wallMs - (monotonicMs - last.monotonicMs) > SUSPENSION_TOLERANCE_MS) {
      this.drop();
      return 0;
    }
    const heldFrom = this.#heldFrom;
    if (heldFrom === null) return 0;
    if (wallMs - heldFrom.wallMs - (monotonicMs - heldFrom.monotonicMs) > SUSPENSION_TOLERANCE_MS) {
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
    this.#last = this.#read();
  }

  #observe(): Reading {
    const now = this.#read();
    if (outran(this.#last, now)) {
      this.drop();
      return this.#last;
    }
    this.#last = now;
    return now;
  }

  #read(): Reading {
    return {
      monotonicMs: this.#clock.monotonicMs(),
      wallMs: this.#clock.now().getTime(),
      generation: this.#generation,
    };
  }
}

const outran = (from: Reading, to: Reading): boolean =>
  to.wallMs - from.wallMs - (to.monotonicMs - from.monotonicMs) > SUSPENSION_TOLERANCE_MS;
