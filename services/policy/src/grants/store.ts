import type { ReadTx, WriteTx } from '@sallyport/storage';

import { canonicalText, readCondition, type Condition } from '../conditions/index.ts';
import type { Grant, GrantPage, NewGrant } from './grant.ts';
import type { DecisionToken } from './snapshot.ts';
import type { RawOrganization, RawOrganizationChange } from './read-rows.ts';

/** Wakes every replica of this service; a wake-up only, the truth is the head. */
export const GRANTS_CHANNEL = 'sallyport_policy_grants';

/** The revision of every organisation, as one statement read it. */
export interface GrantHeads {
  /** True on a standby, whose answer may be old. */
  readonly isRecovering: boolean;
  readonly revisions: ReadonlyMap<string, bigint>;
}

/** Reads all heads in one statement on the primary. */
export const readHeads = async (tx: ReadTx): Promise<GrantHeads> => {
  const [row] = await tx.query<{ recovering: boolean; heads: Readonly<Record<string, string>> | null }>(
    `SELECT pg_is_in_recovery() AS recovering, (SELECT json_object_agg(org_id, revision::text) FROM grants_head) AS heads`,
  );
  return {
    isRecovering: row?.recovering ?? true,
    revisions: new Map(Object.entries(row?.heads ?? {}).map(([orgId, revision]) => [orgId, BigInt(revision)])),
  };
};

// A grant as read-rows.ts reads it; times as ms since 1970.
export const GRANT_JSON = `json_build_object(
    'grantId', g.grant_id, 'subjectType', g.subject_type, 'subjectId', g.subject_id, 'roleKey', g.role_key,
    'projectId', g.project_id, 'environmentId', g.environment_id, 'effect', g.effect,
    'tier', g.tier, 'resourceType', g.resource_type, 'condition', g.condition,
    'subjectEpoch', g.subject_epoch::float8,
    'validFromMs', (extract(epoch FROM g.valid_from) * 1000)::float8,
    'validUntilMs', (extract(epoch FROM g.valid_until) * 1000)::float8)`;

// A role of the organisation's own as read-rows.ts reads it.
const ROLE_JSON = `json_build_object(
    'roleKey', r.role_key, 'name', r.name, 'description', r.description, 'levels', r.levels,
    'permissions', (SELECT coalesce(json_agg(json_build_array(p.place, p.permission)), '[]')
       FROM role_permission p WHERE p.org_id = r.org_id AND p.role_key = r.role_key))`;

const FEW_ROWS = `
    (SELECT coalesce(json_agg(json_build_object('projectId', p.project_id, 'key', p.key)), '[]')
       FROM project_scope p WHERE p.org_id = o.org_id AND NOT p.deleted) AS projects,
    (SELECT coalesce(json_agg(json_build_object('environmentId', e.environment_id, 'projectId', e.project_id,
         'key', e.key, 'tier', e.tier)), '[]')
       FROM environment_scope e WHERE e.org_id = o.org_id AND NOT e.deleted) AS environments,
    (SELECT coalesce(json_agg(json_build_object('ruleId', s.rule_id, 'name', s.name,
         'roleKeys', (SELECT json_agg(m.role_key ORDER BY m.role_key) FROM separation_rule_role m
                       WHERE m.org_id = s.org_id AND m.rule_id = s.rule_id)) ORDER BY s.rule_id), '[]')
       FROM separation_rule s WHERE s.org_id = o.org_id) AS separations,
    coalesce((SELECT d.engine FROM decision_engine d WHERE d.org_id = o.org_id), 'index') AS engine`;

const ROLES = `
    (SELECT coalesce(json_agg(${ROLE_JSON} ORDER BY r.role_key), '[]') FROM role r WHERE r.org_id = o.org_id) AS roles`;

// One statement sees one state of the database, so grants, scopes and revision belong together.
const ORGANIZATION_ROWS = `
  SELECT o.org_id AS "orgId", o.slug, h.revision::text AS revision,
    (SELECT coalesce(json_agg(${GRANT_JSON} ORDER BY g.grant_id), '[]')
       FROM role_grant g WHERE g.org_id = o.org_id) AS grants, ${ROLES},
    ${FEW_ROWS}
  FROM organization o JOIN grants_head h ON h.org_id = o.org_id
`;

