import type { AuditContext } from '@sallyport/audit';
import { newId } from '@sallyport/storage';

import { endGrant, findGrant, lockHead } from '../grants/index.ts';
import { close, endWhenAnswered } from './decide-item.ts';
import type { ReviewDependencies } from './review.ts';
import { findItem, listDue, lockReview, type DueItem } from './store.ts';

const BATCH = 200;

const contextOf = (orgId: string): AuditContext => ({
  orgId,
  actor: { type: 'system', id: 'policy' },
  requestId: newId(),
});

/** Takes back what nobody answered, and closes what has gone otherwise. Does nothing when somebody was first. */
const endItem = async (
  dependencies: ReviewDependencies,
  { orgId, reviewId, grantId }: DueItem & { readonly grantId: string },
): Promise<void> => {
  const { audit, clock } = dependencies;
  await audit.mutate(contextOf(orgId), async (tx) => {
    // In the order in which a reviewer's decision takes them.
    await lockHead(tx, orgId);
    const review = await lockReview(tx, orgId, reviewId);
    const item = await findItem(tx, orgId, { reviewId, grantId });
    const isGone = (await findGrant(tx, orgId, grantId)) === undefined;
    const isDue = isGone || (review !== undefined && review.deadline <= clock.now());
    if (item?.state !== 'open' || review?.state !== 'open' || !isDue) {
      tx.unchanged();
      return;
    }
    const approvalRef = review.approvalRef ?? `review:${reviewId}`;
    const why = { reason: 'REVIEW_UNANSWERED', approvalRef, isFourEyes: review.approvalRef !== null };
    const ended = await endGrant(tx, dependencies, { grantId, ...why });
    const decided = { reviewId, grantId, decidedAt: clock.now(), decidedBy: 'policy', reason: null };
    if (ended === 'gone') await close(tx, dependencies, item, { ...decided, state: 'gone', failure: null });
    else if (ended === 'ended')
      await close(tx, dependencies, item, { ...decided, state: 'revoked', failure: 'UNANSWERED' });
    else await close(tx, dependencies, item, { ...decided, state: 'failed', failure: ended.code });
  });
};

/** Of one whose last item was decided by a process of before reviews ended with that. */
const endEmpty = async (dependencies: ReviewDependencies, orgId: string, reviewId: string): Promise<void> => {
  await dependencies.audit.mutate(contextOf(orgId), async (tx) => {
    const review = await lockReview(tx, orgId, reviewId);
    if (review?.state !== 'open' || !(await endWhenAnswered(tx, dependencies, reviewId))) tx.unchanged();
  });
};

/**
 * Does what is due in every review: what is unanswered at the deadline is taken back, what has gone otherwise is closed,
 * and a review in which nothing is open ends. Safe in several replicas at once and after an interruption: each item is
 * decided once, in the transaction that ends its grant.
 */
export const endDueReviews = async (dependencies: ReviewDependencies): Promise<void> => {
  const { db, clock, standing, standingLease, knowledge } = dependencies;
  const due = await db.readAcrossOrganizations('items of reviews that are due', (tx) =>
    listDue(tx, clock.now(), BATCH),
  );
  for (const item of due) {
    const { orgId, reviewId, grantId } = item;
    // Who is an active Owner has to be known.
    if (standingLease.remainingMs() <= 0 || standing.isStale(orgId)) continue;
    if (grantId === null) await endEmpty(dependencies, orgId, reviewId);
    else await endItem(dependencies, { ...item, grantId });
  }
  if (due.length > 0) await knowledge.settled();
};
