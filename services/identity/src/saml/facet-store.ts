import type { ReadTx, WriteTx } from '@sallyport/storage';

import { accountRuleSchema, type AccountRule } from '../login/index.ts';

/** The SAML side of a connection. */
export interface SamlFacet {
  readonly orgId: string;
  readonly connectionId: string;
  readonly idpEntityId: string;
  /** HTTP-Redirect endpoint of the IdP. */
  readonly ssoUrl: string;
  /** PEM. Every one that has not expired is tried: a rollover is two of them. */
  readonly certificates: readonly string[];
  /** As uploaded; null when the fields were given one by one. */
  readonly metadataXml: string | null;
  readonly signRequests: boolean;
  readonly requireSignedResponse: boolean;
  readonly requireSignedAssertion: boolean;
  readonly allowIdpInitiated: boolean;
  readonly accountRule: AccountRule;
  readonly createdAt: Date;
  readonly updatedAt: Date;
}

interface FacetRow {
  readonly org_id: string;
  readonly connection_id: string;
  readonly idp_entity_id: string;
  readonly sso_url: string;
  readonly certificates: string[];
  readonly metadata_xml: string | null;
  readonly sign_requests: boolean;
  readonly require_signed_response: boolean;
  readonly require_signed_assertion: boolean;
  readonly allow_idp_initiated: boolean;
  readonly account_rule: unknown;
  readonly created_at: Date;
  readonly updated_at: Date;
}

const COLUMNS = `org_id, connection_id, idp_entity_id, sso_url, certificates, metadata_xml, sign_requests,
  require_signed_response, require_signed_assertion, allow_idp_initiated, account_rule, created_at, updated_at`;

export const findSamlFacet = async (tx: ReadTx, orgId: string, connectionId: string): Promise<SamlFacet | null> => {
  const [row] = await tx.query<FacetRow>(`SELECT ${COLUMNS} FROM saml_facet WHERE org_id = $1 AND connection_id = $2`, [
    orgId,
    connectionId,
  ]);
  if (row === undefined) return null;
  return {
    orgId: row.org_id,
    connectionId: row.connection_id,
    idpEntityId: row.idp_entity_id,
    ssoUrl: row.sso_url,
    certificates: row.certificates,
    metadataXml: row.metadata_xml,
    signRequests: row.sign_requests,
    requireSignedResponse: row.require_signed_response,
    requireSignedAssertion: row.require_signed_assertion,
    allowIdpInitiated: row.allow_idp_initiated,
    accountRule: accountRuleSchema.parse(row.account_rule),
    createdAt: row.created_at,
    updatedAt: row.updated_at,
  };
};

/** Sets the SAML facet of a connection, in place of the one it may have. */
export const putSamlFacet = async (tx: WriteTx, facet: SamlFacet): Promise<void> => {
  await tx.query(
    `INSERT INTO saml_facet (${COLUMNS}) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13)
     ON CONFLICT (org_id, connection_id) DO UPDATE SET idp_entity_id = excluded.idp_entity_id,
       sso_url = excluded.sso_url, certificates = excluded.certificates, metadata_xml = excluded.metadata_xml,
       sign_requests = excluded.sign_requests, require_signed_response = excluded.require_signed_response,
       require_signed_assertion = excluded.require_signed_assertion, allow_idp_initiated = excluded.allow_idp_initiated,
       account_rule = excluded.account_rule, updated_at = excluded.updated_at`,
    [
      facet.orgId,
      facet.connectionId,
      facet.idpEntityId,
      facet.ssoUrl,
      facet.certificates,
      facet.metadataXml,
      facet.signRequests,
      facet.requireSignedResponse,
      facet.requireSignedAssertion,
      facet.allowIdpInitiated,
      facet.accountRule,
      facet.createdAt,
      facet.updatedAt,
    ],
  );
};

/** Removes the SAML facet; true when there was one. */
export const deleteSamlFacet = async (tx: WriteTx, orgId: string, connectionId: string): Promise<boolean> => {
  const rows = await tx.query<{ org_id: string }>(
    'DELETE FROM saml_facet WHERE org_id = $1 AND connection_id = $2 RETURNING org_id',
    [orgId, connectionId],
  );
  return rows.length > 0;
};
