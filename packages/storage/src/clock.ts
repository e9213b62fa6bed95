/** The only source of time. Tests pass their own. */
export interface Clock {
  /** Wall-clock time: for people, records and expiry dates. */
  now(): Date;
  /** Milliseconds that never go back and know nothing of the wall clock: for leases, deadlines and durations. */
  monotonicMs(): number;
}

/** The clock of the machine; everybody else is given one. */
export const systemClock: Clock = Object.freeze({
  now: () => new Date(),
  monotonicMs: () => performance.now(),
});
