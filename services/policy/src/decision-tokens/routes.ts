import { AppError } from '@sallyport/errors';
import { decodeCursor, encodeCursor, listOf, listQuery, route, type RequestContext, type Route } from '@sallyport/http';
import type { Database } from '@sallyport/storage';
import { z } from 'zod';

import { describeDecision, id } from '../grants/index.ts';
import { issueDecisionToken, revokeDecisionToken, type TokenDependencies, type TokenOrder } from './manage-tokens.ts';
import { listTokens, type DecisionTokenRecord } from './store.ts';

const PATH = '/api/policy/v1/decision-tokens';

export type TokenRouteDependencies = TokenDependencies & { readonly db: Database };

const tokenShape = z.object({
  id: z.string(),
  name: z.string(),
  expiresAt: z.string().nullable(),
  createdAt: z.string(),
  createdBy: z.string(),
});

const newTokenShape = z.object({
  name: z.string().trim().min(1).max(100),
  expiresAt: z.iso
    .datetime({ offset: true })
    .transform((text) => new Date(text))
    .optional(),
});

const cursorShape = z.strictObject({ after: id });

const toBody = (record: DecisionTokenRecord): z.input<typeof tokenShape> => ({
  id: record.tokenId,
  name: record.name,
  expiresAt: record.expiresAt?.toISOString() ?? null,
  createdAt: record.createdAt.toISOString(),
  createdBy: record.createdBy,
});

const orderOf = (context: RequestContext): TokenOrder => {
  const { decision } = context;
  if (decision === null) throw new AppError('INTERNAL', 'The route was served without a decision.');
  return { context: context.auditContext(), decision: { ...decision, description: describeDecision(decision) } };
};

/** Decision tokens over HTTP. */
export const tokenRoutes = (dependencies: TokenRouteDependencies): Route[] => [
  route({
    method: 'GET',
    path: PATH,
    permission: 'client:manage',
    surface: 'api',
    summary: 'Live decision tokens, without their secrets.',
    query: listQuery,
    responses: { 200: listOf(tokenShape) },
    handler: async ({ query: { limit, cursor }, context }) => {
      const { orgId } = context.auditContext();
      const after = cursor === undefined ? {} : decodeCursor(cursorShape, cursor);
      const found = await dependencies.db.read(
        orgId,
        async (tx) => await listTokens(tx, orgId, { ...after, limit: limit + 1 }),
      );
      const items = found.slice(0, limit);
      const last = found.length > limit ? items.at(-1) : undefined;
      const nextCursor = last === undefined ? null : encodeCursor({ after: last.tokenId });
      return { status: 200, body: { items: items.map(toBody), nextCursor } };
    },
  }),
  route({
    method: 'POST',
    path: PATH,
    permission: 'client:manage',
    surface: 'api',
    summary: 'Issues a decision token; its secret is shown this once.',
    body: newTokenShape,
    responses: { 201: tokenShape.extend({ token: z.string() }) },
    handler: async ({ body, context }) => {
      const { record, token } = await issueDecisionToken(dependencies, orderOf(context), {
        name: body.name,
        expiresAt: body.expiresAt ?? null,
      });
      return { status: 201, body: { ...toBody(record), token }, headers: { 'cache-control': 'no-store' } };
    },
  }),
  route({
    method: 'DELETE',
    path: `${PATH}/:tokenId`,
    permission: 'client:manage',
    surface: 'api',
    summary: 'Revokes a decision token at once.',
    params: z.object({ tokenId: z.string() }),
    responses: { 204: null },
    handler: async ({ params, context }) => {
      const tokenId = id.safeParse(params.tokenId);
      if (!tokenId.success) throw new AppError('NOT_FOUND', 'There is no such decision token.');
      await revokeDecisionToken(dependencies, orderOf(context), tokenId.data);
      return { status: 204 };
    },
  }),
];
