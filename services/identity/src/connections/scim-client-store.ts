import { statement, type ReadTx, type WriteTx } from '@sallyport/storage';

import type { ScimClient, ScimClientSecret } from './scim-client.ts';

interface ClientRow {
  readonly org_id: string;
  readonly id: string;
  readonly connection_id: string;
  readonly name: string;
  readonly token_ttl_seconds: number;
  readonly created_at: Date;
  readonly created_by: string;
  readonly last_used_at: Date | null;
  readonly revoked_at: Date | null;
}

interface SecretRow {
  readonly org_id: string;
  readonly id: string;
  readonly client_id: string;
  readonly prefix: string;
  readonly created_at: Date;
  readonly created_by: string;
  readonly expires_at: Date;
  readonly revoked_at: Date | null;
}

const CLIENT = `org_id, id, connection_id, name, token_ttl_seconds, created_at, created_by, last_used_at, revoked_at`;
const SECRET = `org_id, id, client_id, prefix, created_at, created_by, expires_at, revoked_at`;

const toClient = (row: ClientRow): ScimClient => ({
  orgId: row.org_id,
  id: row.id,
  connectionId: row.connection_id,
  name: row.name,
  tokenTtlSeconds: row.token_ttl_seconds,
  createdAt: row.created_at,
  createdBy: row.created_by,
  lastUsedAt: row.last_used_at,
  revokedAt: row.revoked_at,
});

const toSecret = (row: SecretRow): ScimClientSecret => ({
  orgId: row.org_id,
  id: row.id,
  clientId: row.client_id,
  prefix: row.prefix,
  createdAt: row.created_at,
  createdBy: row.created_by,
  expiresAt: row.expires_at,
  revokedAt: row.revoked_at,
});

export const insertScimClient = async (
  tx: WriteTx,
  client: Omit<ScimClient, 'lastUsedAt' | 'revokedAt'>,
): Promise<void> => {
  await tx.query(
    `INSERT INTO scim_client (org_id, id, connection_id, name, token_ttl_seconds, created_at, created_by)
     VALUES ($1, $2, $3, $4, $5, $6, $7)`,
    [
      client.orgId,
      client.id,
      client.connectionId,
      client.name,
      client.tokenTtlSeconds,
      client.createdAt,
      client.createdBy,
    ],
  );
};

export const insertScimClientSecret = async (
  tx: WriteTx,
  secret: Omit<ScimClientSecret, 'revokedAt'>,
  secretHash: Buffer,
): Promise<void> => {
  await tx.query(
    `INSERT INTO scim_client_secret (org_id, id, client_id, prefix, created_at, created_by, expires_at, secret_hash)
     VALUES ($1, $2, $3, $4, $5, $6, $7, $8)`,
    [
      secret.orgId,
      secret.id,
      secret.clientId,
      secret.prefix,
      secret.createdAt,
      secret.createdBy,
      secret.expiresAt,
      secretHash,
    ],
  );
};

interface ConnectionKey {
  readonly orgId: string;
  readonly connectionId: string;
}

/** Newest first, the revoked ones included. */
export const listScimClients = async (
  tx: ReadTx,
  { orgId, connectionId }: ConnectionKey,
): Promise<{ readonly client: ScimClient; readonly secrets: readonly ScimClientSecret[] }[]> => {
  const clients = await tx.query<ClientRow>(
    `SELECT ${CLIENT} FROM scim_client WHERE org_id = $1 AND connection_id = $2
      ORDER BY created_at DESC, id DESC LIMIT 200`,
    [orgId, connectionId],
  );
  const secrets = await tx.query<SecretRow>(
    `SELECT ${SECRET} FROM scim_client_secret WHERE org_id = $1 AND client_id = ANY($2) ORDER BY id DESC LIMIT 1000`,
    [orgId, clients.map(({ id }) => id)],
  );
  const byClient = Map.groupBy(secrets.map(toSecret), ({ clientId }) => clientId);
  return clients.map((row) => ({ client: toClient(row), secrets: byClient.get(row.id) ?? [] }));
};

/** Locks a live client of the connection to the end of the transaction. */
export const lockScimClient = async (
  tx: WriteTx,
  key: ConnectionKey & { readonly clientId: string },
): Promise<ScimClient | undefined> => {
  const [row] = await tx.query<ClientRow>(
    `SELECT ${CLIENT} FROM scim_client WHERE org_id = $1 AND connection_id = $2 AND id = $3 AND revoked_at IS NULL
        FOR UPDATE`,
    [key.orgId, key.connectionId, key.clientId],
  );
  return row === undefined ? undefined : toClient(row);
};

