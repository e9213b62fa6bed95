import type { ReadTx, WriteTx } from '@sallyport/storage';

/** An application that signs people in through us. */
export interface OAuthClient {
  readonly orgId: string;
  readonly id: string;
  readonly name: string;
  readonly kind: 'public' | 'confidential';
  readonly secretHash: Buffer | null;
  readonly redirectUris: readonly string[];
  readonly postLogoutRedirectUris: readonly string[];
  readonly backchannelLogoutUri: string | null;
  /** May introspect tokens of other clients of its organisation (a resource server). */
  readonly mayIntrospect: boolean;
  /** Whether its access tokens are good for our own API, as the person they were issued for. */
  readonly apiAccess: boolean;
  readonly createdAt: Date;
}

interface ClientRow {
  readonly org_id: string;
  readonly id: string;
  readonly name: string;
  readonly kind: OAuthClient['kind'];
  readonly secret_hash: Buffer | null;
  readonly redirect_uris: string[];
  readonly post_logout_redirect_uris: string[];
  readonly backchannel_logout_uri: string | null;
  readonly may_introspect: boolean;
  readonly api_access: boolean;
  readonly created_at: Date;
}

const COLUMNS = `org_id, id, name, kind, secret_hash, redirect_uris, post_logout_redirect_uris, backchannel_logout_uri,
  may_introspect, api_access, created_at`;

const toClient = (row: ClientRow): OAuthClient => ({
  orgId: row.org_id,
  id: row.id,
  name: row.name,
  kind: row.kind,
  secretHash: row.secret_hash,
  redirectUris: row.redirect_uris,
  postLogoutRedirectUris: row.post_logout_redirect_uris,
  backchannelLogoutUri: row.backchannel_logout_uri,
  mayIntrospect: row.may_introspect,
  apiAccess: row.api_access,
  createdAt: row.created_at,
});

/** A client by the id it shows; ids are unique over all organisations. */
export const findClientById = async (tx: ReadTx, id: string): Promise<OAuthClient | null> => {
  const [row] = await tx.query<ClientRow>(`SELECT ${COLUMNS} FROM oauth_client WHERE id = $1`, [id]);
  return row === undefined ? null : toClient(row);
};

export const insertClient = async (tx: WriteTx, client: OAuthClient, createdBy: string): Promise<void> => {
  await tx.query(
    `INSERT INTO oauth_client (${COLUMNS}, created_by) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)`,
    [
      client.orgId,
      client.id,
      client.name,
      client.kind,
      client.secretHash,
      client.redirectUris,
      client.postLogoutRedirectUris,
      client.backchannelLogoutUri,
      client.mayIntrospect,
      client.apiAccess,
      client.createdAt,
      createdBy,
    ],
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
