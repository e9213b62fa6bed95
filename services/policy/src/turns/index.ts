/**
 * Long work in short steps. Owns: how steps are run, at once or in turns with everybody else. Does not own: lists that are
 * put together for many callers at once (lists/turns.ts).
 */
import { setImmediate } from 'node:timers/promises';

import type { Clock } from '@sallyport/storage';

/** Work made of short steps. */
export type Steps<T> = Generator<undefined, T>;

/** Others wait for the event loop no longer than this and one step. */
const TURN_MS = 10;

/** Runs work made of short steps, letting others have the event loop in between. */
export const inTurns = async <T>(steps: Steps<T>, clock: Pick<Clock, 'monotonicMs'>): Promise<T> => {
  let begunMs = clock.monotonicMs();
  for (;;) {
    const { done, value } = steps.next();
    if (done === true) return value;
    if (clock.monotonicMs() - begunMs < TURN_MS) continue;
    await setImmediate();
    begunMs = clock.monotonicMs();
  }
};

/** Runs work made of steps in one go. */
export const atOnce = <T>(steps: Steps<T>): T => {
  for (;;) {
    const { done, value } = steps.next();
    if (done === true) return value;
  }
};
