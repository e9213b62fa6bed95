import type { AuditedTx } from '@sallyport/audit';
import { AppError } from '@sallyport/errors';
import { decodeCursor, encodeCursor, listOf, listQuery, route, type Route } from '@sallyport/http';
import type { ReadTx } from '@sallyport/storage';
import { z } from 'zod';

import { findAccount, peopleBehind } from '../accounts/index.ts';
import type { IdentityContext } from '../context.ts';
import { askReach, assertMayHold, assertNotWider, recordingEscalation } from '../reach/index.ts';
import { issueToken, type IssuedToken } from './issue-token.ts';
import { listTokens, revokeTokens } from './store.ts';
import { cursorSchema, newTokenSchema, renderToken, tokenSchema } from './token-view.ts';

const PATH = '/api/identity/v1/accounts/:accountId/api-tokens';
const params = z.object({ accountId: z.uuid() });

/** @throws NOT_FOUND when it is none of this organisation; CONFLICT for a person's account */
const assertServiceAccount = async (tx: ReadTx, orgId: string, accountId: string): Promise<void> => {
  const account = await findAccount(tx, orgId, accountId);
  if (account === undefined) throw new AppError('NOT_FOUND', 'There is no such account.');
  if (account.kind !== 'service_account') {
    throw new AppError('CONFLICT', 'People make their own tokens; nobody makes one in their name.');
  }
};

const createToken = (context: IdentityContext): Route =>
  route({
    method: 'POST',
    path: PATH,
    permission: 'account:manage',
    stepUp: 'api-token:create',
    surface: 'api',
    summary: 'Issues an API token of a service account; the secret is in this answer and nowhere else.',
    params,
    body: newTokenSchema,
    responses: { 201: tokenSchema.extend({ token: z.string() }), 403: null, 404: null, 409: null },
    handler: async ({ params: { accountId }, body, context: request }) => {
      const who = request.auditContext();
      const reach = await askReach(context, request);
      const expiresAt = new Date(body.expiresAt);
      const issue = async (tx: AuditedTx): Promise<IssuedToken> => {
        if (request.decision !== null) tx.fence(request.decision);
        await assertServiceAccount(tx, who.orgId, accountId);
        assertNotWider(reach.caller, body.scopes, expiresAt);
        await assertMayHold(tx, reach, accountId);
        const people = peopleBehind(request.principal);
        const token = { name: body.name, scopes: body.scopes, expiresAt, now: context.clock.now() };
        return await issueToken(tx, { accountId, createdBy: who.actor.id, people, ...token });
      };
      const { value: issued } = await recordingEscalation(
        context,
        who,
        { type: 'account', id: accountId },
        async () => {
          return await context.audit.mutate(who, issue);
        },
      );
      return { status: 201, body: { ...renderToken(issued.token), token: issued.secret } };
    },
  });

const listAll = (context: IdentityContext): Route =>
  route({
    method: 'GET',
    path: PATH,
    permission: 'account:read',
    surface: 'api',
    summary: 'The API tokens of a service account, without their secrets.',
    params,
    query: listQuery,
    responses: { 200: listOf(tokenSchema), 404: null, 409: null },
    handler: async ({ params: { accountId }, query, context: request }) => {
      const { orgId } = request.auditContext();
      const after = query.cursor === undefined ? null : decodeCursor(cursorSchema, query.cursor).after;
      const tokens = await context.db.read(orgId, async (tx) => {
        await assertServiceAccount(tx, orgId, accountId);
        return await listTokens(tx, { orgId, accountId, after, limit: query.limit + 1 });
      });
      const page = tokens.slice(0, query.limit);
      const last = tokens.length > query.limit ? page.at(-1) : undefined;
      const nextCursor = last === undefined ? null : encodeCursor({ after: last.id });
      return { status: 200, body: { items: page.map(renderToken), nextCursor } };
    },
  });

const revokeToken = (context: IdentityContext): Route =>
  route({
    method: 'DELETE',
    path: `${PATH}/:tokenId`,
    permission: 'account:manage',
    surface: 'api',
    summary: 'Revokes an API token of a service account.',
    params: params.extend({ tokenId: z.uuid() }),
    responses: { 204: null, 404: null, 409: null },
    handler: async ({ params: { accountId, tokenId }, context: request }) => {
      const who = request.auditContext();
      await context.audit.mutate(who, async (tx) => {
        if (request.decision !== null) tx.fence(request.decision);
        await assertServiceAccount(tx, who.orgId, accountId);
        const [revoked] = await revokeTokens(tx, { orgId: who.orgId, accountIds: [accountId], tokenId });
        if (revoked === undefined) throw new AppError('NOT_FOUND', 'There is no such token.');
        const before = { accountId, name: revoked.name, scopes: revoked.scopes };
        tx.record({ action: 'api-token.revoked', target: { type: 'api_token', id: tokenId }, before });
      });
      return { status: 204 };
    },
  });

/** API tokens of service accounts, for their administrators. */
export const serviceAccountTokenRoutes = (context: IdentityContext): Route[] => [
  createToken(context),
  listAll(context),
  revokeToken(context),
];
