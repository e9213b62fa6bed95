import { AppError } from '@sallyport/errors';
import { decodeCursor, encodeCursor, listOf, listQuery, route, type RequestContext, type Route } from '@sallyport/http';
import { z } from 'zod';

import type { IdentityContext } from '../context.ts';
import { changeConnection, createConnection, removeConnection, type Authorized } from './change-connection.ts';
import { SCIM_PROFILES, type Connection, type ScimToken } from './connection.ts';
import { listScimTokens } from './scim-token-store.ts';
import { issueScimToken, revokeToken } from './scim-tokens.ts';
import { findConnection, listConnections } from './store.ts';

const BASE = '/api/identity/v1/connections';
const MAX_TOKEN_DAYS = 730;

const profileSchema = z.enum(SCIM_PROFILES);
const facetSchema = z.object({ profile: profileSchema.default('auto') });
const nameSchema = z.string().trim().min(1).max(100);

const connectionSchema = z.object({
  id: z.string(),
  name: z.string(),
  enabled: z.boolean(),
  scim: z.object({ profile: profileSchema, baseUrl: z.string() }).nullable(),
  createdAt: z.string(),
  updatedAt: z.string(),
});

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

const params = z.object({ connectionId: z.uuid() });

const renderer =
  ({ config }: IdentityContext) =>
  (connection: Connection): z.output<typeof connectionSchema> => ({
    id: connection.id,
    name: connection.name,
    enabled: connection.enabled,
    scim: connection.scim === null ? null : { ...connection.scim, baseUrl: `${config.publicOrigin}/scim/v2` },
    createdAt: connection.createdAt.toISOString(),
    updatedAt: connection.updatedAt.toISOString(),
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

const authorized = (context: RequestContext): Authorized => ({
  audit: context.auditContext(),
  decision: context.decision,
});

const getConnection = async ({ db }: IdentityContext, orgId: string, id: string): Promise<Connection> => {
  const connection = await db.read(orgId, (tx) => findConnection(tx, orgId, id));
  if (connection === undefined) throw new AppError('NOT_FOUND', 'There is no such connection.');
  return connection;
};

const readRoutes = (service: IdentityContext): Route[] => [
  route({
    method: 'GET',
    path: BASE,
    permission: 'connection:read',
    surface: 'api',
    summary: 'Lists connections in order of creation.',
    query: listQuery,
    responses: { 200: listOf(connectionSchema) },
    handler: async ({ query: { limit, cursor }, context }) => {
      const { orgId } = context.auditContext();
      const page = {
        limit: limit + 1,
        ...(cursor === undefined ? {} : { after: decodeCursor(z.uuid(), cursor) }),
      };
      const found = await service.db.read(orgId, (tx) => listConnections(tx, orgId, page));
      const items = found.slice(0, limit);
      const last = items.at(-1);
      const nextCursor = found.length > limit && last !== undefined ? encodeCursor(last.id) : null;
      return { status: 200, body: { items: items.map(renderer(service)), nextCursor } };
    },
  }),
  route({
    method: 'GET',
    path: `${BASE}/:connectionId`,
    permission: 'connection:read',
    surface: 'api',
    summary: 'Shows one connection.',
    params,
    responses: { 200: connectionSchema },
    handler: async ({ params: { connectionId }, context }) => ({
      status: 200,
      body: renderer(service)(await getConnection(service, context.auditContext().orgId, connectionId)),
    }),
  }),
];

const changeRoutes = (service: IdentityContext): Route[] => [
  route({
    method: 'POST',
    path: BASE,
    permission: 'connection:manage',
    surface: 'api',
    summary: 'Creates a connection, enabled.',
    body: z.object({ name: nameSchema, scim: facetSchema.nullable().default(null) }),
    responses: { 201: connectionSchema, 409: null },
    handler: async ({ body, context }) => {
      const connection = await createConnection(service, authorized(context), body);
      const headers = { location: `${BASE}/${connection.id}` };
      return { status: 201, body: renderer(service)(connection), headers };
    },
  }),
  route({
    method: 'PATCH',
    path: `${BASE}/:connectionId`,
    permission: 'connection:manage',
    surface: 'api',
    summary: 'Renames, enables or disables a connection. Disabling answers when nobody of it gets in anywhere.',
    params,
    body: z.object({
      name: nameSchema.optional(),
      enabled: z.boolean().optional(),
      // Without a default: a change that says nothing of the profile must not put it back to auto.
      scim: z.object({ profile: profileSchema }).nullable().optional(),
    }),
    responses: { 200: connectionSchema, 409: null },
    handler: async ({ params: { connectionId }, body: { name, enabled, scim }, context }) => {
      const change = {
        ...(name === undefined ? {} : { name }),
        ...(enabled === undefined ? {} : { enabled }),
        ...(scim === undefined ? {} : { scim }),
      };
      const connection = await changeConnection(service, authorized(context), connectionId, change);
      return { status: 200, body: renderer(service)(connection) };
    },
  }),
  route({
    method: 'DELETE',
    path: `${BASE}/:connectionId`,
    permission: 'connection:manage',
    surface: 'api',
    summary: 'Removes a connection with its accounts and groups, for good.',
    params,
    responses: { 204: null },
    handler: async ({ params: { connectionId }, context }) => {
      await removeConnection(service, authorized(context), connectionId);
      return { status: 204 };
    },
  }),
];

const tokenRoutes = (service: IdentityContext): Route[] => [
  route({
    method: 'GET',
    path: `${BASE}/:connectionId/scim-tokens`,
    permission: 'connection:read',
    surface: 'api',
    summary: 'Lists the tokens of the directory, newest first, without their secrets.',
    params,
    responses: { 200: listOf(tokenSchema) },
    handler: async ({ params: { connectionId }, context }) => {
      const { orgId } = context.auditContext();
      await getConnection(service, orgId, connectionId);
      const tokens = await service.db.read(orgId, (tx) => listScimTokens(tx, orgId, connectionId));
      return { status: 200, body: { items: tokens.map(renderToken), nextCursor: null } };
    },
  }),
  route({
    method: 'POST',
    path: `${BASE}/:connectionId/scim-tokens`,
    permission: 'connection:manage',
    surface: 'api',
    summary: 'Issues a token for the directory. The secret is in this answer and nowhere else.',
    params,
    body: z.object({ name: nameSchema, expiresInDays: z.number().int().min(1).max(MAX_TOKEN_DAYS).default(365) }),
    responses: { 201: tokenSchema.extend({ token: z.string() }), 409: null },
    handler: async ({ params: { connectionId }, body, context }) => {
      const issued = await issueScimToken(service, authorized(context), { connectionId, ...body });
      return { status: 201, body: { ...renderToken(issued.token), token: issued.secret } };
    },
  }),
  route({
    method: 'DELETE',
    path: `${BASE}/:connectionId/scim-tokens/:tokenId`,
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

/** `/api/identity/v1/connections` and the tokens of their directories. */
export const connectionRoutes = (service: IdentityContext): Route[] => [
  ...readRoutes(service),
  ...changeRoutes(service),
  ...tokenRoutes(service),
];
