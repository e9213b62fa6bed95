import { AppError } from '@sallyport/errors';
import { newId } from '@sallyport/storage';

import {
  changeGrants,
  describeApproval,
  describeDecision,
  knownScope,
  ownersOf,
  type Administrator,
  type Approval,
  type GrantScope,
  type LockedState,
} from '../grants/index.ts';
import {
  NOTHING_BUT_RULES,
  findProtection,
  findProtectionAt,
  insertProtection,
  updateProtection,
  type Protection,
} from '../protections/index.ts';
import type { ProposalDependencies } from './proposal.ts';

const describe = ({ projectId, environmentId, requiredApprovals, version }: Protection) => ({
  projectId,
  environmentId,
  requiredApprovals,
  version,
});

/** A protection nobody could lift again would protect from everybody. @throws CONFLICT */
const assertEnoughOwners = ({ before, population }: LockedState, requiredApprovals: number): void => {
  if (ownersOf(before, population).size <= requiredApprovals)
    throw new AppError(
      'CONFLICT',
      'There have to be more active Owners than approvals: somebody proposes, others agree.',
      {
        metadata: { owners: String(ownersOf(before, population).size) },
      },
    );
};

/**
 * Protects a scope. A rule that becomes stricter needs nobody else.
 *
 * @throws NOT_FOUND, ALREADY_EXISTS, CONFLICT when there are too few Owners to agree
 */
export const protectScope = async (
  dependencies: ProposalDependencies,
  administrator: Administrator,
  input: { readonly scope: GrantScope; readonly requiredApprovals: number },
): Promise<Protection> => {
  const { knowledge, clock } = dependencies;
  const { orgId, subjectId } = administrator.principal;
  const { requiredApprovals } = input;
  const scope = knownScope(knowledge.organization(orgId), input.scope);
  const now = clock.now();
  const made: Protection = {
    protectionId: newId(),
    ...scope,
    requiredApprovals,
    version: 1,
    createdAt: now,
    changedAt: now,
    changedBy: subjectId,
  };
  const attempt = { action: 'protection.created', target: { type: 'protection', id: made.protectionId } };
  const change = { permission: 'grant:manage', scope: {}, attempt, reach: NOTHING_BUT_RULES };
  return await changeGrants(dependencies, administrator, change, async (tx, state, decision) => {
    assertEnoughOwners(state, requiredApprovals);
    const before = await findProtectionAt(tx, orgId, scope);
    if (before !== undefined && before.requiredApprovals > 0)
      throw new AppError('ALREADY_EXISTS', 'The scope is protected already.');
    const { protectionId, createdAt, version } = before ?? { ...made, version: 0 };
    const protection = { ...made, protectionId, createdAt, version: version + 1 };
    await (before === undefined ? insertProtection : updateProtection)(tx, orgId, protection);
    const target = { type: 'protection', id: protectionId };
    tx.record({ ...attempt, target, after: describe(protection), decision: describeDecision(decision) });
    return protection;
  });
};

/**
 * Changes how many others have to agree; 0 lifts the protection. More of them needs nobody else; fewer, or none, is a
 * change of the protected scope like any other: others have to agree to it.
 *
 * @throws NOT_FOUND, APPROVAL_REQUIRED, CONFLICT
 */
export const changeProtection = async (
  dependencies: ProposalDependencies,
  administrator: Administrator,
  { protectionId, requiredApprovals }: { readonly protectionId: string; readonly requiredApprovals: number },
  approval?: Approval,
): Promise<Protection> => {
  const { clock, db } = dependencies;
  const { orgId, subjectId } = administrator.principal;
  const find = async (tx: Parameters<typeof findProtection>[0]): Promise<Protection> => {
    const found = await findProtection(tx, orgId, protectionId);
    if (found === undefined || found.requiredApprovals === 0)
      throw new AppError('NOT_FOUND', 'There is no such protection.');
    return found;
  };
  const known = await db.read(orgId, find);
  const isStricter = requiredApprovals >= known.requiredApprovals;
  const attempt = {
    action: requiredApprovals === 0 ? 'protection.lifted' : 'protection.changed',
    target: { type: 'protection', id: protectionId },
  };
  const reach = isStricter ? NOTHING_BUT_RULES : known;
  const change = { permission: 'grant:manage', scope: {}, attempt, reach, approval };
  return await changeGrants(dependencies, administrator, change, async (tx, state, decision) => {
    const before = await find(tx);
    if (before.version !== known.version) throw new AppError('STALE_BASE', 'The protection was changed meanwhile.');
    if (isStricter) assertEnoughOwners(state, requiredApprovals);
    const changed = { requiredApprovals, version: before.version + 1, changedAt: clock.now(), changedBy: subjectId };
    const protection = { ...before, ...changed };
    await updateProtection(tx, orgId, protection);
    tx.record({
      ...attempt,
      ...describeApproval(approval),
      before: describe(before),
      after: describe(protection),
      decision: describeDecision(decision),
    });
    return protection;
  });
};
