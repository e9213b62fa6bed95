import type { Database, WriteTx } from '@sallyport/storage';

import { deleteExpiredArtifacts, deleteExpiredOfNobody } from './artifact-store.ts';
import { deleteOldNotices } from './logout-notice-store.ts';

const HOUR_MS = 60 * 60 * 1000;
/** A grant lives a day; what was consumed under it is kept until then, so that late reuse still ends the grant. */
const KEEP_MS = 25 * HOUR_MS;
const BATCH = 500;
/** How long it can be looked up when an application was told. */
const KEEP_NOTICES_MS = 7 * 24 * HOUR_MS;

/** Deletes expired artifacts in small batches; answers how many. */
export const sweepArtifacts = async (db: Database, now: Date): Promise<number> => {
  const before = new Date(now.getTime() - KEEP_MS);
  const swept =
    (await inBatches(db, async (tx) => await deleteExpiredArtifacts(tx, before, BATCH))) +
    (await inBatches(db, async (tx) => await deleteExpiredOfNobody(tx, now, BATCH)));
  await db.unauditedWrite('all-organizations', 'logout notices nobody needs any more', async (tx) => {
    await deleteOldNotices(tx, new Date(now.getTime() - KEEP_NOTICES_MS));
  });
  return swept;
};

const inBatches = async (db: Database, deleteSome: (tx: WriteTx) => Promise<number>): Promise<number> => {
  let deleted = 0;
  for (let count = BATCH; count === BATCH; deleted += count)
    count = await db.unauditedWrite('all-organizations', 'expired state of the OpenID Provider', deleteSome);
  return deleted;
};
