import { AppError } from '@sallyport/errors';
import {
  decodeCursor,
  encodeCursor,
  listOf,
  listQuery,
  route,
  type RequestContext,
  type Route,
  type Scope,
} from '@sallyport/http';
import type { Database } from '@sallyport/storage';
import { z } from 'zod';

import type { Administrator, GrantDependencies } from './change-grants.ts';
import { createGrant, knownScope } from './create-grant.ts';
import { deleteGrant } from './delete-grant.ts';
import type { Grant, GrantPage } from './grant.ts';
import { toScope, type GrantScope } from './held.ts';
import { listGrants } from './store.ts';
import {
  grantShape,
  id,
  mappingShape,
  newGrantShape,
  newMappingShape,
  toGrantBody,
  toMappingBody,
  toGrantInput,
  toMappingInput,
} from './wire.ts';

const BASE = '/api/policy/v1';

export type GrantRouteDependencies = GrantDependencies & { readonly db: Database };

/** Who asks. @throws UNAUTHENTICATED */
export const administratorOf = (context: RequestContext): Administrator => {
  if (context.principal === null) throw new AppError('UNAUTHENTICATED', 'Authentication is required.');
  return { principal: context.principal, context };
};

const cursorShape = z.strictObject({ after: id });

/** One page; one row more than asked for says whether there is a next one. */
const pageOf = async (
  { db }: GrantRouteDependencies,
  orgId: string,
  { limit, cursor }: { readonly limit: number; readonly cursor?: string | undefined },
  filter: Omit<GrantPage, 'limit' | 'after'>,
): Promise<{ grants: readonly Grant[]; nextCursor: string | null }> => {
  const after = cursor === undefined ? {} : decodeCursor(cursorShape, cursor);
  const found = await db.read(
    orgId,
    async (tx) => await listGrants(tx, orgId, { ...filter, ...after, limit: limit + 1 }),
  );
  const grants = found.slice(0, limit);
  const last = found.length > limit ? grants.at(-1) : undefined;
  return { grants, nextCursor: last === undefined ? null : encodeCursor({ after: last.grantId }) };
};

const scopeFrom = (scope: { projectId?: string | undefined; environmentId?: string | undefined }): GrantScope => ({
  projectId: scope.projectId ?? null,
  environmentId: scope.environmentId ?? null,
});

const optional = <K extends string, V>(key: K, value: V | undefined): Partial<Record<K, V>> =>
  (value === undefined ? {} : { [key]: value }) as Partial<Record<K, V>>;

/** The scope a list is asked for, as the registry knows it. @throws NOT_FOUND */
const listScope = (
  { knowledge }: GrantRouteDependencies,
  orgId: string,
  query: { projectId?: string | undefined; environmentId?: string | undefined },
): Scope => toScope(knownScope(knowledge.organization(orgId), scopeFrom(query)));

const listGrantsRoute = (dependencies: GrantRouteDependencies): Route =>
  route({
    method: 'GET',
    path: `${BASE}/grants`,
    permission: 'grant:read',
    surface: 'api',
    summary: 'Who holds which role: in the organisation, or within one project or environment.',
    query: listQuery.extend({ projectId: id.optional(), environmentId: id.optional(), subjectId: id.optional() }),
    scope: ({ query, principal }) => listScope(dependencies, principal.orgId, query),
    responses: { 200: listOf(grantShape) },
    handler: async ({ query, context }) => {
      const { principal } = administratorOf(context);
      const { grants, nextCursor } = await pageOf(dependencies, principal.orgId, query, {
        ...optional('projectId', query.projectId),
        ...optional('environmentId', query.environmentId),
        ...optional('subjectId', query.subjectId),
      });
      return { status: 200, body: { items: grants.map(toGrantBody), nextCursor } };
    },
  });

const createGrantRoute = (dependencies: GrantRouteDependencies): Route =>
  route({
    method: 'POST',
    path: `${BASE}/grants`,
    permission: 'grant:manage',
    scope: 'deferred',
    surface: 'api',
    summary: 'Gives a role to a user, a group or a service account; with effect deny, takes it away.',
    body: newGrantShape,
    responses: { 201: grantShape, 409: null },
    handler: async ({ body, context }) => {
      const grant = await createGrant(dependencies, administratorOf(context), toGrantInput(body));
      return { status: 201, body: toGrantBody(grant), headers: { location: `${BASE}/grants/${grant.grantId}` } };
    },
  });

const deleteGrantRoute = (dependencies: GrantRouteDependencies): Route =>
  route({
    method: 'DELETE',
    path: `${BASE}/grants/:grantId`,
    permission: 'grant:manage',
    scope: 'deferred',
    surface: 'api',
    summary: 'Takes a role back.',
    params: z.object({ grantId: z.string() }),
    responses: { 204: null, 409: null },
    handler: async ({ params, context }) => {
      await deleteGrant(dependencies, administratorOf(context), { grantId: known(params.grantId), source: 'direct' });
      return { status: 204 };
    },
  });

const known = (text: string): string => {
  const parsed = id.safeParse(text);
  if (!parsed.success) throw new AppError('NOT_FOUND', 'There is no such grant.');
  return parsed.data;
};

const listMappingsRoute = (dependencies: GrantRouteDependencies): Route =>
  route({
    method: 'GET',
    path: `${BASE}/group-mappings`,
    permission: 'grant:read',
    surface: 'api',
    summary: 'Which group of the identity provider gives which role.',
    query: listQuery,
    responses: { 200: listOf(mappingShape) },
    handler: async ({ query, context }) => {
      const { principal } = administratorOf(context);
      const { grants, nextCursor } = await pageOf(dependencies, principal.orgId, query, { source: 'mapping' });
      return { status: 200, body: { items: grants.map(toMappingBody), nextCursor } };
    },
  });

const createMappingRoute = (dependencies: GrantRouteDependencies): Route =>
  route({
    method: 'POST',
    path: `${BASE}/group-mappings`,
    permission: 'mapping:manage',
    scope: 'deferred',
    surface: 'api',
    summary: 'Maps a group of the identity provider to a role.',
    body: newMappingShape,
    responses: { 201: mappingShape, 409: null },
    handler: async ({ body, context }) => {
      const grant = await createGrant(dependencies, administratorOf(context), toMappingInput(body));
      return {
        status: 201,
        body: toMappingBody(grant),
        headers: { location: `${BASE}/group-mappings/${grant.grantId}` },
      };
    },
  });

const deleteMappingRoute = (dependencies: GrantRouteDependencies): Route =>
  route({
    method: 'DELETE',
    path: `${BASE}/group-mappings/:mappingId`,
    permission: 'mapping:manage',
    scope: 'deferred',
    surface: 'api',
    summary: 'Ends a group mapping.',
    params: z.object({ mappingId: z.string() }),
    responses: { 204: null, 409: null },
    handler: async ({ params, context }) => {
      await deleteGrant(dependencies, administratorOf(context), {
        grantId: known(params.mappingId),
        source: 'mapping',
      });
      return { status: 204 };
    },
  });

/** Grants and group mappings over HTTP. */
export const grantRoutes = (dependencies: GrantRouteDependencies): Route[] => [
  listGrantsRoute(dependencies),
  createGrantRoute(dependencies),
  deleteGrantRoute(dependencies),
  listMappingsRoute(dependencies),
  createMappingRoute(dependencies),
  deleteMappingRoute(dependencies),
];
