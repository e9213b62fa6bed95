import { personal, type AuditedTx } from '@sallyport/audit';
import { AppError, isAppError } from '@sallyport/errors';

import { findGivers, standsAtCommit } from '../approvals/index.ts';
import { deleteGrant, toScope, type Administrator, type Approval } from '../grants/index.ts';
import { isNeutral, type Review, type ReviewDependencies, type ReviewItem } from './review.ts';
import {
  closeReview,
  countItems,
  decideItem,
  findItem,
  findReview,
  hasOpenItem,
  lockReview,
  type Decided,
} from './store.ts';

/** Which item, and why so. */
export interface Judgement {
  readonly reviewId: string;
  readonly grantId: string;
  readonly reason: string;
}

const noReview = (): AppError => new AppError('NOT_FOUND', 'There is no such review.');
const noItem = (): AppError => new AppError('NOT_FOUND', 'There is no such grant in the review.');

/** @throws NOT_FOUND */
export const loadReview = async (
  { db }: Pick<ReviewDependencies, 'db'>,
  orgId: string,
  reviewId: string,
): Promise<Review> => {
  const review = await db.read(orgId, async (tx) => await findReview(tx, orgId, reviewId));
  if (review === undefined) throw noReview();
  return review;
};

/** Ends a review in which nothing is open; false when something is. Its lock is the caller's. */
export const endWhenAnswered = async (
  tx: AuditedTx,
  { clock }: Pick<ReviewDependencies, 'clock'>,
  reviewId: string,
): Promise<boolean> => {
  if (await hasOpenItem(tx, tx.orgId, reviewId)) return false;
  await closeReview(tx, tx.orgId, { reviewId, state: 'closed', closedAt: clock.now() });
  tx.record({
    action: 'review.closed',
    target: { type: 'review', id: reviewId },
    before: { state: 'open' },
    after: { state: 'closed', ...(await countItems(tx, tx.orgId, reviewId)) },
  });
  return true;
};

/** Writes what was decided, and says so; with the last one the review ends. Its lock is the caller's. */
export const close = async (
  tx: AuditedTx,
  dependencies: Pick<ReviewDependencies, 'clock'>,
  item: ReviewItem,
  decided: Decided,
): Promise<void> => {
  await decideItem(tx, tx.orgId, decided);
  const { state, failure, reason, decidedBy } = decided;
  tx.record({
    action: `review-item.${state}`,
    target: { type: 'review-item', id: `${item.reviewId}/${item.grantId}` },
    before: { state: item.state, grant: item.grantText, grantedBy: item.grantedBy },
    after: { state, reason: decidedBy === null ? null : personal(decidedBy, reason) },
    ...(failure === null ? {} : { reason: failure }),
  });
  await endWhenAnswered(tx, dependencies, item.reviewId);
};

/** The item, open and still to be decided in time. @throws NOT_FOUND, CONFLICT */
export const lockOpenItem = async (
  tx: AuditedTx,
  { clock }: Pick<ReviewDependencies, 'clock'>,
  ids: Pick<Judgement, 'reviewId' | 'grantId'>,
): Promise<ReviewItem> => {
  const review = await lockReview(tx, tx.orgId, ids.reviewId);
  if (review === undefined) throw noReview();
  if (review.state !== 'open' || review.deadline <= clock.now())
    throw new AppError('CONFLICT', 'The review is over.', { metadata: { state: review.state } });
  const item = await findItem(tx, tx.orgId, ids);
  if (item === undefined) throw noItem();
  if (item.state !== 'open')
    throw new AppError('CONFLICT', `The grant was ${item.state} already.`, { metadata: { state: item.state } });
  return item;
};

/** @throws SELF_APPROVAL, on the record, for who holds the grant, through a group too, or gave it; NOT_FOUND for others */
const assertReviewer = async (
  dependencies: ReviewDependencies,
  { principal, context }: Administrator,
  { reviewId, grantId }: Judgement,
): Promise<Review> => {
  const { db, standing, audit } = dependencies;
  const { orgId, subjectId, type } = principal;
  const { review, item, givers } = await db.read(orgId, async (tx) => ({
    review: await findReview(tx, orgId, reviewId),
    item: await findItem(tx, orgId, { reviewId, grantId }),
    givers: await findGivers(tx, orgId, [grantId]),
  }));
  if (review?.reviewerIds.includes(subjectId) !== true || type !== 'user') throw noReview();
  if (item === undefined) throw noItem();
  const groupIds = standing.find(orgId, subjectId)?.groupIds ?? [];
  if (isNeutral(item, subjectId, { groupIds, givers })) return review;
  await audit.recordDenied(context.auditContext(), {
    action: 'review-item.decision-refused',
    target: { type: 'review-item', id: `${reviewId}/${grantId}` },
    reason: 'SELF_APPROVAL',
  });
  throw new AppError('SELF_APPROVAL', 'Nobody reviews what they hold or gave themselves.');
};

