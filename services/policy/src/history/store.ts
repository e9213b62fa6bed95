import type { ReadTx, WriteTx } from '@sallyport/storage';

import { GRANT_JSON, type RawOrganization } from '../grants/index.ts';
import type { RoleDefinition } from '../model/index.ts';

/** A transaction that changed what decides, as it was noted. */
export interface Moment {
  readonly moment: bigint;
  readonly notedAt: Date;
  readonly grantsRevision: bigint;
  readonly standingPosition: bigint;
  readonly standingGeneration: bigint;
}

interface MomentRecord {
  readonly moment: string;
  readonly noted_at: Date;
  readonly grants_revision: string;
  readonly standing_position: string;
  readonly standing_generation: string;
}

const toMoment = (row: MomentRecord): Moment => ({
  moment: BigInt(row.moment),
  notedAt: row.noted_at,
  grantsRevision: BigInt(row.grants_revision),
  standingPosition: BigInt(row.standing_position),
  standingGeneration: BigInt(row.standing_generation),
});

const one = async (tx: ReadTx, condition: string, values: readonly unknown[]): Promise<Moment | undefined> => {
  const [row] = await tx.query<MomentRecord>(
    `SELECT moment, noted_at, grants_revision, standing_position, standing_generation
       FROM history_moment WHERE org_id = $1 AND ${condition} LIMIT 1`,
    values,
  );
  return row === undefined ? undefined : toMoment(row);
};

/** The last moment noted by then. A request knows milliseconds: what was noted within the same one counts as done. */
export const findMomentAt = async (tx: ReadTx, orgId: string, at: Date): Promise<Moment | undefined> =>
  await one(tx, `noted_at < $2::timestamptz + interval '1 millisecond' ORDER BY noted_at DESC`, [orgId, at]);

/** The first moment after this one. */
export const findMomentAfter = async (tx: ReadTx, orgId: string, { moment }: Moment): Promise<Moment | undefined> =>
  await one(tx, 'moment > $2 ORDER BY moment', [orgId, moment.toString()]);

/** The last moment up to a revision of the grants. */
export const findMomentOfGrants = async (tx: ReadTx, orgId: string, revision: bigint): Promise<Moment | undefined> =>
  await one(tx, 'grants_revision <= $2 ORDER BY grants_revision DESC, moment DESC', [orgId, revision.toString()]);

/** The last moment up to a position of the subject log, of all that belong to the same log. */
export const findMomentOfStanding = async (
  tx: ReadTx,
  orgId: string,
  { position, generation }: { readonly position: bigint; readonly generation: bigint },
): Promise<Moment | undefined> =>
  await one(tx, 'standing_generation = $2 AND standing_position <= $3 ORDER BY moment DESC', [
    orgId,
    generation.toString(),
    position.toString(),
  ]);

/** How far what is kept reaches: there is no later revision, and what the subject log said later is not written yet. */
export const findFront = async (
  tx: ReadTx,
  orgId: string,
): Promise<{ readonly grantsRevision: bigint; readonly standingPosition: bigint }> => {
  const [row] = await tx.query<{ revision: string | null; position: string | null }>(
    `SELECT (SELECT revision::text FROM grants_head WHERE org_id = $1) AS revision,
            (SELECT position::text FROM standing_cursor WHERE org_id = $1) AS position`,
    [orgId],
  );
  return { grantsRevision: BigInt(row?.revision ?? 0), standingPosition: BigInt(row?.position ?? 0) };
};

/** What a subject was, as it was written down. */
export interface PastStanding {
  readonly type: 'user' | 'service_account';
  readonly active: boolean;
  readonly epoch: bigint;
  readonly groupIds: readonly string[];
  readonly removedEpoch: bigint;
}

const AT = 'h.from_moment <= $2 AND (h.until_moment IS NULL OR h.until_moment > $2)';

export const findPastStanding = async (
  tx: ReadTx,
  orgId: string,
  moment: bigint,
  subjectId: string,
): Promise<PastStanding | undefined> => {
  const [row] = await tx.query<{
    subject_type: 'user' | 'service_account';
    active: boolean;
    epoch: string;
    group_ids: string[];
    removed_epoch: string;
  }>(
    `SELECT s.subject_type, s.active, s.epoch::text, s.group_ids, s.removed_epoch::text
       FROM history_row h, jsonb_populate_record(NULL::standing_subject, h.content) s
      WHERE h.org_id = $1 AND h.kind = 'standing' AND h.row_key = $3 AND ${AT}`,
    [orgId, moment.toString(), subjectId],
  );
  if (row === undefined) return undefined;
  return {
    type: row.subject_type,
    active: row.active,
    epoch: BigInt(row.epoch),
    groupIds: row.group_ids,
    removedEpoch: BigInt(row.removed_epoch),
  };
};

/** True when what was written about a subject changed at this very moment. */
export const changedAt = async (tx: ReadTx, orgId: string, { moment }: Moment, subjectId: string): Promise<boolean> => {
  const [row] = await tx.query(
    `SELECT FROM history_row h
      WHERE h.org_id = $1 AND h.kind = 'standing' AND h.row_key = $3 AND $2 IN (h.from_moment, h.until_moment)`,
    [orgId, moment.toString(), subjectId],
  );
  return row !== undefined;
};

