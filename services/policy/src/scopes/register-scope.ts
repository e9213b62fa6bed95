import type { AuditContext, AuditedTx, AuditLog, JsonObject } from '@sallyport/audit';
import { AppError } from '@sallyport/errors';

import { lockHead, takeRevision, type GrantKnowledge } from '../grants/index.ts';
import {
  findEnvironment,
  findProject,
  putEnvironment,
  putProject,
  type EnvironmentRegistration,
  type ProjectRegistration,
} from './store.ts';

export interface ScopeDependencies {
  readonly audit: AuditLog;
  readonly knowledge: GrantKnowledge;
}

const describeProject = ({ key, deleted }: ProjectRegistration): JsonObject => ({ key, deleted });
const describeEnvironment = ({ projectId, key, tier, deleted }: EnvironmentRegistration): JsonObject => ({
  projectId,
  key,
  tier,
  deleted,
});

interface Registration<R extends { readonly sequence: bigint }> {
  readonly next: R;
  readonly target: { readonly type: 'project' | 'environment'; readonly id: string };
  readonly find: (tx: AuditedTx) => Promise<R | undefined>;
  readonly put: (tx: AuditedTx) => Promise<void>;
  readonly describe: (registration: R) => JsonObject;
}

/**
 * Takes a registration over unless a newer one is there, under the lock of the organisation's head.
 *
 * @returns the revision that holds it; by then this process decides by it
 */
const register = async <R extends { readonly sequence: bigint }>(
  { audit, knowledge }: ScopeDependencies,
  context: AuditContext,
  registration: Registration<R>,
): Promise<bigint> => {
  const { next, target, describe } = registration;
  const { value } = await audit.mutate(context, async (tx) => {
    const revision = await lockHead(tx, tx.orgId);
    if (revision === undefined) throw new AppError('NOT_FOUND', 'There is no such organisation.');
    const known = await registration.find(tx);
    if (known !== undefined && known.sequence >= next.sequence) {
      tx.unchanged();
      return revision;
    }
    const taken = await takeRevision(tx);
    await registration.put(tx);
    tx.record({
      action: `${target.type}.registered`,
      target,
      ...(known === undefined ? {} : { before: describe(known) }),
      after: describe(next),
    });
    return taken;
  });
  await knowledge.settled();
  return value;
};

/** Registers a project. @throws NOT_FOUND when there is no such organisation */
export const registerProject = async (
  dependencies: ScopeDependencies,
  context: AuditContext,
  project: ProjectRegistration,
): Promise<bigint> =>
  await register(dependencies, context, {
    next: project,
    target: { type: 'project', id: project.projectId },
    find: async (tx) => await findProject(tx, tx.orgId, project.projectId),
    put: async (tx) => {
      await putProject(tx, tx.orgId, project);
    },
    describe: describeProject,
  });

/**
 * Registers an environment. It never moves to another project: grants on either would change their meaning.
 *
 * @throws NOT_FOUND when there is no such organisation or project, CONFLICT when it belongs to another project
 */
export const registerEnvironment = async (
  dependencies: ScopeDependencies,
  context: AuditContext,
  environment: EnvironmentRegistration,
): Promise<bigint> =>
  await register(dependencies, context, {
    next: environment,
    target: { type: 'environment', id: environment.environmentId },
    find: async (tx) => await findEnvironment(tx, tx.orgId, environment.environmentId),
    put: async (tx) => {
      const known = await findEnvironment(tx, tx.orgId, environment.environmentId);
      if (known !== undefined && known.projectId !== environment.projectId)
        throw new AppError('CONFLICT', 'An environment does not move to another project.');
      if ((await findProject(tx, tx.orgId, environment.projectId)) === undefined)
        throw new AppError('NOT_FOUND', 'There is no such project.');
      await putEnvironment(tx, tx.orgId, environment);
    },
    describe: describeEnvironment,
  });
