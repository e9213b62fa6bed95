import type { ReadTx, WriteTx } from '@sallyport/storage';

import { accountRuleSchema, type AccountRule } from '../login/index.ts';

/** The OpenID Connect side of a connection. */
export interface OidcFacet {
  readonly orgId: string;
  readonly connectionId: string;
  /** Compared to the letter with discovery, with the `iss` of answers and with id_tokens. */
  readonly issuer: string;
  readonly clientId: string;
  /** Sealed for the organisation; null for a public client. */
  readonly clientSecretSealed: Buffer | null;
  readonly scopes: readonly string[];
  readonly accountRule: AccountRule;
  /** Seconds since the sign-in at the IdP that are still good enough; null: asked of nobody. */
  readonly maxAgeSeconds: number | null;
  /** How somebody has to have signed in (`acr`), one of these; empty: asked of nobody. */
  readonly acrValues: readonly string[];
  readonly createdAt: Date;
  readonly updatedAt: Date;
}

interface FacetRow {
  readonly org_id: string;
  readonly connection_id: string;
  readonly issuer: string;
  readonly client_id: string;
  readonly client_secret_sealed: Buffer | null;
  readonly scopes: string[];
  readonly account_rule: unknown;
  readonly max_age_seconds: number | null;
  readonly acr_values: string[];
  readonly created_at: Date;
  readonly updated_at: Date;
}

const COLUMNS = `org_id, connection_id, issuer, client_id, client_secret_sealed, scopes, account_rule, max_age_seconds,
  acr_values, created_at, updated_at`;

export const findOidcFacet = async (tx: ReadTx, orgId: string, connectionId: string): Promise<OidcFacet | null> => {
  const [row] = await tx.query<FacetRow>(`SELECT ${COLUMNS} FROM oidc_facet WHERE org_id = $1 AND connection_id = $2`, [
    orgId,
    connectionId,
  ]);
  if (row === undefined) return null;
  return {
    orgId: row.org_id,
    connectionId: row.connection_id,
    issuer: row.issuer,
    clientId: row.client_id,
    clientSecretSealed: row.client_secret_sealed,
    scopes: row.scopes,
    accountRule: accountRuleSchema.parse(row.account_rule),
    maxAgeSeconds: row.max_age_seconds,
    acrValues: row.acr_values,
    createdAt: row.created_at,
    updatedAt: row.updated_at,
  };
};

/** Sets the OIDC facet of a connection, in place of the one it may have. */
export const putOidcFacet = async (tx: WriteTx, facet: OidcFacet): Promise<void> => {
  await tx.query(
    `INSERT INTO oidc_facet (${COLUMNS}) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)
     ON CONFLICT (org_id, connection_id) DO UPDATE SET issuer = excluded.issuer, client_id = excluded.client_id,
       client_secret_sealed = excluded.client_secret_sealed, scopes = excluded.scopes,
       account_rule = excluded.account_rule, max_age_seconds = excluded.max_age_seconds,
       acr_values = excluded.acr_values, updated_at = excluded.updated_at`,
    [
      facet.orgId,
      facet.connectionId,
      facet.issuer,
      facet.clientId,
      facet.clientSecretSealed,
      facet.scopes,
      facet.accountRule,
      facet.maxAgeSeconds,
      facet.acrValues,
      facet.createdAt,
      facet.updatedAt,
    ],
  );
};

/** Removes the OIDC facet; true when there was one. */
export const deleteOidcFacet = async (tx: WriteTx, orgId: string, connectionId: string): Promise<boolean> => {
  const rows = await tx.query<{ org_id: string }>(
    'DELETE FROM oidc_facet WHERE org_id = $1 AND connection_id = $2 RETURNING org_id',
    [orgId, connectionId],
  );
  return rows.length > 0;
};
