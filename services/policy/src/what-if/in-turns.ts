import { setImmediate } from 'node:timers/promises';

import type { Clock } from '@sallyport/storage';

/** Others wait for the event loop no longer than this and one step. */
const TURN_MS = 10;

/** Runs work made of short steps, letting others have the event loop in between. */
export const inTurns = async <T>(steps: Generator<undefined, T>, clock: Pick<Clock, 'monotonicMs'>): Promise<T> => {
  let begunMs = clock.monotonicMs();
  for (;;) {
    const { done, value } = steps.next();
    if (done === true) return value;
    if (clock.monotonicMs() - begunMs < TURN_MS) continue;
    await setImmediate();
    begunMs = clock.monotonicMs();
  }
};
