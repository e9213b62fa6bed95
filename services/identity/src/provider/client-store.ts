import { statement, type ReadTx, type WriteTx } from '@sallyport/storage';

/** How an application shows at the token endpoint who it is. */
export type ClientAuthentication = 'none' | 'client_secret' | 'private_key_jwt';

/** An application that signs people in through us. */
export interface OAuthClient {
  readonly orgId: string;
  readonly id: string;
  readonly name: string;
  readonly kind: 'public' | 'confidential';
  readonly authMethod: ClientAuthentication;
  /** Public keys, in place or at an address; exactly one of the two with private_key_jwt. */
  readonly jwks: Readonly<Record<string, unknown>> | null;
  readonly jwksUri: string | null;
  readonly redirectUris: readonly string[];
  readonly postLogoutRedirectUris: readonly string[];
  readonly backchannelLogoutUri: string | null;
  /** Not the organisation's own: people are asked before it learns anything about them. */
  readonly thirdParty: boolean;
  /** Takes authorization requests pushed by the application only (RFC 9126). */
  readonly requirePar: boolean;
  /** The one `resource` it may have JWT access tokens for, of 60 s at most; null: all its tokens are opaque. */
  readonly jwtAudience: string | null;
  /** May introspect tokens of other clients of its organisation (a resource server). */
  readonly mayIntrospect: boolean;
  /** Whether its access tokens are good for our own API, as the person they were issued for. */
  readonly apiAccess: boolean;
  readonly createdAt: Date;
  readonly updatedAt: Date;
}

/** One of at most two secrets; the hash alone is kept. */
export interface ClientSecret {
  readonly id: string;
  readonly secretHash: Buffer;
  readonly createdAt: Date;
}

interface ClientRow {
  readonly org_id: string;
  readonly id: string;
  readonly name: string;
  readonly kind: OAuthClient['kind'];
  readonly auth_method: ClientAuthentication;
  readonly jwks: Record<string, unknown> | null;
  readonly jwks_uri: string | null;
  readonly redirect_uris: string[];
  readonly post_logout_redirect_uris: string[];
  readonly backchannel_logout_uri: string | null;
  readonly third_party: boolean;
  readonly require_par: boolean;
  readonly jwt_audience: string | null;
  readonly may_introspect: boolean;
  readonly api_access: boolean;
  readonly created_at: Date;
  readonly updated_at: Date | null;
}

const COLUMNS = `org_id, id, name, kind, auth_method, jwks, jwks_uri, redirect_uris, post_logout_redirect_uris,
  backchannel_logout_uri, third_party, require_par, jwt_audience, may_introspect, api_access, created_at, updated_at`;

const toClient = (row: ClientRow): OAuthClient => ({
  orgId: row.org_id,
  id: row.id,
  name: row.name,
  kind: row.kind,
  authMethod: row.auth_method,
  jwks: row.jwks,
  jwksUri: row.jwks_uri,
  redirectUris: row.redirect_uris,
  postLogoutRedirectUris: row.post_logout_redirect_uris,
  backchannelLogoutUri: row.backchannel_logout_uri,
  thirdParty: row.third_party,
  requirePar: row.require_par,
  jwtAudience: row.jwt_audience,
  mayIntrospect: row.may_introspect,
  apiAccess: row.api_access,
  createdAt: row.created_at,
  updatedAt: row.updated_at ?? row.created_at,
});

const valuesOf = (client: OAuthClient): unknown[] => [
  client.orgId,
  client.id,
  client.name,
  client.kind,
  client.authMethod,
  client.jwks,
  client.jwksUri,
  client.redirectUris,
  client.postLogoutRedirectUris,
  client.backchannelLogoutUri,
  client.thirdParty,
  client.requirePar,
  client.jwtAudience,
  client.mayIntrospect,
  client.apiAccess,
  client.createdAt,
  client.updatedAt,
];

/** A client as it comes to the token endpoint: with the hashes of its secrets. */
export type ShownClient = OAuthClient & { readonly secretHashes: readonly Buffer[] };

/** Clients by the ids they show, each in its place; ids are unique over all organisations. */
export const findClientsById = async (
  tx: ReadTx,
  ids: readonly string[],
): Promise<readonly (ShownClient | undefined)[]> => {
  const rows = await tx.query<ClientRow & { secrets: Buffer[] }>(
    statement(`SELECT ${COLUMNS}, ARRAY(SELECT s.secret_hash FROM oauth_client_secret s
        WHERE s.client_id = oauth_client.id ORDER BY s.id) AS secrets
       FROM oauth_client WHERE id = ANY($1::text[])`),
    [[...new Set(ids)]],
  );
  const found = new Map(rows.map((row) => [row.id, { ...toClient(row), secretHashes: row.secrets }]));
  return ids.map((id) => found.get(id));
};

/** {@link ShownClient} of `oauth_client` as a document, in statements that read other things beside it. */
export const CLIENT_DOCUMENT = `to_jsonb(oauth_client) || jsonb_build_object('secrets', ARRAY(
  SELECT encode(s.secret_hash, 'hex') FROM oauth_client_secret s WHERE s.client_id = oauth_client.id ORDER BY s.id))`;

