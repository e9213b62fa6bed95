import { AppError } from '@sallyport/errors';
import { z } from 'zod';

import { GUARDED, PUBLIC, type Permission, type Route, type Surface } from './route.ts';
import { assertObject, strictly } from './strict-schema.ts';

/** Surfaces of our own making: an undeclared field or parameter is a mistake worth telling. */
export const STRICT_SURFACES: ReadonlySet<Surface> = new Set<Surface>(['api']);

/** Statuses the pipeline itself answers; a route need not declare them. */
export const PIPELINE_STATUSES: ReadonlySet<number> = new Set([400, 401, 403, 404, 413, 415, 499, 500, 503, 504]);

export interface CompiledRoute {
  readonly route: Route;
  readonly params: z.ZodType | undefined;
  readonly query: z.ZodType | undefined;
  readonly body: z.ZodType | undefined;
  readonly responses: ReadonlyMap<number, z.ZodType | null>;
}

const fail = (route: Route, why: string): AppError =>
  new AppError('INTERNAL', `Route ${route.method} ${route.path} ${why}.`);

const isPermission = (value: unknown): value is Permission =>
  typeof value === 'symbol' || (typeof value === 'string' && value !== '');

const assertBody = (route: Route): void => {
  const { body, contentTypes, method, streamed } = route;
  if ((body !== undefined || streamed === true) && method === 'GET') throw fail(route, 'is a GET with a body');
  if (streamed === true && (body !== undefined || contentTypes === undefined))
    throw fail(route, 'is streamed and so has content types and no schema of its body');
};

/** What the compiler checks already, checked again for tables that were built around it. */
const assertComplete = (route: Route): void => {
  const { permission, scope, guard, crossSite } = route;
  if (!isPermission(permission)) throw fail(route, 'declares no permission (PUBLIC, SELF and GUARDED are explicit)');
  if (!route.path.startsWith('/')) throw fail(route, 'has a path that does not start with a slash');
  if (Object.keys(route.responses).length === 0) throw fail(route, 'declares no response');
  if ((permission === GUARDED) !== (guard !== undefined))
    throw fail(route, 'must have a guard exactly when it is GUARDED');
  if (typeof permission === 'symbol' && scope !== undefined)
    throw fail(route, 'has a scope but asks for no permission');
  if (crossSite !== undefined && permission !== PUBLIC && permission !== GUARDED)
    throw fail(route, 'takes requests from other sites and so may not rely on a session');
  assertStepUp(route);
  assertBody(route);
};

const assertStepUp = (route: Route): void => {
  const { permission, stepUp } = route;
  if (stepUp !== undefined && (permission === PUBLIC || permission === GUARDED))
    throw fail(route, 'demands a recent sign-in of nobody');
};

/** Checks a row of the table and prepares its schemas. @throws INTERNAL with the reason: the service must not start */
export const compileRoute = (route: Route): CompiledRoute => {
  assertComplete(route);
  if (route.params !== undefined) assertObject(route.params, `The params of ${route.path}`);
  if (route.query !== undefined) assertObject(route.query, `The query of ${route.path}`);
  const isStrict = STRICT_SURFACES.has(route.surface);
  return {
    route,
    params: route.params,
    query: isStrict ? strictly(route.query ?? z.object({})) : route.query,
    // Where no body is expected, one that says something would be ignored: better refused.
    body: isStrict && route.streamed !== true ? strictly(route.body ?? z.object({}).optional()) : route.body,
    responses: new Map(
      Object.entries(route.responses).map(([status, schema]) => [
        Number(status),
        isStrict && schema !== null ? strictly(schema) : schema,
      ]),
    ),
  };
};

/** @throws INTERNAL when two rows have the same method and shape of path: the second could never be reached */
export const compileRoutes = (routes: readonly Route[]): CompiledRoute[] => {
  const seen = new Set<string>();
  return routes.map((route) => {
    const compiled = compileRoute(route);
    const shape = `${route.method} ${route.path.replaceAll(/:\w+/g, ':')}`;
    if (seen.has(shape)) throw fail(route, 'is declared twice');
    seen.add(shape);
    return compiled;
  });
};
