import { newId } from '@sallyport/storage';
import { waitFor } from '@sallyport/dev-env';
import type pg from 'pg';

import type { Company } from './company.ts';
import type { Random } from './random.ts';

/** What a transaction does before others have to wait for it. */
type Obstacle = (client: pg.PoolClient, orgId: string) => Promise<'COMMIT' | 'ROLLBACK'>;

/** Locks a few accounts: writers that began earlier commit later than those that came after them. */
const lockAccounts: Obstacle = async (client, orgId) => {
  await client.query(
    'SELECT FROM identity.account WHERE org_id = $1 AND id IN (SELECT id FROM identity.account WHERE org_id = $1 ORDER BY id DESC LIMIT 8) ORDER BY id FOR UPDATE',
    [orgId],
  );
  return 'ROLLBACK';
};

/** Takes a position and gives it back: whoever comes next must get the same one. */
const takeAndGiveBack: Obstacle = async (client, orgId) => {
  await client.query('UPDATE identity.subject_log_head SET position = position + 1 WHERE org_id = $1', [orgId]);
  return 'ROLLBACK';
};

/** Appends an entry as the service does, and commits it late. */
const appendLate: Obstacle = async (client, orgId) => {
  await client.query(
    `WITH taken AS (UPDATE identity.subject_log_head SET position = position + 1 WHERE org_id = $1 RETURNING position)
     INSERT INTO identity.subject_log (org_id, position, cause, subjects, groups, request_id)
       SELECT $1, position, 'test.appended-late', '[]', '[]', $2 FROM taken`,
    [orgId, newId()],
  );
  await client.query(`SELECT pg_notify('identity_subject_log', '')`);
  return 'COMMIT';
};

const OBSTACLES: readonly Obstacle[] = [lockAccounts, takeAndGiveBack, appendLate];

/** How long a transaction stays open when nobody comes to wait for it. */
const PATIENCE_MS = 300;

/** Opens transactions that others have to wait for, one after the other, until `over`. Answers how many there were. */
export const obstruct = async ({ database, orgId }: Company, random: Random, over: AbortSignal): Promise<number> => {
  let count = 0;
  const isWaitedFor = async (): Promise<boolean> => {
    const waiting = `SELECT FROM pg_stat_activity WHERE usename = 'sallyport_identity' AND wait_event_type = 'Lock'`;
    return over.aborted || ((await database.query(waiting)).rowCount ?? 0) >= 3;
  };
  while (!over.aborted) {
    const client = await database.connect();
    try {
      await client.query('BEGIN');
      const end = await random.pick(OBSTACLES)(client, orgId);
      await waitFor(isWaitedFor, { timeoutMs: PATIENCE_MS, intervalMs: 5 }).catch(() => undefined);
      await client.query(end);
      count += 1;
    } finally {
      client.release();
    }
  }
  return count;
};
