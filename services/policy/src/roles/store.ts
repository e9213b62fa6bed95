import type { ReadTx, WriteTx } from '@sallyport/storage';

import { PLACES, SCOPE_LEVELS, permissionNumber, type Place, type ScopeLevel } from '../model/index.ts';
import type { Role } from './role.ts';

interface RoleRecord {
  readonly role_key: string;
  readonly name: string;
  readonly description: string;
  readonly levels: readonly string[];
  readonly version: string;
  readonly created_at: Date;
  readonly created_by: string;
  readonly updated_at: Date;
  readonly updated_by: string;
  readonly permissions: readonly (readonly [place: string, permission: string])[];
}

/** As it lies there: what the index makes of a row that makes no sense is another matter. */
const toRole = (row: RoleRecord): Role => {
  // In the order of the catalogue, names it does not know first.
  const at = (place: Place): readonly string[] =>
    row.permissions
      .filter(([where]) => where === place)
      .map(([, permission]) => permission)
      .sort((left, right) => permissionNumber(left) - permissionNumber(right));
  return {
    key: row.role_key,
    name: row.name,
    description: row.description,
    levels: SCOPE_LEVELS.filter((level) => row.levels.includes(level)),
    permissions: {
      organization: at('organization'),
      project: at('project'),
      'non-production': at('non-production'),
      production: at('production'),
    },
    version: Number(row.version),
    createdAt: row.created_at,
    createdBy: row.created_by,
    updatedAt: row.updated_at,
    updatedBy: row.updated_by,
  };
};

const SELECT_ROLES = `
  SELECT r.*, (SELECT coalesce(json_agg(json_build_array(p.place, p.permission) ORDER BY p.permission), '[]')
                 FROM role_permission p WHERE p.org_id = r.org_id AND p.role_key = r.role_key) AS permissions
    FROM role r WHERE r.org_id = $1 AND ($2::text IS NULL OR r.role_key = $2) ORDER BY r.role_key`;

export const listRoles = async (tx: ReadTx, orgId: string): Promise<readonly Role[]> =>
  (await tx.query<RoleRecord>(SELECT_ROLES, [orgId, null])).map(toRole);

export const findStoredRole = async (tx: ReadTx, orgId: string, key: string): Promise<Role | undefined> =>
  (await tx.query<RoleRecord>(SELECT_ROLES, [orgId, key])).map(toRole)[0];

const insertPermissions = async (tx: WriteTx, orgId: string, { key, permissions }: Role): Promise<void> => {
  const pairs = PLACES.flatMap((place) => permissions[place].map((permission) => [place, permission] as const));
  await tx.query(
    `INSERT INTO role_permission (org_id, role_key, place, permission)
     SELECT $1, $2, * FROM unnest($3::text[], $4::text[])`,
    [orgId, key, pairs.map(([place]) => place), pairs.map(([, permission]) => permission)],
  );
};

export const insertRole = async (tx: WriteTx, orgId: string, role: Role, revision: bigint): Promise<void> => {
  await tx.query(
    `INSERT INTO role (org_id, role_key, name, description, levels, version, revision, created_at, created_by,
                       updated_at, updated_by)
     VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)`,
    [
      orgId,
      role.key,
      role.name,
      role.description,
      role.levels,
      role.version,
      revision.toString(),
      role.createdAt,
      role.createdBy,
      role.updatedAt,
      role.updatedBy,
    ],
  );
  await insertPermissions(tx, orgId, role);
};

export const updateRoleRow = async (tx: WriteTx, orgId: string, role: Role, revision: bigint): Promise<void> => {
  await tx.query(
    `UPDATE role SET name = $3, description = $4, levels = $5, version = $6, revision = $7, updated_at = $8,
                     updated_by = $9
      WHERE org_id = $1 AND role_key = $2`,
    [
      orgId,
      role.key,
      role.name,
      role.description,
      role.levels,
      role.version,
      revision.toString(),
      role.updatedAt,
      role.updatedBy,
    ],
  );
  await tx.query('DELETE FROM role_permission WHERE org_id = $1 AND role_key = $2', [orgId, role.key]);
  await insertPermissions(tx, orgId, role);
};

export const deleteRoleRow = async (tx: WriteTx, orgId: string, key: string): Promise<void> => {
  await tx.query('DELETE FROM role WHERE org_id = $1 AND role_key = $2', [orgId, key]);
};

/** How often a role is given, by the level at which it is. */
export const countGrants = async (tx: ReadTx, orgId: string, key: string): Promise<ReadonlyMap<ScopeLevel, number>> => {
  const rows = await tx.query<{ level: ScopeLevel; count: number }>(
    `SELECT CASE WHEN environment_id IS NOT NULL THEN 'environment' WHEN project_id IS NOT NULL THEN 'project'
                 ELSE 'organization' END AS level, count(*)::int AS count
       FROM role_grant WHERE org_id = $1 AND role_key = $2 GROUP BY 1`,
    [orgId, key],
  );
  return new Map(rows.map(({ level, count }) => [level, count]));
};
