import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';
import { Router } from '@koa/router';
import Koa, { type Context, type Middleware, type Next } from 'koa';
import { mountApi } from './api/routes.ts';
import { type Clock, systemClock } from './clock.ts';
import type { Settings } from './config.ts';
import type { DemoIdpContext } from './context.ts';
import { Directory } from './directory/directory.ts';
import { sameOriginOnly, securityHeaders } from './edge/guards.ts';
import { DemoIdpError } from './errors.ts';
import { createExchangeLog } from './exchange-log.ts';
import { createOidcProvider, OIDC_PATH } from './oidc/provider.ts';
import { mountOidcSignIn } from './oidc/routes.ts';
import { createSamlKeys } from './saml/keys.ts';
import { mountSaml } from './saml/routes.ts';
import { ScimProvisioner } from './scim/provisioner.ts';
import { openStateStore } from './state/store.ts';
import { mountPage } from './web/routes.ts';
import { problemPage } from './web/sign-in-pages.ts';

/** A running demo identity provider. */
export interface RunningDemoIdp {
  readonly port: number;
  readonly origin: string;
  /** Stops taking connections and ends the open ones. */
  close(): Promise<void>;
}

/** What tests may put in the place of the real thing. */
export interface DemoIdpOverrides {
  readonly clock?: Clock;
  /** Waits between retries. */
  readonly sleep?: (ms: number) => Promise<void>;
  /** Told about failures nobody expected. */
  readonly onUnexpected?: (error: unknown) => void;
}

type RequestHandler = (request: IncomingMessage, response: ServerResponse) => unknown;

/** Starts the demo identity provider and answers once it can be reached. */
export async function startDemoIdp(settings: Settings, overrides: DemoIdpOverrides = {}): Promise<RunningDemoIdp> {
  let handle: RequestHandler = (_request, response) => {
    response.writeHead(503).end();
  };
  const server = createServer((request, response) => {
    handle(request, response);
  });
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(settings.port, settings.host, resolve);
  });
  const { port } = server.address() as AddressInfo;
  const origin = settings.origin ?? `http://localhost:${String(port)}`;
  // The issuer and all addresses contain the port, so the rest is built after it is known.
  try {
    handle = await buildHandler(composeContext(settings, origin, overrides), port, overrides);
  } catch (error) {
    // A program that cannot start leaves no port behind.
    server.close();
    throw error;
  }
  return {
    port,
    origin,
    close: async () => {
      server.closeAllConnections();
      await new Promise<void>((resolve) => {
        server.close(() => {
          resolve();
        });
      });
    },
  };
}

function composeContext(settings: Settings, origin: string, overrides: DemoIdpOverrides): DemoIdpContext {
  const clock = overrides.clock ?? systemClock;
  const store = openStateStore(settings.stateDir, settings.flavor);
  const directory = new Directory(store);
  const log = createExchangeLog(clock);
  const sleep = overrides.sleep ?? (async (ms: number) => await delay(ms));
  return {
    origin,
    clock,
    store,
    directory,
    log,
    samlKeys: createSamlKeys(store, clock),
    provisioner: new ScimProvisioner(store, directory, { clock, log, sleep }),
  };
}

async function buildHandler(
  context: DemoIdpContext,
  port: number,
  overrides: DemoIdpOverrides,
): Promise<RequestHandler> {
  const provider = await createOidcProvider(context);
  const report = overrides.onUnexpected ?? (() => undefined);
  provider.on('server_error', (_ctx: unknown, error: unknown) => {
    report(error);
  });
  const guard = sameOriginOnly(context.origin, port);
  const guarded = new Router();
  guarded.use(guard);
  mountApi(guarded, context);
  mountPage(guarded, context);
  const open = new Router();
  open.get('/healthz', (ctx) => {
    ctx.body = { status: 'ok' };
  });
  mountSaml(open, context, guard);
  mountOidcSignIn(open, context, provider, guard);

  const app = new Koa();
  app.use(renderErrors(report)).use(securityHeaders);
  for (const router of [open, guarded]) app.use(router.routes()).use(router.allowedMethods());
  return besideProvider(context.origin, provider.callback(), app.callback());
}

/** Sends everything below `/oidc` to the OpenID Provider, under the configured origin whatever the request says. */
function besideProvider(origin: string, provider: RequestHandler, app: RequestHandler): RequestHandler {
  const { host, protocol } = new URL(origin);
  return (request, response) => {
    const url = request.url ?? '/';
    if (!url.startsWith(`${OIDC_PATH}/`)) {
      app(request, response);
      return;
    }
    Object.assign(request, { originalUrl: url });
    request.url = url.slice(OIDC_PATH.length);
    request.headers['x-forwarded-host'] = host;
    request.headers['x-forwarded-proto'] = protocol.slice(0, -1);
    provider(request, response);
  };
}

/** JSON for programs, a page for people; what nobody expected is reported and answered without its details. */
function renderErrors(report: (error: unknown) => void): Middleware {
  return async (ctx: Context, next: Next) => {
    try {
      await next();
    } catch (error) {
      const known = error instanceof DemoIdpError ? error : null;
      if (known === null) report(error);
      ctx.status = known?.status ?? 500;
      const message = known?.message ?? 'Something went wrong that was not foreseen.';
      if (ctx.path.startsWith('/api/') || ctx.accepts('html') === false) {
        ctx.body = { error: known?.code ?? 'UNEXPECTED', message };
      } else {
        ctx.type = 'html';
        ctx.body = problemPage('That did not work', message);
      }
    }
  };
}