export const countLiveScimClients = async (tx: ReadTx, { orgId, connectionId }: ConnectionKey): Promise<number> => {
  const [row] = await tx.query<{ count: number }>(
    `SELECT count(*)::int AS count FROM scim_client
      WHERE org_id = $1 AND connection_id = $2 AND revoked_at IS NULL`,
    [orgId, connectionId],
  );
  return row?.count ?? 0;
};

export const countLiveSecrets = async (tx: ReadTx, client: ScimClient, at: Date): Promise<number> => {
  const [row] = await tx.query<{ count: number }>(
    `SELECT count(*)::int AS count FROM scim_client_secret
      WHERE org_id = $1 AND client_id = $2 AND revoked_at IS NULL AND expires_at > $3`,
    [client.orgId, client.id, at],
  );
  return row?.count ?? 0;
};

/** Revokes one secret; undefined when there is none that is still live. */
export const revokeScimClientSecret = async (
  tx: WriteTx,
  client: ScimClient,
  secretId: string,
  at: Date,
): Promise<ScimClientSecret | undefined> => {
  const [row] = await tx.query<SecretRow>(
    `UPDATE scim_client_secret SET revoked_at = $4
      WHERE org_id = $1 AND client_id = $2 AND id = $3 AND revoked_at IS NULL RETURNING ${SECRET}`,
    [client.orgId, client.id, secretId, at],
  );
  return row === undefined ? undefined : toSecret(row);
};

/** Revokes one client; its secrets and tokens end with it. */
export const revokeScimClient = async (tx: WriteTx, client: ScimClient, at: Date): Promise<void> => {
  await tx.query('UPDATE scim_client SET revoked_at = $3 WHERE org_id = $1 AND id = $2', [client.orgId, client.id, at]);
};

/** Revokes all clients of a connection and answers which. */
export const revokeScimClients = async (tx: WriteTx, key: ConnectionKey & { readonly at: Date }): Promise<string[]> => {
  const rows = await tx.query<{ id: string }>(
    `UPDATE scim_client SET revoked_at = $3 WHERE org_id = $1 AND connection_id = $2 AND revoked_at IS NULL
     RETURNING id`,
    [key.orgId, key.connectionId, key.at],
  );
  return rows.map(({ id }) => id);
};

/** What the token endpoint has to know of a client: the hashes of its live secrets, and how long its tokens live. */
export interface AuthenticatingScimClient {
  readonly orgId: string;
  readonly id: string;
  readonly tokenTtlSeconds: number;
  readonly secretHashes: readonly Buffer[];
}

/**
 * A client that may have tokens now: it is live, it has a live secret, its connection is enabled and has a directory.
 * By its id alone, before the organisation is known.
 */
export const findScimClientAnywhere = async (
  tx: ReadTx,
  id: string,
  now: Date,
): Promise<AuthenticatingScimClient | undefined> => {
  const rows = await tx.query<{ org_id: string; token_ttl_seconds: number; secret_hash: Buffer }>(
    statement(`SELECT k.org_id, k.token_ttl_seconds, s.secret_hash
       FROM scim_client k
       JOIN connection c ON c.org_id = k.org_id AND c.id = k.connection_id AND c.enabled AND c.deleted_at IS NULL
       JOIN scim_facet f ON f.org_id = k.org_id AND f.connection_id = k.connection_id
       JOIN scim_client_secret s ON s.org_id = k.org_id AND s.client_id = k.id AND s.revoked_at IS NULL
        AND s.expires_at > $2
      WHERE k.id = $1 AND k.revoked_at IS NULL ORDER BY s.id`),
    [id, now],
  );
  const [first] = rows;
  if (first === undefined) return undefined;
  return {
    orgId: first.org_id,
    id,
    tokenTtlSeconds: first.token_ttl_seconds,
    secretHashes: rows.map((row) => row.secret_hash),
  };
};

export const touchScimClient = async (tx: WriteTx, orgId: string, id: string, at: Date): Promise<void> => {
  await tx.query('UPDATE scim_client SET last_used_at = $3 WHERE org_id = $1 AND id = $2', [orgId, id, at]);
};