type ClientDocument = Omit<ClientRow, 'created_at' | 'updated_at'> & {
  readonly created_at: string;
  readonly updated_at: string | null;
  readonly secrets: readonly string[];
};

/** The client of a {@link CLIENT_DOCUMENT}. */
export const toShownClient = (document: object): ShownClient => {
  const { secrets, created_at: created, updated_at: updated, ...rest } = document as ClientDocument;
  const times = { created_at: new Date(created), updated_at: updated === null ? null : new Date(updated) };
  return { ...toClient({ ...rest, ...times }), secretHashes: secrets.map((hash) => Buffer.from(hash, 'hex')) };
};

/** {@link findClientsById} of one. */
export const findClientById = async (tx: ReadTx, id: string): Promise<ShownClient | null> => {
  const [found] = await findClientsById(tx, [id]);
  return found ?? null;
};

/** A client of the organisation, locked for a change. */
export const lockClient = async (tx: WriteTx, orgId: string, id: string): Promise<OAuthClient | null> => {
  const [row] = await tx.query<ClientRow>(
    `SELECT ${COLUMNS} FROM oauth_client WHERE org_id = $1 AND id = $2 FOR UPDATE`,
    [orgId, id],
  );
  return row === undefined ? null : toClient(row);
};

export const insertClient = async (tx: WriteTx, client: OAuthClient, createdBy: string): Promise<void> => {
  await tx.query(
    `INSERT INTO oauth_client (${COLUMNS}, created_by)
     VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18)`,
    [...valuesOf(client), createdBy],
  );
};

/** Writes everything of a client that can change. */
export const updateClient = async (tx: WriteTx, client: OAuthClient): Promise<void> => {
  await tx.query(
    `UPDATE oauth_client SET name = $3, auth_method = $5, jwks = $6, jwks_uri = $7, redirect_uris = $8,
       post_logout_redirect_uris = $9, backchannel_logout_uri = $10, third_party = $11, require_par = $12,
       jwt_audience = $13, may_introspect = $14, api_access = $15, updated_at = $17
      WHERE org_id = $1 AND id = $2 AND kind = $4 AND created_at = $16`,
    valuesOf(client),
  );
};

/** One page of an organisation's clients, in the order of their ids. */
export const listClients = async (
  tx: ReadTx,
  page: { readonly orgId: string; readonly after: string | null; readonly limit: number },
): Promise<OAuthClient[]> => {
  const rows = await tx.query<ClientRow>(
    `SELECT ${COLUMNS} FROM oauth_client WHERE org_id = $1 AND ($2::text IS NULL OR id > $2) ORDER BY id LIMIT $3`,
    [page.orgId, page.after, page.limit],
  );
  return rows.map(toClient);
};

/** Deletes a client and everything issued to it; null when there is none. */
export const deleteClient = async (
  tx: WriteTx,
  orgId: string,
  id: string,
): Promise<{ readonly client: OAuthClient; readonly artifacts: number } | null> => {
  const [row] = await tx.query<ClientRow>(
    `DELETE FROM oauth_client WHERE org_id = $1 AND id = $2 RETURNING ${COLUMNS}`,
    [orgId, id],
  );
  if (row === undefined) return null;
  const artifacts = await tx.query<{ model: string }>(
    'DELETE FROM provider_artifact WHERE org_id = $1 AND client_id = $2 RETURNING model',
    [orgId, id],
  );
  return { client: toClient(row), artifacts: artifacts.length };
};

export const insertClientSecret = async (
  tx: WriteTx,
  secret: ClientSecret & { readonly orgId: string; readonly clientId: string; readonly createdBy: string },
): Promise<void> => {
  await tx.query(
    `INSERT INTO oauth_client_secret (org_id, id, client_id, secret_hash, created_at, created_by)
     VALUES ($1, $2, $3, $4, $5, $6)`,
    [secret.orgId, secret.id, secret.clientId, secret.secretHash, secret.createdAt, secret.createdBy],
  );
};

/** The live secrets of a client, oldest first. */
export const listClientSecrets = async (tx: ReadTx, orgId: string, clientId: string): Promise<ClientSecret[]> => {
  const rows = await tx.query<{ id: string; secret_hash: Buffer; created_at: Date }>(
    'SELECT id, secret_hash, created_at FROM oauth_client_secret WHERE org_id = $1 AND client_id = $2 ORDER BY id',
    [orgId, clientId],
  );
  return rows.map((row) => ({ id: row.id, secretHash: row.secret_hash, createdAt: row.created_at }));
};

/** Deletes one secret of a client, or all of them; answers how many. */
export const deleteClientSecrets = async (
  tx: WriteTx,
  which: { readonly orgId: string; readonly clientId: string; readonly secretId: string | null },
): Promise<number> => {
  const rows = await tx.query<{ id: string }>(
    `DELETE FROM oauth_client_secret WHERE org_id = $1 AND client_id = $2 AND ($3::uuid IS NULL OR id = $3)
     RETURNING id`,
    [which.orgId, which.clientId, which.secretId],
  );
  return rows.length;
};
