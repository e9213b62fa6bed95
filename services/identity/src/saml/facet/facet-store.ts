import { statement, type ReadTx, type WriteTx } from '@sallyport/storage';

import { accountRuleSchema, type AccountRule } from '../../login/index.ts';

/** Where the IdP takes logouts. */
export interface LogoutEndpoint {
  readonly url: string;
  readonly binding: 'redirect' | 'post';
  /** For answers, where it wants them elsewhere. */
  readonly responseUrl: string | null;
}

/** Where the description of the IdP comes from. */
export interface MetadataSource {
  /** The last good copy; null when the fields were given one by one. */
  readonly xml: string | null;
  /** Read again from here; null = uploaded. */
  readonly url: string | null;
  /** PEM; the metadata must be signed by one of these. None = its signature is not looked at. */
  readonly pins: readonly string[];
  readonly validUntil: Date | null;
  /** When it was last read and taken. */
  readonly readAt: Date | null;
  /** When it is read next; null without a URL. */
  readonly dueAt: Date | null;
  /** Why the last read was not taken; null when it was. */
  readonly problem: string | null;
}

/** The SAML side of a connection. */
export interface SamlFacet {
  readonly orgId: string;
  readonly connectionId: string;
  readonly idpEntityId: string;
  /** HTTP-Redirect endpoint of the IdP. */
  readonly ssoUrl: string;
  readonly logout: LogoutEndpoint | null;
  /** PEM. Every one that has not expired is tried: a rollover is two of them. */
  readonly certificates: readonly string[];
  readonly metadata: MetadataSource;
  readonly signRequests: boolean;
  readonly requireSignedResponse: boolean;
  readonly requireSignedAssertion: boolean;
  readonly allowIdpInitiated: boolean;
  readonly accountRule: AccountRule;
  readonly createdAt: Date;
  readonly updatedAt: Date;
}

/** What messages are held against: the facet without the description of the IdP it comes from, which may be large. */
export type MessageFacet = Omit<SamlFacet, 'metadata'>;

interface MessageFacetRow {
  readonly org_id: string;
  readonly connection_id: string;
  readonly idp_entity_id: string;
  readonly sso_url: string;
  readonly slo_url: string | null;
  readonly slo_binding: LogoutEndpoint['binding'] | null;
  readonly slo_response_url: string | null;
  readonly certificates: string[];
  readonly sign_requests: boolean;
  readonly require_signed_response: boolean;
  readonly require_signed_assertion: boolean;
  readonly allow_idp_initiated: boolean;
  readonly account_rule: unknown;
  readonly created_at: Date;
  readonly updated_at: Date;
}

interface FacetRow extends MessageFacetRow {
  readonly metadata_xml: string | null;
  readonly metadata_url: string | null;
  readonly metadata_pins: string[];
  readonly metadata_valid_until: Date | null;
  readonly metadata_read_at: Date | null;
  readonly metadata_due_at: Date | null;
  readonly metadata_problem: string | null;
}

const MESSAGE_COLUMNS = `org_id, connection_id, idp_entity_id, sso_url, slo_url, slo_binding, slo_response_url,
  certificates, sign_requests, require_signed_response, require_signed_assertion, allow_idp_initiated, account_rule,
  created_at, updated_at`;
const COLUMNS = `${MESSAGE_COLUMNS}, metadata_xml, metadata_url, metadata_pins, metadata_valid_until, metadata_read_at,
  metadata_due_at, metadata_problem`;

const toMessageFacet = (row: MessageFacetRow): MessageFacet => ({
  orgId: row.org_id,
  connectionId: row.connection_id,
  idpEntityId: row.idp_entity_id,
  ssoUrl: row.sso_url,
  logout:
    row.slo_url === null || row.slo_binding === null
      ? null
      : { url: row.slo_url, binding: row.slo_binding, responseUrl: row.slo_response_url },
  certificates: row.certificates,
  signRequests: row.sign_requests,
  requireSignedResponse: row.require_signed_response,
  requireSignedAssertion: row.require_signed_assertion,
  allowIdpInitiated: row.allow_idp_initiated,
  accountRule: accountRuleSchema.parse(row.account_rule),
  createdAt: row.created_at,
  updatedAt: row.updated_at,
});

const toFacet = (row: FacetRow): SamlFacet => ({
  ...toMessageFacet(row),
  metadata: {
    xml: row.metadata_xml,
    url: row.metadata_url,
    pins: row.metadata_pins,
    validUntil: row.metadata_valid_until,
    readAt: row.metadata_read_at,
    dueAt: row.metadata_due_at,
    problem: row.metadata_problem,
  },
});

const OPEN_FACET = statement(
  `SELECT ${MESSAGE_COLUMNS} FROM saml_facet f
    WHERE f.connection_id = $1
      AND EXISTS (SELECT FROM connection c
                   WHERE c.org_id = f.org_id AND c.id = $1 AND c.enabled AND c.deleted_at IS NULL)`,
);

/** The facet of an enabled connection, by the id alone that an address names; one statement. */
export const findOpenSamlFacet = async (tx: ReadTx, connectionId: string): Promise<MessageFacet | null> => {
  const [row] = await tx.query<MessageFacetRow>(OPEN_FACET, [connectionId]);
  return row === undefined ? null : toMessageFacet(row);
};

