import { z } from 'zod';

import { id, moment, scopeShape } from '../grants/index.ts';
import { ITEM_STATES, REVIEW_STATES, itemHash, type ItemState, type Review, type ReviewItem } from './review.ts';
import type { ReviewInput } from './start-review.ts';

const MAX_REVIEWERS = 100;

export const newReviewShape = z.object({
  title: z.string().trim().min(1).max(200),
  scope: scopeShape.default({}),
  role: z.string().min(1).max(100).optional(),
  reviewers: z.array(id).min(1).max(MAX_REVIEWERS),
  deadline: moment,
});

/** What a body asks for. */
export const toReviewInput = (body: z.output<typeof newReviewShape>): ReviewInput => ({
  title: body.title,
  scope: { projectId: body.scope.projectId ?? null, environmentId: body.scope.environmentId ?? null },
  roleKey: body.role ?? null,
  reviewerIds: [...new Set(body.reviewers)],
  deadline: body.deadline,
});

export const reviewShape = z.object({
  id: z.string(),
  title: z.string(),
  state: z.enum(REVIEW_STATES),
  scope: z.object({ projectId: z.string().nullable(), environmentId: z.string().nullable() }),
  role: z.string().nullable(),
  reviewers: z.array(z.string()),
  deadline: z.string(),
  createdAt: z.string(),
  createdBy: z.string(),
  approvalRef: z.string().nullable(),
  closedAt: z.string().nullable(),
  /** How many grants are in which state. */
  progress: z.record(z.enum(ITEM_STATES), z.number()),
});

export const toReviewBody = (
  review: Review,
  progress: Readonly<Record<ItemState, number>>,
): z.input<typeof reviewShape> => ({
  id: review.reviewId,
  title: review.title,
  state: review.state,
  scope: { projectId: review.scope.projectId, environmentId: review.scope.environmentId },
  role: review.roleKey,
  reviewers: [...review.reviewerIds],
  deadline: review.deadline.toISOString(),
  createdAt: review.createdAt.toISOString(),
  createdBy: review.createdBy,
  approvalRef: review.approvalRef,
  closedAt: review.closedAt?.toISOString() ?? null,
  progress: { ...progress },
});

export const itemShape = z.object({
  grantId: z.string(),
  /** The grant as it was when the review began. */
  grant: z.record(z.string(), z.unknown()),
  grantedBy: z.string(),
  members: z.array(z.string()),
  state: z.enum(ITEM_STATES),
  decidedAt: z.string().nullable(),
  decidedBy: z.string().nullable(),
  reason: z.string().nullable(),
  failure: z.string().nullable(),
  hash: z.string(),
});

export const toItemBody = (orgId: string, item: ReviewItem): z.input<typeof itemShape> => ({
  grantId: item.grantId,
  grant: JSON.parse(item.grantText) as Record<string, unknown>,
  grantedBy: item.grantedBy,
  members: [...item.memberIds],
  state: item.state,
  decidedAt: item.decidedAt?.toISOString() ?? null,
  decidedBy: item.decidedBy,
  reason: item.reason,
  failure: item.failure,
  hash: itemHash(orgId, item),
});
