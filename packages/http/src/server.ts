import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';

import { AppError } from '@sallyport/errors';

const SECOND_MS = 1_000;
const MAX_HEADER_BYTES = 16 * 1024;

export interface ListenOptions {
  /** 0 takes a free one. */
  readonly port: number;
  readonly host: string;
}

export interface HttpServer {
  /** @throws UNAVAILABLE with a sentence when the address cannot be had */
  listen(options: ListenOptions): Promise<{ port: number }>;
  /** Stops accepting, lets requests in flight finish (at most `graceMs`, default 10,000), then drops what is left. */
  close(options?: { graceMs?: number }): Promise<void>;
  readonly isClosing: () => boolean;
}

const explain = (error: NodeJS.ErrnoException, { host, port }: ListenOptions): AppError => {
  const address = `${host}:${String(port)}`;
  const why =
    error.code === 'EADDRINUSE'
      ? 'is already in use by another program'
      : error.code === 'EACCES'
        ? 'may not be used by this user'
        : 'cannot be listened on';
  return new AppError('UNAVAILABLE', `The address ${address} ${why}.`, { cause: error });
};

/** Serves one request; settles when the response is handed over. */
export type Listener = (request: IncomingMessage, response: ServerResponse) => Promise<void>;

/** The Node server under a service: bounded headers, bounded time to send a request, graceful close. */
export const createHttpServer = (): HttpServer & { serve(listener: Listener): void } => {
  let closing = false;
  const server = createServer({
    maxHeaderSize: MAX_HEADER_BYTES,
    headersTimeout: 10 * SECOND_MS,
    requestTimeout: 60 * SECOND_MS,
    // Longer than the idle time of common proxies (60 s), so that they never reuse a socket we are closing.
    keepAliveTimeout: 65 * SECOND_MS,
  });
  const open = new Set<ServerResponse>();
  server.on('request', (request, response) => {
    // The absolute form (RFC 9112 §3.2.2) names a host; ours is configured.
    if (request.url?.startsWith('/') !== true) request.url = pathOf(request.url ?? '');
    if (closing) endAfter(response);
    open.add(response);
    response.once('close', () => {
      open.delete(response);
      if (closing) server.closeIdleConnections();
    });
  });
  let closed: Promise<void> | null = null;
  return {
    serve: (listener) => {
      server.on('request', (request, response) => {
        // Koa answers its own errors; what still arrives here has no response left to write.
        listener(request, response).catch((error: unknown) =>
          response.destroy(error instanceof Error ? error : undefined),
        );
      });
    },
    isClosing: () => closing,
    listen: (options) => listenOn(server, options),
    close: ({ graceMs = 10 * SECOND_MS } = {}) => {
      closing = true;
      for (const response of open) endAfter(response);
      return (closed ??= closeServer(server, graceMs));
    },
  };
};

/** Asks the client not to use the connection again. */
const endAfter = (response: ServerResponse): void => {
  if (!response.headersSent) response.setHeader('connection', 'close');
};

const pathOf = (target: string): string => {
  const url = URL.parse(target);
  return url === null ? '/' : url.pathname + url.search;
};

const listenOn = async (server: Server, options: ListenOptions): Promise<{ port: number }> => {
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  const onError = (error: Error): void => reject(explain(error, options));
  server.once('error', onError);
  server.listen(options.port, options.host, resolve);
  await promise;
  server.off('error', onError);
  return { port: (server.address() as AddressInfo).port };
};

const closeServer = async (server: Server, graceMs: number): Promise<void> => {
  if (!server.listening) return;
  const { promise, resolve } = Promise.withResolvers<void>();
  // Also closes connections that are idle now; the others end with their response (`Connection: close`).
  server.close(() => resolve());
  const timer = setTimeout(() => server.closeAllConnections(), graceMs);
  await promise;
  clearTimeout(timer);
};