/** The grants of these subjects (an account and the groups it was in), and every scope and role, as they were. */
export const readPastOrganization = async (
  tx: ReadTx,
  orgId: string,
  moment: bigint,
  subjectIds: readonly string[],
): Promise<Omit<RawOrganization, 'revision'> | undefined> => {
  const [row] = await tx.query<Omit<RawOrganization, 'revision'>>(
    `SELECT o.org_id AS "orgId", o.slug,
       (SELECT coalesce(json_agg(${GRANT_JSON} ORDER BY g.grant_id), '[]')
          FROM history_row h, jsonb_populate_record(NULL::role_grant, h.content) g
         WHERE h.org_id = $1 AND h.kind = 'grant' AND h.subject_id = ANY ($3) AND ${AT}) AS grants,
       (SELECT coalesce(json_agg(json_build_object('projectId', p.project_id, 'key', p.key)), '[]')
          FROM history_row h, jsonb_populate_record(NULL::project_scope, h.content) p
         WHERE h.org_id = $1 AND h.kind = 'project' AND NOT p.deleted AND ${AT}) AS projects,
       (SELECT coalesce(json_agg(json_build_object('environmentId', e.environment_id, 'projectId', e.project_id,
                                                   'key', e.key, 'tier', e.tier)), '[]')
          FROM history_row h, jsonb_populate_record(NULL::environment_scope, h.content) e
         WHERE h.org_id = $1 AND h.kind = 'environment' AND NOT e.deleted AND ${AT}) AS environments,
       (SELECT coalesce(json_agg(json_build_object('roleKey', r.role_key, 'name', r.name,
                 'description', r.description, 'levels', r.levels, 'permissions', h.content -> 'permissions')
                 ORDER BY r.role_key), '[]')
          FROM history_row h, jsonb_populate_record(NULL::role, h.content) r
         WHERE h.org_id = $1 AND h.kind = 'role' AND ${AT}) AS roles,
       coalesce((SELECT h.content ->> 'engine' FROM history_row h
                  WHERE h.org_id = $1 AND h.kind = 'engine' AND ${AT}), 'index') AS engine
     FROM organization o WHERE o.org_id = $1`,
    [orgId, moment.toString(), subjectIds],
  );
  return row;
};

/** Who gave a grant, and when. */
export interface GrantOrigin {
  readonly createdAt: Date;
  readonly createdBy: string;
  readonly source: 'direct' | 'mapping';
}

export const findGrantOrigin = async (
  tx: ReadTx,
  orgId: string,
  moment: bigint,
  grantId: string,
): Promise<GrantOrigin | undefined> => {
  const [row] = await tx.query<{ created_at: Date; created_by: string; source: 'direct' | 'mapping' }>(
    `SELECT g.created_at, g.created_by, g.source
       FROM history_row h, jsonb_populate_record(NULL::role_grant, h.content) g
      WHERE h.org_id = $1 AND h.kind = 'grant' AND h.row_key = $3 AND ${AT}`,
    [orgId, moment.toString(), grantId],
  );
  return row === undefined ? undefined : { createdAt: row.created_at, createdBy: row.created_by, source: row.source };
};

/** What the roles of everybody meant by then; undefined: it was not noted yet. */
export const findBuiltInRoles = async (tx: ReadTx, at: Date): Promise<readonly RoleDefinition[] | undefined> => {
  const [row] = await tx.query<{ roles: readonly RoleDefinition[] }>(
    `SELECT roles FROM history_built_in_roles
      WHERE noted_at < $1::timestamptz + interval '1 millisecond' ORDER BY noted_at DESC LIMIT 1`,
    [at],
  );
  return row?.roles;
};

/** Notes what the roles of everybody mean, unless it was noted so last. */
export const noteBuiltInRoles = async (tx: WriteTx, roles: readonly RoleDefinition[]): Promise<void> => {
  await tx.query(
    `INSERT INTO history_built_in_roles (noted_at, roles) SELECT clock_timestamp(), $1::jsonb
      WHERE (SELECT roles FROM history_built_in_roles ORDER BY noted_at DESC LIMIT 1) IS DISTINCT FROM $1::jsonb
     ON CONFLICT DO NOTHING`,
    [JSON.stringify(roles)],
  );
};

/** Forgets what was over by then. What was so at that time is kept: from then on every question is answered. */
export const pruneHistory = async (tx: WriteTx, before: Date): Promise<void> => {
  const oldest = `SELECT org_id, max(moment) AS moment FROM history_moment WHERE noted_at < $1 GROUP BY org_id`;
  await tx.query(
    `DELETE FROM history_row h USING (${oldest}) o WHERE h.org_id = o.org_id AND h.until_moment <= o.moment`,
    [before],
  );
  await tx.query(`DELETE FROM history_moment h USING (${oldest}) o WHERE h.org_id = o.org_id AND h.moment < o.moment`, [
    before,
  ]);
  await tx.query(
    `DELETE FROM history_built_in_roles WHERE noted_at <
       (SELECT max(noted_at) FROM history_built_in_roles WHERE noted_at < $1)`,
    [before],
  );
};
