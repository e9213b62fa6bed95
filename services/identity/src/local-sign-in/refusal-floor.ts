import { setTimeout as sleep } from 'node:timers/promises';

import type { Clock } from '@sallyport/storage';

/**
 * A refusal takes at least this long, so that what happens for a known name only (its entry in the log, a slower hash
 * from elsewhere, a mail to write) does not show in the time (ASVS 6.3.8). ms.
 */
export const REFUSAL_FLOOR_MS = 1_000;

/** Starts counting; the answer is called before a refusal is told. */
export const startRefusalFloor = (clock: Pick<Clock, 'monotonicMs'>): (() => Promise<void>) => {
  const startedAtMs = clock.monotonicMs();
  return async () => {
    await sleep(Math.max(0, REFUSAL_FLOOR_MS - (clock.monotonicMs() - startedAtMs)));
  };
};
