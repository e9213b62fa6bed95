/** Wall-clock and monotonic time; the only reader of either in this program, so that tests can move it. */
export interface Clock {
  now(): Date;
  /** Milliseconds on a clock that never jumps; only differences mean anything. */
  monotonicMs(): number;
}

export const systemClock: Clock = {
  now: () => new Date(),
  monotonicMs: () => performance.now(),
};
