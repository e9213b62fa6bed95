import { startRounds } from '@sallyport/service';

import type { IdentityContext } from '../context.ts';
import { sweepArtifacts } from '../provider/index.ts';
import { sweepOutlivedSessions } from './end-outlived-sessions.ts';
import { deleteExpiredLogins } from './pending-store.ts';
import { deleteExpiredTraces } from './trace-store.ts';

const INTERVAL_MS = 10 * 60_000;

/** Deletes what nobody can use any more, of one slice. */
export type Sweep = (context: IdentityContext) => Promise<void>;

/**
 * Deletes, every ten minutes, what nobody can use any more: of logins, of the provider and of the slices given. Answers
 * how to stop. Nothing depends on it being timely.
 */
export const startSweeping = (context: IdentityContext, more: readonly Sweep[] = []): (() => Promise<void>) =>
  startRounds({
    everyMs: INTERVAL_MS,
    work: async () => {
      await Promise.all([sweep, ...more].map((one) => one(context)));
    },
    onError: (error) => {
      context.logger.warn({ err: error }, 'expired sign-in state could not be deleted');
    },
  });

const sweep = async (context: IdentityContext): Promise<void> => {
  const { db, clock } = context;
  const now = clock.now();
  await db.unauditedWrite('all-organizations', 'expired state of logins', async (tx) => {
    await deleteExpiredLogins(tx, now);
    await deleteExpiredTraces(tx, now);
  });
  await sweepArtifacts(db, now);
  await sweepOutlivedSessions(context);
};
