import { currentTraceId, type Logger, type Metrics } from '@sallyport/telemetry';
import { AppError } from '@sallyport/errors';
import type Koa from 'koa';

import { monotonicMs } from './clock.ts';
import type { LiveContext } from './context.ts';

/** Called once per request, when its response is out or its client is gone. */
export type ObserveRequest = (ctx: Koa.Context, live: LiveContext, fallbackRoute: string) => void;

const CLIENT_CLOSED_REQUEST = 499;

/**
 * The access line and the metrics of each request.
 *
 * The line names the template of the route instead of the path, and neither query, body, headers nor address: nothing a
 * secret or a person could be in.
 */
export const requestObserver = (logger: Logger, metrics: Metrics): ObserveRequest => {
  const durations = metrics.histogram({
    name: 'http_request_duration_seconds',
    help: 'Time from the first byte of a request to the end of its response.',
    labels: ['method', 'route', 'status'],
  });
  return (ctx, live, fallbackRoute) => {
    const startedAtMs = monotonicMs();
    const traceId = currentTraceId();
    ctx.res.once('close', () => {
      const isCut = !ctx.res.writableFinished;
      if (isCut) live.abort(new AppError('CANCELLED', 'The client closed the connection.'));
      const status = isCut && !ctx.res.headersSent ? CLIENT_CLOSED_REQUEST : ctx.res.statusCode;
      const durationMs = monotonicMs() - startedAtMs;
      const template = live.route?.path ?? fallbackRoute;
      durations.observe({ method: knownMethod(ctx.method), route: template, status }, durationMs / 1_000);
      logger.info(
        {
          requestId: live.requestId,
          method: knownMethod(ctx.method),
          route: template,
          status,
          durationMs: Math.round(durationMs * 1_000) / 1_000,
          ...(isCut ? { cut: true } : {}),
          ...(live.errorCode === null ? {} : { code: live.errorCode }),
          ...(live.principal === null ? {} : { orgId: live.principal.orgId, subjectId: live.principal.subjectId }),
          ...(traceId === undefined ? {} : { traceId }),
        },
        'request',
      );
    });
  };
};

const METHODS: ReadonlySet<string> = new Set(['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS']);

/** Labels come from a closed set: Node accepts a few dozen more methods. */
const knownMethod = (method: string): string => (METHODS.has(method) ? method : 'OTHER');
