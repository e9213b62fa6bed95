import { Server, setLogger, type ServerOptions, type UntypedHandleCall } from '@grpc/grpc-js';
import { AppError } from '@sallyport/errors';
import type { Logger, Metrics } from '@sallyport/telemetry';

import { Health } from './health.ts';
import { CHANNEL_LIMITS, KEEPALIVE } from './limits.ts';
import { PeerIdentities } from './peer.ts';
import { callObserver, type Runtime } from './runtime.ts';
import { refuseStream, serveBidi, serveServerStream } from './serve-stream.ts';
import { serveUnary } from './serve-unary.ts';
import type { BoundMethod, GrpcService } from './service.ts';
import { serverCredentials, type TlsFiles } from './tls.ts';

export interface GrpcServerOptions {
  /** Own name, for metrics and logs. */
  readonly service: string;
  readonly host: string;
  /** 0: any free port. */
  readonly port: number;
  readonly tls: TlsFiles;
  /** Trust domain of the SPIFFE ids; peers of another deployment are refused even under the same CA. */
  readonly deployment: string;
  readonly logger: Logger;
  readonly metrics?: Metrics;
  readonly services: readonly GrpcService[];
  /** ms a unary call may take, whatever the caller asked for; default and maximum 5000. */
  readonly maxDeadlineMs?: number;
  /** ms after which a connection is asked to move on, so that replicas rebalance; default 5 minutes, ±10 %. */
  readonly maxConnectionAgeMs?: number;
}

export interface GrpcServer {
  /** The port it listens on. */
  readonly port: number;
  readonly health: Health;
  /**
   * Stops accepting, ends streams with UNAVAILABLE, lets running unary calls answer, then closes. What has not
   * answered after `timeoutMs` (default 10 s) is cut off.
   */
  drain(timeoutMs?: number): Promise<void>;
  /** Cuts everything off now. */
  close(): Promise<void>;
}

const MAX_DEADLINE_MS = 5_000;
const MINUTE_MS = 60_000;
const MAX_CONNECTION_AGE_MS = 5 * MINUTE_MS;
const CONNECTION_AGE_GRACE_MS = 10_000;
const DRAIN_TIMEOUT_MS = 10_000;
const FORCED_CLOSE_MS = 500;
const MAX_CONCURRENT_STREAMS = 1_024;

const serverOptions = (options: GrpcServerOptions): ServerOptions => ({
  ...KEEPALIVE,
  ...CHANNEL_LIMITS,
  'grpc.max_connection_age_ms': options.maxConnectionAgeMs ?? MAX_CONNECTION_AGE_MS,
  'grpc.max_connection_age_grace_ms': CONNECTION_AGE_GRACE_MS,
  'grpc.max_concurrent_streams': MAX_CONCURRENT_STREAMS,
  // No debugging service of grpc-js: neither channelz nor reflection is served.
  'grpc.enable_channelz': 0,
});

const implementation = (runtime: Runtime, method: BoundMethod): UntypedHandleCall => {
  const { handler, definition } = method;
  if (handler === null) {
    return definition.requestStream || definition.responseStream
      ? refuseStream(runtime, method)
      : serveUnary(runtime, method, null);
  }
  if (handler.kind === 'unary') return serveUnary(runtime, method, handler);
  return handler.kind === 'bidi' ? serveBidi(runtime, method, handler) : serveServerStream(runtime, method, handler);
};

const shapeOf = ({ requestStream, responseStream }: BoundMethod['definition']): string => {
  if (requestStream) return responseStream ? 'bidi' : 'clientStream';
  return responseStream ? 'serverStream' : 'unary';
};

const register = (server: Server, runtime: Runtime, method: BoundMethod): void => {
  const { path, responseSerialize, requestDeserialize } = method.definition;
  const serialize = (value: unknown): Buffer => {
    try {
      return responseSerialize(value as never);
    } catch (error) {
      runtime.logger.error({ method: path, err: error }, 'a response could not be serialised');
      throw error;
    }
  };
  const deserialize = (bytes: Buffer): unknown => {
    try {
      return requestDeserialize(bytes);
    } catch (error) {
      runtime.logger.warn({ method: path, err: error }, 'a request could not be parsed');
      throw error;
    }
  };
  server.register(path, implementation(runtime, method), serialize, deserialize, shapeOf(method.definition));
};

const bind = (server: Server, options: GrpcServerOptions): Promise<number> =>
  new Promise((resolve, reject) => {
    const { host, port } = options;
    server.bindAsync(address(host, port), serverCredentials(options.tls), (error, bound) => {
      if (error === null) resolve(bound);
      else reject(new AppError('UNAVAILABLE', `Cannot listen on ${address(host, port)}.`, { cause: error }));
    });
  });

const address = (host: string, port: number): string => `${host.includes(':') ? `[${host}]` : host}:${String(port)}`;

/** Closes the listener and ends everything, politely until `timeoutMs` have passed. */
const shutDown = async (server: Server, runtime: Runtime, bound: string, timeoutMs: number): Promise<void> => {
  // Tells clients to go away and, after the time, destroys the connections that are left.
  server.drain(bound, timeoutMs);
  const reason = new AppError('UNAVAILABLE', 'The server is shutting down.', { retryAfterSeconds: 0 });
  for (const end of runtime.openStreams) end(reason);
  const closed = Promise.withResolvers<void>();
  const timer = setTimeout(() => {
    if (timeoutMs > 0) runtime.logger.warn({ timeoutMs }, 'drain took too long: remaining calls are cut off');
    // Once more, for connections whose handshake ended after the first call; forceShutdown knows none without channelz.
    server.drain(bound, 0);
    server.forceShutdown();
    setTimeout(closed.resolve, FORCED_CLOSE_MS).unref();
  }, timeoutMs);
  server.tryShutdown(() => {
    closed.resolve();
  });
  await closed.promise;
  clearTimeout(timer);
};

/**
 * Serves gRPC over mutual TLS 1.3. Who calls is what the client certificate's SPIFFE id says; each method lists the
 * services that may call it. Keepalive 1 s / 0.5 s, messages up to 4 MiB, health included, reflection absent.
 *
 * @throws UNAVAILABLE when the address is taken
 */
export const startGrpcServer = async (options: GrpcServerOptions): Promise<GrpcServer> => {
  const logger = options.logger.child({ component: 'grpc' });
  const quiet = (...parts: unknown[]): void => {
    logger.debug({ parts: parts.map(String) }, 'grpc-js');
  };
  setLogger({ error: quiet, info: quiet, debug: quiet });
  const runtime: Runtime = {
    peers: new PeerIdentities(options.deployment),
    logger,
    observe: callObserver(options.metrics, 'server'),
    maxDeadlineMs: Math.min(options.maxDeadlineMs ?? MAX_DEADLINE_MS, MAX_DEADLINE_MS),
    openStreams: new Set(),
  };
  const server = new Server(serverOptions(options));
  const health = new Health(options.services.map((service) => service.serviceName));
  for (const service of [...options.services, health.service()]) {
    for (const method of service.methods) register(server, runtime, method);
  }
  const port = await bind(server, options);

  const shutdown = (timeoutMs: number): Promise<void> => {
    health.setServing(false);
    return shutDown(server, runtime, address(options.host, port), timeoutMs);
  };
  let draining: Promise<void> | null = null;
  return {
    port,
    health,
    drain: (timeoutMs = DRAIN_TIMEOUT_MS) => (draining ??= shutdown(timeoutMs)),
    close: () => shutdown(0),
  };
};
