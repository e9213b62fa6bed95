import { personal, type AuditedTx, type AuditEvent, type JsonObject } from '@sallyport/audit';
import { AppError } from '@sallyport/errors';
import type { Principal } from '@sallyport/http';
import type { ReadTx } from '@sallyport/storage';

import { holderOf, populationOf, type Administrator, type Holder } from '../grants/index.ts';
import type { OrganizationIndex } from '../model/index.ts';
import { approvalsRequired } from '../protections/index.ts';
import { planChange } from './plan-change.ts';
import type { Plan } from './plan.ts';
import { asItIs, proposalHash, type Participant, type Proposal, type ProposalDependencies } from './proposal.ts';
import { findProposal, lockProposal } from './store.ts';

export const notFound = (): AppError => new AppError('NOT_FOUND', 'There is no such proposal.');

/** Who proposes or agrees, as it is remembered. */
export const toParticipant = ({ type, subjectId: id, epoch, scopes }: Principal): Participant => ({
  type,
  id,
  epoch,
  scopes,
});

/** The same as the rules of grants look at them: with who is behind a machine, and the groups they are in now. */
export const toHolder = (
  { standing }: Pick<ProposalDependencies, 'standing'>,
  orgId: string,
  { type, id: subjectId, scopes }: Participant,
  sponsorIds: readonly string[] = [],
): Holder => holderOf(populationOf(standing, orgId), { type, subjectId, scopes, sponsorIds });

/** @throws UNAVAILABLE */
export const indexOf = ({ knowledge }: ProposalDependencies, orgId: string): OrganizationIndex => {
  const index = knowledge.organization(orgId);
  if (index === undefined) throw new AppError('UNAVAILABLE', 'It cannot be told right now who holds which role.');
  return index;
};

/** How many others have to agree: at least one, and as many as the strictest protection it reaches into demands. */
export const approvalsNeeded = async (tx: ReadTx, orgId: string, { reach }: Plan): Promise<number> =>
  Math.max(1, await approvalsRequired(tx, orgId, reach));

/** A proposal beside what is there now. */
export interface LoadedProposal {
  readonly proposal: Proposal;
  /** Null when what it would change is gone. */
  readonly plan: Plan | null;
  /** As the protections are now; null once it has ended, or with nothing left to change. */
  readonly requiredApprovals: number | null;
}

/** The proposal as it is now, with what it would change. @throws NOT_FOUND; STALE_BASE when that is gone */
export const loadProposal = async (
  dependencies: ProposalDependencies,
  orgId: string,
  proposalId: string,
): Promise<LoadedProposal> =>
  await dependencies.db.read(orgId, async (tx) => {
    const found = await findProposal(tx, orgId, proposalId);
    if (found === undefined) throw notFound();
    const proposal = asItIs(found, orgId, dependencies);
    const plan = await planChange(dependencies, tx, indexOf(dependencies, orgId), proposal.change).catch(
      (error: unknown) => {
        if (error instanceof AppError && error.code === 'NOT_FOUND') return null;
        throw error;
      },
    );
    const isOpen = plan !== null && proposal.state === 'in_review';
    return { proposal, plan, requiredApprovals: isOpen ? await approvalsNeeded(tx, orgId, plan) : null };
  });

/** Under lock: still in review, and the very revision that was looked at. @throws NOT_FOUND, CONFLICT, HASH_MISMATCH */
export const lockInReview = async (
  tx: AuditedTx,
  dependencies: ProposalDependencies,
  { proposalId, hash }: { readonly proposalId: string; readonly hash: string | null },
): Promise<Proposal> => {
  const found = await lockProposal(tx, tx.orgId, proposalId);
  if (found === undefined) throw notFound();
  const proposal = asItIs(found, tx.orgId, dependencies);
  assertInReview(proposal);
  if (hash !== null && proposal.hash !== hash)
    throw new AppError('HASH_MISMATCH', 'The proposal has another revision than the one that was looked at.');
  return proposal;
};

/** @throws CONFLICT */
export const assertInReview = ({ state }: Proposal): void => {
  if (state !== 'in_review') throw new AppError('CONFLICT', `The proposal is ${state}.`, { metadata: { state } });
};

/** What it would change has not changed since it was proposed. @throws STALE_BASE */
export const assertSameBase = (orgId: string, proposal: Proposal, plan: Plan | null): Plan => {
  if (plan === null || proposalHash(orgId, proposal, plan.base) !== proposal.hash)
    throw new AppError('STALE_BASE', 'What it would change has changed since. The proposal has to be revised.');
  return plan;
};

/** What the audit log says about a proposal. What somebody wrote is theirs. */
export const describeProposal = ({ change, hash, reason, proposer, revision, state }: Proposal): JsonObject => ({
  kind: change.kind,
  content: JSON.stringify(change),
  proposer: proposer.id,
  reason: personal(proposer.id, reason),
  revision,
  hash,
  state,
});

/** Records what the rules of proposals refuse, and answers it. */
export const refused = async (
  { audit }: Pick<ProposalDependencies, 'audit'>,
  { context }: Administrator,
  attempt: Pick<AuditEvent, 'action' | 'target'>,
  error: AppError,
): Promise<AppError> => {
  await audit.recordDenied(context.auditContext(), { ...attempt, reason: error.code });
  return error;
};
