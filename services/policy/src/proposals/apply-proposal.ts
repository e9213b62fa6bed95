import type { AuditedTx } from '@sallyport/audit';
import { AppError, isAppError } from '@sallyport/errors';
import { isId } from '@sallyport/storage';

import { stands, standsAtCommit } from '../approvals/index.ts';
import { isAllowedNow, toScope, type Administrator, type Approval, type LockedState } from '../grants/index.ts';
import { carryOut } from './carry-out.ts';
import {
  approvalsNeeded,
  assertInReview,
  assertSameBase,
  describeProposal,
  loadProposal,
  lockInReview,
  refused,
  toHolder,
} from './load-proposal.ts';
import { planChange } from './plan-change.ts';
import type { Plan } from './plan.ts';
import type { Participant, ProposalDependencies } from './proposal.ts';
import { closeProposal } from './store.ts';

/** Nobody shows a credential of theirs now: what conditions could know of it is not known. */
const NOTHING_GIVEN = Object.freeze({});

/** Whether somebody who acted before could make this change at this moment. */
const couldNow = (
  dependencies: ProposalDependencies,
  state: LockedState,
  { participant, sponsorIds }: { readonly participant: Participant; readonly sponsorIds: readonly string[] },
  plan: Plan,
): boolean => {
  const { orgId } = state.before;
  const actor = toHolder(dependencies, orgId, participant, sponsorIds);
  return (
    stands(dependencies, orgId, participant) &&
    isAllowedNow({ ...state, actor, given: NOTHING_GIVEN }, plan) &&
    plan.refuse(state, actor) === null
  );
};

/**
 * What stands in for four eyes, looked at under the lock of the organisation, where policy cannot change any more:
 *
 * 1. the revision is the one the applier looked at, and what it changes is as it was when it was proposed;
 * 2. who proposed it is still active in the same epoch and could make the change now;
 * 3. of those who agreed, as many as are required now are, and could; the others do not count;
 * 4. all of them until COMMIT.
 */
const approvalOf = (
  dependencies: ProposalDependencies,
  { principal }: Administrator,
  { proposalId, hash }: { readonly proposalId: string; readonly hash: string },
): Approval => ({
  ref: `proposal:${proposalId}`,
  isFourEyes: true,
  confirm: async (tx: AuditedTx, state: LockedState, targetId: string) => {
    const proposal = await lockInReview(tx, dependencies, { proposalId, hash });
    const plan = await planChange(dependencies, tx, state.before, proposal.change);
    assertSameBase(tx.orgId, proposal, plan);
    const { proposer, sponsorIds } = proposal;
    if (!couldNow(dependencies, state, { participant: proposer, sponsorIds }, plan))
      throw new AppError('CONFLICT', 'Who proposed it could no longer make this change.', {
        metadata: { reason: 'PROPOSER' },
      });
    const confirmed = proposal.approvals
      .map(({ approver }) => approver)
      // People only: nobody is behind them.
      .filter((approver) => couldNow(dependencies, state, { participant: approver, sponsorIds: [] }, plan));
    const needed = await approvalsNeeded(tx, tx.orgId, plan);
    if (confirmed.length < needed)
      throw new AppError('APPROVAL_REQUIRED', 'Not enough others have agreed, or they no longer could.', {
        metadata: { requiredApprovals: String(needed), counted: String(confirmed.length) },
      });
    for (const { id, epoch } of [proposer, ...confirmed])
      tx.fence(standsAtCommit(dependencies, tx.orgId, { id, epoch }));
    const closed = {
      closedAt: dependencies.clock.now(),
      closedBy: principal.subjectId,
      resultId: isId(targetId) ? targetId : proposalId,
    };
    await closeProposal(tx, tx.orgId, { proposalId, state: 'applied', ...closed });
    tx.record({
      action: 'proposal.applied',
      target: { type: 'proposal', id: proposalId, version: String(proposal.revision) },
      before: describeProposal(proposal),
      after: { state: 'applied', hash, approvedBy: confirmed.map(({ id }) => id), target: targetId },
    });
  },
});

/**
 * Applies a proposal others have agreed to: the change and the end of the proposal are one transaction. The applier
 * needs everything the change itself needs. Of several at once exactly one succeeds.
 *
 * @throws APPROVAL_REQUIRED, CONFLICT, HASH_MISMATCH, STALE_BASE, and whatever the change itself throws; in every case
 *   nothing has changed
 */
export const applyProposal = async (
  dependencies: ProposalDependencies,
  administrator: Administrator,
  asked: { readonly proposalId: string; readonly hash: string },
): Promise<void> => {
  const { orgId } = administrator.principal;
  const { proposal, plan } = await loadProposal(dependencies, orgId, asked.proposalId);
  await administrator.context.require(plan?.permission ?? 'grant:manage', plan?.scope ?? toScope(proposal.scope));
  assertInReview(proposal);
  assertSameBase(orgId, proposal, plan);
  try {
    await carryOut(dependencies, administrator, proposal, approvalOf(dependencies, administrator, asked));
  } catch (error) {
    const target = { type: 'proposal', id: asked.proposalId };
    if (isAppError(error) && error.kind.http === 409)
      await refused(dependencies, administrator, { action: 'proposal.apply-refused', target }, error);
    throw error;
  }
};
