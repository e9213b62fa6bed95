import { AppError } from '@sallyport/errors';
import { acceptRequestId, extractTrace, withSpan, type Logger, type Metrics } from '@sallyport/telemetry';
import type Koa from 'koa';

import { assertStepUp, authorize, type AuthorizeOptions } from './authorize.ts';
import { clientIpReader } from './client-ip.ts';
import { LiveContext } from './context.ts';
import { securityHeaders } from './headers.ts';
import { HEALTH_PATHS } from './health.ts';
import { owns, type Mount } from './mount.ts';
import { requestObserver } from './observe-request.ts';
import type { GrantedDecision, Scope } from './principal.ts';
import { DEFAULT_RENDERERS, renderError, type Renderers } from './render-error.ts';
import type { Surface } from './route.ts';

export interface PerRequestOptions extends AuthorizeOptions {
  readonly logger: Logger;
  readonly metrics: Metrics;
  readonly renderers?: Renderers;
  readonly publicOrigin: URL;
  readonly mounts: readonly Mount[];
  readonly trustedProxies?: readonly string[];
  readonly surfaceOf: (path: string) => Surface;
}

/** Contexts of the requests being served. */
const liveContexts = new WeakMap<object, LiveContext>();

/** The context of the request a middleware of this package sees. */
export const liveOf = (ctx: Pick<Koa.Context, 'req'>): LiveContext => {
  const live = liveContexts.get(ctx.req);
  if (live === undefined) throw new AppError('INTERNAL', 'The request has no context.');
  return live;
};

const singleHeader = (value: string | string[] | undefined): string | undefined =>
  typeof value === 'string' ? value : undefined;

const placeOf = ({ route }: LiveContext) => ({ method: route?.method ?? '', route: route?.path ?? '' });

/** Outermost: identity of the request, default headers, trace, access line, and the one place errors end. */
export const perRequest = (options: PerRequestOptions): Koa.Middleware => {
  const clientIp = clientIpReader(options.trustedProxies ?? []);
  const observe = requestObserver(options.logger, options.metrics);
  const renderers = { ...DEFAULT_RENDERERS, ...options.renderers };
  const defaultHeaders = securityHeaders(options.publicOrigin.protocol === 'https:');
  const fallbackRoute = (path: string): string =>
    options.mounts.find(({ prefix }) => owns(prefix, path))?.prefix ?? 'unmatched';
  const require = (live: LiveContext, permission: string, scope: Scope): Promise<GrantedDecision> =>
    authorize(options, live, { permission, scope, ...placeOf(live) });
  const requireStepUp = (live: LiveContext, action: string): Promise<void> =>
    assertStepUp(options, live, { permission: action, scope: {}, decision: null, ...placeOf(live) });

  return async (ctx, next) => {
    const { headers, socket } = ctx.req;
    const surface = options.surfaceOf(ctx.path);
    const live = new LiveContext({
      requestId: acceptRequestId(headers['x-request-id']),
      ip: clientIp(socket.remoteAddress, headers['x-forwarded-for']),
      userAgent: headers['user-agent'],
      logger: options.logger,
      require,
      requireStepUp,
    });
    liveContexts.set(ctx.req, live);
    ctx.request.ip = live.ip;
    ctx.set('x-request-id', live.requestId);
    ctx.set(defaultHeaders(surface));
    const parent = extractTrace({
      traceparent: singleHeader(headers['traceparent']),
      tracestate: singleHeader(headers['tracestate']),
    });
    await withSpan(`HTTP ${ctx.method}`, { kind: 'server', parent }, async () => {
      if (!HEALTH_PATHS.has(ctx.path)) observe(ctx, live, fallbackRoute(ctx.path));
      try {
        await next();
      } catch (error) {
        renderError({ renderers, surface: live.route?.surface ?? surface }, error, ctx, live);
      }
    });
  };
};
