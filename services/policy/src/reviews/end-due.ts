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

const endOne = async (dependencies: ReviewDependencies, { orgId, reviewId, grantId }: DueItem): Promise<void> => {
  if (grantId === null) await endEmpty(dependencies, orgId, reviewId);
  else await endItem(dependencies, { orgId, reviewId, grantId });
};

/**
 * Does what is due in every review: what is unanswered at the deadline is taken back, what has gone otherwise is closed,
 * and a review in which nothing is open ends. Safe in several replicas at once and after an interruption: each item is
 * decided once, in the transaction that ends its grant. An organisation in which it cannot be done now holds up no other.
 *
 * @throws the first thing that went wrong, once everything else is done
 */
export const endDueReviews = async (dependencies: ReviewDependencies): Promise<void> => {
  const { db, clock, standing, standingLease, knowledge } = dependencies;
  const skipped = new Set<string>();
  const failures: unknown[] = [];
  for (let before = -1, isFirst = true; isFirst || skipped.size > before; isFirst = false) {
    before = skipped.size;
    const page = { limit: BATCH, except: [...skipped] };
    const due = await db.readAcrossOrganizations('items of reviews that are due', (tx) =>
      listDue(tx, clock.now(), page),
    );
    for (const item of due) {
      const { orgId } = item;
      // Who is an active Owner has to be known.
      if (standingLease.remainingMs() <= 0 || standing.isStale(orgId)) skipped.add(orgId);
      if (skipped.has(orgId)) continue;
      await endOne(dependencies, item).catch((error: unknown) => {
        skipped.add(orgId);
        failures.push(error);
      });
    }
    if (due.length > 0) await knowledge.settled();
  }
  if (failures.length > 0) throw failures[0];
};
