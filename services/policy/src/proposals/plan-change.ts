/**
 * What a proposed change would be: where it takes effect, which permission it needs, what it changes as that is now, and
 * what forbids it to whom. Asked again at every step, so that nobody's authority and no base is older than the step.
 */
import { AppError } from '@sallyport/errors';
import type { Scope } from '@sallyport/http';
import { newId, type ReadTx } from '@sallyport/storage';

import { loadWish } from '../access-requests/index.ts';
import type { Content } from '../approvals/index.ts';
import {
  describeGrant,
  findGrant,
  futureOf,
  knownScope,
  refuseBeyondOwn,
  refuseOwn,
  takingOf,
  toGrantInput,
  toMappingInput,
  toRow,
  toScope,
  type Grant,
  type GrantInput,
} from '../grants/index.ts';
import type { OrganizationIndex } from '../model/index.ts';
import { findProtection, type Reach } from '../protections/index.ts';
import { toReviewInput } from '../reviews/index.ts';
import type { Plan } from './plan.ts';
import { planRoleChange, planSeparationEnd } from './plan-role-change.ts';
import type { ProposalDependencies, ProposedChange } from './proposal.ts';

type Planned = Pick<ProposalDependencies, 'standing' | 'clock'>;

const ORGANIZATION: Scope = Object.freeze({});

const permissionOf = ({ source, effect }: Pick<Grant, 'source' | 'effect'>, scope: Reach) => ({
  permission: source === 'mapping' ? 'mapping:manage' : 'grant:manage',
  scope: source === 'mapping' || effect === 'deny' ? ORGANIZATION : toScope(scope),
});

const planCreation = ({ standing, clock }: Planned, index: OrganizationIndex, input: GrantInput): Plan => {
  const reach = knownScope(index, input.scope);
  const role = index.roles.get(input.roleKey);
  if (role === undefined) throw new AppError('NOT_FOUND', 'There is no such role.');
  const epoch = input.subjectType === 'group' ? 0n : (standing.find(index.orgId, input.subjectId)?.epoch ?? 0n);
  const row = toRow({
    ...input,
    ...reach,
    grantId: newId(),
    createdAt: clock.now(),
    createdBy: '',
    subjectEpoch: epoch,
  });
  return {
    ...permissionOf(input, reach),
    reach,
    // Of whom was removed and brought back meanwhile, nobody agreed to anything.
    base: { permissions: { ...role.permissions }, subjectEpoch: epoch.toString() },
    refuse: ({ before, nowMs }, actor) =>
      refuseOwn(actor, row) ?? refuseBeyondOwn(before, actor, row, futureOf(row, nowMs)),
  };
};

const planDeletion = async (
  tx: ReadTx,
  index: OrganizationIndex,
  { grantId, source }: Pick<Grant, 'grantId' | 'source'>,
): Promise<Plan> => {
  const grant = await findGrant(tx, index.orgId, grantId);
  if (grant?.source !== source) throw new AppError('NOT_FOUND', 'There is no such grant.');
  const row = toRow(grant);
  const role = index.roles.get(grant.roleKey);
  return {
    ...permissionOf(grant, grant),
    reach: { projectId: grant.projectId, environmentId: grant.environmentId },
    base: {
      grant: describeGrant(grant) as Content,
      revision: grant.revision.toString(),
      permissions: role === undefined ? null : { ...role.permissions },
    },
    refuse: ({ before, nowMs }, actor) =>
      refuseOwn(actor, row) ?? refuseBeyondOwn(before, actor, row, takingOf(row, nowMs)),
  };
};

const planAccess = async (
  dependencies: Planned,
  tx: ReadTx,
  index: OrganizationIndex,
  requestId: string,
): Promise<Plan> => {
  const { input, hash, involved } = await loadWish(tx, index.orgId, requestId);
  const plan = planCreation(dependencies, index, input);
  return {
    ...plan,
    base: { request: hash, grant: plan.base },
    refuse: (judging, actor) =>
      [actor, ...(actor.behind ?? [])].some(({ id }) => involved.includes(id))
        ? new AppError('SELF_APPROVAL', 'Nobody decides about what they asked for themselves.')
        : plan.refuse(judging, actor),
  };
};

const planProtection = async (tx: ReadTx, index: OrganizationIndex, protectionId: string): Promise<Plan> => {
  const protection = await findProtection(tx, index.orgId, protectionId);
  if (protection === undefined) throw new AppError('NOT_FOUND', 'There is no such protection.');
  const { version, requiredApprovals, projectId, environmentId } = protection;
  return {
    permission: 'grant:manage',
    scope: ORGANIZATION,
    reach: { projectId, environmentId },
    base: { version, requiredApprovals },
    refuse: () => null,
  };
};

const planReview = (index: OrganizationIndex, review: Parameters<typeof toReviewInput>[0]): Plan => {
  const reach = knownScope(index, toReviewInput(review).scope);
  return { permission: 'grant:manage', scope: toScope(reach), reach, base: null, refuse: () => null };
};

/** @throws NOT_FOUND when what it is about is not there */
export const planChange = async (
  dependencies: Planned,
  tx: ReadTx,
  index: OrganizationIndex,
  change: ProposedChange,
): Promise<Plan> => {
  switch (change.kind) {
    case 'grant.create':
      return planCreation(dependencies, index, toGrantInput(change.grant));
    case 'mapping.create':
      return planCreation(dependencies, index, toMappingInput(change.mapping));
    case 'grant.delete':
      return await planDeletion(tx, index, { grantId: change.grantId, source: 'direct' });
    case 'mapping.delete':
      return await planDeletion(tx, index, { grantId: change.mappingId, source: 'mapping' });
    case 'access-request.approve':
      return await planAccess(dependencies, tx, index, change.requestId);
    case 'review.start':
      return planReview(index, change.review);
    case 'role.create':
    case 'role.update':
    case 'role.delete':
      return await planRoleChange(tx, index.orgId, change);
    case 'separation-rule.delete':
      return await planSeparationEnd(tx, index.orgId, change.ruleId);
    case 'protection.change':
    default:
      return await planProtection(tx, index, change.protectionId);
  }
};
