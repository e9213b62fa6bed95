import type { ReadTx, WriteTx } from '@sallyport/storage';

/** A session that hangs on one at an IdP. */
export interface FederatedSession {
  readonly orgId: string;
  readonly id: string;
  readonly accountId: string;
  readonly connectionId: string;
  readonly subjectKey: string;
  readonly sessionIndex: string | null;
}

interface SessionRow {
  readonly org_id: string;
  readonly id: string;
  readonly account_id: string;
  readonly connection_id: string;
  readonly idp_subject_key: string;
  readonly idp_session: string | null;
}

const COLUMNS = 'org_id, id, account_id, connection_id, idp_subject_key, idp_session';

const toSession = (row: SessionRow): FederatedSession => ({
  orgId: row.org_id,
  id: row.id,
  accountId: row.account_id,
  connectionId: row.connection_id,
  subjectKey: row.idp_subject_key,
  sessionIndex: row.idp_session,
});

/** The SAML side of a session; null when it was opened in another way. Ended ones too: logout ends ours first. */
export const findFederatedSession = async (
  tx: ReadTx,
  orgId: string,
  sessionId: string,
): Promise<FederatedSession | null> => {
  const [row] = await tx.query<SessionRow>(
    `SELECT ${COLUMNS} FROM browser_session
      WHERE org_id = $1 AND id = $2 AND method = 'saml' AND connection_id IS NOT NULL AND idp_subject_key IS NOT NULL`,
    [orgId, sessionId],
  );
  return row === undefined ? null : toSession(row);
};

/** What a logout is about. */
export interface LogoutScope {
  readonly orgId: string;
  readonly connectionId: string;
  readonly subjectKey: string;
  /** Keys that begin and end like this count as well; null: only the exact one. */
  readonly looseKey: { readonly start: string; readonly end: string } | null;
  /** None = every session of the subject. */
  readonly sessionIndexes: readonly string[];
}

/**
 * The open sessions of a subject through this very connection. One whose IdP never gave it an index belongs to every
 * logout of its subject: it cannot be told apart, and out means out.
 */
export const listSessionsOf = async (tx: ReadTx, scope: LogoutScope): Promise<FederatedSession[]> => {
  const rows = await tx.query<SessionRow>(
    `SELECT ${COLUMNS} FROM browser_session
      WHERE org_id = $1 AND connection_id = $2 AND method = 'saml' AND ended_at IS NULL
        AND (idp_subject_key = $3 OR (starts_with(idp_subject_key, $4) AND right(idp_subject_key, length($5)) = $5))
        AND (cardinality($6::text[]) = 0 OR idp_session IS NULL OR idp_session = ANY($6::text[]))
      ORDER BY id`,
    [
      scope.orgId,
      scope.connectionId,
      scope.subjectKey,
      scope.looseKey?.start ?? null,
      scope.looseKey?.end ?? null,
      scope.sessionIndexes,
    ],
  );
  return rows.map(toSession);
};

/** Remembers a logout that an IdP was asked for. */
export const insertPendingLogout = async (
  tx: WriteTx,
  logout: {
    readonly orgId: string;
    readonly connectionId: string;
    readonly requestKey: string;
    readonly createdAt: Date;
    readonly expiresAt: Date;
  },
): Promise<void> => {
  await tx.query(
    `INSERT INTO pending_logout (org_id, connection_id, request_key, created_at, expires_at) VALUES ($1, $2, $3, $4, $5)`,
    [logout.orgId, logout.connectionId, logout.requestKey, logout.createdAt, logout.expiresAt],
  );
};

/** Uses a pending logout of this connection up. */
export const consumePendingLogout = async (
  tx: WriteTx,
  key: { readonly orgId: string; readonly connectionId: string; readonly requestKey: string; readonly now: Date },
): Promise<'consumed' | 'unknown' | 'used' | 'expired'> => {
  const [row] = await tx.query<{ was_used: boolean; is_expired: boolean }>(
    `WITH was AS (
       SELECT org_id, connection_id, request_key, consumed_at, expires_at FROM pending_logout
        WHERE org_id = $1 AND connection_id = $2 AND request_key = $3 FOR UPDATE),
     changed AS (
       UPDATE pending_logout p SET consumed_at = $4 FROM was
        WHERE p.org_id = was.org_id AND p.connection_id = was.connection_id AND p.request_key = was.request_key
          AND was.consumed_at IS NULL AND was.expires_at > $4)
     SELECT consumed_at IS NOT NULL AS was_used, expires_at <= $4 AS is_expired FROM was`,
    [key.orgId, key.connectionId, key.requestKey, key.now],
  );
  if (row === undefined) return 'unknown';
  if (row.was_used) return 'used';
  return row.is_expired ? 'expired' : 'consumed';
};

/** Deletes logouts nobody can answer any more. */
export const deleteExpiredLogouts = async (tx: WriteTx, now: Date): Promise<void> => {
  await tx.query(`DELETE FROM pending_logout WHERE expires_at < $1::timestamptz - interval '1 hour'`, [now]);
};
