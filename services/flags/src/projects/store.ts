import type { ReadTx, WriteTx } from '@sallyport/storage';

import type { Environment, Project, Tier } from './environment.ts';
import type { ScopeRegistration } from './scope-registration.ts';

interface ProjectRow {
  readonly project_id: string;
  readonly key: string;
  readonly name: string;
  readonly description: string;
  readonly created_at: Date;
}

interface EnvironmentRow {
  readonly environment_id: string;
  readonly project_id: string;
  readonly key: string;
  readonly name: string;
  readonly tier: Tier;
  readonly protected: boolean;
  readonly required_approvals: number;
  readonly rule_version: number;
  readonly version: string;
  readonly created_at: Date;
}

const toProject = (row: ProjectRow): Project => ({
  projectId: row.project_id,
  key: row.key,
  name: row.name,
  description: row.description,
  createdAt: row.created_at,
});

const toEnvironment = (row: EnvironmentRow): Environment => ({
  environmentId: row.environment_id,
  projectId: row.project_id,
  key: row.key,
  name: row.name,
  tier: row.tier,
  protected: row.protected,
  requiredApprovals: row.required_approvals,
  ruleVersion: row.rule_version,
  version: BigInt(row.version),
  createdAt: row.created_at,
});

const PROJECT = 'SELECT project_id, key, name, description, created_at FROM project';
const ENVIRONMENT = `SELECT environment_id, project_id, key, name, tier, protected, required_approvals, rule_version,
  version, created_at FROM environment`;

export const findProject = async (tx: ReadTx, orgId: string, key: string): Promise<Project | undefined> => {
  const [row] = await tx.query<ProjectRow>(`${PROJECT} WHERE org_id = $1 AND key = $2`, [orgId, key]);
  return row && toProject(row);
};

/** Projects in the order of their keys, after one of them. */
export const listProjects = async (
  tx: ReadTx,
  orgId: string,
  page: { readonly after: string; readonly limit: number },
): Promise<Project[]> => {
  const rows = await tx.query<ProjectRow>(`${PROJECT} WHERE org_id = $1 AND key > $2 ORDER BY key LIMIT $3`, [
    orgId,
    page.after,
    page.limit,
  ]);
  return rows.map(toProject);
};

export const insertProject = async (tx: WriteTx, orgId: string, project: Project): Promise<void> => {
  await tx.query(
    'INSERT INTO project (org_id, project_id, key, name, description, created_at) VALUES ($1, $2, $3, $4, $5, $6)',
    [orgId, project.projectId, project.key, project.name, project.description, project.createdAt],
  );
};

/** Locks the row to the end of the transaction. */
export const lockProject = async (tx: WriteTx, orgId: string, projectId: string): Promise<Project | undefined> => {
  const [row] = await tx.query<ProjectRow>(`${PROJECT} WHERE org_id = $1 AND project_id = $2 FOR UPDATE`, [
    orgId,
    projectId,
  ]);
  return row && toProject(row);
};

export const updateProject = async (tx: WriteTx, orgId: string, project: Project): Promise<void> => {
  await tx.query('UPDATE project SET name = $3, description = $4 WHERE org_id = $1 AND project_id = $2', [
    orgId,
    project.projectId,
    project.name,
    project.description,
  ]);
};

/** Environments of a project in the order in which they were made. */
export const listEnvironments = async (tx: ReadTx, orgId: string, projectId: string): Promise<Environment[]> => {
  const rows = await tx.query<EnvironmentRow>(
    `${ENVIRONMENT} WHERE org_id = $1 AND project_id = $2 ORDER BY environment_id`,
    [orgId, projectId],
  );
  return rows.map(toEnvironment);
};

export const findEnvironmentById = async (
  tx: ReadTx,
  orgId: string,
  environmentId: string,
): Promise<Environment | undefined> => {
  const [row] = await tx.query<EnvironmentRow>(`${ENVIRONMENT} WHERE org_id = $1 AND environment_id = $2`, [
    orgId,
    environmentId,
  ]);
  return row && toEnvironment(row);
};