// The same in parts, because each row is parsed in one go: what has no grants comes as part 0.
const ORGANIZATION_PARTS = `
  SELECT few."orgId", 0 AS part, row_to_json(few) AS rows FROM (
    SELECT o.org_id AS "orgId", o.slug, h.revision::text AS revision, ${ROLES},
      ${FEW_ROWS}
    FROM organization o JOIN grants_head h ON h.org_id = o.org_id WHERE o.org_id = ANY ($1)) few
  UNION ALL
  SELECT g.org_id, g.part::int, json_agg(${GRANT_JSON} ORDER BY g.grant_id) FROM (
    SELECT *, 1 + (row_number() OVER (PARTITION BY org_id ORDER BY grant_id) - 1) / 500 AS part
      FROM role_grant WHERE org_id = ANY ($1)) g
   GROUP BY g.org_id, g.part
`;

type OrganizationPart = { readonly orgId: string } & (
  | { readonly part: 0; readonly rows: Omit<RawOrganization, 'grants'> }
  | { readonly part: number; readonly rows: RawOrganization['grants'] }
);

const hasGrants = (each: OrganizationPart): each is OrganizationPart & { readonly rows: RawOrganization['grants'] } =>
  each.part > 0;

/** Everything that decides in these organisations; the rows are unread (see read-rows.ts). */
export const readOrganizations = async (tx: ReadTx, orgIds: readonly string[]): Promise<readonly RawOrganization[]> => {
  const parts = await tx.query<OrganizationPart>(ORGANIZATION_PARTS, [orgIds]);
  const ofGrants = Map.groupBy(parts.filter(hasGrants), ({ orgId }) => orgId);
  return parts.flatMap((few) => {
    if (hasGrants(few)) return [];
    const some = (ofGrants.get(few.orgId) ?? []).sort((left, right) => left.part - right.part);
    return [{ ...few.rows, grants: some.flatMap(({ rows }) => rows) }];
  });
};

/** What is known of an organisation: its index stands at this revision. */
export interface KnownRevision {
  readonly orgId: string;
  readonly revision: bigint;
}

/** How far back the log of changes surely reaches; see the migration that prunes it. */
export const MAX_CHANGES_BEHIND = 900n;

const CHANGED_ROWS = `
  WITH changed AS (
    SELECT DISTINCT c.org_id, c.grant_id FROM unnest($1::uuid[], $2::bigint[]) AS known(org_id, revision)
      JOIN grant_change c ON c.org_id = known.org_id AND c.revision >= known.revision
  ), changed_role AS (
    SELECT DISTINCT c.org_id, c.role_key FROM unnest($1::uuid[], $2::bigint[]) AS known(org_id, revision)
      JOIN role_change c ON c.org_id = known.org_id AND c.revision >= known.revision
  )
  SELECT o.org_id AS "orgId", o.slug, h.revision::text AS revision,
    (SELECT coalesce(json_agg(${GRANT_JSON} ORDER BY g.grant_id), '[]') FROM role_grant g
       WHERE g.org_id = o.org_id AND g.grant_id IN (SELECT c.grant_id FROM changed c WHERE c.org_id = o.org_id)) AS grants,
    (SELECT coalesce(json_agg(c.grant_id), '[]') FROM changed c WHERE c.org_id = o.org_id) AS "changedIds",
    (SELECT coalesce(json_agg(${ROLE_JSON} ORDER BY r.role_key), '[]') FROM role r WHERE r.org_id = o.org_id
       AND r.role_key IN (SELECT c.role_key FROM changed_role c WHERE c.org_id = o.org_id)) AS roles,
    (SELECT coalesce(json_agg(c.role_key), '[]') FROM changed_role c WHERE c.org_id = o.org_id) AS "changedRoleKeys",
    ${FEW_ROWS}
  FROM organization o JOIN grants_head h ON h.org_id = o.org_id WHERE o.org_id = ANY ($1)
`;

/**
 * What changed since these revisions, and at them: rows repaired by hand may move before the head does. They are at most
 * {@link MAX_CHANGES_BEHIND} behind.
 */
