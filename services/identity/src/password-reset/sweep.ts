import type { Sweep } from '../login/index.ts';
import { deleteOldResets } from './store.ts';

/** Deletes resets nobody can use, or count, any more. */
export const sweepResets: Sweep = async ({ db, clock }) => {
  const now = clock.now();
  await db.unauditedWrite('all-organizations', 'expired password resets', async (tx) => {
    await deleteOldResets(tx, now);
  });
};