/** Locks the row to the end of the transaction. */
export const lockEnvironment = async (
  tx: WriteTx,
  orgId: string,
  environmentId: string,
): Promise<Environment | undefined> => {
  const [row] = await tx.query<EnvironmentRow>(`${ENVIRONMENT} WHERE org_id = $1 AND environment_id = $2 FOR UPDATE`, [
    orgId,
    environmentId,
  ]);
  return row && toEnvironment(row);
};

export const insertEnvironment = async (tx: WriteTx, orgId: string, environment: Environment): Promise<void> => {
  await tx.query(
    `INSERT INTO environment (org_id, environment_id, project_id, key, name, tier, protected, required_approvals,
                              created_at)
       VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)`,
    [
      orgId,
      environment.environmentId,
      environment.projectId,
      environment.key,
      environment.name,
      environment.tier,
      environment.protected,
      environment.requiredApprovals,
      environment.createdAt,
    ],
  );
};

/** Writes name and approval rule; the database counts the rule's version. */
export const updateEnvironment = async (tx: WriteTx, orgId: string, environment: Environment): Promise<Environment> => {
  const [row] = await tx.query<EnvironmentRow>(
    `UPDATE environment SET name = $3, protected = $4, required_approvals = $5
      WHERE org_id = $1 AND environment_id = $2
      RETURNING environment_id, project_id, key, name, tier, protected, required_approvals, rule_version, version,
                created_at`,
    [orgId, environment.environmentId, environment.name, environment.protected, environment.requiredApprovals],
  );
  if (row === undefined) throw new TypeError('the environment is locked and must exist');
  return toEnvironment(row);
};

/** Appends a registration for policy at the next sequence of the organisation. */
export const appendRegistration = async (
  tx: WriteTx,
  orgId: string,
  registration: ScopeRegistration,
  at: Date,
): Promise<void> => {
  const [row] = await tx.query<{ scope_sequence: string }>(
    'UPDATE organization SET scope_sequence = scope_sequence + 1 WHERE org_id = $1 RETURNING scope_sequence',
    [orgId],
  );
  await tx.query('INSERT INTO scope_outbox (org_id, sequence, registration, created_at) VALUES ($1, $2, $3, $4)', [
    orgId,
    row?.scope_sequence,
    JSON.stringify(registration),
    at,
  ]);
};

export interface PendingRegistration {
  readonly sequence: bigint;
  readonly registration: ScopeRegistration;
}

/** Registrations policy has not acknowledged, oldest first. */
export const pendingRegistrations = async (
  tx: ReadTx,
  orgId: string,
  limit: number,
): Promise<PendingRegistration[]> => {
  const rows = await tx.query<{ sequence: string; registration: ScopeRegistration }>(
    `SELECT sequence, registration FROM scope_outbox WHERE org_id = $1 AND delivered_at IS NULL
      ORDER BY sequence LIMIT $2`,
    [orgId, limit],
  );
  return rows.map(({ sequence, registration }) => ({ sequence: BigInt(sequence), registration }));
};

/** Policy has taken this registration; it is not sent again. */
export const markDelivered = async (tx: WriteTx, orgId: string, sequence: bigint, at: Date): Promise<void> => {
  await tx.query('UPDATE scope_outbox SET delivered_at = $3 WHERE org_id = $1 AND sequence = $2', [
    orgId,
    sequence.toString(),
    at,
  ]);
};

/** Organisations with something to deliver. Runs across organisations. */
export const organizationsWithPendingRegistrations = async (tx: ReadTx): Promise<string[]> => {
  const rows = await tx.query<{ org_id: string }>(
    'SELECT DISTINCT org_id FROM scope_outbox WHERE delivered_at IS NULL',
  );
  return rows.map(({ org_id: orgId }) => orgId);
};
