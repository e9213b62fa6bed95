import type { AuditLog } from '@sallyport/audit';
import { AppError } from '@sallyport/errors';
import type { GrantedDecision } from '@sallyport/http';
import { type Clock, type Database, isUniqueViolation, newId, sqlState } from '@sallyport/storage';

import { type Caller, describeDecision } from '../edge/index.ts';
import type { ScopeDelivery } from './deliver-scopes.ts';
import type { Environment, Project, Tier } from './environment.ts';
import {
  appendRegistration,
  insertEnvironment,
  insertProject,
  lockEnvironment,
  lockProject,
  updateEnvironment,
  updateProject,
} from './store.ts';

export interface ProjectDependencies {
  readonly db: Database;
  readonly audit: AuditLog;
  readonly clock: Clock;
  readonly scopes: ScopeDelivery;
}

const describeProject = ({ key, name, description }: Project): Record<string, string> => ({ key, name, description });

const describeEnvironment = (environment: Environment): Record<string, string | boolean | number> => ({
  key: environment.key,
  name: environment.name,
  tier: environment.tier,
  protected: environment.protected,
  requiredApprovals: environment.requiredApprovals,
  ruleVersion: environment.ruleVersion,
});

/**
 * Creates a project and has policy told about it; tries to deliver before answering.
 *
 * @throws ALREADY_EXISTS when the organisation has a project with the key
 */
export const createProject = async (
  { audit, clock, scopes }: ProjectDependencies,
  caller: Caller,
  input: { readonly key: string; readonly name: string; readonly description: string },
  decision: GrantedDecision,
): Promise<Project> => {
  const { orgId } = caller.subject;
  const project: Project = { ...input, projectId: newId(), createdAt: clock.now() };
  try {
    await audit.mutate(caller.audit, async (tx) => {
      tx.fence(decision);
      await insertProject(tx, orgId, project);
      const { projectId, key } = project;
      await appendRegistration(tx, orgId, { kind: 'project', projectId, key, deleted: false }, project.createdAt);
      tx.record({
        action: 'project.created',
        target: { type: 'project', id: projectId },
        after: describeProject(project),
        decision: describeDecision(decision),
      });
    });
  } catch (error) {
    if (isUniqueViolation(error, 'project_key_taken'))
      throw new AppError('ALREADY_EXISTS', `There is a project ${input.key} already.`, { cause: error });
    throw error;
  }
  await scopes.deliver(orgId);
  return project;
};

/** Changes name or description. @throws NOT_FOUND */
export const editProject = async (
  { audit }: ProjectDependencies,
  caller: Caller,
  { projectId, ...edit }: { readonly projectId: string; readonly name?: string; readonly description?: string },
  decision: GrantedDecision,
): Promise<Project> => {
  const { orgId } = caller.subject;
  const { value } = await audit.mutate(caller.audit, async (tx) => {
    tx.fence(decision);
    const before = await lockProject(tx, orgId, projectId);
    if (before === undefined) throw new AppError('NOT_FOUND', 'There is no such project.');
    const after: Project = {
      ...before,
      name: edit.name ?? before.name,
      description: edit.description ?? before.description,
    };
    if (after.name === before.name && after.description === before.description) tx.unchanged();
    else {
      await updateProject(tx, orgId, after);
      tx.record({
        action: 'project.updated',
        target: { type: 'project', id: projectId },
        before: describeProject(before),
        after: describeProject(after),
        decision: describeDecision(decision),
      });
    }
    return after;
  });
  return value;
};

export interface NewEnvironment {
  readonly project: Project;
  readonly key: string;
  readonly name: string;
  readonly tier: Tier;
  readonly protected: boolean;
  readonly requiredApprovals: number;
}

/**
 * Creates an environment and has policy told about it; tries to deliver before answering.
 *
 * @throws ALREADY_EXISTS when the project has an environment with the key
 */
export const createEnvironment = async (
  { audit, clock, scopes }: ProjectDependencies,
  caller: Caller,
  { project, ...input }: NewEnvironment,
  decision: GrantedDecision,
): Promise<Environment> => {
  const { orgId } = caller.subject;
  const { projectId } = project;
  const [environmentId, createdAt] = [newId(), clock.now()];
  const environment: Environment = { ...input, environmentId, projectId, ruleVersion: 1, version: 0n, createdAt };
  try {
    await audit.mutate(caller.audit, async (tx) => {
      tx.fence(decision);
      await insertEnvironment(tx, orgId, environment);
      const { key, tier } = environment;
      const registration = { kind: 'environment', projectId, environmentId, key, tier, deleted: false } as const;
      await appendRegistration(tx, orgId, registration, createdAt);
      tx.record({
        action: 'environment.created',
        target: { type: 'environment', id: environmentId },
        environment: key,
        after: { project: project.key, ...describeEnvironment(environment) },
        decision: describeDecision(decision),
      });
    });
  } catch (error) {
    if (isUniqueViolation(error, 'environment_key_taken'))
      throw new AppError('ALREADY_EXISTS', `The project has an environment ${input.key} already.`, { cause: error });
    throw error;
  }
  await scopes.deliver(orgId);
  return environment;
};

export interface EnvironmentEdit {
  readonly environmentId: string;
  readonly name?: string;
  readonly protected?: boolean;
  readonly requiredApprovals?: number;
}

const PROTECTION_LOWERED = 'FLPRT';

/**
 * Changes the name, or raises the protection: more approvals, or protected at all. Every change of the approval rule
 * voids the open approvals bound to the old one.
 *
 * @throws CONFLICT when protection would be lowered, which PostgreSQL refuses to everybody; NOT_FOUND
 */
export const editEnvironment = async (
  { audit }: ProjectDependencies,
  caller: Caller,
  { environmentId, ...edit }: EnvironmentEdit,
  decision: GrantedDecision,
): Promise<Environment> => {
  const { orgId } = caller.subject;
  try {
    const { value } = await audit.mutate(caller.audit, async (tx) => {
      tx.fence(decision);
      const before = await lockEnvironment(tx, orgId, environmentId);
      if (before === undefined) throw new AppError('NOT_FOUND', 'There is no such environment.');
      const wanted: Environment = { ...before, ...edit };
      if (!wanted.protected && wanted.requiredApprovals > 0)
        throw new AppError('INVALID_REQUEST', 'Only a protected environment demands approvals.');
      const after = await updateEnvironment(tx, orgId, wanted);
      const [was, is] = [describeEnvironment(before), describeEnvironment(after)];
      if (JSON.stringify(was) === JSON.stringify(is)) tx.unchanged();
      else
        tx.record({
          action: 'environment.updated',
          target: { type: 'environment', id: environmentId },
          environment: before.key,
          before: was,
          after: is,
          decision: describeDecision(decision),
        });
      return after;
    });
    return value;
  } catch (error) {
    if (sqlState(error) !== PROTECTION_LOWERED) throw error;
    throw new AppError('CONFLICT', 'The protection of an environment can only be raised.', { cause: error });
  }
};
