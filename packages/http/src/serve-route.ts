import { AppError } from '@sallyport/errors';
import type Koa from 'koa';

import { BODY_RULES, checkContentType, readBody } from './body.ts';
import { monotonicMs } from './clock.ts';
import type { CompiledRoute } from './compile-route.ts';
import type { LiveContext } from './context.ts';
import { checkText } from './json.ts';
import { checkOrigin } from './origin-check.ts';
import type { Principal, Scope } from './principal.ts';
import { asDeclared, assertDecided, checkResponse } from './check-response.ts';
import { respond } from './respond.ts';
import { GUARDED, PUBLIC, type RawParams, type RawQuery } from './route.ts';
import { validate } from './validate.ts';

/** A page that says "too many" says when to come back, too (RFC 6585 §4). */
const RETRY_AFTER_S = '60';
const DEFAULT_DEADLINE_MS = 30_000;

/** Resolves the caller from cookie or bearer token; null when there is no valid credential. */
export type Authenticate = (ctx: Koa.Context) => Promise<Principal | null>;

export interface ServeOptions {
  readonly authenticate: Authenticate;
  readonly publicOrigin: string;
  /** Upper bound for every cap; Infinity for none. */
  readonly bodyLimitBytes: number;
  readonly strictResponses: boolean;
}

/** Serves one matched request; the order of the steps is the security of every route. */
export const serveRoute = async (
  options: ServeOptions,
  compiled: CompiledRoute,
  ctx: Koa.Context,
  live: LiveContext,
): Promise<void> => {
  const { route } = compiled;
  try {
    const response = await beforeDeadline(live, route.deadlineMs ?? DEFAULT_DEADLINE_MS, async () => {
      const guarded = await identify(options, compiled, ctx, live);
      assertOrigin(options, compiled, ctx, live);
      const params = await paramsOf(compiled, ctx);
      const query = await queryOf(compiled, ctx);
      await decideRoute(compiled, live, params, query);
      const body = await bodyOf(options, compiled, ctx);
      return await route.handler({ params, query, body, guarded, context: live, ctx });
    });
    assertDecided(compiled, live, response);
    await checkResponse(options, compiled, live, response);
    respond(ctx, route.surface, response);
    if (ctx.status === 429 && !ctx.res.hasHeader('retry-after')) ctx.set('retry-after', RETRY_AFTER_S);
  } catch (error) {
    throw options.strictResponses ? asDeclared(compiled, error) : error;
  }
};

/** Who calls. PUBLIC routes see nobody, GUARDED routes their own credential, all others a principal or 401. */
const identify = async (
  options: ServeOptions,
  { route }: CompiledRoute,
  ctx: Koa.Context,
  live: LiveContext,
): Promise<unknown> => {
  if (route.permission === PUBLIC) return undefined;
  if (route.permission === GUARDED) return await route.guard?.(ctx, live);
  live.principal = await options.authenticate(ctx);
  live.authenticated();
  return undefined;
};

/**
 * Requests whose credential a browser attaches by itself must come from our origin. A principal counts as attached
 * unless the request carries an Authorization header and the credential is not a session; forms of pages always count,
 * signed in or not (login CSRF).
 */
const assertOrigin = (options: ServeOptions, { route }: CompiledRoute, ctx: Koa.Context, live: LiveContext): void => {
  if (route.crossSite === 'allowed') return;
  const { headers } = ctx.req;
  const isAmbient =
    live.principal === null
      ? route.surface === 'browser' || (route.permission === PUBLIC && headers.cookie !== undefined)
      : headers.authorization === undefined || live.principal.credentialType === 'session';
  if (isAmbient) checkOrigin(ctx.req, options.publicOrigin);
};

const paramsOf = async (compiled: CompiledRoute, ctx: Koa.Context): Promise<unknown> => {
  const raw = (ctx['params'] ?? {}) as RawParams;
  for (const [name, value] of Object.entries(raw)) checkText(value, `:${name}`);
  return compiled.params === undefined ? raw : await validate('params', compiled.params, raw);
};

const queryOf = async (compiled: CompiledRoute, ctx: Koa.Context): Promise<unknown> => {
  const raw: RawQuery = ctx.query;
  for (const [name, value] of Object.entries(raw)) for (const text of [value ?? ''].flat()) checkText(text, `?${name}`);
  return compiled.query === undefined ? raw : await validate('query', compiled.query, raw);
};

/** Had before the body is read, so nothing the body says can move the scope. */
const decideRoute = async (
  { route }: CompiledRoute,
  live: LiveContext,
  params: unknown,
  query: unknown,
): Promise<void> => {
  if (route.stepUp !== undefined) await live.requireStepUp(route.stepUp);
  if (typeof route.permission !== 'string' || route.scope === 'deferred') return;
  let scope: Scope = {};
  if (typeof route.scope === 'function')
    scope = await route.scope({ params, query, context: live, principal: live.authenticated() });
  live.decision = await live.require(route.permission, scope);
};

const bodyOf = async (
  options: ServeOptions,
  { route, body: schema }: CompiledRoute,
  ctx: Koa.Context,
): Promise<unknown> => {
  if (route.streamed === true) checkContentType(ctx.req, route.contentTypes ?? [], false);
  if (schema === undefined) return undefined;
  const { surface, contentTypes } = route;
  const limitBytes = route.bodyLimitBytes ?? Math.min(BODY_RULES[surface].limitBytes, options.bodyLimitBytes);
  const raw = await readBody(ctx.req, { surface, contentTypes, limitBytes });
  return await validate('body', schema, raw);
};

/** Ends the wait, not the work: what runs on is told through the signal. */
const beforeDeadline = async <T>(live: LiveContext, deadlineMs: number, work: () => Promise<T>): Promise<T> => {
  live.deadlineAtMs = monotonicMs() + deadlineMs;
  const { promise: expired, reject } = Promise.withResolvers<never>();
  const timer = setTimeout(() => {
    const error = new AppError('DEADLINE_EXCEEDED', 'The request took too long.');
    live.abort(error);
    reject(error);
  }, deadlineMs);
  try {
    return await Promise.race([work(), expired]);
  } finally {
    clearTimeout(timer);
  }
};
