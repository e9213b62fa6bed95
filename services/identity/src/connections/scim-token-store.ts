import { statement, type ReadTx, type WriteTx } from '@sallyport/storage';

import type { PresentedCredential, ScimProfile, ScimToken } from './connection.ts';

interface TokenRow {
  readonly org_id: string;
  readonly id: string;
  readonly connection_id: string;
  readonly name: string;
  readonly prefix: string;
  readonly created_at: Date;
  readonly created_by: string;
  readonly expires_at: Date;
  readonly last_used_at: Date | null;
  readonly revoked_at: Date | null;
}

const COLUMNS = 'org_id, id, connection_id, name, prefix, created_at, created_by, expires_at, last_used_at, revoked_at';

const toToken = (row: TokenRow): ScimToken => ({
  orgId: row.org_id,
  id: row.id,
  connectionId: row.connection_id,
  name: row.name,
  prefix: row.prefix,
  createdAt: row.created_at,
  createdBy: row.created_by,
  expiresAt: row.expires_at,
  lastUsedAt: row.last_used_at,
  revokedAt: row.revoked_at,
});

export interface NewScimToken {
  readonly orgId: string;
  readonly id: string;
  readonly connectionId: string;
  readonly name: string;
  readonly prefix: string;
  readonly tokenHash: Buffer;
  readonly createdBy: string;
  readonly at: Date;
  readonly expiresAt: Date;
}

export const insertScimToken = async (tx: WriteTx, token: NewScimToken): Promise<ScimToken> => {
  const [row] = await tx.query<TokenRow>(
    `INSERT INTO scim_token (org_id, id, connection_id, name, prefix, token_hash, created_by, created_at, expires_at)
     VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9) RETURNING ${COLUMNS}`,
    [
      token.orgId,
      token.id,
      token.connectionId,
      token.name,
      token.prefix,
      token.tokenHash,
      token.createdBy,
      token.at,
      token.expiresAt,
    ],
  );
  return toToken(row as TokenRow);
};

export const countLiveScimTokens = async (
  tx: ReadTx,
  key: { readonly orgId: string; readonly connectionId: string; readonly at: Date },
): Promise<number> => {
  const [row] = await tx.query<{ count: number }>(
    `SELECT count(*)::int AS count FROM scim_token
      WHERE org_id = $1 AND connection_id = $2 AND revoked_at IS NULL AND expires_at > $3`,
    [key.orgId, key.connectionId, key.at],
  );
  return row?.count ?? 0;
};

/** Newest first, the revoked ones included. */
export const listScimTokens = async (tx: ReadTx, orgId: string, connectionId: string): Promise<ScimToken[]> => {
  const rows = await tx.query<TokenRow>(
    `SELECT ${COLUMNS} FROM scim_token WHERE org_id = $1 AND connection_id = $2 ORDER BY id DESC LIMIT 200`,
    [orgId, connectionId],
  );
  return rows.map(toToken);
};

/** Revokes one token; undefined when there is none that is still live. */
export const revokeScimToken = async (
  tx: WriteTx,
  key: { readonly orgId: string; readonly connectionId: string; readonly tokenId: string; readonly at: Date },
): Promise<ScimToken | undefined> => {
  const [row] = await tx.query<TokenRow>(
    `UPDATE scim_token SET revoked_at = $4 WHERE org_id = $1 AND connection_id = $2 AND id = $3
        AND revoked_at IS NULL RETURNING ${COLUMNS}`,
    [key.orgId, key.connectionId, key.tokenId, key.at],
  );
  return row === undefined ? undefined : toToken(row);
};

/** Revokes all tokens of a connection and answers which. */
export const revokeScimTokens = async (
  tx: WriteTx,
  key: { readonly orgId: string; readonly connectionId: string; readonly at: Date },
): Promise<string[]> => {
  const rows = await tx.query<{ id: string }>(
    `UPDATE scim_token SET revoked_at = $3 WHERE org_id = $1 AND connection_id = $2 AND revoked_at IS NULL
     RETURNING id`,
    [key.orgId, key.connectionId, key.at],
  );
  return rows.map(({ id }) => id);
};

/** By the hash of the secret, before the organisation is known, with all that decides whether it may be used. */
export const findPresentedToken = async (tx: ReadTx, tokenHash: Buffer): Promise<PresentedCredential | undefined> => {
  const [row] = await tx.query<{
    org_id: string;
    id: string;
    connection_id: string;
    expires_at: Date;
    revoked_at: Date | null;
    enabled: boolean;
    removed: boolean;
    profile: ScimProfile | null;
    allowed_networks: string[] | null;
  }>(
    statement(`SELECT t.org_id, t.id, t.connection_id, t.expires_at, t.revoked_at, c.enabled,
            c.deleted_at IS NOT NULL AS removed, f.profile, f.allowed_networks
       FROM scim_token t
       JOIN connection c ON c.org_id = t.org_id AND c.id = t.connection_id
       LEFT JOIN scim_facet f ON f.org_id = t.org_id AND f.connection_id = t.connection_id
      WHERE t.token_hash = $1`),
    [tokenHash],
  );
  if (row === undefined) return undefined;
  return {
    orgId: row.org_id,
    connectionId: row.connection_id,
    class: 'scim_token',
    id: row.id,
    expiresAt: row.expires_at,
    revokedAt: row.revoked_at,
    connectionEnabled: row.enabled,
    connectionRemoved: row.removed,
    profile: row.profile,
    allowedNetworks: row.allowed_networks ?? [],
  };
};

export const touchScimToken = async (tx: WriteTx, orgId: string, tokenId: string, at: Date): Promise<void> => {
  await tx.query('UPDATE scim_token SET last_used_at = $3 WHERE org_id = $1 AND id = $2', [orgId, tokenId, at]);
};
