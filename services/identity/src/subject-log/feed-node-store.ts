import type { Database, ReadTx } from '@sallyport/storage';

import type { FeedNodeStore } from './feed-nodes.ts';

const readOthers = async (tx: ReadTx, nodeId: string): Promise<Map<string, bigint>> => {
  const rows = await tx.query<{ node_id: string; beat: string }>(
    'SELECT node_id, beat FROM feed_node WHERE node_id <> $1',
    [nodeId],
  );
  return new Map(rows.map((row) => [row.node_id, BigInt(row.beat)]));
};

/** The rows live outside every organisation, so nothing of a tenant is read or written here. */
export const createFeedNodeStore = (db: Database): FeedNodeStore => ({
  beat: async (nodeId) =>
    await db.unauditedWrite('all-organizations', 'sign of life of a process', async (tx) => {
      await tx.query(
        `INSERT INTO feed_node (node_id, beat) VALUES ($1, 1)
         ON CONFLICT (node_id) DO UPDATE SET beat = feed_node.beat + 1, beat_at = clock_timestamp()`,
        [nodeId],
      );
      return await readOthers(tx, nodeId);
    }),
  others: async (nodeId) =>
    await db.readAcrossOrganizations('signs of life of processes', async (tx) => await readOthers(tx, nodeId)),
  remove: async (nodeIds) => {
    await db.unauditedWrite('all-organizations', 'processes that ended long ago', async (tx) => {
      await tx.query('DELETE FROM feed_node WHERE node_id = ANY($1::uuid[])', [nodeIds]);
    });
  },
});
