import { AppError } from '@sallyport/errors';
import { GUARDED, type Route, route, type RouteResponse } from '@sallyport/http';
import { z } from 'zod';

import { keySchema } from '../vocabulary/index.ts';
import { entityTagOf, noneMatch } from './entity-tag.ts';
import type { KeyGrant } from './environment-key.ts';
import type { Delivery } from './keep-current.ts';
import { readContext, renderOfrepError, statusOf, toOfrep } from './ofrep.ts';

export interface OfrepDependencies {
  readonly delivery: Pick<Delivery, 'states' | 'keys'>;
}

const BASE = '/ofrep/v1/evaluate/flags';

interface GuardContext {
  readonly req: { readonly headers: Readonly<Record<string, string | readonly string[] | undefined>> };
}

/** The environment key of a request: `Authorization: Bearer` or `X-API-Key`, never both saying different things. */
const secretOf = ({ req: { headers } }: GuardContext): string | undefined => {
  const { authorization, 'x-api-key': apiKey } = headers;
  const bearer = typeof authorization === 'string' ? /^bearer +(\S+)$/i.exec(authorization)?.[1] : undefined;
  if (typeof apiKey !== 'string') return bearer;
  return authorization === undefined || bearer === apiKey ? apiKey : undefined;
};

const guard =
  ({ delivery }: OfrepDependencies) =>
  async (ctx: GuardContext): Promise<KeyGrant> => {
    const secret = secretOf(ctx);
    const grant = secret === undefined ? undefined : await delivery.keys.find(secret);
    if (grant === undefined) throw new AppError('UNAUTHENTICATED', 'A valid environment key is required.');
    return grant;
  };

const success = z.looseObject({ key: z.string(), reason: z.string() });
const failure = z.looseObject({ errorCode: z.string(), errorDetails: z.string() });

// Answers differ by key and context; a shared cache must keep none, a private one must ask again.
const PRIVATE = { 'cache-control': 'private, no-cache', vary: 'Authorization, X-API-Key' };

const singleRoute = (dependencies: OfrepDependencies): Route =>
  route({
    method: 'POST',
    path: `${BASE}/:key`,
    permission: GUARDED,
    surface: 'ofrep',
    summary: 'Evaluates one flag for a context (OFREP 0.3).',
    guard: guard(dependencies),
    body: z.unknown(),
    responses: { 200: success, 400: failure, 404: failure },
    renderer: renderOfrepError,
    handler: async ({ ctx, body, guarded }): Promise<RouteResponse> => {
      const key = (ctx['params'] as { key: string }).key;
      const request = readContext(body);
      if ('errorCode' in request) return { status: 400, body: { key, ...request }, headers: PRIVATE };
      const state = await dependencies.delivery.states.get(guarded.orgId, guarded.environmentId);
      // A name no flag can have is simply not found, like any other.
      const evaluation = state.evaluate(guarded.kind, keySchema.safeParse(key).success ? key : '', request.context);
      return { status: statusOf(evaluation), body: toOfrep(key, evaluation), headers: PRIVATE };
    },
  });

const bulkRoute = (dependencies: OfrepDependencies): Route =>
  route({
    method: 'POST',
    path: BASE,
    permission: GUARDED,
    surface: 'ofrep',
    summary: 'Evaluates every flag the key may see for a context (OFREP 0.3), with an entity tag.',
    guard: guard(dependencies),
    body: z.unknown(),
    responses: {
      200: z.looseObject({ flags: z.array(z.union([success, failure])) }),
      304: null,
      400: failure,
    },
    renderer: renderOfrepError,
    handler: async ({ ctx, query, body, guarded }): Promise<RouteResponse> => {
      const request = readContext(body);
      if ('errorCode' in request) return { status: 400, body: request, headers: PRIVATE };
      const { orgId, environmentId, kind } = guarded;
      const state = await dependencies.delivery.states.get(orgId, environmentId);
      const { version } = state;
      const etag = entityTagOf({ environmentId, version, kind, context: request.raw });
      const headers = { ...PRIVATE, etag };
      // A request an event asked for is never answered from what the client holds already.
      const isRefetch = query['flagConfigEtag'] !== undefined || query['flagConfigLastModified'] !== undefined;
      if (!isRefetch && !noneMatch(ctx.get('if-none-match') || undefined, etag)) return { status: 304, headers };
      const flags = state.keys(kind).map((key) => toOfrep(key, state.evaluate(kind, key, request.context)));
      const metadata = { project: state.project, environment: state.key, version: version.toString() };
      return { status: 200, body: { flags, metadata }, headers };
    },
  });

/** OFREP 0.3 under `/ofrep/v1`. */
export const ofrepRoutes = (dependencies: OfrepDependencies): Route[] => [
  singleRoute(dependencies),
  bulkRoute(dependencies),
];
