import { statement, type ReadTx, type WriteTx } from '@sallyport/storage';

import type { LoginMethod, Session, SessionStanding } from './session.ts';
import { SETTINGS_COLUMNS, toSettings, type SettingsRow } from './settings-store.ts';

interface SessionRow {
  readonly org_id: string;
  readonly id: string;
  readonly account_id: string;
  readonly connection_id: string | null;
  readonly epoch_at_issue: string;
  readonly method: LoginMethod;
  readonly acr: string | null;
  readonly amr: string[];
  readonly authenticated_at: Date;
  readonly proven_at: Date | null;
  readonly multi_factor: boolean;
  readonly ip: string | null;
  readonly user_agent: string | null;
  readonly created_at: Date;
  readonly last_used_at: Date;
  readonly expires_at: Date;
  readonly ended_at: Date | null;
}

interface StandingRow extends SessionRow, SettingsRow {
  readonly account_status: string;
  readonly account_epoch: string;
  readonly account_kind: 'user' | 'service_account';
  readonly display_name: string;
  readonly slug: string;
  readonly connection_name: string | null;
  readonly connection_open: boolean;
}

const COLUMNS = `s.org_id, s.id, s.account_id, s.connection_id, s.epoch_at_issue, s.method, s.acr, s.amr,
  s.authenticated_at, s.proven_at, s.multi_factor, s.ip, s.user_agent, s.created_at, s.last_used_at, s.expires_at, s.ended_at`;

const toSession = (row: SessionRow): Session => ({
  orgId: row.org_id,
  id: row.id,
  accountId: row.account_id,
  connectionId: row.connection_id,
  epochAtIssue: BigInt(row.epoch_at_issue),
  method: row.method,
  acr: row.acr,
  amr: row.amr,
  authenticatedAt: row.authenticated_at,
  provenAt: row.proven_at,
  multiFactor: row.multi_factor,
  ip: row.ip,
  userAgent: row.user_agent,
  createdAt: row.created_at,
  lastUsedAt: row.last_used_at,
  expiresAt: row.expires_at,
  endedAt: row.ended_at,
});

/** The session behind a token, with everything that can end it, in one statement on the primary. */
export const findSessionByTokenHash = async (tx: ReadTx, tokenHash: Buffer): Promise<SessionStanding | null> => {
  const [row] = await tx.query<StandingRow>(
    `SELECT ${COLUMNS}, a.status AS account_status, a.epoch AS account_epoch, a.kind AS account_kind, a.display_name,
            o.slug, ${SETTINGS_COLUMNS}, c.name AS connection_name,
            s.connection_id IS NULL OR (c.enabled AND c.deleted_at IS NULL) AS connection_open
       FROM browser_session s
       JOIN account a ON a.org_id = s.org_id AND a.id = s.account_id
       JOIN organization o ON o.org_id = s.org_id
       LEFT JOIN connection c ON c.org_id = s.org_id AND c.id = s.connection_id
      WHERE s.token_hash = $1`,
    [tokenHash],
  );
  if (row === undefined) return null;
  return {
    session: toSession(row),
    accountStatus: row.account_status,
    accountEpoch: BigInt(row.account_epoch),
    accountType: row.account_kind,
    displayName: row.display_name,
    orgSlug: row.slug,
    connectionName: row.connection_name,
    connectionOpen: row.connection_open,
    settings: toSettings(row),
  };
};

/** What is stored of a new session. */
export interface NewSession extends Omit<Session, 'endedAt' | 'lastUsedAt'> {
  readonly tokenHash: Buffer;
  /** Ties the session to the one at the identity provider, for logout from there. */
  readonly idpSubjectKey: string | null;
  readonly idpSession: string | null;
}

const INSERT_SESSION = statement(
  `INSERT INTO browser_session (org_id, id, token_hash, account_id, connection_id, epoch_at_issue, method, acr, amr,
       authenticated_at, idp_subject_key, idp_session, ip, user_agent, created_at, last_used_at, expires_at, proven_at,
       multi_factor)
     VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $15, $16, $17, $18)`,
);

export const insertSession = async (tx: WriteTx, session: NewSession): Promise<void> => {
  await tx.query(INSERT_SESSION, [
    session.orgId,
    session.id,
    session.tokenHash,
    session.accountId,
    session.connectionId,
    session.epochAtIssue.toString(),
    session.method,
    session.acr,
    session.amr,
    session.authenticatedAt,
    session.idpSubjectKey,
    session.idpSession,
    session.ip,
    session.userAgent,
    session.createdAt,
    session.expiresAt,
    session.provenAt,
    session.multiFactor,
  ]);
};

/**
 * Notes that a session was used. Moves forward only, and never over a gap that ended it: a note that comes late finds
 * the session idle, expired or ended and leaves it so. Of several at the same time one writes.
 */
