import { AppError } from '@sallyport/errors';
import {
  decodeCursor,
  encodeCursor,
  listOf,
  listQuery,
  route,
  SELF,
  type RequestContext,
  type Route,
} from '@sallyport/http';
import { z } from 'zod';

import { callerOf } from '../approvals/index.ts';
import { id, toScope, type Administrator } from '../grants/index.ts';
import { cancelReview, keepGrant, loadReview, revokeGrant } from './decide-item.ts';
import { gatherEvidence, toEvidenceCsv, toEvidenceJson } from './evidence.ts';
import { ITEM_STATES, type Review, type ReviewDependencies } from './review.ts';
import { startReview } from './start-review.ts';
import { countItems, listItems, listReviews } from './store.ts';
import { itemShape, newReviewShape, reviewShape, toItemBody, toReviewBody, toReviewInput } from './wire.ts';

const PATH = '/api/policy/v1/reviews';

const administratorOf = (context: RequestContext): Administrator => ({ principal: callerOf(context), context });

const known = (text: string): string => {
  const parsed = id.safeParse(text);
  if (!parsed.success) throw new AppError('NOT_FOUND', 'There is no such review.');
  return parsed.data;
};

const params = z.object({ reviewId: z.string() });
const itemParams = params.extend({ grantId: z.string() });
const cursorShape = z.strictObject({ after: id });
const judgementShape = z.object({ reason: z.string().trim().min(1).max(2_000) });

const bodyOf = async (
  { db }: ReviewDependencies,
  orgId: string,
  review: Review,
): Promise<z.input<typeof reviewShape>> =>
  toReviewBody(review, await db.read(orgId, async (tx) => await countItems(tx, orgId, review.reviewId)));

/** For its reviewers, and for who may see the grants of its scope. @throws NOT_FOUND, PERMISSION_DENIED */
const visibleReview = async (
  dependencies: ReviewDependencies,
  context: RequestContext,
  reviewId: string,
): Promise<Review> => {
  const { orgId, subjectId } = callerOf(context);
  const review = await loadReview(dependencies, orgId, known(reviewId));
  if (!review.reviewerIds.includes(subjectId)) await context.require('grant:read', toScope(review.scope));
  return review;
};

const startRoute = (dependencies: ReviewDependencies): Route =>
  route({
    method: 'POST',
    path: PATH,
    permission: 'grant:manage',
    scope: 'deferred',
    surface: 'api',
    summary: 'Starts a review of the grants within a scope.',
    body: newReviewShape,
    responses: { 201: reviewShape, 409: null },
    handler: async ({ body, context }) => {
      const review = await startReview(dependencies, administratorOf(context), toReviewInput(body));
      const { orgId } = callerOf(context);
      const headers = { location: `${PATH}/${review.reviewId}` };
      return { status: 201, body: await bodyOf(dependencies, orgId, review), headers };
    },
  });

const listRoute = (dependencies: ReviewDependencies): Route =>
  route({
    method: 'GET',
    path: PATH,
    permission: SELF,
    surface: 'api',
    summary: 'Reviews: those one is a reviewer of, or everybody’s for who may see all grants.',
    query: listQuery.extend({ of: z.enum(['own', 'everybody']).default('own') }),
    responses: { 200: listOf(reviewShape) },
    handler: async ({ query, context }) => {
      const { orgId, subjectId } = callerOf(context);
      if (query.of === 'everybody') await context.require('grant:read');
      const after = query.cursor === undefined ? {} : decodeCursor(cursorShape, query.cursor);
      const reviewerId = query.of === 'own' ? subjectId : null;
      const found = await dependencies.db.read(
        orgId,
        async (tx) => await listReviews(tx, orgId, { ...after, reviewerId, limit: query.limit + 1 }),
      );
      const page = found.slice(0, query.limit);
      const last = found.length > query.limit ? page.at(-1) : undefined;
      const items: z.input<typeof reviewShape>[] = [];
      for (const review of page) items.push(await bodyOf(dependencies, orgId, review));
      return {
        status: 200,
        body: { items, nextCursor: last === undefined ? null : encodeCursor({ after: last.reviewId }) },
      };
    },
  });

const getRoute = (dependencies: ReviewDependencies): Route =>
  route({
    method: 'GET',
    path: `${PATH}/:reviewId`,
    permission: SELF,
    surface: 'api',
    summary: 'A review with its progress, for its reviewers and for who may see the grants.',
    params,
    responses: { 200: reviewShape },
    handler: async ({ params: { reviewId }, context }) => {
      const review = await visibleReview(dependencies, context, reviewId);
      return { status: 200, body: await bodyOf(dependencies, callerOf(context).orgId, review) };
    },
  });

