import { ERROR_REGISTRY, type AppError } from '@sallyport/errors';
import type Koa from 'koa';

import type { LiveContext } from './context.ts';
import { renderErrorPage, renderProblem, toAppError, type ErrorRenderer, type ErrorRendering } from './problem.ts';
import { respond } from './respond.ts';
import type { RouteResponse, Surface } from './route.ts';

export type Renderers = Partial<Record<Surface, ErrorRenderer>>;

/** What renders the errors of a surface for which a service brings nothing of its own. */
export const DEFAULT_RENDERERS: Readonly<Record<Surface, ErrorRenderer>> = Object.freeze({
  api: renderProblem,
  scim: renderProblem,
  browser: renderErrorPage,
  ofrep: renderProblem,
  authzen: renderProblem,
  oauth: renderProblem,
});

export interface RenderErrorOptions {
  readonly renderers: Readonly<Record<Surface, ErrorRenderer>>;
  readonly surface: Surface;
}

/** The challenge of a 401 (RFC 9110 §11.6.1, RFC 6750 §3): `invalid_token` only when one was shown. */
const challenge = (ctx: Koa.Context): string =>
  `Bearer realm="sallyport"${ctx.req.headers.authorization === undefined ? '' : ', error="invalid_token"'}`;

/** Answers an error in the shape of its surface, and logs what the caller may not see. */
export const renderError = (
  options: RenderErrorOptions,
  thrown: unknown,
  ctx: Koa.Context,
  live: LiveContext,
): void => {
  const error = toAppError(thrown);
  const status = ERROR_REGISTRY[error.code].http;
  const opaque = status >= 500;
  const route = live.route?.path ?? '';
  if (opaque) live.logger.error({ err: error, route, code: error.code }, 'request failed');
  live.errorCode = error.code;
  const renderer = live.route?.renderer ?? options.renderers[options.surface];
  const { requestId } = live;
  const rendering = { requestId, surface: options.surface, method: ctx.method, path: ctx.path, status, opaque };
  respond(ctx, options.surface, render(renderer, error, rendering, live));
  if (ctx.status === 401 && !ctx.res.hasHeader('www-authenticate')) ctx.set('www-authenticate', challenge(ctx));
  if (error.retryAfterSeconds !== undefined) ctx.set('retry-after', String(Math.ceil(error.retryAfterSeconds)));
};

/** A renderer that fails must not hide the error it was given. */
const render = (
  renderer: ErrorRenderer,
  error: AppError,
  rendering: ErrorRendering,
  live: LiveContext,
): RouteResponse => {
  try {
    return renderer(error, rendering);
  } catch (failure) {
    live.logger.error({ err: failure, code: error.code }, 'an error could not be rendered for its surface');
    return renderProblem(error, rendering);
  }
};
