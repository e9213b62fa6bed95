import type { ReadTx, WriteTx } from '@sallyport/storage';

/** An application that is to be told that a session of somebody has ended. */
export interface LogoutNotice {
  readonly orgId: string;
  readonly id: string;
  readonly clientId: string;
  readonly accountId: string;
  /** The session as the application knows it; null: all of the account's. */
  readonly sid: string | null;
  readonly uri: string;
  readonly attempts: number;
}

/** Whose sessions end: all of these accounts, or the one browser session. */
export interface EndingSessions {
  readonly orgId: string;
  readonly accountIds: readonly string[];
  readonly browserSessionId: string | null;
  readonly cause: string;
  readonly now: Date;
  readonly expiresAt: Date;
}

/**
 * Notes whom to tell before the provider's sessions are deleted: every application with an address for it that one of
 * them signed in to, and every one that holds a grant without such a session. Answers how many that are.
 */
export const insertNoticesOfSessions = async (tx: WriteTx, which: EndingSessions): Promise<number> => {
  const rows = await tx.query<{ id: string }>(
    `WITH ending AS (
       SELECT p.model, p.account_id, p.client_id, p.payload FROM provider_artifact p
        WHERE p.org_id = $1 AND p.account_id = ANY($2::uuid[]) AND ($3::uuid IS NULL OR p.browser_session_id = $3)
          AND p.model IN ('Session', 'Grant')),
     seen AS (
       SELECT e.account_id, a.key AS client_id, a.value->>'sid' AS sid
         FROM ending e CROSS JOIN LATERAL jsonb_each(coalesce(e.payload->'authorizations', '{}')) a
        WHERE e.model = 'Session'),
     told AS (
       SELECT account_id, client_id, sid FROM seen
       UNION
       SELECT e.account_id, e.client_id, NULL FROM ending e
        WHERE e.model = 'Grant'
          AND NOT EXISTS (SELECT FROM seen s WHERE s.account_id = e.account_id AND s.client_id = e.client_id))
     INSERT INTO logout_notice (org_id, id, client_id, account_id, sid, cause, created_at, expires_at, next_attempt_at)
     SELECT c.org_id, gen_random_uuid(), c.id, t.account_id, t.sid, $4, $5, $6, $5
       FROM told t JOIN oauth_client c ON c.org_id = $1 AND c.id = t.client_id AND c.backchannel_logout_uri IS NOT NULL
     RETURNING id`,
    [which.orgId, which.accountIds, which.browserSessionId, which.cause, which.now, which.expiresAt],
  );
  return rows.length;
};

/** The same for applications the provider named itself. */
export const insertNotice = async (
  tx: WriteTx,
  notice: {
    readonly orgId: string;
    readonly clientId: string;
    readonly accountId: string;
    readonly sid: string;
    readonly cause: string;
    readonly now: Date;
    readonly expiresAt: Date;
  },
): Promise<void> => {
  await tx.query(
    `INSERT INTO logout_notice (org_id, id, client_id, account_id, sid, cause, created_at, expires_at, next_attempt_at)
     SELECT org_id, gen_random_uuid(), id, $3, $4, $5, $6, $7, $6 FROM oauth_client
      WHERE org_id = $1 AND id = $2 AND backchannel_logout_uri IS NOT NULL`,
    [notice.orgId, notice.clientId, notice.accountId, notice.sid, notice.cause, notice.now, notice.expiresAt],
  );
};

/**
 * Takes the oldest due notice of each of some applications, those that have been due for longest, for as long as `until`;
 * nobody else takes them meanwhile, and no second one of the same application is taken while one is under way.
 */
export const claimNotices = async (
  tx: WriteTx,
  window: { readonly now: Date; readonly until: Date; readonly busy: readonly string[]; readonly limit: number },
): Promise<LogoutNotice[]> => {
  const rows = await tx.query<{
    org_id: string;
    id: string;
    client_id: string;
    account_id: string;
    sid: string | null;
    uri: string;
    attempts: number;
  }>(
    `WITH first AS (
       SELECT DISTINCT ON (n.client_id) n.org_id, n.id FROM logout_notice n
         JOIN oauth_client c ON c.id = n.client_id AND c.backchannel_logout_uri IS NOT NULL
        WHERE n.acknowledged_at IS NULL AND n.next_attempt_at <= $1 AND n.expires_at > $1
          AND NOT n.client_id = ANY($3::text[])
        ORDER BY n.client_id, n.next_attempt_at, n.id),
     taken AS (
       SELECT n.org_id, n.id FROM logout_notice n JOIN first f ON f.org_id = n.org_id AND f.id = n.id
        WHERE n.acknowledged_at IS NULL AND n.next_attempt_at <= $1
        ORDER BY n.next_attempt_at, n.id LIMIT $4 FOR UPDATE OF n SKIP LOCKED)
     UPDATE logout_notice n SET attempts = n.attempts + 1, next_attempt_at = $2
       FROM taken t, oauth_client c
      WHERE n.org_id = t.org_id AND n.id = t.id AND c.id = n.client_id AND c.backchannel_logout_uri IS NOT NULL
     RETURNING n.org_id, n.id, n.client_id, n.account_id, n.sid, c.backchannel_logout_uri AS uri, n.attempts`,
    [window.now, window.until, window.busy, window.limit],
  );
  return rows.map((row) => ({
    orgId: row.org_id,
    id: row.id,
    clientId: row.client_id,
    accountId: row.account_id,
    sid: row.sid,
    uri: row.uri,
    attempts: row.attempts,
  }));
};

/** Notes that an application took note. */
export const acknowledgeNotice = async (tx: WriteTx, { orgId, id }: LogoutNotice, at: Date): Promise<void> => {
  await tx.query(
    `UPDATE logout_notice SET acknowledged_at = $3, last_status = 'acknowledged' WHERE org_id = $1 AND id = $2`,
    [orgId, id, at],
  );
};

/**
 * Notes why an application did not, and when it is told again. Of one that cannot be reached nothing is due before that:
 * each of its notices would only wait in vain, in the place of somebody else's.
 */
export const postponeNotice = async (
  tx: WriteTx,
  { orgId, id, clientId }: LogoutNotice,
  next: { readonly status: string; readonly at: Date; readonly isReachable: boolean },
): Promise<void> => {
  await tx.query('UPDATE logout_notice SET last_status = $3, next_attempt_at = $4 WHERE org_id = $1 AND id = $2', [
    orgId,
    id,
    next.status,
    next.at,
  ]);
  if (next.isReachable) return;
  await tx.query(
    `UPDATE logout_notice SET next_attempt_at = $3
      WHERE org_id = $1 AND client_id = $2 AND acknowledged_at IS NULL AND next_attempt_at < $3`,
    [orgId, clientId, next.at],
  );
};

/** When the next one is due; null when none waits. */
export const nextNoticeAt = async (tx: ReadTx, now: Date): Promise<Date | null> => {
  const [row] = await tx.query<{ at: Date | null }>(
    `SELECT min(n.next_attempt_at) AS at FROM logout_notice n
       JOIN oauth_client c ON c.id = n.client_id AND c.backchannel_logout_uri IS NOT NULL
      WHERE n.acknowledged_at IS NULL AND n.expires_at > $1`,
    [now],
  );
  return row?.at ?? null;
};

/** Deletes what was told, or given up, long ago. */
export const deleteOldNotices = async (tx: WriteTx, before: Date): Promise<void> => {
  await tx.query('DELETE FROM logout_notice WHERE expires_at < $1', [before]);
};
