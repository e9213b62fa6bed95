import { createHash } from 'node:crypto';

import { AppError } from '@sallyport/errors';
import { GUARDED, route, type Route } from '@sallyport/http';
import { z } from 'zod';

import type { IdentityContext } from '../context.ts';
import { MAX_BULK_BYTES, MAX_BULK_OPERATIONS } from './bulk/limits.ts';
import type { ScimCaller } from './caller.ts';
import type { ResourceDefinition, SchemaDefinition } from './protocol/attribute.ts';
import { GROUP } from './protocol/group-schema.ts';
import { USER } from './protocol/user-schema.ts';
import { CURSOR_LIFE_SECONDS, DEFAULT_COUNT, MAX_COUNT } from './query/index.ts';
import { contentTypeOf, etagOf, isUnchanged, LIST_SCHEMA } from './request.ts';
import type { Guard } from './resource-routes.ts';

const RESOURCES: readonly ResourceDefinition[] = [USER, GROUP];
const SCHEMAS: readonly SchemaDefinition[] = RESOURCES.flatMap(({ core, extensions }) => [core, ...extensions]);

const CONFIG_SCHEMA = 'urn:ietf:params:scim:schemas:core:2.0:ServiceProviderConfig';
const RESOURCE_TYPE_SCHEMA = 'urn:ietf:params:scim:schemas:core:2.0:ResourceType';
const SCHEMA_SCHEMA = 'urn:ietf:params:scim:schemas:core:2.0:Schema';

const location = (origin: string, path: string): string => `${origin}/scim/v2${path}`;

/** What is supported, and nothing that is not. */
const serviceProviderConfig = (origin: string, { profile }: ScimCaller): object => ({
  schemas: [CONFIG_SCHEMA],
  patch: { supported: true },
  bulk: { supported: true, maxOperations: MAX_BULK_OPERATIONS, maxPayloadSize: MAX_BULK_BYTES },
  filter: { supported: true, maxResults: MAX_COUNT },
  changePassword: { supported: false },
  sort: { supported: true },
  etag: { supported: true },
  // draft-zollner-scim-interop-profile: of this connection, which is what its base URL and token stand for.
  interopProfileConformant: profile === 'interop-strict',
  // RFC 9865 §4
  pagination: {
    cursor: true,
    index: true,
    defaultPaginationMethod: 'index',
    defaultPageSize: DEFAULT_COUNT,
    maxPageSize: MAX_COUNT,
    cursorTimeout: CURSOR_LIFE_SECONDS,
  },
  authenticationSchemes: [
    {
      type: 'oauthbearertoken',
      name: 'Bearer token',
      description: 'A token of one connection, issued by an administrator of the organisation.',
      specUri: 'https://www.rfc-editor.org/info/rfc6750',
      primary: true,
    },
    {
      type: 'oauth2',
      name: 'OAuth 2.0 client credentials',
      description: 'An access token of a client of one connection, had at the token endpoint of our OpenID Provider.',
      specUri: 'https://www.rfc-editor.org/info/rfc6749',
      primary: false,
    },
  ],
  meta: { resourceType: 'ServiceProviderConfig', location: location(origin, '/ServiceProviderConfig') },
});

const resourceType = (origin: string, resource: ResourceDefinition): object => ({
  schemas: [RESOURCE_TYPE_SCHEMA],
  id: resource.name,
  name: resource.name,
  endpoint: resource.endpoint,
  description: resource.description,
  schema: resource.core.id,
  schemaExtensions: resource.extensions.map(({ id }) => ({ schema: id, required: false })),
  meta: { resourceType: 'ResourceType', location: location(origin, `/ResourceTypes/${resource.name}`) },
});

const schemaDocument = (origin: string, schema: SchemaDefinition): object => ({
  schemas: [SCHEMA_SCHEMA],
  ...schema,
  meta: { resourceType: 'Schema', location: location(origin, `/Schemas/${schema.id}`) },
});

const list = (resources: readonly object[]): object => ({
  schemas: [LIST_SCHEMA],
  totalResults: resources.length,
  startIndex: 1,
  itemsPerPage: resources.length,
  Resources: resources,
});

const query = z.object({ filter: z.string().optional() });
const params = z.object({ id: z.string() });
const resource = z.record(z.string(), z.unknown());

/** RFC 7644 §4: a filter on discovery is answered 403, so that nobody takes a full list for a filtered one. */
const refuseFilter = (filter: string | undefined): void => {
  if (filter !== undefined) throw new AppError('PERMISSION_DENIED', 'Discovery cannot be filtered.');
};

const found = <T>(item: T | undefined): T => {
  if (item === undefined) throw new AppError('NOT_FOUND', 'There is no such resource.');
  return item;
};

interface Discovered {
  readonly path: string;
  readonly summary: string;
  readonly all: (caller: ScimCaller) => object;
  readonly one?: (id: string) => object;
}

const VERSION_LENGTH = 22;

/** What is declared does not change while a process lives; its digest is its version. */
const versionOf = (body: object): string =>
  createHash('sha256').update(JSON.stringify(body)).digest('base64url').slice(0, VERSION_LENGTH);

const discoveryRoutes = (guard: Guard, { path, summary, all, one }: Discovered): Route[] => {
  const base = { method: 'GET', permission: GUARDED, guard, surface: 'scim', summary, query } as const;
  const responses = { 200: resource, 304: null };
  const answer = (ctx: Parameters<Guard>[0], body: object) => {
    const headers = { etag: etagOf(versionOf(body)) };
    if (isUnchanged(ctx, headers.etag)) return Promise.resolve({ status: 304, headers });
    return Promise.resolve({ status: 200, body, headers: { ...headers, ...contentTypeOf(ctx) } });
  };
  const whole = route({
    ...base,
    path,
    responses,
    handler: ({ query: { filter }, guarded: caller, ctx }) => {
      refuseFilter(filter);
      return answer(ctx, all(caller));
    },
  });
  if (one === undefined) return [whole];
  const single = route({
    ...base,
    path: `${path}/:id`,
    params,
    responses,
    handler: ({ params: { id }, query: { filter }, ctx }) => {
      refuseFilter(filter);
      return answer(ctx, one(id));
    },
  });
  return [whole, single];
};

/** `/ServiceProviderConfig`, `/ResourceTypes`, `/Schemas`, generated from the declaration the validator enforces. */
export const scimDiscoveryRoutes = ({ config }: IdentityContext, guard: Guard): Route[] => {
  const origin = config.publicOrigin;
  return [
    ...discoveryRoutes(guard, {
      path: '/scim/v2/ServiceProviderConfig',
      summary: 'What this service supports.',
      all: (caller) => serviceProviderConfig(origin, caller),
    }),
    ...discoveryRoutes(guard, {
      path: '/scim/v2/ResourceTypes',
      summary: 'The types of resources.',
      all: () => list(RESOURCES.map((one) => resourceType(origin, one))),
      one: (id) => resourceType(origin, found(RESOURCES.find(({ name }) => name === id))),
    }),
    ...discoveryRoutes(guard, {
      path: '/scim/v2/Schemas',
      summary: 'The attributes of every type.',
      all: () => list(SCHEMAS.map((one) => schemaDocument(origin, one))),
      one: (id) => schemaDocument(origin, found(SCHEMAS.find((one) => one.id.toLowerCase() === id.toLowerCase()))),
    }),
  ];
};
