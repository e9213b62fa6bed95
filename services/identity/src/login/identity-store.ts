import { statement, type ReadTx, type WriteTx } from '@sallyport/storage';

import { foldCase } from '../accounts/index.ts';

/** A connection as a login finds it. */
export interface LoginConnection {
  readonly orgId: string;
  readonly id: string;
  readonly name: string;
  readonly orgName: string;
  readonly enabled: boolean;
  /** True while a directory (SCIM) decides who exists. */
  readonly hasDirectory: boolean;
}

interface ConnectionRow {
  readonly org_id: string;
  readonly id: string;
  readonly name: string;
  readonly org_name: string;
  readonly enabled: boolean;
  readonly has_directory: boolean;
}

const COLUMNS = `c.org_id, c.id, c.name, o.display_name AS org_name, c.enabled,
  EXISTS (SELECT FROM scim_facet f WHERE f.org_id = c.org_id AND f.connection_id = c.id) AS has_directory`;

const toConnection = (row: ConnectionRow): LoginConnection => ({
  orgId: row.org_id,
  id: row.id,
  name: row.name,
  orgName: row.org_name,
  enabled: row.enabled,
  hasDirectory: row.has_directory,
});

const FIND_CONNECTION = statement(
  `SELECT ${COLUMNS} FROM connection c JOIN organization o ON o.org_id = c.org_id
    WHERE c.id = $1 AND c.deleted_at IS NULL`,
);

/** A connection by its id alone, which is all a sign-in address names. Removed ones are not found. */
export const findLoginConnection = async (tx: ReadTx, id: string): Promise<LoginConnection | null> => {
  const [row] = await tx.query<ConnectionRow>(FIND_CONNECTION, [id]);
  return row === undefined ? null : toConnection(row);
};

/** Enables a connection in a transaction that will not be committed: to see what would happen if it were. */
export const pretendEnabled = async (tx: WriteTx, orgId: string, connectionId: string): Promise<void> => {
  await tx.query('UPDATE connection SET enabled = true WHERE org_id = $1 AND id = $2', [orgId, connectionId]);
};

/** A connection people of a mail domain sign in through. */
export interface HomeRealm extends LoginConnection {
  readonly protocol: 'saml' | 'oidc';
}

/** Enabled connections with a sign-in facet that have proven this mail domain, by name. A claim alone leads nobody. */
export const listHomeRealms = async (tx: ReadTx, domain: string, limit: number): Promise<HomeRealm[]> => {
  const rows = await tx.query<ConnectionRow & { protocol: HomeRealm['protocol'] }>(
    `SELECT ${COLUMNS}, p.protocol
       FROM connection_domain d
       JOIN connection c ON c.org_id = d.org_id AND c.id = d.connection_id AND c.enabled AND c.deleted_at IS NULL
       JOIN organization o ON o.org_id = c.org_id
       JOIN (SELECT org_id, connection_id, 'saml' AS protocol FROM saml_facet
             UNION ALL SELECT org_id, connection_id, 'oidc' FROM oidc_facet) p
         ON p.org_id = c.org_id AND p.connection_id = c.id
      WHERE d.domain = $1 AND d.verified_at IS NOT NULL ORDER BY o.display_name, c.name, p.protocol LIMIT $2`,
    [domain, limit],
  );
  return rows.map((row) => ({ ...toConnection(row), protocol: row.protocol }));
};

export const listDomains = async (tx: ReadTx, orgId: string, connectionId: string): Promise<string[]> => {
  const rows = await tx.query<{ domain: string }>(
    'SELECT domain FROM connection_domain WHERE org_id = $1 AND connection_id = $2 ORDER BY domain',
    [orgId, connectionId],
  );
  return rows.map(({ domain }) => domain);
};

/** A domain of a connection, and whether the operator vouches that it is theirs. */
export interface ConnectionDomain {
  readonly domain: string;
  /** Null: only claimed. */
  readonly verifiedAt: Date | null;
}

export const listConnectionDomains = async (
  tx: ReadTx,
  orgId: string,
  connectionId: string,
): Promise<ConnectionDomain[]> => {
  const rows = await tx.query<{ domain: string; verified_at: Date | null }>(
    'SELECT domain, verified_at FROM connection_domain WHERE org_id = $1 AND connection_id = $2 ORDER BY domain',
    [orgId, connectionId],
  );
  return rows.map((row) => ({ domain: row.domain, verifiedAt: row.verified_at }));
};

/** Notes who vouches for a domain (or, with null, that nobody does any more); false when it is none of the connection. */
export const markDomainVerified = async (
  tx: WriteTx,
  key: { readonly orgId: string; readonly connectionId: string; readonly domain: string },
  verified: { readonly at: Date; readonly by: string } | null,
): Promise<boolean> => {
  const rows = await tx.query(
    `UPDATE connection_domain SET verified_at = $4, verified_by = $5, problem = NULL, failing_since = NULL
      WHERE org_id = $1 AND connection_id = $2 AND domain = $3 RETURNING domain`,
    [key.orgId, key.connectionId, key.domain, verified?.at ?? null, verified?.by ?? null],
  );
  return rows.length > 0;
};

