import { statement, type ReadTx, type WriteTx } from '@sallyport/storage';

/** A session that ends when the login succeeds, so that its identifier does not survive it (ASVS 7.2.4). */
export interface ReplacedSession {
  readonly orgId: string;
  readonly accountId: string;
  readonly sessionId: string;
}

/** What an answer of the IdP is for: a session, a fresh proof of who has one, or nothing but a trace. */
export type LoginPurpose = 'login' | 'step-up' | 'test';

/** A login that was sent to an identity provider and has not come back. */
export interface PendingLogin {
  readonly orgId: string;
  readonly id: string;
  readonly connectionId: string;
  readonly protocol: 'saml' | 'oidc';
  /** What the answer names the request by: the AuthnRequest's ID, or the hash of `state` in hex. */
  readonly requestKey: string;
  readonly relayStateHash: Buffer | null;
  readonly browserHash: Buffer;
  readonly returnTo: string;
  /** The session the browser had when it left: the answer may come as a post from another site, without its cookie. */
  readonly replaces: ReplacedSession | null;
  readonly purpose: LoginPurpose;
  /** Whose step-up or test it is; null for a login. */
  readonly startedBy: string | null;
  readonly createdAt: Date;
  readonly expiresAt: Date;
  readonly consumedAt: Date | null;
}

interface PendingRow {
  readonly org_id: string;
  readonly id: string;
  readonly connection_id: string;
  readonly protocol: PendingLogin['protocol'];
  readonly request_key: string;
  readonly relay_state_hash: Buffer | null;
  readonly browser_hash: Buffer;
  readonly return_to: string;
  readonly replaces_account_id: string | null;
  readonly replaces_session_id: string | null;
  readonly purpose: LoginPurpose;
  readonly started_by: string | null;
  readonly created_at: Date;
  readonly expires_at: Date;
  readonly consumed_at: Date | null;
}

const COLUMNS = `org_id, id, connection_id, protocol, request_key, relay_state_hash, browser_hash, return_to,
  replaces_account_id, replaces_session_id, purpose, started_by, created_at, expires_at, consumed_at`;

const INSERT_PENDING = statement(
  `INSERT INTO pending_login (${COLUMNS}) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, NULL)`,
);
const FIND_PENDING = statement(
  `SELECT ${COLUMNS} FROM pending_login WHERE org_id = $1 AND connection_id = $2 AND request_key = $3`,
);
const CONSUME_PENDING = statement(
  'UPDATE pending_login SET consumed_at = $3 WHERE org_id = $1 AND id = $2 AND consumed_at IS NULL RETURNING id',
);
const CONSUME_ASSERTION = statement(
  `INSERT INTO consumed_assertion (org_id, connection_id, assertion_id, expires_at) VALUES ($1, $2, $3, $4)
   ON CONFLICT ON CONSTRAINT consumed_assertion_once DO NOTHING RETURNING assertion_id`,
);

export const insertPendingLogin = async (tx: WriteTx, login: Omit<PendingLogin, 'consumedAt'>): Promise<void> => {
  const replaces = login.replaces?.orgId === login.orgId ? login.replaces : null;
  await tx.query(INSERT_PENDING, [
    login.orgId,
    login.id,
    login.connectionId,
    login.protocol,
    login.requestKey,
    login.relayStateHash,
    login.browserHash,
    login.returnTo,
    replaces?.accountId ?? null,
    replaces?.sessionId ?? null,
    login.purpose,
    login.startedBy,
    login.createdAt,
    login.expiresAt,
  ]);
};

const toPending = (row: PendingRow): PendingLogin => ({
  orgId: row.org_id,
  id: row.id,
  connectionId: row.connection_id,
  protocol: row.protocol,
  requestKey: row.request_key,
  relayStateHash: row.relay_state_hash,
  browserHash: row.browser_hash,
  returnTo: row.return_to,
  replaces:
    row.replaces_account_id === null || row.replaces_session_id === null
      ? null
      : { orgId: row.org_id, accountId: row.replaces_account_id, sessionId: row.replaces_session_id },
  purpose: row.purpose,
  startedBy: row.started_by,
  createdAt: row.created_at,
  expiresAt: row.expires_at,
  consumedAt: row.consumed_at,
});

/** The login of this connection that an answer names; consumed and expired ones too, so that the reason can be told. */
export const findPendingLogin = async (
  tx: ReadTx,
  key: { readonly orgId: string; readonly connectionId: string; readonly requestKey: string },
): Promise<PendingLogin | null> => {
  const [row] = await tx.query<PendingRow>(FIND_PENDING, [key.orgId, key.connectionId, key.requestKey]);
  return row === undefined ? null : toPending(row);
};

const FIND_TEST = statement(
  `SELECT ${COLUMNS} FROM pending_login p
    WHERE connection_id = $1 AND purpose = 'test' AND relay_state_hash = $2 AND browser_hash = $3
      AND consumed_at IS NULL AND expires_at > $4
      AND EXISTS (SELECT FROM connection c WHERE c.org_id = p.org_id AND c.id = $1 AND c.deleted_at IS NULL)`,
);

/**
 * The test of a connection, in whatever organisation, that this browser started and that an answer names by its relay
 * state; null without one. One statement.
 */
export const findPendingTest = async (
  tx: ReadTx,
  key: {
    readonly connectionId: string;
    readonly relayStateHash: Buffer;
    readonly browserHash: Buffer;
    readonly now: Date;
  },
): Promise<PendingLogin | null> => {
  const [row] = await tx.query<PendingRow>(FIND_TEST, [key.connectionId, key.relayStateHash, key.browserHash, key.now]);
  return row === undefined ? null : toPending(row);
};

/** Uses a pending login up; of two at the same time exactly one gets true. */
export const consumePendingLogin = async (tx: WriteTx, login: PendingLogin, at: Date): Promise<boolean> => {
  const rows = await tx.query<{ id: string }>(CONSUME_PENDING, [login.orgId, login.id, at]);
  return rows.length > 0;
};

/** Remembers an assertion; false when it was used before. The insert is the check, on any number of nodes. */
export const consumeAssertion = async (
  tx: WriteTx,
  assertion: {
    readonly orgId: string;
    readonly connectionId: string;
    readonly assertionId: string;
    readonly expiresAt: Date;
  },
): Promise<boolean> => {
  const { orgId, connectionId, assertionId, expiresAt } = assertion;
  const rows = await tx.query<{ assertion_id: string }>(CONSUME_ASSERTION, [
    orgId,
    connectionId,
    assertionId,
    expiresAt,
  ]);
  return rows.length > 0;
};

/** Deletes logins and assertions nobody can use any more. */
export const deleteExpiredLogins = async (tx: WriteTx, now: Date): Promise<void> => {
  await tx.query(`DELETE FROM pending_login WHERE expires_at < $1::timestamptz - interval '1 hour'`, [now]);
  await tx.query('DELETE FROM consumed_assertion WHERE expires_at < $1', [now]);
  await tx.query('DELETE FROM login_throttle WHERE window_ends_at < $1', [now]);
};
