import { AppError } from '@sallyport/errors';
import { decodeCursor, encodeCursor, listOf, listQuery, route, type Route } from '@sallyport/http';
import { newId, newSecret, secretHash } from '@sallyport/storage';
import { z } from 'zod';

import type { IdentityContext } from '../context.ts';
import { deleteClient, insertClient, listClients, type OAuthClient } from './client-store.ts';

const MAX_URIS = 20;
const PERMISSION = 'client:manage';

/** Absolute, without fragment; plain HTTP only on the machine itself (RFC 9700 §2.1, RFC 8252 §7.3). */
const redirectUri = z
  .string()
  .max(2048)
  .refine((text) => {
    const url = URL.parse(text);
    if (url === null || url.hash !== '' || text.endsWith('#') || url.username !== '' || url.password !== '')
      return false;
    const isLoopback = ['localhost', '127.0.0.1', '[::1]'].includes(url.hostname);
    return url.protocol === 'https:' || (url.protocol === 'http:' && isLoopback);
  }, 'An absolute https URL without fragment (or http on localhost).');

const newClientSchema = z.object({
  name: z.string().trim().min(1).max(100),
  kind: z.enum(['public', 'confidential']).default('confidential'),
  redirectUris: z.array(redirectUri).min(1).max(MAX_URIS),
  postLogoutRedirectUris: z.array(redirectUri).max(MAX_URIS).default([]),
  backchannelLogoutUri: redirectUri.optional(),
  /** A resource server: may introspect tokens of the organisation's other clients. */
  mayIntrospect: z.boolean().default(false),
  /** Whether its access tokens act for the person at Sallyport's own API: only for tools that are meant to. */
  apiAccess: z.boolean().default(false),
});

const clientSchema = z.object({
  clientId: z.string(),
  name: z.string(),
  kind: z.enum(['public', 'confidential']),
  redirectUris: z.array(z.string()),
  postLogoutRedirectUris: z.array(z.string()),
  backchannelLogoutUri: z.string().nullable(),
  mayIntrospect: z.boolean(),
  apiAccess: z.boolean(),
  createdAt: z.iso.datetime(),
});

const render = (client: OAuthClient): z.input<typeof clientSchema> => ({
  clientId: client.id,
  name: client.name,
  kind: client.kind,
  redirectUris: [...client.redirectUris],
  postLogoutRedirectUris: [...client.postLogoutRedirectUris],
  backchannelLogoutUri: client.backchannelLogoutUri,
  mayIntrospect: client.mayIntrospect,
  apiAccess: client.apiAccess,
  createdAt: client.createdAt.toISOString(),
});

const recorded = ({ id: _id, secretHash: _secret, createdAt: _at, orgId: _org, ...rest }: OAuthClient) => rest;

const createClient = (context: IdentityContext): Route =>
  route({
    method: 'POST',
    path: '/api/identity/v1/oauth-clients',
    permission: PERMISSION,
    surface: 'api',
    summary: 'Registers an application; the secret is in this answer and nowhere else.',
    body: newClientSchema,
    responses: { 201: clientSchema.extend({ clientSecret: z.string().nullable() }) },
    handler: async ({ body, context: request }) => {
      const auditContext = request.auditContext();
      const secret = body.kind === 'confidential' ? newSecret('sp_cs_') : null;
      const client: OAuthClient = {
        orgId: auditContext.orgId,
        id: `sp_cli_${newId().replaceAll('-', '')}`,
        name: body.name,
        kind: body.kind,
        secretHash: secret === null ? null : secretHash(secret),
        redirectUris: body.redirectUris,
        postLogoutRedirectUris: body.postLogoutRedirectUris,
        backchannelLogoutUri: body.backchannelLogoutUri ?? null,
        mayIntrospect: body.mayIntrospect && body.kind === 'confidential',
        apiAccess: body.apiAccess,
        createdAt: context.clock.now(),
      };
      await context.audit.mutate(auditContext, async (tx) => {
        if (request.decision !== null) tx.fence(request.decision);
        await insertClient(tx, client, auditContext.actor.id);
        tx.record({
          action: 'oauth-client.created',
          target: { type: 'oauth_client', id: client.id },
          after: recorded(client),
        });
      });
      return { status: 201, body: { ...render(client), clientSecret: secret } };
    },
  });

const cursorSchema = z.object({ after: z.string().max(100) });

const listAll = (context: IdentityContext): Route =>
  route({
    method: 'GET',
    path: '/api/identity/v1/oauth-clients',
    permission: PERMISSION,
    surface: 'api',
    summary: 'The applications of the organisation, without their secrets.',
    query: listQuery,
    responses: { 200: listOf(clientSchema) },
    handler: async ({ query, context: request }) => {
      const { orgId } = request.auditContext();
      const after = query.cursor === undefined ? null : decodeCursor(cursorSchema, query.cursor).after;
      const clients = await context.db.read(orgId, async (tx) => {
        return await listClients(tx, { orgId, after, limit: query.limit + 1 });
      });
      const items = clients.slice(0, query.limit);
      const last = clients.length > query.limit ? items.at(-1) : undefined;
      const nextCursor = last === undefined ? null : encodeCursor({ after: last.id });
      return { status: 200, body: { items: items.map(render), nextCursor } };
    },
  });

const removeClient = (context: IdentityContext): Route =>
  route({
    method: 'DELETE',
    path: '/api/identity/v1/oauth-clients/:clientId',
    permission: PERMISSION,
    surface: 'api',
    summary: 'Removes an application; everything issued to it is void at once.',
    params: z.object({ clientId: z.string().max(100) }),
    responses: { 204: null, 404: null },
    handler: async ({ params, context: request }) => {
      const auditContext = request.auditContext();
      await context.audit.mutate(auditContext, async (tx) => {
        if (request.decision !== null) tx.fence(request.decision);
        const deleted = await deleteClient(tx, auditContext.orgId, params.clientId);
        if (deleted === null) throw new AppError('NOT_FOUND', 'There is no such application.');
        tx.record({
          action: 'oauth-client.deleted',
          target: { type: 'oauth_client', id: params.clientId },
          before: { ...recorded(deleted.client), artifacts: deleted.artifacts },
        });
      });
      return { status: 204 };
    },
  });

/** The organisation's applications. */
export const clientRoutes = (context: IdentityContext): Route[] => [
  createClient(context),
  listAll(context),
  removeClient(context),
];