/**
 * Keeps a grant.
 *
 * @throws NOT_FOUND for who is no reviewer, SELF_APPROVAL, CONFLICT when the review is over or it was decided already
 */
export const keepGrant = async (
  dependencies: ReviewDependencies,
  administrator: Administrator,
  judgement: Judgement,
): Promise<void> => {
  const { audit, clock } = dependencies;
  const { principal, context } = administrator;
  const { orgId, subjectId, epoch } = principal;
  await assertReviewer(dependencies, administrator, judgement);
  await audit.mutate(context.auditContext(), async (tx) => {
    tx.fence(standsAtCommit(dependencies, orgId, { id: subjectId, epoch }));
    const item = await lockOpenItem(tx, dependencies, judgement);
    await close(tx, dependencies, item, {
      ...judgement,
      state: 'kept',
      decidedAt: clock.now(),
      decidedBy: subjectId,
      failure: null,
    });
  });
};

/** A refusal is shown where the next who looks will see it; the grant stays to be decided. */
const noteFailure = async (
  { audit }: ReviewDependencies,
  { context }: Administrator,
  { reviewId, grantId }: Judgement,
  failure: string,
): Promise<void> => {
  await audit.mutate(context.auditContext(), async (tx) => {
    await lockReview(tx, tx.orgId, reviewId);
    const item = await findItem(tx, tx.orgId, { reviewId, grantId });
    if (item?.state !== 'open') {
      tx.unchanged();
      return;
    }
    await decideItem(tx, tx.orgId, { ...item, failure });
    tx.record({
      action: 'review-item.revoke-failed',
      target: { type: 'review-item', id: `${reviewId}/${grantId}` },
      before: { failure: item.failure },
      after: { failure },
      reason: failure,
      outcome: 'failed',
    });
  });
};

/** Refusals that say something about the grant, whoever tries. */
const SHOWN: ReadonlySet<string> = new Set(['LAST_OWNER', 'APPROVAL_REQUIRED', 'ESCALATION', 'READ_ONLY']);

/**
 * Takes a grant back at once, in the transaction of the decision. The reviewer needs what taking it back needs.
 *
 * @throws NOT_FOUND, SELF_APPROVAL, CONFLICT as {@link keepGrant}; LAST_OWNER, ESCALATION, APPROVAL_REQUIRED: shown on the
 *   item, which stays open
 */
export const revokeGrant = async (
  dependencies: ReviewDependencies,
  administrator: Administrator,
  judgement: Judgement,
): Promise<void> => {
  const { clock } = dependencies;
  const { reviewId, grantId } = judgement;
  const { subjectId, orgId } = administrator.principal;
  const review = await assertReviewer(dependencies, administrator, judgement);
  const approval: Approval = {
    ref: review.approvalRef ?? `review:${reviewId}`,
    // Others agreed to the review, with these reviewers.
    isFourEyes: review.approvalRef !== null,
    confirm: async (tx) => {
      const item = await lockOpenItem(tx, dependencies, judgement);
      const decided = { decidedAt: clock.now(), decidedBy: subjectId, failure: null };
      await close(tx, dependencies, item, { ...judgement, state: 'revoked', ...decided });
    },
  };
  const source = await dependencies.db.read(
    orgId,
    async (tx) => (await findItem(tx, orgId, { reviewId, grantId }))?.source ?? 'direct',
  );
  try {
    await deleteGrant(dependencies, administrator, { grantId, source }, approval);
  } catch (error) {
    if (isAppError(error) && SHOWN.has(error.code))
      await noteFailure(dependencies, administrator, judgement, error.code);
    throw error;
  }
};

/** Ends a review without taking anything back. @throws NOT_FOUND, CONFLICT, PERMISSION_DENIED */
export const cancelReview = async (
  dependencies: ReviewDependencies,
  { context, principal }: Administrator,
  reviewId: string,
): Promise<void> => {
  const { audit, clock } = dependencies;
  const found = await loadReview(dependencies, principal.orgId, reviewId);
  const decision = await context.require('grant:manage', toScope(found.scope));
  await audit.mutate(context.auditContext(), async (tx) => {
    tx.fence(decision);
    const review = await lockReview(tx, tx.orgId, reviewId);
    if (review?.state !== 'open') throw new AppError('CONFLICT', 'The review is over.');
    await closeReview(tx, tx.orgId, { reviewId, state: 'cancelled', closedAt: clock.now() });
    tx.record({
      action: 'review.cancelled',
      target: { type: 'review', id: reviewId },
      before: { state: review.state },
      after: { state: 'cancelled' },
    });
  });
};