export const findSamlFacet = async (tx: ReadTx, orgId: string, connectionId: string): Promise<SamlFacet | null> => {
  const [row] = await tx.query<FacetRow>(`SELECT ${COLUMNS} FROM saml_facet WHERE org_id = $1 AND connection_id = $2`, [
    orgId,
    connectionId,
  ]);
  return row === undefined ? null : toFacet(row);
};

/** Locks the facet to the end of the transaction. */
export const lockSamlFacet = async (tx: WriteTx, orgId: string, connectionId: string): Promise<SamlFacet | null> => {
  const [row] = await tx.query<FacetRow>(
    `SELECT ${COLUMNS} FROM saml_facet WHERE org_id = $1 AND connection_id = $2 FOR UPDATE`,
    [orgId, connectionId],
  );
  return row === undefined ? null : toFacet(row);
};

/** The facets of connections that are in use, in all organisations the transaction reaches. */
export const listSamlFacets = async (
  tx: ReadTx,
  page: { readonly after: string | null; readonly limit: number },
): Promise<SamlFacet[]> => {
  const rows = await tx.query<FacetRow>(
    `SELECT ${COLUMNS} FROM saml_facet f
      WHERE ($1::uuid IS NULL OR f.connection_id > $1)
        AND EXISTS (SELECT FROM connection c WHERE c.org_id = f.org_id AND c.id = f.connection_id
                       AND c.enabled AND c.deleted_at IS NULL)
      ORDER BY f.connection_id LIMIT $2`,
    [page.after, page.limit],
  );
  return rows.map(toFacet);
};

/**
 * Takes facets whose metadata is due, putting the next reading off to `nextAt` at once: of several processes each
 * facet is taken by one.
 */
export const takeDueMetadata = async (
  tx: WriteTx,
  due: { readonly now: Date; readonly nextAt: Date; readonly limit: number },
): Promise<SamlFacet[]> => {
  const rows = await tx.query<FacetRow>(
    `UPDATE saml_facet SET metadata_due_at = $2
      WHERE (org_id, connection_id) IN (
        SELECT f.org_id, f.connection_id FROM saml_facet f
          JOIN connection c ON c.org_id = f.org_id AND c.id = f.connection_id AND c.enabled AND c.deleted_at IS NULL
         WHERE f.metadata_due_at <= $1 ORDER BY f.metadata_due_at LIMIT $3 FOR UPDATE OF f SKIP LOCKED)
      RETURNING ${COLUMNS}`,
    [due.now, due.nextAt, due.limit],
  );
  return rows.map(toFacet);
};

/** Notes why metadata was not taken; what the connection works with stays as it is. */
export const noteMetadataReading = async (
  tx: WriteTx,
  noted: {
    readonly orgId: string;
    readonly connectionId: string;
    readonly dueAt: Date;
    readonly problem: string;
  },
): Promise<void> => {
  await tx.query(
    `UPDATE saml_facet SET metadata_due_at = $3, metadata_problem = $4
      WHERE org_id = $1 AND connection_id = $2 AND metadata_url IS NOT NULL`,
    [noted.orgId, noted.connectionId, noted.dueAt, noted.problem],
  );
};

/** Sets the SAML facet of a connection, in place of the one it may have. */
export const putSamlFacet = async (tx: WriteTx, facet: SamlFacet): Promise<void> => {
  const values: readonly unknown[] = [
    facet.orgId,
    facet.connectionId,
    facet.idpEntityId,
    facet.ssoUrl,
    facet.logout?.url ?? null,
    facet.logout?.binding ?? null,
    facet.logout?.responseUrl ?? null,
    facet.certificates,
    facet.signRequests,
    facet.requireSignedResponse,
    facet.requireSignedAssertion,
    facet.allowIdpInitiated,
    facet.accountRule,
    facet.createdAt,
    facet.updatedAt,
    facet.metadata.xml,
    facet.metadata.url,
    facet.metadata.pins,
    facet.metadata.validUntil,
    facet.metadata.readAt,
    facet.metadata.dueAt,
    facet.metadata.problem,
  ];
  const names = COLUMNS.split(',').map((name) => name.trim());
  const updates = names.filter((name) => !KEPT.has(name)).map((name) => `${name} = excluded.${name}`);
  await tx.query(
    `INSERT INTO saml_facet (${COLUMNS}) VALUES (${values.map((_, index) => `$${index + 1}`).join(', ')})
     ON CONFLICT (org_id, connection_id) DO UPDATE SET ${updates.join(', ')}`,
    values,
  );
};

const KEPT: ReadonlySet<string> = new Set(['org_id', 'connection_id', 'created_at']);

/** Removes the SAML facet; true when there was one. */
export const deleteSamlFacet = async (tx: WriteTx, orgId: string, connectionId: string): Promise<boolean> => {
  const rows = await tx.query<{ org_id: string }>(
    'DELETE FROM saml_facet WHERE org_id = $1 AND connection_id = $2 RETURNING org_id',
    [orgId, connectionId],
  );
  return rows.length > 0;
};
