import type { ChangeContent } from './content.ts';

/**
 * in_review → approved → applied; approved falls back to in_review when an approval is lost. `stale`: the ground has
 * moved, a new revision is needed. applied, rejected and cancelled are the end.
 */
export type ChangeState = 'in_review' | 'approved' | 'stale' | 'applied' | 'rejected' | 'cancelled';

export type Verdict = 'approve' | 'reject' | 'request_changes';

export interface Subject {
  readonly type: 'user' | 'service_account';
  readonly id: string;
}

export interface Review {
  readonly reviewer: Subject;
  /** Security epoch the reviewer was in: the review counts for nothing once it has risen. */
  readonly reviewerEpoch: bigint;
  readonly verdict: Verdict;
  /** Environments the reviewer was entitled to review. */
  readonly environments: readonly string[];
  readonly comment: string;
  readonly createdAt: Date;
}

/** A change set with its reviews, as its current revision stands. */
export interface Change {
  readonly changeId: string;
  readonly projectId: string;
  readonly title: string;
  readonly description: string;
  readonly state: ChangeState;
  readonly revision: number;
  /** Applied at once because nothing it touched demanded an approval. */
  readonly direct: boolean;
  /** Who asked first. */
  readonly author: Subject;
  /** Who wrote the current revision. */
  readonly revisionAuthor: Subject;
  /** Security epoch they were in: the revision is not applied once it has risen. */
  readonly revisionAuthorEpoch: bigint;
  /** Everybody who wrote a revision, and whoever is behind a machine that did: none of them may review. */
  readonly contributors: readonly string[];
  readonly content: ChangeContent;
  /** Lower-case hexadecimal SHA-256 of the content, computed by PostgreSQL. */
  readonly hash: string;
  /** Of the current revision. */
  readonly reviews: readonly Review[];
  readonly createdAt: Date;
  readonly updatedAt: Date;
  readonly appliedAt: Date | null;
  readonly appliedBy: string | null;
}

/** An approval rule and how far it is met. */
export interface ApprovalCount {
  readonly environmentId: string;
  readonly required: number;
  readonly counted: number;
}

export type ChangeAction = 'review' | 'apply' | 'edit' | 'cancel';

const ALLOWED_IN: Readonly<Record<ChangeAction, readonly ChangeState[]>> = {
  review: ['in_review', 'approved'],
  apply: ['in_review', 'approved'],
  edit: ['in_review', 'approved', 'stale'],
  cancel: ['in_review', 'approved', 'stale'],
};

/** Whether the state of a change lets an action happen at all. */
export const permits = (state: ChangeState, action: ChangeAction): boolean => ALLOWED_IN[action].includes(state);

/** True for everybody whose approval would be an approval of their own work. */
export const isContributor = (change: Pick<Change, 'author' | 'contributors'>, subjectId: string): boolean =>
  change.author.id === subjectId || change.contributors.includes(subjectId);
