import type { WriteTx } from '@sallyport/storage';

import type { Tier } from '../model/index.ts';

/** A project as flags registered it. */
export interface ProjectRegistration {
  readonly projectId: string;
  readonly key: string;
  readonly deleted: boolean;
  /** Of two registrations the higher one counts. */
  readonly sequence: bigint;
}

/** An environment as flags registered it. */
export interface EnvironmentRegistration extends ProjectRegistration {
  readonly environmentId: string;
  readonly tier: Tier;
}

export const findProject = async (
  tx: WriteTx,
  orgId: string,
  projectId: string,
): Promise<ProjectRegistration | undefined> => {
  const [row] = await tx.query<{ key: string; deleted: boolean; sequence: string }>(
    'SELECT key, deleted, sequence FROM project_scope WHERE org_id = $1 AND project_id = $2',
    [orgId, projectId],
  );
  return row === undefined ? undefined : { ...row, projectId, sequence: BigInt(row.sequence) };
};

export const findEnvironment = async (
  tx: WriteTx,
  orgId: string,
  environmentId: string,
): Promise<EnvironmentRegistration | undefined> => {
  const [row] = await tx.query<{ project_id: string; key: string; tier: Tier; deleted: boolean; sequence: string }>(
    'SELECT project_id, key, tier, deleted, sequence FROM environment_scope WHERE org_id = $1 AND environment_id = $2',
    [orgId, environmentId],
  );
  if (row === undefined) return undefined;
  const { project_id: projectId, sequence, ...rest } = row;
  return { ...rest, projectId, environmentId, sequence: BigInt(sequence) };
};

export const putProject = async (tx: WriteTx, orgId: string, project: ProjectRegistration): Promise<void> => {
  await tx.query(
    `INSERT INTO project_scope (org_id, project_id, key, deleted, sequence) VALUES ($1, $2, $3, $4, $5)
     ON CONFLICT (org_id, project_id) DO UPDATE
       SET key = excluded.key, deleted = excluded.deleted, sequence = excluded.sequence`,
    [orgId, project.projectId, project.key, project.deleted, project.sequence.toString()],
  );
};

export const putEnvironment = async (
  tx: WriteTx,
  orgId: string,
  environment: EnvironmentRegistration,
): Promise<void> => {
  await tx.query(
    `INSERT INTO environment_scope (org_id, environment_id, project_id, key, tier, deleted, sequence)
     VALUES ($1, $2, $3, $4, $5, $6, $7)
     ON CONFLICT (org_id, environment_id) DO UPDATE
       SET key = excluded.key, tier = excluded.tier, deleted = excluded.deleted, sequence = excluded.sequence`,
    [
      orgId,
      environment.environmentId,
      environment.projectId,
      environment.key,
      environment.tier,
      environment.deleted,
      environment.sequence.toString(),
    ],
  );
};
