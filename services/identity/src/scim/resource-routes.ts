import { GUARDED, route, type RequestContext, type Route, type RouteResponse } from '@sallyport/http';
import type Koa from 'koa';
import { z } from 'zod';

import type { IdentityContext } from '../context.ts';
import { answerSearch } from './answer-search.ts';
import type { ScimCaller } from './caller.ts';
import { readSelection, type Selection } from './protocol/selection.ts';
import { readQuery, readSearchBody, readSearchQuery, searchQuery } from './query/index.ts';
import { resourceBody } from './rendered.ts';
import { contentTypeOf, etagOf, isUnchanged } from './request.ts';
import { getResource, locationOf, type Kept, type ReadableType, type ResourceType } from './resource-type.ts';

export type Guard = (ctx: Koa.Context, context: RequestContext) => Promise<ScimCaller>;

const params = z.object({ id: z.string() });
const resource = z.record(z.string(), z.unknown());

interface Answering<Row extends Kept> {
  readonly service: IdentityContext;
  readonly type: ReadableType<Row>;
  readonly caller: ScimCaller;
  readonly ctx: Koa.Context;
  readonly selection: Selection;
}

const answer = async <Row extends Kept>(
  { service, type, caller, ctx, selection }: Answering<Row>,
  row: Row,
  status: number,
): Promise<RouteResponse> => {
  const [resource] = await type.render(caller, [row], selection);
  const location = locationOf(service.config.publicOrigin, type.definition, row.id);
  const etag = resource?.etag ?? etagOf(row.version);
  const headers = { ...contentTypeOf(ctx), location, etag };
  return { status, body: resource === undefined ? undefined : resourceBody(resource), headers };
};

/** What is the same in every row of the table of one type of resource. */
const rowOf = (guard: Guard) => ({ permission: GUARDED, guard, surface: 'scim' }) as const;

const listRoutes = (service: IdentityContext, guard: Guard, type: ReadableType): Route[] => {
  const { endpoint, name } = type.definition;
  return [
    route({
      ...rowOf(guard),
      method: 'GET',
      path: `/scim/v2${endpoint}`,
      summary: `Lists the ${name.toLowerCase()}s of the connection: filtered, sorted, by index or by cursor.`,
      query: searchQuery,
      responses: { 200: resource },
      handler: async ({ query, guarded: caller, ctx }) => ({
        status: 200,
        body: await answerSearch(service, caller, [type], readSearchQuery(query)),
        headers: contentTypeOf(ctx),
      }),
    }),
    searchRoute(service, guard, { path: `/scim/v2${endpoint}/.search`, types: [type] }),
  ];
};

/** `POST …/.search`: a list whose parameters are too long, or too personal, for an address (RFC 7644 §3.4.3). */
export const searchRoute = (
  service: IdentityContext,
  guard: Guard,
  { path, types }: { readonly path: string; readonly types: readonly ReadableType[] },
): Route =>
  route({
    ...rowOf(guard),
    method: 'POST',
    path,
    summary: 'Lists resources as a search request in the body says, so that nothing of it is in an address.',
    body: z.unknown(),
    responses: { 200: resource },
    handler: async ({ body, guarded: caller, ctx }) => ({
      status: 200,
      body: await answerSearch(service, caller, types, readSearchBody(body)),
      headers: contentTypeOf(ctx),
    }),
  });

const readRoute = <Row extends Kept>(service: IdentityContext, guard: Guard, type: ReadableType<Row>): Route =>
  route({
    ...rowOf(guard),
    method: 'GET',
    path: `/scim/v2${type.definition.endpoint}/:id`,
    summary: `Shows one ${type.definition.name.toLowerCase()}.`,
    params,
    query: readQuery,
    responses: { 200: resource, 304: null },
    handler: async ({ params: { id }, query, guarded: caller, ctx }) => {
      const selection = readSelection(type.definition, query);
      const row = await getResource(type, caller, id);
      if (ctx.get('if-none-match') !== '') {
        const etag = await type.etag(caller, row, selection);
        if (isUnchanged(ctx, etag)) return { status: 304, headers: { etag } };
      }
      return await answer({ service, type, caller, ctx, selection }, row, 200);
    },
  });

