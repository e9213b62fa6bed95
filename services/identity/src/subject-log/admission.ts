import { AppError } from '@sallyport/errors';

/** Streams that may open per second; more come back with jitter (a restart with hundreds of replicas). */
export const MAX_OPENINGS_PER_SECOND = 100;
const SECOND_MS = 1_000;

/**
 * Admits so many openings a second and refuses the rest, so that those admitted are served.
 *
 * @throws RATE_LIMITED
 */
export const createAdmission = (monotonicMs: () => number): (() => void) => {
  let windowStartedMs = Number.NEGATIVE_INFINITY;
  let opened = 0;
  return () => {
    const nowMs = monotonicMs();
    if (nowMs - windowStartedMs >= SECOND_MS) {
      windowStartedMs = nowMs;
      opened = 0;
    }
    opened += 1;
    if (opened > MAX_OPENINGS_PER_SECOND)
      throw new AppError('RATE_LIMITED', 'Too many replicas connect at once.', { retryAfterSeconds: 1 });
  };
};
