import { AppError } from '@sallyport/errors';
import { newId } from '@sallyport/storage';

import { describeDecision, type Administrator } from '../grants/index.ts';
import {
  describeProposal,
  indexOf,
  lockInReview,
  notFound,
  refused,
  toHolder,
  toParticipant,
} from './load-proposal.ts';
import { planChange } from './plan-change.ts';
import type { Plan } from './plan.ts';
import { proposalHash, type Proposal, type ProposalDependencies, type ProposedChange } from './proposal.ts';
import { insertProposal, reviseProposal } from './store.ts';

const DAY_MS = 24 * 60 * 60 * 1_000;
const MAX_IN_REVIEW_MS = 7 * DAY_MS;

export interface ProposalInput {
  readonly change: ProposedChange;
  readonly reason: string;
}

/** Nobody proposes what they could not do themselves, were it not for the four eyes. */
const authorize = async (
  dependencies: ProposalDependencies,
  administrator: Administrator,
  { change }: ProposalInput,
  proposalId: string,
) => {
  const { principal, context } = administrator;
  const { orgId } = principal;
  const index = indexOf(dependencies, orgId);
  const plan = await dependencies.db.read(orgId, async (tx) => await planChange(dependencies, tx, index, change));
  const decision = await context.require(plan.permission, plan.scope);
  const actor = toHolder(dependencies, orgId, toParticipant(principal), principal.sponsorIds);
  const refusal = plan.refuse({ before: index, nowMs: dependencies.clock.now().getTime() }, actor);
  const target = { type: 'proposal', id: proposalId };
  if (refusal !== null)
    throw await refused(dependencies, administrator, { action: 'proposal.refused', target }, refusal);
  return { plan, decision };
};

const revisionOf = (
  { clock }: ProposalDependencies,
  { principal }: Administrator,
  { change, reason, plan }: ProposalInput & { readonly plan: Plan },
  before: Pick<Proposal, 'proposalId' | 'revision' | 'createdAt'>,
): Proposal => {
  const now = clock.now();
  const proposal = {
    proposalId: before.proposalId,
    revision: before.revision + 1,
    change,
    scope: { projectId: plan.scope.projectId ?? null, environmentId: plan.scope.environmentId ?? null },
    reason,
    proposer: toParticipant(principal),
    sponsorIds: principal.sponsorIds ?? [],
    createdAt: before.createdAt,
    updatedAt: now,
    expiresAt: new Date(now.getTime() + MAX_IN_REVIEW_MS),
    state: 'in_review',
    closedAt: null,
    closedBy: null,
    resultId: null,
    approvals: [],
  } as const;
  return { ...proposal, hash: proposalHash(principal.orgId, proposal, plan.base) };
};

/**
 * Proposes a change. Nothing is changed before others have agreed and it is applied.
 *
 * @throws PERMISSION_DENIED, ESCALATION for what the proposer could not do either; NOT_FOUND
 */
export const propose = async (
  dependencies: ProposalDependencies,
  administrator: Administrator,
  input: ProposalInput,
): Promise<Proposal> => {
  const proposalId = newId();
  const { plan, decision } = await authorize(dependencies, administrator, input, proposalId);
  const first = { proposalId, revision: 0, createdAt: dependencies.clock.now() };
  const proposal = revisionOf(dependencies, administrator, { ...input, plan }, first);
  await dependencies.audit.mutate(administrator.context.auditContext(), async (tx) => {
    tx.fence(decision);
    await insertProposal(tx, tx.orgId, proposal);
    tx.record({
      action: 'proposal.created',
      target: { type: 'proposal', id: proposalId },
      after: describeProposal(proposal),
      decision: describeDecision(decision),
    });
  });
  return proposal;
};

/** Proposes something else instead, or the same anew. Every approval is void. @throws as {@link propose}; CONFLICT */
export const revise = async (
  dependencies: ProposalDependencies,
  administrator: Administrator,
  { proposalId, ...input }: ProposalInput & { readonly proposalId: string },
): Promise<Proposal> => {
  const { plan, decision } = await authorize(dependencies, administrator, input, proposalId);
  const { principal, context } = administrator;
  const { value } = await dependencies.audit.mutate(context.auditContext(), async (tx) => {
    tx.fence(decision);
    const before = await lockInReview(tx, dependencies, { proposalId, hash: null });
    if (before.proposer.id !== principal.subjectId) throw notFound();
    if (before.change.kind !== input.change.kind)
      throw new AppError('INVALID_REQUEST', 'Another kind of change is another proposal.', {
        fields: [{ pointer: '/change/kind', code: 'OTHER_KIND' }],
      });
    const proposal = revisionOf(dependencies, administrator, { ...input, plan }, before);
    await reviseProposal(tx, tx.orgId, proposal);
    tx.record({
      action: 'proposal.revised',
      target: { type: 'proposal', id: proposalId },
      before: describeProposal(before),
      after: describeProposal(proposal),
      decision: describeDecision(decision),
    });
    return proposal;
  });
  return value;
};
