import type { Database } from '@sallyport/storage';
import { z } from 'zod';

import { contentHash, stands, type Acting, type Content, type StandingKnowledge } from '../approvals/index.ts';
import { id, newGrantShape, newMappingShape, type GrantDependencies, type GrantScope } from '../grants/index.ts';
import { newReviewShape } from '../reviews/index.ts';
import { newRoleShape, roleBodyShape } from '../roles/index.ts';

export type ProposalDependencies = GrantDependencies & StandingKnowledge & { readonly db: Database };

const MAX_APPROVALS = 5;
export const approvalCount = z.number().int().min(0).max(MAX_APPROVALS);

const roleKey = z.string().min(1).max(100);

/** What can be proposed; the bodies are those of the routes that do it at once. */
export const changeShape = z.discriminatedUnion('kind', [
  z.object({ kind: z.literal('grant.create'), grant: newGrantShape }),
  z.object({ kind: z.literal('grant.delete'), grantId: id }),
  z.object({ kind: z.literal('mapping.create'), mapping: newMappingShape }),
  z.object({ kind: z.literal('mapping.delete'), mappingId: id }),
  z.object({ kind: z.literal('access-request.approve'), requestId: id }),
  z.object({ kind: z.literal('role.create'), role: newRoleShape }),
  z.object({ kind: z.literal('role.update'), key: roleKey, role: roleBodyShape }),
  z.object({ kind: z.literal('role.delete'), key: roleKey }),
  z.object({ kind: z.literal('separation-rule.delete'), ruleId: id }),
  z.object({ kind: z.literal('review.start'), review: newReviewShape }),
  z.object({ kind: z.literal('protection.change'), protectionId: id, requiredApprovals: approvalCount }),
]);

export type ProposedChange = z.output<typeof changeShape>;

/** `in_review` is the only one that is not the end. `expired`, and `cancelled` with who proposed it, happen by themselves. */
export const PROPOSAL_STATES = ['in_review', 'applied', 'rejected', 'cancelled', 'expired'] as const;
export type ProposalState = (typeof PROPOSAL_STATES)[number];

/** Somebody who proposed or agreed: who, in which epoch, with a credential limited to what. */
export interface Participant extends Acting {
  readonly type: 'user' | 'service_account';
  readonly scopes: readonly string[];
}

export interface ProposalApproval {
  readonly approver: Participant;
  readonly comment: string | null;
  readonly createdAt: Date;
}

/** A change that waits for others, as its current revision stands. */
export interface Proposal {
  readonly proposalId: string;
  readonly revision: number;
  readonly change: ProposedChange;
  /** Where who agrees or applies needs the permission of the change. */
  readonly scope: GrantScope;
  readonly hash: string;
  readonly reason: string;
  readonly proposer: Participant;
  /** The people behind a machine that proposes. */
  readonly sponsorIds: readonly string[];
  readonly createdAt: Date;
  readonly updatedAt: Date;
  readonly expiresAt: Date;
  readonly state: ProposalState;
  readonly closedAt: Date | null;
  readonly closedBy: string | null;
  /** Of what came or went; its own id where that has a key instead (roles). */
  readonly resultId: string | null;
  /** Of the current revision. */
  readonly approvals: readonly ProposalApproval[];
}

/** The exact text that is stored. */
export const changeText = (change: ProposedChange): string => JSON.stringify(change);

/** Reads it back; it was validated before it was stored. */
export const readChange = (text: string): ProposedChange => changeShape.parse(JSON.parse(text));

/**
 * Hash of everything an approval is bound to: the change, what it changes as it is now, who proposes it and why. Another
 * revision has another one, also with the same content.
 */
export const proposalHash = (
  orgId: string,
  proposal: Pick<Proposal, 'proposalId' | 'revision' | 'change' | 'reason' | 'proposer'>,
  base: Content,
): string =>
  contentHash('proposal', {
    organization: orgId,
    proposal: proposal.proposalId,
    revision: proposal.revision,
    change: JSON.parse(changeText(proposal.change)) as Content,
    base,
    reason: proposal.reason,
    proposer: { id: proposal.proposer.id, epoch: proposal.proposer.epoch.toString() },
  });

/** The proposal as it is now, also when nobody has written down that it has ended. */
export const asItIs = (
  proposal: Proposal,
  orgId: string,
  known: Pick<StandingKnowledge, 'standing' | 'clock'>,
): Proposal => {
  if (proposal.state !== 'in_review') return proposal;
  if (!stands(known, orgId, proposal.proposer)) return { ...proposal, state: 'cancelled' };
  return proposal.expiresAt <= known.clock.now() ? { ...proposal, state: 'expired' } : proposal;
};

/** Whoever may not agree to it. */
export const involvedIn = ({ proposer, sponsorIds }: Proposal): readonly string[] => [proposer.id, ...sponsorIds];
