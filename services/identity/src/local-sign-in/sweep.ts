import { deleteExpiredChallenges } from '../factors/index.ts';
import type { Sweep } from '../login/index.ts';
import { deleteExpiredHalfLogins } from './half-login-store.ts';

/** Deletes challenges and half-finished sign-ins nobody can use any more. */
export const sweepLocalSignIns: Sweep = async ({ db, clock }) => {
  const now = clock.now();
  await db.unauditedWrite('all-organizations', 'expired state of local sign-ins', async (tx) => {
    await deleteExpiredChallenges(tx, now);
    await deleteExpiredHalfLogins(tx, now);
  });
};