export const readChanges = async (
  tx: ReadTx,
  known: readonly KnownRevision[],
): Promise<readonly RawOrganizationChange[]> =>
  await tx.query(CHANGED_ROWS, [known.map(({ orgId }) => orgId), known.map(({ revision }) => revision.toString())]);

/** The live decision tokens of these organisations, and those that expired within a day, whatever clocks say. */
export const readTokens = async (
  tx: ReadTx,
  orgIds: readonly string[],
): Promise<readonly (DecisionToken & { readonly orgId: string })[]> =>
  await tx.query(
    `SELECT org_id AS "orgId", token_id AS "tokenId", encode(token_hash, 'base64') AS hash,
            (extract(epoch FROM expires_at) * 1000)::float8 AS "expiresAtMs"
       FROM decision_token WHERE org_id = ANY ($1) AND revoked_at IS NULL
        AND (expires_at IS NULL OR expires_at > now() - interval '1 day')`,
    [orgIds],
  );

/** Locks the organisation's head until COMMIT; its revision, or undefined when there is no such organisation. */
export const lockHead = async (tx: WriteTx, orgId: string): Promise<bigint | undefined> => {
  const [row] = await tx.query<{ revision: string }>('SELECT revision FROM grants_head WHERE org_id = $1 FOR UPDATE', [
    orgId,
  ]);
  return row === undefined ? undefined : BigInt(row.revision);
};

/**
 * Locks the organisation's head until COMMIT, then reads everything that decides in it: what the rules look at can
 * not change under them. Undefined when there is no such organisation.
 */
export const lockOrganization = async (tx: WriteTx, orgId: string): Promise<RawOrganization | undefined> => {
  await lockHead(tx, orgId);
  const [row] = await tx.query<RawOrganization>(`${ORGANIZATION_ROWS} WHERE o.org_id = $1`, [orgId]);
  return row;
};

/** Takes the next revision and wakes the replicas when the transaction commits. Undefined: no such organisation. */
export const nextRevision = async (tx: WriteTx, orgId: string): Promise<bigint | undefined> => {
  const [row] = await tx.query<{ revision: string }>(
    'UPDATE grants_head SET revision = revision + 1 WHERE org_id = $1 RETURNING revision',
    [orgId],
  );
  await tx.query('SELECT pg_notify($1, $2)', [GRANTS_CHANNEL, '']);
  return row === undefined ? undefined : BigInt(row.revision);
};

export const insertGrant = async (tx: WriteTx, orgId: string, grant: NewGrant & { readonly revision: bigint }) => {
  await tx.query(
    `INSERT INTO role_grant (org_id, grant_id, subject_type, subject_id, role_key, project_id, environment_id, effect,
                             source, valid_from, valid_until, created_at, created_by, revision, subject_epoch,
                             tier, resource_type, condition)
     VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18)`,
    [
      orgId,
      grant.grantId,
      grant.subjectType,
      grant.subjectId,
      grant.roleKey,
      grant.projectId,
      grant.environmentId,
      grant.effect,
      grant.source,
      grant.validFrom,
      grant.validUntil,
      grant.createdAt,
      grant.createdBy,
      grant.revision.toString(),
      grant.subjectEpoch.toString(),
      grant.tier,
      grant.resourceType,
      grant.condition === null ? null : canonicalText(grant.condition),
    ],
  );
};

export const deleteGrantRow = async (tx: WriteTx, orgId: string, grantId: string): Promise<void> => {
  await tx.query('DELETE FROM role_grant WHERE org_id = $1 AND grant_id = $2', [orgId, grantId]);
};

interface GrantRecord {
  readonly grant_id: string;
  readonly subject_type: Grant['subjectType'];
  readonly subject_id: string;
  readonly role_key: string;
  readonly project_id: string | null;
  readonly environment_id: string | null;
  readonly effect: Grant['effect'];
  readonly tier: Grant['tier'];
  readonly resource_type: string | null;
  readonly condition: unknown;
  readonly source: Grant['source'];
  readonly valid_from: Date | null;
  readonly valid_until: Date | null;
  readonly created_at: Date;
  readonly created_by: string;
  readonly revision: string;
  readonly subject_epoch: string;
}

/** As it is stored; one that cannot be read is poison to the index, and shown as it lies there. */
const toCondition = (stored: unknown): Condition | null => {
  if (stored === null) return null;
  const read = readCondition(stored);
  return read.ok ? read.condition : (stored as Condition);
};

