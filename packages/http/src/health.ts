import type { Metrics } from '@sallyport/telemetry';
import type Koa from 'koa';

/** Named conditions for serving; each resolves when it holds and rejects when it does not. */
export type ReadinessChecks = Readonly<Record<string, () => Promise<unknown>>>;

export interface HealthOptions {
  readonly metrics: Metrics;
  readonly readiness: ReadinessChecks;
  readonly isClosing: () => boolean;
}

/** Not in the access log: the platform asks every few seconds. */
export const HEALTH_PATHS: ReadonlySet<string> = new Set(['/healthz', '/readyz', '/metrics']);

const CHECK_TIMEOUT_MS = 1_000;

const holds = async (check: () => Promise<unknown>): Promise<boolean> => {
  const { promise: late, resolve } = Promise.withResolvers<boolean>();
  const timer = setTimeout(() => resolve(false), CHECK_TIMEOUT_MS);
  try {
    return await Promise.race([check().then(() => true), late]);
  } catch {
    return false;
  } finally {
    clearTimeout(timer);
  }
};

/** The names of the checks that do not hold now; a check has one second. */
export const failingChecks = async (checks: ReadinessChecks): Promise<string[]> => {
  const results = await Promise.all(
    Object.entries(checks).map(async ([name, check]) => ((await holds(check)) ? [] : [name])),
  );
  return results.flat();
};

/**
 * `/healthz` (the event loop turns), `/readyz` (every check holds and the server is not closing; 503 names the failing
 * checks, nothing else) and `/metrics` (Prometheus text). For the platform, on the service's own port.
 */
export const healthEndpoints =
  (options: HealthOptions): Koa.Middleware =>
  async (ctx, next) => {
    const isRead = ctx.method === 'GET' || ctx.method === 'HEAD';
    if (isRead && ctx.path === '/healthz') ctx.body = { status: 'ok' };
    else if (isRead && ctx.path === '/readyz') await answerReadiness(options, ctx);
    else if (isRead && ctx.path === '/metrics') await answerMetrics(options, ctx);
    else await next();
  };

const answerReadiness = async (options: HealthOptions, ctx: Koa.Context): Promise<void> => {
  const failing = options.isClosing() ? ['closing'] : await failingChecks(options.readiness);
  ctx.status = failing.length === 0 ? 200 : 503;
  ctx.body = { status: failing.length === 0 ? 'ready' : 'not ready', failing };
};

const answerMetrics = async (options: HealthOptions, ctx: Koa.Context): Promise<void> => {
  const { contentType, body } = await options.metrics.render();
  ctx.body = body;
  ctx.set('content-type', contentType);
};
