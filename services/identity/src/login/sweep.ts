import type { IdentityContext } from '../context.ts';
import { sweepArtifacts } from '../provider/index.ts';
import { deleteExpiredLogins } from './pending-store.ts';

const INTERVAL_MS = 10 * 60_000;

/** Deletes, every ten minutes, what nobody can use any more. Answers how to stop. Nothing depends on it being timely. */
export const startSweeping = (context: IdentityContext): (() => void) => {
  const timer = setInterval(() => {
    sweep(context).catch((error: unknown) => {
      context.logger.warn({ err: error }, 'expired sign-in state could not be deleted');
    });
  }, INTERVAL_MS);
  timer.unref();
  return () => {
    clearInterval(timer);
  };
};

const sweep = async ({ db, clock }: IdentityContext): Promise<void> => {
  const now = clock.now();
  await db.unauditedWrite('all-organizations', 'expired state of logins', async (tx) => {
    await deleteExpiredLogins(tx, now);
  });
  await sweepArtifacts(db, now);
};
