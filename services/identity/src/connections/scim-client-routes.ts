import { listOf, route, type Route } from '@sallyport/http';
import { z } from 'zod';

import type { IdentityContext } from '../context.ts';
import { CREDENTIAL_WARNINGS } from './credential-warning.ts';
import { listClients, type ScimClientView } from './list-credentials.ts';
import { authorized, CONNECTION, expirySchema, getConnection, nameSchema, params } from './route-parts.ts';
import { addScimClientSecret, createScimClient, removeScimClient, removeScimClientSecret } from './scim-clients.ts';
import { TOKEN_TTL_MINUTES, type ScimClient, type ScimClientSecret } from './scim-client.ts';

const CLIENTS = `${CONNECTION}/scim-clients`;
const MINUTE_S = 60;

const secretSchema = z.object({
  id: z.string(),
  prefix: z.string(),
  createdAt: z.string(),
  createdBy: z.string(),
  expiresAt: z.string(),
  revokedAt: z.string().nullable(),
});

const clientSchema = z.object({
  clientId: z.string(),
  name: z.string(),
  tokenTtlMinutes: z.number().int(),
  createdAt: z.string(),
  createdBy: z.string(),
  lastUsedAt: z.string().nullable(),
  revokedAt: z.string().nullable(),
});

const warnings = z.array(z.enum(CREDENTIAL_WARNINGS));

const listedSchema = clientSchema.extend({
  warnings,
  secrets: z.array(secretSchema.extend({ expiresSoon: z.boolean(), daysLeft: z.number().int(), warnings })),
});

const endpoint = z.object({ tokenUrl: z.string(), scope: z.string() });
const shownSecret = secretSchema.extend({ clientSecret: z.string() });

const clientParams = params.extend({ clientId: z.string().max(100) });

const renderClient = (client: ScimClient): z.output<typeof clientSchema> => ({
  clientId: client.id,
  name: client.name,
  tokenTtlMinutes: client.tokenTtlSeconds / MINUTE_S,
  createdAt: client.createdAt.toISOString(),
  createdBy: client.createdBy,
  lastUsedAt: client.lastUsedAt?.toISOString() ?? null,
  revokedAt: client.revokedAt?.toISOString() ?? null,
});

const renderSecret = (secret: ScimClientSecret): z.output<typeof secretSchema> => ({
  id: secret.id,
  prefix: secret.prefix,
  createdAt: secret.createdAt.toISOString(),
  createdBy: secret.createdBy,
  expiresAt: secret.expiresAt.toISOString(),
  revokedAt: secret.revokedAt?.toISOString() ?? null,
});

const renderListed = (view: ScimClientView): z.output<typeof listedSchema> => ({
  ...renderClient(view.client),
  warnings: [...view.warnings],
  secrets: view.secrets.map((secret) => ({
    ...renderSecret(secret),
    expiresSoon: secret.expiresSoon,
    daysLeft: secret.daysLeft,
    warnings: [...secret.warnings],
  })),
});

const ttlSchema = z
  .number()
  .int()
  .min(TOKEN_TTL_MINUTES.min)
  .max(TOKEN_TTL_MINUTES.max)
  .default(TOKEN_TTL_MINUTES.default);

const clientRoutes = (service: IdentityContext): Route[] => [
  route({
    method: 'GET',
    path: CLIENTS,
    permission: 'connection:read',
    surface: 'api',
    summary: 'Lists the OAuth clients of the directory, newest first, with what to know about their secrets.',
    params,
    responses: { 200: listOf(listedSchema) },
    handler: async ({ params: { connectionId }, context }) => {
      const { orgId } = context.auditContext();
      await getConnection(service, orgId, connectionId);
      const clients = await listClients(service, { orgId, connectionId });
      return { status: 200, body: { items: clients.map(renderListed), nextCursor: null } };
    },
  }),
  route({
    method: 'POST',
    path: CLIENTS,
    permission: 'connection:manage',
    surface: 'api',
    summary: 'Creates an OAuth client (client credentials) for the directory. The secret is in this answer only.',
    params,
    body: z.object({ name: nameSchema, tokenTtlMinutes: ttlSchema, secretExpiresInDays: expirySchema }),
    responses: {
      201: clientSchema.extend({ secretId: z.string(), clientSecret: z.string(), ...endpoint.shape }),
      409: null,
    },
    handler: async ({ params: { connectionId }, body, context }) => {
      const { client, secret, value } = await createScimClient(service, authorized(context), { connectionId, ...body });
      const tokenUrl = `${service.openIdProvider.issuer}/token`;
      const shown = { secretId: secret.id, clientSecret: value, tokenUrl, scope: 'scim' };
      return { status: 201, body: { ...renderClient(client), ...shown } };
    },
  }),
  route({
    method: 'DELETE',
    path: `${CLIENTS}/:clientId`,
    permission: 'connection:manage',
    surface: 'api',
    summary: 'Revokes a client; its secrets and access tokens end at once.',
    params: clientParams,
    responses: { 204: null },
    handler: async ({ params: key, context }) => {
      await removeScimClient(service, authorized(context), key);
      return { status: 204 };
    },
  }),
];

const secretRoutes = (service: IdentityContext): Route[] => [
  route({
    method: 'POST',
    path: `${CLIENTS}/:clientId/secrets`,
    permission: 'connection:manage',
    surface: 'api',
    summary: 'Adds a second secret, to move the directory to it without a gap. It is in this answer only.',
    params: clientParams,
    body: z.object({ expiresInDays: expirySchema }),
    responses: { 201: shownSecret, 409: null },
    handler: async ({ params: key, body, context }) => {
      const { secret, value } = await addScimClientSecret(service, authorized(context), { ...key, ...body });
      return { status: 201, body: { ...renderSecret(secret), clientSecret: value } };
    },
  }),
  route({
    method: 'DELETE',
    path: `${CLIENTS}/:clientId/secrets/:secretId`,
    permission: 'connection:manage',
    surface: 'api',
    summary: 'Revokes a secret; access tokens that were had with it end at once.',
    params: clientParams.extend({ secretId: z.uuid() }),
    responses: { 204: null },
    handler: async ({ params: key, context }) => {
      await removeScimClientSecret(service, authorized(context), key);
      return { status: 204 };
    },
  }),
];

/** `/api/identity/v1/connections/:connectionId/scim-clients` */
export const scimClientRoutes = (service: IdentityContext): Route[] => [
  ...clientRoutes(service),
  ...secretRoutes(service),
];
