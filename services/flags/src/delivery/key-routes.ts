import { decodeCursor, encodeCursor, listOf, listQuery, type Route, route } from '@sallyport/http';
import type { Database } from '@sallyport/storage';
import { z } from 'zod';

import { callerOf } from '../edge/index.ts';
import { decisionOf, environmentScope, resolveEnvironment } from '../projects/index.ts';
import { keySchema } from '../vocabulary/index.ts';
import type { EnvironmentKey } from './environment-key.ts';
import { createKey, type KeyDependencies, removeKey } from './manage-keys.ts';
import { listKeys } from './store.ts';

export interface KeyRouteDependencies extends KeyDependencies {
  readonly db: Database;
}

const BASE = '/api/flags/v1/projects/:project/environments/:environment/keys';

const params = z.object({ project: keySchema, environment: keySchema });
const kind = z.enum(['server', 'client']);

const keyView = z.object({
  id: z.string(),
  name: z.string(),
  kind,
  createdBy: z.string(),
  createdAt: z.string(),
  lastUsedAt: z.string().nullable(),
  revokedAt: z.string().nullable(),
});

const viewKey = (key: EnvironmentKey): z.output<typeof keyView> => ({
  id: key.keyId,
  name: key.name,
  kind: key.kind,
  createdBy: key.createdBy,
  createdAt: key.createdAt.toISOString(),
  lastUsedAt: key.lastUsedAt?.toISOString() ?? null,
  revokedAt: key.revokedAt?.toISOString() ?? null,
});

const listRoute = ({ db }: KeyRouteDependencies): Route =>
  route({
    method: 'GET',
    path: BASE,
    permission: 'key:read',
    surface: 'api',
    summary: 'The keys of an environment, revoked ones included; never their secrets.',
    params,
    query: listQuery,
    scope: environmentScope(db),
    responses: { 200: listOf(keyView) },
    handler: async ({ params: at, query, context }) => {
      const { orgId } = callerOf(context).subject;
      const { environmentId } = await resolveEnvironment(db, orgId, at);
      const after = query.cursor === undefined ? undefined : decodeCursor(z.uuid(), query.cursor);
      const page = { environmentId, after, limit: query.limit + 1 };
      const found = await db.read(orgId, async (tx) => await listKeys(tx, orgId, page));
      const items = found.slice(0, query.limit).map(viewKey);
      const nextCursor = found.length > query.limit ? encodeCursor(items.at(-1)?.id) : null;
      return { status: 200, body: { items, nextCursor } };
    },
  });

const createRoute = (dependencies: KeyRouteDependencies): Route =>
  route({
    method: 'POST',
    path: BASE,
    permission: 'key:manage',
    surface: 'api',
    summary: 'Creates a key. The secret in the answer is shown this once.',
    params,
    scope: environmentScope(dependencies.db),
    body: z.object({ name: z.string().trim().min(1).max(200), kind: kind.default('server') }),
    responses: { 201: keyView.extend({ key: z.string() }), 409: null },
    handler: async ({ params: at, body, context }) => {
      const caller = callerOf(context);
      const environment = await resolveEnvironment(dependencies.db, caller.subject.orgId, at);
      const { key, secret } = await createKey(dependencies, caller, { environment, ...body }, decisionOf(context));
      return { status: 201, body: { ...viewKey(key), key: secret } };
    },
  });

const revokeRoute = (dependencies: KeyRouteDependencies): Route =>
  route({
    method: 'DELETE',
    path: `${BASE}/:key`,
    permission: 'key:manage',
    surface: 'api',
    summary: 'Revokes a key for good.',
    params: params.extend({ key: z.uuid() }),
    scope: environmentScope(dependencies.db),
    responses: { 204: null, 409: null },
    handler: async ({ params: at, context }) => {
      const caller = callerOf(context);
      const environment = await resolveEnvironment(dependencies.db, caller.subject.orgId, at);
      await removeKey(dependencies, caller, { environment, keyId: at.key }, decisionOf(context));
      return { status: 204 };
    },
  });

/** Environment keys under `/api/flags/v1/projects/:project/environments/:environment/keys`. */
export const keyRoutes = (dependencies: KeyRouteDependencies): Route[] => [
  listRoute(dependencies),
  createRoute(dependencies),
  revokeRoute(dependencies),
];
