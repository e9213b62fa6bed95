import type { Database } from '@sallyport/storage';

import { deleteExpiredArtifacts } from './artifact-store.ts';

const HOUR_MS = 60 * 60 * 1000;
/** A grant lives a day; what was consumed under it is kept until then, so that late reuse still ends the grant. */
const KEEP_MS = 25 * HOUR_MS;
const BATCH = 500;

/** Deletes expired artifacts in small batches; answers how many. */
export const sweepArtifacts = async (db: Database, now: Date): Promise<number> => {
  let swept = 0;
  for (let count = BATCH; count === BATCH; swept += count) {
    count = await db.unauditedWrite('all-organizations', 'expired state of the OpenID Provider', async (tx) => {
      return await deleteExpiredArtifacts(tx, new Date(now.getTime() - KEEP_MS), BATCH);
    });
  }
  return swept;
};