const toGrant = (row: GrantRecord): Grant => ({
  grantId: row.grant_id,
  subjectType: row.subject_type,
  subjectId: row.subject_id,
  roleKey: row.role_key,
  projectId: row.project_id,
  environmentId: row.environment_id,
  effect: row.effect,
  tier: row.tier,
  resourceType: row.resource_type,
  condition: toCondition(row.condition),
  source: row.source,
  validFrom: row.valid_from,
  validUntil: row.valid_until,
  createdAt: row.created_at,
  createdBy: row.created_by,
  revision: BigInt(row.revision),
  subjectEpoch: BigInt(row.subject_epoch),
});

export const findGrant = async (tx: ReadTx, orgId: string, grantId: string): Promise<Grant | undefined> => {
  const [row] = await tx.query<GrantRecord>('SELECT * FROM role_grant WHERE org_id = $1 AND grant_id = $2', [
    orgId,
    grantId,
  ]);
  return row === undefined ? undefined : toGrant(row);
};

/** Grants in the order of their ids, which is that of their making. */
export const listGrants = async (tx: ReadTx, orgId: string, page: GrantPage): Promise<readonly Grant[]> => {
  const rows = await tx.query<GrantRecord>(
    `SELECT * FROM role_grant
      WHERE org_id = $1 AND ($2::uuid IS NULL OR grant_id > $2) AND ($3::text IS NULL OR source = $3)
        AND ($4::uuid IS NULL OR project_id = $4) AND ($5::uuid IS NULL OR environment_id = $5)
        AND ($6::uuid IS NULL OR subject_id = $6)
      ORDER BY grant_id LIMIT $7`,
    [
      orgId,
      page.after ?? null,
      page.source ?? null,
      page.projectId ?? null,
      page.environmentId ?? null,
      page.subjectId ?? null,
      page.limit,
    ],
  );
  return rows.map(toGrant);
};

/** Deletes the allowing grants a subject was given up to its last removal and answers them. */
export const deleteOutlived = async (
  tx: WriteTx,
  orgId: string,
  { subjectId, removedEpoch }: { readonly subjectId: string; readonly removedEpoch: bigint },
): Promise<readonly Grant[]> => {
  const rows = await tx.query<GrantRecord>(
    `DELETE FROM role_grant WHERE org_id = $1 AND subject_type <> 'group' AND subject_id = $2 AND effect = 'allow'
        AND subject_epoch <= $3 RETURNING *`,
    [orgId, subjectId, removedEpoch.toString()],
  );
  return rows.map(toGrant);
};

/** Deletes the grants of a role whose time is over, and answers them. */
export const deleteOverOfRole = async (
  tx: WriteTx,
  orgId: string,
  roleKey: string,
  now: Date,
): Promise<readonly Grant[]> => {
  const rows = await tx.query<GrantRecord>(
    'DELETE FROM role_grant WHERE org_id = $1 AND role_key = $2 AND valid_until <= $3 RETURNING *',
    [orgId, roleKey, now],
  );
  return rows.map(toGrant);
};

/** Deletes the very same grant made before, when its time is over, and answers it. */
export const deleteOver = async (
  tx: WriteTx,
  orgId: string,
  { createdAt: now, ...grant }: NewGrant,
): Promise<readonly Grant[]> => {
  const rows = await tx.query<GrantRecord>(
    `DELETE FROM role_grant WHERE org_id = $1 AND subject_type = $2 AND subject_id = $3 AND role_key = $4
        AND project_id IS NOT DISTINCT FROM $5 AND environment_id IS NOT DISTINCT FROM $6 AND effect = $7
        AND tier IS NOT DISTINCT FROM $8 AND resource_type IS NOT DISTINCT FROM $9
        AND condition IS NOT DISTINCT FROM $10::jsonb AND valid_until <= $11 RETURNING *`,
    [
      orgId,
      grant.subjectType,
      grant.subjectId,
      grant.roleKey,
      grant.projectId,
      grant.environmentId,
      grant.effect,
      grant.tier,
      grant.resourceType,
      grant.condition === null ? null : canonicalText(grant.condition),
      now,
    ],
  );
  return rows.map(toGrant);
};
