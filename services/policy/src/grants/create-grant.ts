import type { AuditedTx, AuditEvent } from '@sallyport/audit';
import { AppError } from '@sallyport/errors';
import { newId } from '@sallyport/storage';

import { type Effect, type OrganizationIndex, type ScopeLevel, type SubjectType } from '../model/index.ts';
import {
  changeGrants,
  describeApproval,
  describeDecision,
  enforce,
  takeRevision,
  toRow,
  type Administrator,
  type Approval,
  type GrantDependencies,
  type LockedState,
} from './change-grants.ts';
import { describeGrant, type Grant, type NewGrant } from './grant.ts';
import { givenBy, toScope, type GrantScope } from './held.ts';
import { futureOf, refuseBeyondOwn, refuseLastOwner, refuseOwn } from './rules.ts';
import { refuseCombination } from './separation.ts';
import { deleteOver, insertGrant } from './store.ts';

/** A role to be given (or taken, with effect deny). */
export interface GrantInput {
  readonly subjectType: SubjectType;
  readonly subjectId: string;
  readonly roleKey: string;
  readonly scope: GrantScope;
  readonly effect: Effect;
  readonly tier: Grant['tier'];
  readonly resourceType: Grant['resourceType'];
  readonly condition: Grant['condition'];
  readonly source: Grant['source'];
  readonly validFrom: Date | null;
  readonly validUntil: Date | null;
}

const levelOf = ({ projectId, environmentId }: GrantScope): ScopeLevel => {
  if (environmentId !== null) return 'environment';
  return projectId === null ? 'organization' : 'project';
};

const invalid = (pointer: string, code: string, detail: string): AppError =>
  new AppError('INVALID_REQUEST', detail, { fields: [{ pointer, code, detail }] });

/** The scope as the registry knows it, so that an environment brings its project along. @throws NOT_FOUND */
export const knownScope = (index: OrganizationIndex | undefined, scope: GrantScope): GrantScope => {
  if (scope.environmentId !== null) {
    const environment = index?.environments.get(scope.environmentId);
    if (environment === undefined || (scope.projectId !== null && environment.projectId !== scope.projectId))
      throw new AppError('NOT_FOUND', 'There is no such environment.');
    return { projectId: environment.projectId, environmentId: environment.environmentId };
  }
  if (scope.projectId !== null && index?.projects.has(scope.projectId) !== true)
    throw new AppError('NOT_FOUND', 'There is no such project.');
  return { projectId: scope.projectId, environmentId: null };
};

/**
 * Without an index nothing is said: {@link createGrant} asks again under the lock.
 *
 * @throws INVALID_REQUEST when there is no such role, or it cannot be given at this level
 */
export const assertGrantable = (index: OrganizationIndex | undefined, roleKey: string, scope: GrantScope): void => {
  if (index === undefined) return;
  const role = index.roles.get(roleKey);
  if (role === undefined) throw invalid('/role', 'UNKNOWN_ROLE', 'There is no such role.');
  if (!role.levels.includes(levelOf(scope)))
    throw invalid('/scope', 'WRONG_LEVEL', `The role ${role.name} can be granted at: ${role.levels.join(', ')}.`);
};

/** A tier of which the environment is not, or a type the role permits nothing of, would be a grant of nothing. */
const checkNarrowing = (index: OrganizationIndex, scope: GrantScope, input: GrantInput): void => {
  const { roleKey, tier, resourceType } = input;
  const given = givenBy(index, {
    roleKey,
    ...scope,
    ...(tier === null ? {} : { tier }),
    ...(resourceType === null ? {} : { resourceType }),
  });
  if ((tier !== null || resourceType !== null) && given.every((word) => word === 0))
    throw invalid(
      tier === null ? '/resourceType' : '/tier',
      'GIVES_NOTHING',
      'Of this role nothing is left within this scope, tier and resource type.',
    );
};

