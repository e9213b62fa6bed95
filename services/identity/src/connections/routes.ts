import { decodeCursor, encodeCursor, listOf, listQuery, route, type Route } from '@sallyport/http';
import { z } from 'zod';

import type { IdentityContext } from '../context.ts';
import { changeConnection, createConnection, removeConnection } from './change-connection.ts';
import { changeAllowedNetworks } from './change-networks.ts';
import { SCIM_PROFILES, type Connection } from './connection.ts';
import { CREDENTIAL_WARNINGS } from './credential-warning.ts';
import { listWarnings } from './list-credentials.ts';
import { MAX_NETWORKS, networkProblem } from './network.ts';
import { authorized, BASE, CONNECTION, getConnection, nameSchema, params } from './route-parts.ts';
import { scimClientRoutes } from './scim-client-routes.ts';
import { scimTokenRoutes } from './scim-token-routes.ts';
import { listConnections } from './store.ts';

const profileSchema = z.enum(SCIM_PROFILES);
const facetSchema = z.object({ profile: profileSchema.default('auto') });

const connectionSchema = z.object({
  id: z.string(),
  name: z.string(),
  enabled: z.boolean(),
  scim: z.object({ profile: profileSchema, allowedNetworks: z.array(z.string()), baseUrl: z.string() }).nullable(),
  createdAt: z.string(),
  updatedAt: z.string(),
});

const warningSchema = z.object({
  code: z.enum(CREDENTIAL_WARNINGS),
  credentialType: z.enum(['scim_token', 'scim_client', 'scim_client_secret']),
  credentialId: z.string(),
  name: z.string(),
  daysLeft: z.number().int().nullable(),
});

const networkSchema = z
  .string()
  .max(64)
  .superRefine((text, issues) => {
    const problem = networkProblem(text);
    if (problem !== undefined) issues.addIssue({ code: 'custom', message: problem });
  });
const networksSchema = z.object({ allowedNetworks: z.array(networkSchema).max(MAX_NETWORKS) });

const renderer =
  ({ config }: IdentityContext) =>
  (connection: Connection): z.output<typeof connectionSchema> => ({
    id: connection.id,
    name: connection.name,
    enabled: connection.enabled,
    scim:
      connection.scim === null
        ? null
        : {
            profile: connection.scim.profile,
            allowedNetworks: [...connection.scim.allowedNetworks],
            baseUrl: `${config.publicOrigin}/scim/v2`,
          },
    createdAt: connection.createdAt.toISOString(),
    updatedAt: connection.updatedAt.toISOString(),
  });

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
    path: CONNECTION,
    permission: 'connection:read',
    surface: 'api',
    summary: 'Shows one connection, and what to know about the credentials of its directory.',
    params,
    responses: { 200: connectionSchema.extend({ warnings: z.array(warningSchema) }) },
    handler: async ({ params: { connectionId }, context }) => {
      const { orgId } = context.auditContext();
      const connection = await getConnection(service, orgId, connectionId);
      const warnings = await listWarnings(service, { orgId, connectionId });
      return { status: 200, body: { ...renderer(service)(connection), warnings } };
    },
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
    path: CONNECTION,
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
    path: CONNECTION,
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

const networkRoutes = (service: IdentityContext): Route[] => [
  route({
    method: 'PUT',
    path: `${CONNECTION}/scim-networks`,
    permission: 'connection:manage',
    surface: 'api',
    summary: 'Sets the addresses and networks (CIDR) requests of the directory may come from; none: any.',
    params,
    body: networksSchema,
    responses: { 200: networksSchema, 409: null },
    handler: async ({ params: { connectionId }, body: { allowedNetworks }, context }) => {
      const set = await changeAllowedNetworks(service, authorized(context), { connectionId, allowedNetworks });
      return { status: 200, body: { allowedNetworks: set } };
    },
  }),
];

/** `/api/identity/v1/connections` and the credentials of their directories. */
export const connectionRoutes = (service: IdentityContext): Route[] => [
  ...readRoutes(service),
  ...changeRoutes(service),
  ...networkRoutes(service),
  ...scimTokenRoutes(service),
  ...scimClientRoutes(service),
];
