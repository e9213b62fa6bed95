import { AppError } from '@sallyport/errors';
import {
  SELF,
  decodeCursor,
  encodeCursor,
  listOf,
  listQuery,
  route,
  type Principal,
  type Route,
} from '@sallyport/http';
import { z } from 'zod';

import { peopleBehind } from '../accounts/index.ts';
import type { IdentityContext } from '../context.ts';
import { assertNotWider } from '../reach/index.ts';
import { issueToken, MAX_LIFETIME_MS } from './issue-token.ts';
import { listTokens, revokeTokens } from './store.ts';
import { cursorSchema, newTokenSchema, renderToken, tokenSchema } from './token-view.ts';

const callerOf = (principal: Principal | null): Principal => {
  if (principal === null) throw new AppError('UNAUTHENTICATED', 'Authentication is required.');
  return principal;
};

const createToken = (context: IdentityContext): Route =>
  route({
    method: 'POST',
    path: '/api/identity/v1/api-tokens',
    permission: SELF,
    stepUp: 'api-token:create',
    surface: 'api',
    summary: `Issues an API token of my own; the secret is in this answer and nowhere else. It lives at most ${MAX_LIFETIME_MS / 86_400_000} days.`,
    body: newTokenSchema,
    responses: { 201: tokenSchema.extend({ token: z.string() }), 403: null, 409: null },
    handler: async ({ body, context: request }) => {
      const caller = callerOf(request.principal);
      const expiresAt = new Date(body.expiresAt);
      assertNotWider(caller, body.scopes, expiresAt);
      const { value: issued } = await context.audit.mutate(request.auditContext(), async (tx) => {
        const who = { accountId: caller.subjectId, createdBy: caller.subjectId, people: peopleBehind(caller) };
        return await issueToken(tx, {
          ...who,
          name: body.name,
          scopes: body.scopes,
          expiresAt,
          now: context.clock.now(),
        });
      });
      return { status: 201, body: { ...renderToken(issued.token), token: issued.secret } };
    },
  });

const listMine = (context: IdentityContext): Route =>
  route({
    method: 'GET',
    path: '/api/identity/v1/api-tokens',
    permission: SELF,
    surface: 'api',
    summary: 'My API tokens, without their secrets.',
    query: listQuery,
    responses: { 200: listOf(tokenSchema) },
    handler: async ({ query, context: request }) => {
      const { orgId, subjectId } = callerOf(request.principal);
      const after = query.cursor === undefined ? null : decodeCursor(cursorSchema, query.cursor).after;
      const tokens = await context.db.read(orgId, async (tx) => {
        return await listTokens(tx, { orgId, accountId: subjectId, after, limit: query.limit + 1 });
      });
      const page = tokens.slice(0, query.limit);
      const last = tokens.length > query.limit ? page.at(-1) : undefined;
      const nextCursor = last === undefined ? null : encodeCursor({ after: last.id });
      return { status: 200, body: { items: page.map(renderToken), nextCursor } };
    },
  });

const revokeMine = (context: IdentityContext): Route =>
  route({
    method: 'DELETE',
    path: '/api/identity/v1/api-tokens/:tokenId',
    permission: SELF,
    surface: 'api',
    summary: 'Revokes one of my API tokens.',
    params: z.object({ tokenId: z.uuid() }),
    responses: { 204: null, 404: null },
    handler: async ({ params, context: request }) => {
      const { orgId, subjectId } = callerOf(request.principal);
      await context.audit.mutate(request.auditContext(), async (tx) => {
        const [revoked] = await revokeTokens(tx, { orgId, accountIds: [subjectId], tokenId: params.tokenId });
        if (revoked === undefined) throw new AppError('NOT_FOUND', 'There is no such token.');
        tx.record({
          action: 'api-token.revoked',
          target: { type: 'api_token', id: revoked.id },
          before: { accountId: subjectId, name: revoked.name, scopes: revoked.scopes },
        });
      });
      return { status: 204 };
    },
  });

/** My own API tokens. */
export const tokenRoutes = (context: IdentityContext): Route[] => [
  createToken(context),
  listMine(context),
  revokeMine(context),
];
