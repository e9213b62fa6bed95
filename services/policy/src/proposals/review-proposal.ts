import { personal } from '@sallyport/audit';
import { AppError, isAppError } from '@sallyport/errors';
import { isUniqueViolation } from '@sallyport/storage';

import { assertSomebodyElse, standsAtCommit } from '../approvals/index.ts';
import { describeDecision, toScope, type Administrator } from '../grants/index.ts';
import {
  assertInReview,
  assertSameBase,
  describeProposal,
  indexOf,
  loadProposal,
  lockInReview,
  notFound,
  refused,
  toHolder,
  toParticipant,
} from './load-proposal.ts';
import { involvedIn, type Proposal, type ProposalDependencies } from './proposal.ts';
import { closeProposal, insertApproval } from './store.ts';

/** A verdict on one revision. */
export interface ProposalVerdict {
  readonly proposalId: string;
  readonly hash: string;
  readonly comment: string | null;
}

/** Who could make the change themselves, and is neither who proposed it nor behind the machine that did. */
const entitle = async (dependencies: ProposalDependencies, administrator: Administrator, proposalId: string) => {
  const { principal, context } = administrator;
  const { orgId } = principal;
  const { proposal, plan } = await loadProposal(dependencies, orgId, proposalId);
  const decision = await context.require(plan?.permission ?? 'grant:manage', plan?.scope ?? toScope(proposal.scope));
  try {
    assertSomebodyElse(principal, involvedIn(proposal));
    assertInReview(proposal);
  } catch (error) {
    const target = { type: 'proposal', id: proposalId };
    if (isAppError(error))
      await refused(dependencies, administrator, { action: 'proposal.review-refused', target }, error);
    throw error;
  }
  return { proposal, plan, decision };
};

/**
 * Agrees to a proposal.
 *
 * 1. The approver could make the change themselves. 2. They are a person, and somebody else. 3. The hash is that of what
 * they looked at, and what would be changed is as it was then.
 *
 * @throws PERMISSION_DENIED, ESCALATION, SELF_APPROVAL, CONFLICT, HASH_MISMATCH, STALE_BASE, ALREADY_EXISTS
 */
export const approveProposal = async (
  dependencies: ProposalDependencies,
  administrator: Administrator,
  { proposalId, hash, comment }: ProposalVerdict,
): Promise<void> => {
  const { audit, clock } = dependencies;
  const { principal, context } = administrator;
  const { orgId, subjectId } = principal;
  const { proposal, plan, decision } = await entitle(dependencies, administrator, proposalId);
  const current = assertSameBase(orgId, proposal, plan);
  const approver = toParticipant(principal);
  const judging = { before: indexOf(dependencies, orgId), nowMs: clock.now().getTime() };
  const refusal = current.refuse(judging, toHolder(dependencies, orgId, approver));
  const target = { type: 'proposal', id: proposalId };
  if (refusal !== null)
    throw await refused(dependencies, administrator, { action: 'proposal.review-refused', target }, refusal);
  try {
    await audit.mutate(context.auditContext(), async (tx) => {
      tx.fence(decision);
      const locked = await lockInReview(tx, dependencies, { proposalId, hash });
      await insertApproval(tx, tx.orgId, locked, { approver, comment, createdAt: clock.now() });
      tx.record({
        action: 'proposal.approved',
        target: { ...target, version: String(locked.revision) },
        before: describeProposal(locked),
        after: { hash, comment: personal(subjectId, comment) },
        decision: describeDecision(decision),
      });
    });
  } catch (error) {
    if (isUniqueViolation(error, 'proposal_approved_once'))
      throw new AppError('ALREADY_EXISTS', 'You have approved this already.', { cause: error });
    throw error;
  }
};

const close = async (
  dependencies: ProposalDependencies,
  { context, principal }: Administrator,
  { proposalId, hash, comment }: Omit<ProposalVerdict, 'hash'> & { readonly hash: string | null },
  {
    state,
    may,
    fence,
  }: {
    readonly state: 'rejected' | 'cancelled';
    readonly may: (proposal: Proposal) => boolean;
    readonly fence: Parameters<Parameters<Parameters<ProposalDependencies['audit']['mutate']>[1]>[0]['fence']>[0];
  },
): Promise<void> => {
  const { audit, clock } = dependencies;
  await audit.mutate(context.auditContext(), async (tx) => {
    tx.fence(fence);
    const proposal = await lockInReview(tx, dependencies, { proposalId, hash });
    if (!may(proposal)) throw notFound();
    const closed = { closedAt: clock.now(), closedBy: principal.subjectId, resultId: null };
    await closeProposal(tx, tx.orgId, { proposalId, state, ...closed });
    tx.record({
      action: `proposal.${state}`,
      target: { type: 'proposal', id: proposalId, version: String(proposal.revision) },
      before: describeProposal(proposal),
      after: { state, comment: personal(principal.subjectId, comment) },
    });
  });
};

/** Ends a proposal: one objection is enough. @throws PERMISSION_DENIED, SELF_APPROVAL, CONFLICT, HASH_MISMATCH */
export const rejectProposal = async (
  dependencies: ProposalDependencies,
  administrator: Administrator,
  verdict: ProposalVerdict,
): Promise<void> => {
  const { decision } = await entitle(dependencies, administrator, verdict.proposalId);
  await close(dependencies, administrator, verdict, { state: 'rejected', may: () => true, fence: decision });
};

/** Takes one's own proposal back. @throws NOT_FOUND, CONFLICT */
export const cancelProposal = async (
  dependencies: ProposalDependencies,
  administrator: Administrator,
  proposalId: string,
): Promise<void> => {
  const { orgId, subjectId: id, epoch } = administrator.principal;
  await close(
    dependencies,
    administrator,
    { proposalId, hash: null, comment: null },
    {
      state: 'cancelled',
      may: ({ proposer }) => proposer.id === id,
      fence: standsAtCommit(dependencies, orgId, { id, epoch }),
    },
  );
};
