import { listOf, route, type Route } from '@sallyport/http';
import { z } from 'zod';

import type { IdentityContext } from '../context.ts';
import type { ScimToken } from './connection.ts';
import { CREDENTIAL_WARNINGS } from './credential-warning.ts';
import { listTokens, type Outlook } from './list-credentials.ts';
import { authorized, CONNECTION, expirySchema, getConnection, nameSchema, params } from './route-parts.ts';
import { issueScimToken, revokeToken } from './scim-tokens.ts';

const tokenSchema = z.object({
  id: z.string(),
  name: z.string(),
  prefix: z.string(),
  createdAt: z.string(),
  createdBy: z.string(),
  expiresAt: z.string(),
  lastUsedAt: z.string().nullable(),
  revokedAt: z.string().nullable(),
});

const listedSchema = tokenSchema.extend({
  expiresSoon: z.boolean(),
  daysLeft: z.number().int(),
  warnings: z.array(z.enum(CREDENTIAL_WARNINGS)),
});

const renderToken = (token: ScimToken): z.output<typeof tokenSchema> => ({
  id: token.id,
  name: token.name,
  prefix: token.prefix,
  createdAt: token.createdAt.toISOString(),
  createdBy: token.createdBy,
  expiresAt: token.expiresAt.toISOString(),
  lastUsedAt: token.lastUsedAt?.toISOString() ?? null,
  revokedAt: token.revokedAt?.toISOString() ?? null,
});

const renderListed = (token: ScimToken & Outlook): z.output<typeof listedSchema> => ({
  ...renderToken(token),
  expiresSoon: token.expiresSoon,
  daysLeft: token.daysLeft,
  warnings: [...token.warnings],
});

/** `/api/identity/v1/connections/:connectionId/scim-tokens`: the bearer tokens of a directory. */
export const scimTokenRoutes = (service: IdentityContext): Route[] => [
  route({
    method: 'GET',
    path: `${CONNECTION}/scim-tokens`,
    permission: 'connection:read',
    surface: 'api',
    summary: 'Lists the tokens of the directory, newest first, without their secrets, and what to know about them.',
    params,
    responses: { 200: listOf(listedSchema) },
    handler: async ({ params: { connectionId }, context }) => {
      const { orgId } = context.auditContext();
      await getConnection(service, orgId, connectionId);
      const tokens = await listTokens(service, { orgId, connectionId });
      return { status: 200, body: { items: tokens.map(renderListed), nextCursor: null } };
    },
  }),
  route({
    method: 'POST',
    path: `${CONNECTION}/scim-tokens`,
    permission: 'connection:manage',
    surface: 'api',
    summary: 'Issues a token for the directory. The secret is in this answer and nowhere else.',
    params,
    body: z.object({ name: nameSchema, expiresInDays: expirySchema }),
    responses: { 201: tokenSchema.extend({ token: z.string() }), 409: null },
    handler: async ({ params: { connectionId }, body, context }) => {
      const issued = await issueScimToken(service, authorized(context), { connectionId, ...body });
      return { status: 201, body: { ...renderToken(issued.token), token: issued.secret } };
    },
  }),
  route({
    method: 'DELETE',
    path: `${CONNECTION}/scim-tokens/:tokenId`,
    permission: 'connection:manage',
    surface: 'api',
    summary: 'Revokes a token at once.',
    params: params.extend({ tokenId: z.uuid() }),
    responses: { 204: null },
    handler: async ({ params: key, context }) => {
      await revokeToken(service, authorized(context), key);
      return { status: 204 };
    },
  }),
];
