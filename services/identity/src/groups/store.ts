import { isUniqueViolation, statement, type ReadTx, type WriteTx } from '@sallyport/storage';

import { foldCase } from '../accounts/index.ts';
import type { Group } from './group.ts';

interface GroupRow {
  readonly org_id: string;
  readonly id: string;
  readonly connection_id: string;
  readonly external_id: string | null;
  readonly display_name: string;
  readonly version: string;
  readonly created_at: Date;
  readonly updated_at: Date;
}

const COLUMNS = 'org_id, id, connection_id, external_id, display_name, version, created_at, updated_at';

const toGroup = (row: GroupRow): Group => ({
  orgId: row.org_id,
  id: row.id,
  connectionId: row.connection_id,
  externalId: row.external_id,
  displayName: row.display_name,
  version: BigInt(row.version),
  createdAt: row.created_at,
  updatedAt: row.updated_at,
});

export interface NewGroup {
  readonly orgId: string;
  readonly id: string;
  readonly connectionId: string;
  readonly externalId: string | null;
  readonly displayName: string;
  readonly at: Date;
}

export const insertGroup = async (tx: WriteTx, group: NewGroup): Promise<Group> => {
  const [row] = await tx.query<GroupRow>(
    statement(`INSERT INTO directory_group (org_id, id, connection_id, external_id, display_name, display_name_key, created_at,
       updated_at)
     VALUES ($1, $2, $3, $4, $5, $6, $7, $7) RETURNING ${COLUMNS}`),
    [
      group.orgId,
      group.id,
      group.connectionId,
      group.externalId,
      group.displayName,
      foldCase(group.displayName),
      group.at,
    ],
  );
  return toGroup(row as GroupRow);
};

/** Which unique name a failed write clashed on; undefined when the error is another one. */
export const groupClash = (error: unknown): 'displayName' | 'externalId' | undefined => {
  if (isUniqueViolation(error, 'directory_group_display_name')) return 'displayName';
  return isUniqueViolation(error, 'directory_group_external_id') ? 'externalId' : undefined;
};

export const findGroup = async (tx: ReadTx, orgId: string, id: string): Promise<Group | undefined> => {
  const [row] = await tx.query<GroupRow>(
    statement(`SELECT ${COLUMNS} FROM directory_group WHERE org_id = $1 AND id = $2`),
    [orgId, id],
  );
  return row === undefined ? undefined : toGroup(row);
};

/** Locks the row to the end of the transaction: it comes before its memberships in the order of locks. */
export const lockGroup = async (tx: WriteTx, orgId: string, id: string): Promise<Group | undefined> => {
  const [row] = await tx.query<GroupRow>(
    statement(`SELECT ${COLUMNS} FROM directory_group WHERE org_id = $1 AND id = $2 FOR UPDATE`),
    [orgId, id],
  );
  return row === undefined ? undefined : toGroup(row);
};

export interface GroupAttributes {
  readonly displayName: string;
  readonly externalId: string | null;
  readonly at: Date;
}

/** Writes attributes of a locked group, moves its version on and answers what the database now holds. */
export const updateGroup = async (tx: WriteTx, group: Group, next: GroupAttributes): Promise<Group> => {
  const [row] = await tx.query<GroupRow>(
    statement(`UPDATE directory_group SET display_name = $3, display_name_key = $4, external_id = $5, version = version + 1,
       updated_at = $6
     WHERE org_id = $1 AND id = $2 RETURNING ${COLUMNS}`),
    [group.orgId, group.id, next.displayName, foldCase(next.displayName), next.externalId, next.at],
  );
  return toGroup(row as GroupRow);
};

export const deleteGroupRow = async (tx: WriteTx, group: Group): Promise<void> => {
  await tx.query('DELETE FROM directory_group WHERE org_id = $1 AND id = $2', [group.orgId, group.id]);
};

export interface GroupFilter {
  readonly connectionId?: string;
  /** The whole name; case does not matter. */
  readonly displayName?: string;
  /** Only ids after this one. */
  readonly after?: string;
  readonly limit: number;
}

/** In order of creation (ids are UUIDv7). */
export const listGroups = async (tx: ReadTx, orgId: string, filter: GroupFilter): Promise<Group[]> => {
  const rows = await tx.query<GroupRow>(
    `SELECT ${COLUMNS} FROM directory_group
      WHERE org_id = $1 AND ($2::uuid IS NULL OR id > $2) AND ($3::uuid IS NULL OR connection_id = $3)
        AND ($4::text IS NULL OR display_name_key = $4)
      ORDER BY id LIMIT $5`,
    [
      orgId,
      filter.after ?? null,
      filter.connectionId ?? null,
      filter.displayName === undefined ? null : foldCase(filter.displayName),
      filter.limit,
    ],
  );
  return rows.map(toGroup);
};

/** These groups, in no particular order. */
export const listGroupsById = async (tx: ReadTx, orgId: string, ids: readonly string[]): Promise<Group[]> => {
  const rows = await tx.query<GroupRow>(
    `SELECT ${COLUMNS} FROM directory_group WHERE org_id = $1 AND id = ANY($2::uuid[])`,
    [orgId, ids],
  );
  return rows.map(toGroup);
};