/** Makes these the domains of a connection; those it keeps stay verified. */
export const replaceDomains = async (
  tx: WriteTx,
  orgId: string,
  connectionId: string,
  domains: readonly string[],
): Promise<void> => {
  await tx.query('DELETE FROM connection_domain WHERE org_id = $1 AND connection_id = $2 AND NOT domain = ANY ($3)', [
    orgId,
    connectionId,
    domains,
  ]);
  await tx.query(
    `INSERT INTO connection_domain (org_id, connection_id, domain) SELECT $1, $2, d FROM unnest($3::text[]) AS d
       ON CONFLICT DO NOTHING`,
    [orgId, connectionId, domains],
  );
};

const FIND_LINKED = statement(
  'SELECT account_id FROM login_identity WHERE org_id = $1 AND connection_id = $2 AND subject_key = $3',
);

/** Who a subject of the IdP is with us; null when nobody has signed in as that subject. */
export const findLinkedAccount = async (
  tx: ReadTx,
  key: { readonly orgId: string; readonly connectionId: string; readonly subjectKey: string },
): Promise<string | null> => {
  const [row] = await tx.query<{ account_id: string }>(FIND_LINKED, [key.orgId, key.connectionId, key.subjectKey]);
  return row?.account_id ?? null;
};

/** Waits until nobody else does the same at this moment; held to the end of the transaction. */
export const takeTurn = async (
  tx: WriteTx,
  turn: {
    /** In the order in which a login takes them, so that two never wait for each other. */
    readonly of: 'first-login' | 'groups';
    readonly orgId: string;
    readonly connectionId: string;
    readonly key?: string;
  },
): Promise<void> => {
  const { of, orgId, connectionId, key = '' } = turn;
  await tx.query("SELECT pg_advisory_xact_lock(hashtextextended('sallyport.login' || $1, 0))", [
    [of, orgId, connectionId, key].join(' '),
  ]);
};

/** Ties what an identity provider calls somebody to an account, once and for all logins to come. */
export const insertLink = async (
  tx: WriteTx,
  link: {
    readonly orgId: string;
    readonly connectionId: string;
    readonly subjectKey: string;
    readonly accountId: string;
    readonly at: Date;
  },
): Promise<void> => {
  await tx.query(
    `INSERT INTO login_identity (org_id, connection_id, subject_key, account_id, created_at) VALUES ($1, $2, $3, $4, $5)`,
    [link.orgId, link.connectionId, link.subjectKey, link.accountId, link.at],
  );
};

// Two index look-ups: the folded name finds the one account that may bear it, the exact one decides.
const LIST_NAMED = statement(
  `SELECT id FROM account WHERE $4 AND org_id = $1 AND connection_id = $2 AND status <> 'deleted' AND kind = 'user'
      AND external_id = $3
   UNION
   SELECT id FROM account WHERE $5 AND org_id = $1 AND connection_id = $2 AND status <> 'deleted' AND kind = 'user'
      AND user_name_key = $6 AND user_name = $3`,
);

/** Accounts of a connection, tombstones left out, of which one of the targets is exactly this. */
export const listAccountsNamed = async (
  tx: ReadTx,
  key: {
    readonly orgId: string;
    readonly connectionId: string;
    readonly targets: readonly ('externalId' | 'userName')[];
    readonly value: string;
  },
): Promise<string[]> => {
  const { orgId, connectionId, targets, value } = key;
  const by = (target: 'externalId' | 'userName'): boolean => targets.includes(target);
  const params = [orgId, connectionId, value, by('externalId'), by('userName'), foldCase(value)];
  return (await tx.query<{ id: string }>(LIST_NAMED, params)).map(({ id }) => id);
};

/** What an account is now, and since when only newer assertions count; null when there is no such account. */
export interface LoginStanding {
  readonly status: string;
  readonly epochRaisedAt: Date | null;
}

const FIND_STANDING = statement('SELECT status, epoch_raised_at FROM account WHERE org_id = $1 AND id = $2');

/** Whether an account may be signed in to, and since when nothing older counts. */
export const findLoginStanding = async (
  tx: ReadTx,
  orgId: string,
  accountId: string,
): Promise<LoginStanding | null> => {
  const [row] = await tx.query<{ status: string; epoch_raised_at: Date | null }>(FIND_STANDING, [orgId, accountId]);
  return row === undefined ? null : { status: row.status, epochRaisedAt: row.epoch_raised_at };
};

/** True when a live account of the organisation already goes by this name or address. */
export const isNameInUse = async (tx: ReadTx, orgId: string, foldedName: string): Promise<boolean> => {
  const rows = await tx.query<{ id: string }>(
    `SELECT id FROM account WHERE org_id = $1 AND status <> 'deleted'
        AND (user_name_key = $2 OR id IN (SELECT account_id FROM account_email WHERE org_id = $1 AND email_key = $2))
      LIMIT 1`,
    [orgId, foldedName],
  );
  return rows.length > 0;
};