const itemsRoute = (dependencies: ReviewDependencies): Route =>
  route({
    method: 'GET',
    path: `${PATH}/:reviewId/items`,
    permission: SELF,
    surface: 'api',
    summary: 'The grants of a review, with what was decided.',
    params,
    query: listQuery.extend({ state: z.enum(ITEM_STATES).optional() }),
    responses: { 200: listOf(itemShape) },
    handler: async ({ params: { reviewId: text }, query, context }) => {
      const { orgId } = callerOf(context);
      const { reviewId } = await visibleReview(dependencies, context, text);
      const after = query.cursor === undefined ? {} : decodeCursor(cursorShape, query.cursor);
      const page = { reviewId, ...after, state: query.state, limit: query.limit + 1 };
      const found = await dependencies.db.read(orgId, async (tx) => await listItems(tx, orgId, page));
      const items = found.slice(0, query.limit);
      const last = found.length > query.limit ? items.at(-1) : undefined;
      const nextCursor = last === undefined ? null : encodeCursor({ after: last.grantId });
      return { status: 200, body: { items: items.map((item) => toItemBody(orgId, item)), nextCursor } };
    },
  });

const JUDGEMENTS = {
  keep: { permission: SELF, summary: 'Keeps a grant.', act: keepGrant },
  revoke: { permission: 'grant:manage', summary: 'Takes a grant back at once.', act: revokeGrant },
} as const;

const judgeRoute = (dependencies: ReviewDependencies, verb: keyof typeof JUDGEMENTS): Route =>
  route({
    method: 'POST',
    path: `${PATH}/:reviewId/items/:grantId/${verb}`,
    permission: JUDGEMENTS[verb].permission,
    ...(verb === 'keep' ? {} : { scope: 'deferred' as const }),
    surface: 'api',
    summary: JUDGEMENTS[verb].summary,
    params: itemParams,
    body: judgementShape,
    responses: { 204: null, 409: null },
    handler: async ({ params: { reviewId, grantId }, body, context }) => {
      const judgement = { reviewId: known(reviewId), grantId: known(grantId), reason: body.reason };
      await JUDGEMENTS[verb].act(dependencies, administratorOf(context), judgement);
      return { status: 204 };
    },
  });

const cancelRoute = (dependencies: ReviewDependencies): Route =>
  route({
    method: 'POST',
    path: `${PATH}/:reviewId/cancel`,
    permission: 'grant:manage',
    scope: 'deferred',
    surface: 'api',
    summary: 'Ends a review; what is unanswered stays as it is.',
    params,
    responses: { 200: reviewShape, 409: null },
    handler: async ({ params: { reviewId: text }, context }) => {
      const { orgId } = callerOf(context);
      const reviewId = known(text);
      await cancelReview(dependencies, administratorOf(context), reviewId);
      return { status: 200, body: await bodyOf(dependencies, orgId, await loadReview(dependencies, orgId, reviewId)) };
    },
  });

const evidenceShape = z.object({ review: reviewShape, items: z.array(itemShape), hash: z.string() });

const evidenceRoute = (dependencies: ReviewDependencies): Route =>
  route({
    method: 'GET',
    path: `${PATH}/:reviewId/evidence`,
    permission: SELF,
    surface: 'api',
    summary: 'Everything a review says: what there was, who decided what, when and why, with hashes.',
    params,
    query: z.object({ format: z.enum(['json', 'csv']).default('json') }),
    responses: { 200: z.union([evidenceShape, z.string()]) },
    handler: async ({ params: { reviewId }, query, context }) => {
      const { orgId } = callerOf(context);
      const review = await visibleReview(dependencies, context, reviewId);
      const evidence = await gatherEvidence(dependencies.db, orgId, review);
      if (query.format === 'json') return { status: 200, body: toEvidenceJson(orgId, evidence) };
      const disposition = `attachment; filename="review-${review.reviewId}.csv"`;
      return {
        status: 200,
        body: toEvidenceCsv(orgId, evidence),
        headers: { 'content-type': 'text/csv; charset=utf-8', 'content-disposition': disposition },
      };
    },
  });

/** Access reviews over HTTP. */
export const reviewRoutes = (dependencies: ReviewDependencies): Route[] => [
  startRoute(dependencies),
  listRoute(dependencies),
  getRoute(dependencies),
  itemsRoute(dependencies),
  judgeRoute(dependencies, 'keep'),
  judgeRoute(dependencies, 'revoke'),
  cancelRoute(dependencies),
  evidenceRoute(dependencies),
];
