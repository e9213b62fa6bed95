import type { Database } from '@sallyport/storage';

import { contentHash, type Givers, type StandingKnowledge } from '../approvals/index.ts';
import type { Grant, GrantDependencies, GrantScope } from '../grants/index.ts';

export type ReviewDependencies = GrantDependencies & StandingKnowledge & { readonly db: Database };

export const REVIEW_STATES = ['open', 'closed', 'cancelled'] as const;
export type ReviewState = (typeof REVIEW_STATES)[number];

/** `gone`: the grant ended otherwise; `failed`: unanswered, and a rule forbids taking it back. */
export const ITEM_STATES = ['open', 'kept', 'revoked', 'gone', 'failed'] as const;
export type ItemState = (typeof ITEM_STATES)[number];

export interface Review {
  readonly reviewId: string;
  readonly title: string;
  readonly scope: GrantScope;
  /** Null: grants of every role. */
  readonly roleKey: string | null;
  readonly reviewerIds: readonly string[];
  /** What is unanswered then is taken back. */
  readonly deadline: Date;
  readonly createdAt: Date;
  /** Subject id. */
  readonly createdBy: string;
  /** What others agreed to, where the scope demands four eyes. */
  readonly approvalRef: string | null;
  readonly state: ReviewState;
  readonly closedAt: Date | null;
}

/** A grant as it was when the review began, and what was decided about it. */
export interface ReviewItem {
  readonly reviewId: string;
  readonly grantId: string;
  /** The grant as it was: JSON. */
  readonly grantText: string;
  readonly source: Grant['source'];
  readonly subjectType: Grant['subjectType'];
  readonly subjectId: string;
  /** Subject id, or the name of a service. */
  readonly grantedBy: string;
  /** Who held it through the group. */
  readonly memberIds: readonly string[];
  readonly state: ItemState;
  readonly decidedAt: Date | null;
  readonly decidedBy: string | null;
  readonly reason: string | null;
  /** Why it could not be taken back, or was not answered: a code. */
  readonly failure: string | null;
}

/**
 * Whether somebody may decide about an item: nobody about what they hold, hold through a group, or gave; who proposed it
 * or agreed to it gave it too.
 */
export const isNeutral = (
  { grantId, subjectId, grantedBy, memberIds }: Pick<ReviewItem, 'grantId' | 'subjectId' | 'grantedBy' | 'memberIds'>,
  reviewerId: string,
  { groupIds, givers }: { readonly groupIds: readonly string[]; readonly givers: Givers },
): boolean =>
  subjectId !== reviewerId &&
  grantedBy !== reviewerId &&
  givers.get(grantId)?.has(reviewerId) !== true &&
  !memberIds.includes(reviewerId) &&
  !groupIds.includes(subjectId);

/** Hash of an item with its decision: what the evidence says about it, in one value. */
export const itemHash = (orgId: string, item: ReviewItem): string =>
  contentHash('review-item', {
    organization: orgId,
    review: item.reviewId,
    grant: item.grantText,
    grantId: item.grantId,
    grantedBy: item.grantedBy,
    members: item.memberIds,
    state: item.state,
    decidedAt: item.decidedAt?.toISOString() ?? null,
    decidedBy: item.decidedBy,
    reason: item.reason,
    failure: item.failure,
  });