const bodyOf = ({ bodyLimitBytes }: ResourceType): { readonly body: z.ZodType; readonly bodyLimitBytes?: number } => ({
  body: z.unknown(),
  ...(bodyLimitBytes === undefined ? {} : { bodyLimitBytes }),
});

const createRoute = <Row extends Kept>(service: IdentityContext, guard: Guard, type: ResourceType<Row>): Route =>
  route({
    ...rowOf(guard),
    ...bodyOf(type),
    method: 'POST',
    path: `/scim/v2${type.definition.endpoint}`,
    summary: `Creates a ${type.definition.name.toLowerCase()}.`,
    query: readQuery,
    responses: { 201: resource, 409: null },
    handler: async ({ query, body, guarded: caller, ctx }) => {
      const selection = readSelection(type.definition, query);
      return await answer({ service, type, caller, ctx, selection }, await type.create(caller, body), 201);
    },
  });

const targetOf = (id: string, ctx: Koa.Context) => ({ id, ifMatch: ctx.get('if-match') });

const replaceRoute = <Row extends Kept>(service: IdentityContext, guard: Guard, type: ResourceType<Row>): Route =>
  route({
    ...rowOf(guard),
    ...bodyOf(type),
    method: 'PUT',
    path: `/scim/v2${type.definition.endpoint}/:id`,
    summary: `Replaces a ${type.definition.name.toLowerCase()}. Whoever loses access has lost it everywhere by then.`,
    params,
    query: readQuery,
    responses: { 200: resource, 409: null, 412: null },
    handler: async ({ params: { id }, query, body, guarded: caller, ctx }) => {
      const selection = readSelection(type.definition, query);
      const row = await type.replace(caller, targetOf(id, ctx), body);
      return await answer({ service, type, caller, ctx, selection }, row, 200);
    },
  });

const patchRoute = <Row extends Kept>(service: IdentityContext, guard: Guard, type: ResourceType<Row>): Route =>
  route({
    ...rowOf(guard),
    ...bodyOf(type),
    method: 'PATCH',
    path: `/scim/v2${type.definition.endpoint}/:id`,
    summary: `Changes a ${type.definition.name.toLowerCase()}, wholly or not at all. Whoever loses access has lost it everywhere by then.`,
    params,
    query: readQuery,
    responses: { 200: resource, 204: null, 409: null, 412: null },
    handler: async ({ params: { id }, query, body, guarded: caller, ctx }) => {
      const selection = readSelection(type.definition, query);
      const row = await type.patch(caller, targetOf(id, ctx), body);
      if (!type.answersPatch(selection)) return { status: 204, headers: { etag: etagOf(row.version) } };
      return await answer({ service, type, caller, ctx, selection }, row, 200);
    },
  });

const removeRoute = (guard: Guard, type: ResourceType): Route =>
  route({
    ...rowOf(guard),
    method: 'DELETE',
    path: `/scim/v2${type.definition.endpoint}/:id`,
    summary: `Removes a ${type.definition.name.toLowerCase()}. Whoever loses access has lost it everywhere by then.`,
    params,
    responses: { 204: null, 409: null, 412: null },
    handler: async ({ params: { id }, guarded: caller, ctx }) => {
      await type.remove(caller, targetOf(id, ctx));
      return { status: 204 };
    },
  });

/** Every route of one type of resource, from its declaration (RFC 7644 §3.2, table 1). */
export const resourceRoutes = <Row extends Kept>(
  service: IdentityContext,
  guard: Guard,
  type: ResourceType<Row>,
): Route[] => [
  ...listRoutes(service, guard, type),
  readRoute(service, guard, type),
  createRoute(service, guard, type),
  replaceRoute(service, guard, type),
  patchRoute(service, guard, type),
  removeRoute(guard, type),
];