const checkPeriod = ({ validFrom, validUntil }: GrantInput, now: Date): void => {
  if (validUntil === null) return;
  if (validUntil <= now || (validFrom !== null && validFrom >= validUntil))
    throw invalid('/validUntil', 'NOT_A_PERIOD', 'A grant ends in the future and after it begins.');
};

/**
 * The epoch the subject is in; 0 for groups.
 *
 * @throws NOT_FOUND when the organisation has no such subject (another organisation's is none, one removed neither)
 */
const epochOfSubject = ({ standing }: GrantDependencies, orgId: string, input: GrantInput): bigint => {
  const { subjectType, subjectId } = input;
  const found = standing.find(orgId, subjectId);
  const epoch = subjectType === 'group' ? 0n : (found?.epoch ?? 0n);
  const exists =
    subjectType === 'group'
      ? standing.hasGroup(orgId, subjectId)
      : found?.type === subjectType && found.removedEpoch !== epoch;
  if (!exists) throw new AppError('NOT_FOUND', 'There is no such subject.');
  return epoch;
};

/** Enforces the rules and writes. */
const give = async (tx: AuditedTx, state: LockedState, grant: NewGrant, event: AuditEvent): Promise<Grant> => {
  const row = toRow(grant);
  // The role may have been changed or deleted while we waited for the lock.
  assertGrantable(state.before, grant.roleKey, grant);
  enforce(refuseOwn(state.actor, row), refuseBeyondOwn(state.before, state.actor, row, futureOf(row, state.nowMs)));
  const after = state.after({ add: grant });
  enforce(
    refuseCombination(state.before, after, state.population, state.nowMs),
    refuseLastOwner(state.before, after, state.population),
  );
  const revision = await takeRevision(tx);
  // The same, given before and over by now, is in nobody's way.
  for (const over of await deleteOver(tx, tx.orgId, grant))
    tx.record({
      action: 'grant.ended',
      target: { type: 'grant', id: over.grantId },
      before: describeGrant(over),
      reason: 'EXPIRED',
    });
  await insertGrant(tx, tx.orgId, { ...grant, revision });
  tx.record(event);
  return { ...grant, revision };
};

/**
 * Gives a role. See {@link changeGrants} for order and errors.
 *
 * @throws NOT_FOUND for an unknown subject or scope, INVALID_REQUEST for an unknown role, level or period
 */
export const createGrant = async (
  dependencies: GrantDependencies,
  administrator: Administrator,
  input: GrantInput,
  approval?: Approval,
): Promise<Grant> => {
  const { clock, knowledge } = dependencies;
  const { orgId, subjectId } = administrator.principal;
  const index = knowledge.organization(orgId);
  const scope = knownScope(index, input.scope);
  assertGrantable(index, input.roleKey, scope);
  if (index !== undefined) checkNarrowing(index, scope, input);
  checkPeriod(input, clock.now());
  const subjectEpoch = epochOfSubject(dependencies, orgId, input);
  const grant: NewGrant = {
    grantId: newId(),
    subjectType: input.subjectType,
    subjectId: input.subjectId,
    roleKey: input.roleKey,
    ...scope,
    effect: input.effect,
    tier: input.tier,
    resourceType: input.resourceType,
    condition: input.condition,
    source: input.source,
    validFrom: input.validFrom,
    validUntil: input.validUntil,
    createdAt: clock.now(),
    createdBy: subjectId,
    subjectEpoch,
  };
  const event = {
    action: input.source === 'mapping' ? 'group-mapping.created' : 'grant.created',
    target: { type: 'grant', id: grant.grantId },
    after: describeGrant(grant),
  };
  const change = {
    permission: input.source === 'mapping' ? 'mapping:manage' : 'grant:manage',
    // A denial reaches people of any rank: only who administers the whole organisation may make one.
    scope: input.source === 'mapping' || input.effect === 'deny' ? {} : toScope(scope),
    attempt: event,
    reach: scope,
    approval,
  };
  return await changeGrants(
    dependencies,
    administrator,
    change,
    async (tx, state, decision) =>
      await give(tx, state, grant, { ...event, ...describeApproval(approval), decision: describeDecision(decision) }),
  );
};
