import { AppError } from '@sallyport/errors';
import { decodeCursor, encodeCursor, listOf, listQuery, route, type RequestContext, type Route } from '@sallyport/http';
import { z } from 'zod';

import type { Authorized } from '../connections/index.ts';
import type { IdentityContext } from '../context.ts';
import { askReach, recordingEscalation } from '../reach/index.ts';
import {
  addClientSecret,
  changeClient,
  registerClient,
  removeClient,
  removeClientSecret,
  type ClientAdministrator,
} from './change-client.ts';
import {
  clientChangeSchema,
  clientSchema,
  newClientSchema,
  renderClient,
  renderSecret,
  secretSchema,
} from './client-input.ts';
import { findClientById, listClients, listClientSecrets } from './client-store.ts';

const PERMISSION = 'client:manage';
const PATH = '/api/identity/v1/oauth-clients';
const params = z.object({ clientId: z.string().max(100) });
const authorizedBy = (request: RequestContext): Authorized => ({
  audit: request.auditContext(),
  decision: request.decision,
});

const administratorOf = async (context: IdentityContext, request: RequestContext): Promise<ClientAdministrator> => ({
  ...authorizedBy(request),
  reach: await askReach(context, request),
});

/** Changes an application as far as its administrator reaches. */
const administering = async <T>(
  context: IdentityContext,
  request: RequestContext,
  clientId: string,
  work: (who: ClientAdministrator) => Promise<T>,
): Promise<T> => {
  const who = await administratorOf(context, request);
  return await recordingEscalation(context, who.audit, { type: 'oauth_client', id: clientId }, async () => {
    return await work(who);
  });
};

const cursorSchema = z.object({ after: z.string().max(100) });

const createRoute = (context: IdentityContext): Route =>
  route({
    method: 'POST',
    path: PATH,
    permission: PERMISSION,
    surface: 'api',
    summary: 'Registers an application; the secret is in this answer and nowhere else.',
    body: newClientSchema,
    responses: { 201: clientSchema.extend({ clientSecret: z.string().nullable() }), 403: null },
    handler: async ({ body, context: request }) => {
      const { client, secret } = await administering(context, request, 'new', async (who) => {
        return await registerClient(context, who, body);
      });
      return { status: 201, body: { ...renderClient(client), clientSecret: secret } };
    },
  });

const listRoute = (context: IdentityContext): Route =>
  route({
    method: 'GET',
    path: PATH,
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
      return { status: 200, body: { items: items.map(renderClient), nextCursor } };
    },
  });

const readRoute = (context: IdentityContext): Route =>
  route({
    method: 'GET',
    path: `${PATH}/:clientId`,
    permission: PERMISSION,
    surface: 'api',
    summary: 'One application, and which of its secrets are live.',
    params,
    responses: { 200: clientSchema.extend({ secrets: z.array(secretSchema) }), 404: null },
    handler: async ({ params: { clientId }, context: request }) => {
      const { orgId } = request.auditContext();
      const found = await context.db.read(orgId, async (tx) => {
        const client = await findClientById(tx, clientId);
        return client === null ? null : { client, secrets: await listClientSecrets(tx, orgId, clientId) };
      });
      if (found === null) throw new AppError('NOT_FOUND', 'There is no such application.');
      return { status: 200, body: { ...renderClient(found.client), secrets: found.secrets.map(renderSecret) } };
    },
  });

const changeRoute = (context: IdentityContext): Route =>
  route({
    method: 'PATCH',
    path: `${PATH}/:clientId`,
    permission: PERMISSION,
    surface: 'api',
    summary: 'Changes an application; what is left out stays.',
    params,
    body: clientChangeSchema,
    responses: { 200: clientSchema, 403: null, 404: null },
    handler: async ({ params: { clientId }, body, context: request }) => {
      const client = await administering(context, request, clientId, async (who) => {
        return await changeClient(context, who, { clientId, change: body });
      });
      return { status: 200, body: renderClient(client) };
    },
  });

const removeRoute = (context: IdentityContext): Route =>
  route({
    method: 'DELETE',
    path: `${PATH}/:clientId`,
    permission: PERMISSION,
    surface: 'api',
    summary: 'Removes an application; everything issued to it is void at once.',
    params,
    responses: { 204: null, 404: null },
    handler: async ({ params: { clientId }, context: request }) => {
      await removeClient(context, authorizedBy(request), clientId);
      return { status: 204 };
    },
  });

const addSecretRoute = (context: IdentityContext): Route =>
  route({
    method: 'POST',
    path: `${PATH}/:clientId/secrets`,
    permission: PERMISSION,
    surface: 'api',
    summary: 'Adds a second secret, so that the first can be replaced without an outage.',
    params,
    responses: { 201: secretSchema.extend({ clientSecret: z.string() }), 403: null, 404: null, 409: null },
    handler: async ({ params: { clientId }, context: request }) => {
      const { row, secret } = await administering(context, request, clientId, async (who) => {
        return await addClientSecret(context, who, clientId);
      });
      return { status: 201, body: { ...renderSecret(row), clientSecret: secret } };
    },
  });

const removeSecretRoute = (context: IdentityContext): Route =>
  route({
    method: 'DELETE',
    path: `${PATH}/:clientId/secrets/:secretId`,
    permission: PERMISSION,
    surface: 'api',
    summary: 'Removes a secret of an application.',
    params: params.extend({ secretId: z.uuid() }),
    responses: { 204: null, 404: null },
    handler: async ({ params: { clientId, secretId }, context: request }) => {
      await removeClientSecret(context, authorizedBy(request), { clientId, secretId });
      return { status: 204 };
    },
  });

/** The organisation's applications. */
export const clientRoutes = (context: IdentityContext): Route[] => [
  createRoute(context),
  listRoute(context),
  readRoute(context),
  changeRoute(context),
  removeRoute(context),
  addSecretRoute(context),
  removeSecretRoute(context),
];
