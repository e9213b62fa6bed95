import { statement, type ReadTx, type WriteTx } from '@sallyport/storage';

import type { Account } from './account.ts';
import { foldCase } from './fold-case.ts';

/**
 * The newest tombstone somebody of this connection left: by the identifier their IdP gave them; where it gives none, by
 * the name of a tombstone that had none either (a name alone says nothing about somebody who has an identifier).
 */
export const findTombstone = async (
  tx: ReadTx,
  key: {
    readonly orgId: string;
    readonly connectionId: string;
    readonly externalId: string | null;
    readonly userName: string;
  },
): Promise<string | undefined> => {
  const [row] = await tx.query<{ id: string }>(
    statement(
      `SELECT id FROM account WHERE org_id = $1 AND connection_id = $2 AND status = 'deleted' AND ${
        key.externalId === null ? 'external_id IS NULL AND user_name_key = $3' : 'external_id = $3'
      } ORDER BY id DESC LIMIT 1`,
    ),
    [key.orgId, key.connectionId, key.externalId ?? foldCase(key.userName)],
  );
  return row?.id;
};

/** True when somebody who was removed, of any connection there still is, went by this name or address. */
export const wasNameOfRemovedAnywhere = async (
  tx: ReadTx,
  key: { readonly orgId: string; readonly name: string },
): Promise<boolean> => {
  const rows = await tx.query(
    statement(`SELECT c.id FROM connection c
      WHERE c.org_id = $1 AND c.deleted_at IS NULL AND (
        EXISTS (SELECT FROM account a
           WHERE a.org_id = c.org_id AND a.connection_id = c.id AND a.user_name_key = $2 AND a.status = 'deleted')
        OR EXISTS (SELECT FROM account_email e JOIN account a ON a.org_id = e.org_id AND a.id = e.account_id
           WHERE e.org_id = c.org_id AND e.email_key = $2 AND a.connection_id = c.id AND a.status = 'deleted'))
      LIMIT 1`),
    [key.orgId, foldCase(key.name)],
  );
  return rows.length > 0;
};

/** Somebody else who goes by a name, and the (folded) name. */
export interface NameHolder {
  readonly accountId: string;
  readonly name: string;
}

/**
 * Claims names for an account until the transaction ends and answers who else goes by them: live accounts of the
 * organisation that are not of the same connection. What two connections claim side by side, only one of them gets.
 */
export const claimNames = async (
  tx: WriteTx,
  claim: {
    readonly orgId: string;
    readonly accountId: string;
    readonly connectionId: string | null;
    /** Folded. */
    readonly names: readonly string[];
  },
): Promise<NameHolder[]> => {
  const rows = await tx.query<{ account_id: string; name: string }>(
    statement('SELECT account_id, name FROM claim_names($1, $2, $3, $4)'),
    [claim.orgId, claim.accountId, claim.connectionId, claim.names],
  );
  return rows.map((row) => ({ accountId: row.account_id, name: row.name }));
};

/** Whether anything could let somebody in as this account: a password, a passkey, a sign-in, a session, a token. */
export const hasCredential = async (tx: ReadTx, orgId: string, accountId: string): Promise<boolean> => {
  const [row] = await tx.query<{ found: boolean }>(
    `SELECT EXISTS (SELECT FROM local_credential WHERE org_id = $1 AND account_id = $2)
         OR EXISTS (SELECT FROM passkey WHERE org_id = $1 AND account_id = $2)
         OR EXISTS (SELECT FROM login_identity WHERE org_id = $1 AND account_id = $2)
         OR EXISTS (SELECT FROM browser_session WHERE org_id = $1 AND account_id = $2 AND ended_at IS NULL)
         OR EXISTS (SELECT FROM api_token WHERE org_id = $1 AND account_id = $2 AND revoked_at IS NULL)
         OR EXISTS (SELECT FROM provider_artifact WHERE org_id = $1 AND account_id = $2) AS found`,
    [orgId, accountId],
  );
  return row?.found ?? true;
};

/** Gives a locked account of nobody to a connection, in a new epoch: the database refuses it without one. */
export const updateConnectionOf = async (
  tx: WriteTx,
  { orgId, id }: Pick<Account, 'orgId' | 'id'>,
  connectionId: string,
): Promise<void> => {
  await tx.query('UPDATE account SET connection_id = $3, epoch = epoch + 1 WHERE org_id = $1 AND id = $2', [
    orgId,
    id,
    connectionId,
  ]);
};

/** Which of these domains are proven to be those of the connection. */
export const listVerifiedDomains = async (
  tx: ReadTx,
  key: { readonly orgId: string; readonly connectionId: string; readonly domains: readonly string[] },
): Promise<Set<string>> => {
  const rows = await tx.query<{ domain: string }>(
    `SELECT domain FROM connection_domain
      WHERE org_id = $1 AND connection_id = $2 AND domain = ANY ($3) AND verified_at IS NOT NULL`,
    [key.orgId, key.connectionId, key.domains],
  );
  return new Set(rows.map(({ domain }) => domain));
};

/** The connection, while it has a directory (SCIM) that decides what is true about its accounts and groups. */
export const findDirectory = async (
  tx: ReadTx,
  orgId: string,
  connectionId: string,
): Promise<{ readonly id: string; readonly name: string } | undefined> => {
  const [row] = await tx.query<{ id: string; name: string }>(
    `SELECT c.id, c.name FROM connection c JOIN scim_facet f ON f.org_id = c.org_id AND f.connection_id = c.id
      WHERE c.org_id = $1 AND c.id = $2 AND c.deleted_at IS NULL`,
    [orgId, connectionId],
  );
  return row;
};
