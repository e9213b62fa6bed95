import { Router } from '@koa/router';
import type { Logger, Metrics } from '@sallyport/telemetry';
import Koa from 'koa';

import { type Decide, type OnDenied } from './authorize.ts';
import { compileRoutes, type CompiledRoute } from './compile-route.ts';
import { healthEndpoints, type ReadinessChecks } from './health.ts';
import { mount, type Mount } from './mount.ts';
import { liveOf, perRequest } from './per-request.ts';
import type { Renderers } from './render-error.ts';
import type { Route } from './route.ts';
import { serveRoute, type Authenticate, type ServeOptions } from './serve-route.ts';
import { createHttpServer, type HttpServer } from './server.ts';
import { surfaceFinder } from './surface.ts';
import { refuseUnmatched } from './unmatched.ts';

export interface HttpAppOptions {
  readonly service: string;
  readonly logger: Logger;
  readonly metrics: Metrics;
  readonly routes: readonly Route[];
  readonly authenticate: Authenticate;
  readonly decide: Decide;
  /** Records a denied attempt in the audit log. */
  readonly onDenied: OnDenied;
  /** Replace the renderer of a surface; the default is problem+json, for pages a plain HTML page. */
  readonly renderers?: Renderers;
  /** Scheme, host and port browsers see, for example `https://sallyport.example`. Never taken from a header. */
  readonly publicOrigin: string;
  /** Caps every surface to at most this; routes may still declare their own. */
  readonly bodyLimitBytes?: number;
  /** Foreign middleware under a path, for example the OpenID Provider. */
  readonly mounts?: readonly Mount[];
  /** Networks whose `X-Forwarded-For` is believed, for example `10.0.0.0/8`; default none. */
  readonly trustedProxies?: readonly string[];
  readonly readiness?: ReadinessChecks;
  /** Undeclared statuses and bodies become 500: for tests and development. */
  readonly strictResponses?: boolean;
}

export interface HttpApp extends HttpServer {
  readonly app: Koa;
}

/**
 * The HTTP side of a service: one table of routes behind one pipeline.
 *
 * @throws INTERNAL when a row of the table is incomplete (no permission, a guard without GUARDED, declared twice …)
 */
export const createHttpApp = (options: HttpAppOptions): HttpApp => {
  const publicOrigin = new URL(options.publicOrigin);
  const mounts = options.mounts ?? [];
  const compiled = compileRoutes(options.routes);
  const app = new Koa();
  app.silent = true;
  app.on('error', (error: unknown) => {
    if (isConnectionLoss(error)) options.logger.debug({ err: error }, 'connection lost');
    else options.logger.error({ err: error }, 'response failed');
  });
  pinOrigin(app, publicOrigin);
  const server = createHttpServer();
  const { metrics, readiness = {} } = options;

  app.use(perRequest({ ...options, mounts, publicOrigin, surfaceOf: surfaceFinder(options.routes, mounts) }));
  app.use(healthEndpoints({ metrics, readiness, isClosing: server.isClosing }));
  for (const foreign of mounts) app.use(mount(foreign));
  const router = routerOf(compiled, {
    authenticate: options.authenticate,
    publicOrigin: publicOrigin.origin,
    bodyLimitBytes: options.bodyLimitBytes ?? Number.POSITIVE_INFINITY,
    strictResponses: options.strictResponses ?? false,
  });
  app.use(router.routes());
  app.use(refuseUnmatched(router));
  const { listen, close, isClosing } = server;
  server.serve(app.callback());
  return { app, listen, close, isClosing };
};

/** The client's doing, not ours: it reset the connection, or left in the middle of a message. */
const isConnectionLoss = (error: unknown): boolean => {
  const code: unknown = error instanceof Error && 'code' in error ? error.code : undefined;
  return typeof code === 'string' && /^(ECONNRESET|EPIPE|ERR_STREAM_PREMATURE_CLOSE|HPE_\w+)$/.test(code);
};

/** Protocol and host are configuration: a forged Host or X-Forwarded-Proto changes neither links nor cookies. */
const pinOrigin = (app: Koa, { protocol, host, hostname }: URL): void => {
  // Browsers treat https and localhost alike for Secure cookies; the transport behind the proxy does not matter.
  const pinned = { protocol: protocol.slice(0, -1), host, hostname, secure: true };
  for (const [name, value] of Object.entries(pinned))
    Object.defineProperty(app.request, name, { get: () => value, configurable: true });
};

const routerOf = (table: readonly CompiledRoute[], options: ServeOptions): Router => {
  // Of two rows that match, the one with fewer parameters wins, whatever their order in the table.
  const router = new Router({ sensitive: true, exclusive: 'specificity' });
  for (const compiled of table) {
    const { route } = compiled;
    router.register(route.path, [route.method], async (ctx) => {
      const live = liveOf(ctx);
      live.route = route;
      await serveRoute(options, compiled, ctx, live);
    });
  }
  return router;
};
