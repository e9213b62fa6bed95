/** Milliseconds that never go back: for measuring and for deadlines of our own. */
export const monotonicMs = (): number => performance.now();

/**
 * Milliseconds of the wall clock. grpc-js keeps deadlines as wall-clock instants and turns them into a timer at
 * once, so a clock step can only touch a call that starts in that very moment. Nothing else here may ask this clock.
 */
export const wallClockMs = (): number => Date.now();
