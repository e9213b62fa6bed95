import { isUniqueViolation, type ReadTx, type WriteTx } from '@sallyport/storage';

import type { Connection, ScimProfile } from './connection.ts';

interface ConnectionRow {
  readonly org_id: string;
  readonly id: string;
  readonly name: string;
  readonly enabled: boolean;
  readonly version: string;
  readonly created_at: Date;
  readonly updated_at: Date;
  readonly scim_profile: ScimProfile | null;
  readonly allowed_networks: string[] | null;
}

const COLUMNS =
  'c.org_id, c.id, c.name, c.enabled, c.version, c.created_at, c.updated_at, f.profile AS scim_profile, f.allowed_networks';
const FROM = `FROM connection c LEFT JOIN scim_facet f ON f.org_id = c.org_id AND f.connection_id = c.id`;

const toConnection = (row: ConnectionRow): Connection => ({
  orgId: row.org_id,
  id: row.id,
  name: row.name,
  enabled: row.enabled,
  version: BigInt(row.version),
  createdAt: row.created_at,
  updatedAt: row.updated_at,
  scim: row.scim_profile === null ? null : { profile: row.scim_profile, allowedNetworks: row.allowed_networks ?? [] },
});

export const insertConnection = async (
  tx: WriteTx,
  connection: { readonly orgId: string; readonly id: string; readonly name: string; readonly at: Date },
): Promise<void> => {
  await tx.query('INSERT INTO connection (org_id, id, name, created_at, updated_at) VALUES ($1, $2, $3, $4, $4)', [
    connection.orgId,
    connection.id,
    connection.name,
    connection.at,
  ]);
};

export const isNameTaken = (error: unknown): boolean => isUniqueViolation(error, 'connection_name_key');

/** Removed connections are not found, here and everywhere. */
export const findConnection = async (tx: ReadTx, orgId: string, id: string): Promise<Connection | undefined> => {
  const [row] = await tx.query<ConnectionRow>(
    `SELECT ${COLUMNS} ${FROM} WHERE c.org_id = $1 AND c.id = $2 AND c.deleted_at IS NULL`,
    [orgId, id],
  );
  return row === undefined ? undefined : toConnection(row);
};

/** Locks the row to the end of the transaction. */
export const lockConnection = async (tx: WriteTx, orgId: string, id: string): Promise<Connection | undefined> => {
  const [row] = await tx.query<ConnectionRow>(
    `SELECT ${COLUMNS} ${FROM} WHERE c.org_id = $1 AND c.id = $2 AND c.deleted_at IS NULL FOR UPDATE OF c`,
    [orgId, id],
  );
  return row === undefined ? undefined : toConnection(row);
};

/** In order of creation (ids are UUIDv7). */
export const listConnections = async (
  tx: ReadTx,
  orgId: string,
  page: { readonly after?: string; readonly limit: number },
): Promise<Connection[]> => {
  const rows = await tx.query<ConnectionRow>(
    `SELECT ${COLUMNS} ${FROM}
      WHERE c.org_id = $1 AND c.deleted_at IS NULL AND ($2::uuid IS NULL OR c.id > $2) ORDER BY c.id LIMIT $3`,
    [orgId, page.after ?? null, page.limit],
  );
  return rows.map(toConnection);
};

export const updateConnection = async (
  tx: WriteTx,
  connection: Connection,
  next: { readonly name: string; readonly enabled: boolean; readonly at: Date },
): Promise<void> => {
  await tx.query(
    `UPDATE connection SET name = $3, enabled = $4, version = version + 1, updated_at = $5
      WHERE org_id = $1 AND id = $2`,
    [connection.orgId, connection.id, next.name, next.enabled, next.at],
  );
};

/** Leaves the row for those who name it, disabled and no longer found. */
export const markRemoved = async (tx: WriteTx, connection: Connection, at: Date): Promise<void> => {
  await tx.query(
    `UPDATE connection SET enabled = false, deleted_at = $3, version = version + 1, updated_at = $3
      WHERE org_id = $1 AND id = $2`,
    [connection.orgId, connection.id, at],
  );
};

export const putScimFacet = async (
  tx: WriteTx,
  facet: { readonly orgId: string; readonly connectionId: string; readonly profile: ScimProfile; readonly at: Date },
): Promise<void> => {
  await tx.query(
    `INSERT INTO scim_facet (org_id, connection_id, profile, created_at) VALUES ($1, $2, $3, $4)
     ON CONFLICT (org_id, connection_id) DO UPDATE SET profile = excluded.profile`,
    [facet.orgId, facet.connectionId, facet.profile, facet.at],
  );
};

export const setAllowedNetworks = async (
  tx: WriteTx,
  connection: Connection,
  next: { readonly allowedNetworks: readonly string[]; readonly at: Date },
): Promise<void> => {
  const { orgId, id } = connection;
  await tx.query('UPDATE scim_facet SET allowed_networks = $3 WHERE org_id = $1 AND connection_id = $2', [
    orgId,
    id,
    next.allowedNetworks,
  ]);
  await tx.query('UPDATE connection SET version = version + 1, updated_at = $3 WHERE org_id = $1 AND id = $2', [
    orgId,
    id,
    next.at,
  ]);
};

export const removeScimFacet = async (tx: WriteTx, orgId: string, connectionId: string): Promise<void> => {
  await tx.query('DELETE FROM scim_facet WHERE org_id = $1 AND connection_id = $2', [orgId, connectionId]);
};

/** Locks the state of a connection against change until the transaction ends; undefined when there never was one. */
export const holdState = async (tx: WriteTx, orgId: string, id: string): Promise<Unfinished['state'] | undefined> => {
  const [row] = await tx.query<{ enabled: boolean; removed: boolean }>(
    'SELECT enabled, deleted_at IS NOT NULL AS removed FROM connection WHERE org_id = $1 AND id = $2 FOR SHARE',
    [orgId, id],
  );
  if (row === undefined) return undefined;
  if (row.removed) return 'removed';
  return row.enabled ? 'enabled' : 'disabled';
};

/** What a connection owes its accounts after it was enabled, disabled or removed. */
export interface Unfinished {
  readonly orgId: string;
  readonly connectionId: string;
  readonly state: 'enabled' | 'disabled' | 'removed';
}

/** Connections whose accounts do not all show their state yet: a process died half-way through many accounts. */
export const listUnfinished = async (tx: ReadTx): Promise<Unfinished[]> => {
  const rows = await tx.query<{ org_id: string; id: string; state: Unfinished['state'] }>(
    `SELECT c.org_id, c.id,
            CASE WHEN c.deleted_at IS NOT NULL THEN 'removed' WHEN c.enabled THEN 'enabled' ELSE 'disabled' END AS state
       FROM connection c
      WHERE EXISTS (SELECT FROM account a WHERE a.org_id = c.org_id AND a.connection_id = c.id
                       AND a.status <> 'deleted' AND (c.deleted_at IS NOT NULL OR a.connection_hold = c.enabled))
         OR (c.deleted_at IS NOT NULL AND EXISTS (SELECT FROM directory_group g
                       WHERE g.org_id = c.org_id AND g.connection_id = c.id))`,
  );
  return rows.map((row) => ({ orgId: row.org_id, connectionId: row.id, state: row.state }));
};