export const touchSession = async (
  tx: WriteTx,
  use: { readonly orgId: string; readonly id: string; readonly at: Date; readonly staleMs: number },
): Promise<void> => {
  await tx.query(
    `UPDATE browser_session s SET last_used_at = $3
       FROM organization o
      WHERE s.org_id = $1 AND s.id = $2 AND o.org_id = s.org_id AND s.ended_at IS NULL
        AND s.last_used_at <= $3::timestamptz - make_interval(secs => $4)
        AND greatest($3, clock_timestamp())
          < least(s.expires_at, s.last_used_at + make_interval(mins => o.session_idle_minutes))`,
    [use.orgId, use.id, use.at, use.staleMs / 1000],
  );
};

/** One page of the account's sessions that are open, newest first. */
export const listOpenSessions = async (
  tx: ReadTx,
  page: {
    readonly orgId: string;
    readonly accountId: string;
    readonly before: string | null;
    readonly limit: number;
    readonly now: Date;
  },
): Promise<Session[]> => {
  const rows = await tx.query<SessionRow>(
    `SELECT ${COLUMNS} FROM browser_session s JOIN account a ON a.org_id = s.org_id AND a.id = s.account_id
       JOIN organization o ON o.org_id = s.org_id
      WHERE s.org_id = $1 AND s.account_id = $2 AND s.ended_at IS NULL AND s.expires_at > $3
        AND s.last_used_at + make_interval(mins => o.session_idle_minutes) > $3
        AND s.epoch_at_issue = a.epoch AND ($4::uuid IS NULL OR s.id < $4)
      ORDER BY s.id DESC LIMIT $5`,
    [page.orgId, page.accountId, page.now, page.before, page.limit],
  );
  return rows.map(toSession);
};

/** Every session of an account that has not been ended, whether it would still be accepted or not. */
export const listUnendedSessions = async (tx: ReadTx, orgId: string, accountId: string): Promise<string[]> => {
  const rows = await tx.query<{ id: string }>(
    'SELECT id FROM browser_session WHERE org_id = $1 AND account_id = $2 AND ended_at IS NULL ORDER BY id',
    [orgId, accountId],
  );
  return rows.map(({ id }) => id);
};

/** True when this is a session that was opened with more than one factor. */
export const isMultiFactorSession = async (tx: ReadTx, orgId: string, id: string): Promise<boolean> => {
  const rows = await tx.query<{ id: string }>(
    'SELECT id FROM browser_session WHERE org_id = $1 AND id::text = $2 AND multi_factor',
    [orgId, id],
  );
  return rows.length > 0;
};

/** True when this is a session of this account that has not ended. */
export const hasOpenSession = async (
  tx: ReadTx,
  key: { readonly orgId: string; readonly accountId: string; readonly id: string },
): Promise<boolean> => {
  const rows = await tx.query<{ id: string }>(
    'SELECT id FROM browser_session WHERE org_id = $1 AND account_id = $2 AND id = $3 AND ended_at IS NULL',
    [key.orgId, key.accountId, key.id],
  );
  return rows.length > 0;
};

/** Ends every open session of these accounts, or only the one named; answers how many. */
export const endSessions = async (
  tx: WriteTx,
  which: {
    readonly orgId: string;
    readonly accountIds: readonly string[];
    readonly sessionId: string | null;
    readonly cause: string;
  },
): Promise<number> => {
  const rows = await tx.query<{ id: string }>(
    `UPDATE browser_session SET ended_at = clock_timestamp(), end_cause = $4
      WHERE org_id = $1 AND account_id = ANY($2::uuid[]) AND ($3::uuid IS NULL OR id = $3) AND ended_at IS NULL
      RETURNING id`,
    [which.orgId, which.accountIds, which.sessionId, which.cause],
  );
  return rows.length;
};

/** An account as a new credential finds it, locked against the door until the transaction ends. */
export interface LockedAccount {
  readonly id: string;
  readonly kind: 'user' | 'service_account';
  readonly status: string;
  readonly epoch: bigint;
  readonly connectionId: string | null;
}

const LOCK_FOR_ISSUE = statement(
  'SELECT id, kind, status, epoch, connection_id FROM account WHERE org_id = $1 AND id = $2 FOR SHARE',
);

/**
 * Locks an account for the issue of a credential. The door takes a stronger lock: whoever is second sees what the
 * first has done, so no credential is issued to an account that is being closed.
 */
export const lockAccountForIssue = async (tx: WriteTx, orgId: string, id: string): Promise<LockedAccount | null> => {
  const [row] = await tx.query<{
    id: string;
    kind: LockedAccount['kind'];
    status: string;
    epoch: string;
    connection_id: string | null;
  }>(LOCK_FOR_ISSUE, [orgId, id]);
  if (row === undefined) return null;
  return { id: row.id, kind: row.kind, status: row.status, epoch: BigInt(row.epoch), connectionId: row.connection_id };
};
