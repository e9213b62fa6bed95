import type { JsonValue } from '@sallyport/audit';
import type { ReadTx, WriteTx } from '@sallyport/storage';

import type { ScimCredentialClass } from '../../connections/index.ts';
import type { Exchange, ExchangeChange } from './exchange.ts';

const toRecord = (exchange: Exchange): object => ({
  org_id: exchange.orgId,
  connection_id: exchange.connectionId,
  id: exchange.id,
  at: exchange.at.toISOString(),
  request_id: exchange.requestId,
  method: exchange.method,
  path: exchange.path,
  query: exchange.query,
  resource_id: exchange.resourceId,
  profile: exchange.profile,
  credential_class: exchange.credentialClass,
  credential_id: exchange.credentialId,
  ip: exchange.ip,
  user_agent: exchange.userAgent,
  body: exchange.body,
  status: exchange.status,
  scim_type: exchange.scimType,
  detail: exchange.detail,
  duration_ms: exchange.durationMs,
  changes: exchange.changes,
});

const COLUMNS = `org_id, connection_id, id, at, request_id, method, path, query, resource_id, profile,
  credential_class, credential_id, ip, user_agent, body, status, scim_type, detail, duration_ms, changes`;

/**
 * Writes exchanges of several organisations in one statement. Those of removed connections are left out: the lock makes
 * whoever removes a connection wait for us, or us see that it was removed.
 */
export const insertExchanges = async (tx: WriteTx, exchanges: readonly Exchange[]): Promise<void> => {
  await tx.query(
    `WITH live AS MATERIALIZED (
       SELECT org_id, id FROM connection WHERE id = ANY($2::uuid[]) AND deleted_at IS NULL ORDER BY id FOR SHARE)
     INSERT INTO scim_exchange (${COLUMNS})
     SELECT ${COLUMNS} FROM jsonb_populate_recordset(NULL::scim_exchange, $1::jsonb) x
      WHERE EXISTS (SELECT FROM live WHERE live.org_id = x.org_id AND live.id = x.connection_id)`,
    [JSON.stringify(exchanges.map(toRecord)), [...new Set(exchanges.map(({ connectionId }) => connectionId))]],
  );
};

interface ConnectionKey {
  readonly orgId: string;
  readonly connectionId: string;
}

/** Deletes all but the newest of a connection. */
export const pruneExchanges = async (
  tx: WriteTx,
  { orgId, connectionId }: ConnectionKey,
  keep: number,
): Promise<void> => {
  await tx.query(
    `DELETE FROM scim_exchange WHERE org_id = $1 AND connection_id = $2 AND id <=
       (SELECT id FROM scim_exchange WHERE org_id = $1 AND connection_id = $2 ORDER BY id DESC OFFSET $3 LIMIT 1)`,
    [orgId, connectionId, keep],
  );
};

export interface ExchangeFilter {
  /** From here (an id) back; absent: from the newest. */
  readonly before?: string;
  readonly limit: number;
  /** 2 for 200 to 299, and so on. */
  readonly statusClass?: number;
  readonly method?: string;
  readonly resourceId?: string;
}

interface ExchangeRow {
  readonly org_id: string;
  readonly connection_id: string;
  readonly id: string;
  readonly at: Date;
  readonly request_id: string;
  readonly method: string;
  readonly path: string;
  readonly query: string;
  readonly resource_id: string | null;
  readonly profile: string | null;
  readonly credential_class: ScimCredentialClass;
  readonly credential_id: string;
  readonly ip: string;
  readonly user_agent: string | null;
  readonly body: JsonValue | null;
  readonly status: number;
  readonly scim_type: string | null;
  readonly detail: string | null;
  readonly duration_ms: number;
  readonly changes: readonly ExchangeChange[];
}

const toExchange = (row: ExchangeRow): Exchange => ({
  orgId: row.org_id,
  connectionId: row.connection_id,
  id: row.id,
  at: row.at,
  requestId: row.request_id,
  method: row.method,
  path: row.path,
  query: row.query,
  resourceId: row.resource_id,
  profile: row.profile,
  credentialClass: row.credential_class,
  credentialId: row.credential_id,
  ip: row.ip,
  userAgent: row.user_agent,
  body: row.body,
  status: row.status,
  scimType: row.scim_type,
  detail: row.detail,
  durationMs: row.duration_ms,
  changes: row.changes,
});

/** Newest first. */
export const listExchanges = async (
  tx: ReadTx,
  { orgId, connectionId }: ConnectionKey,
  filter: ExchangeFilter,
): Promise<Exchange[]> => {
  const rows = await tx.query<ExchangeRow>(
    `SELECT ${COLUMNS} FROM scim_exchange
      WHERE org_id = $1 AND connection_id = $2 AND ($3::uuid IS NULL OR id < $3)
        AND ($4::int IS NULL OR status / 100 = $4) AND ($5::text IS NULL OR method = $5)
        AND ($6::text IS NULL OR resource_id = $6)
      ORDER BY id DESC LIMIT $7`,
    [
      orgId,
      connectionId,
      filter.before ?? null,
      filter.statusClass ?? null,
      filter.method ?? null,
      filter.resourceId ?? null,
      filter.limit,
    ],
  );
  return rows.map(toExchange);
};
