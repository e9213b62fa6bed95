import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { Agent, createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo, Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import { createProxyServer, type ProxyServer } from 'httpxy';
import { DevEnvironmentError } from '../errors.ts';
import type { ServiceName } from '../services.ts';
import { serviceOfPath } from './routes.ts';

/** Where the services listen and where the world meets them. */
export interface OriginOptions {
  /** TCP port on both loopback addresses; 0 takes a free one. */
  readonly port: number;
  /** `host:port` of each service's HTTP server; asked for every request, so that a service may move. */
  readonly upstream: (service: ServiceName) => string;
}

/** The one HTTP origin of a constellation. */
export interface Origin {
  readonly port: number;
  /** Stops listening, ends idle connections at once and the others after `graceMs` (default 1,000). */
  close(graceMs?: number): Promise<void>;
}

// A stream (server-sent events, a long poll) may be silent for long; the services bound their own work.
const UPSTREAM_SILENCE_MS = 60 * 60 * 1000;
const FORWARDED = [
  'forwarded',
  'x-forwarded-for',
  'x-forwarded-host',
  'x-forwarded-port',
  'x-forwarded-proto',
  'x-real-ip',
];

/**
 * One HTTP origin in front of the services, routing by path (routes.ts). Bodies stream both ways
 * unbuffered; WebSocket upgrades pass; what a client claims in forwarding headers is replaced by what
 * we see. A service that cannot be reached is a 503 problem document, one that breaks off a 502.
 *
 * @throws PORT_TAKEN when the port is in use or not allowed.
 */
export async function startOrigin(options: OriginOptions): Promise<Origin> {
  const agent = new Agent({ keepAlive: true });
  const proxy = createProxyServer({ agent, xfwd: true, proxyTimeout: UPSTREAM_SILENCE_MS });
  // Either side of an upgraded connection may break off without a word: the other side then goes, too.
  proxy.on('proxyReqWs', (upstreamRequest, _request, socket) => {
    upstreamRequest.once('upgrade', (_response, upstreamSocket) => {
      socket.once('close', () => upstreamSocket.destroy());
      upstreamSocket.once('close', () => socket.destroy());
    });
  });
  // An upgraded connection is no longer the server's to close.
  const upgraded = new Set<Duplex>();
  const create = (): Server => {
    const server = createServer({ keepAliveTimeout: 65_000 }, (request, response) => {
      handle(proxy, options, { request, response }).catch(() => response.destroy());
    });
    return server.on('upgrade', (request, socket, head) => {
      upgraded.add(socket);
      socket.once('close', () => upgraded.delete(socket));
      upgrade(proxy, options, { request, socket: socket as Socket, head }).catch(() => socket.destroy());
    });
  };
  const servers: readonly [Server, Server] = [create(), create()];
  const port = await listenOnLoopback(servers, options.port).catch((error: unknown) => {
    throw whyNotListening(options.port, error);
  });
  return {
    port,
    async close(graceMs = 1_000) {
      for (const socket of upgraded) socket.destroy();
      await Promise.all(servers.filter((server) => server.listening).map((server) => closeServer(server, graceMs)));
      agent.destroy();
    },
  };
}

async function closeServer(server: Server, graceMs: number): Promise<void> {
  const closed = once(server, 'close');
  server.close();
  server.closeIdleConnections();
  const timer = setTimeout(() => {
    server.closeAllConnections();
  }, graceMs);
  await closed;
  clearTimeout(timer);
}

interface Exchange {
  readonly request: IncomingMessage;
  readonly response: ServerResponse;
}

async function handle(proxy: ProxyServer, { upstream }: OriginOptions, { request, response }: Exchange): Promise<void> {
  const service = serviceOfPath(request.url ?? '/');
  if (service === null) {
    sendProblem(response, { status: 404, code: 'NOT_FOUND', title: 'Not found' });
    return;
  }
  dropClaims(request);
  try {
    await proxy.web(request, response, { target: `http://${upstream(service)}` });
  } catch (error) {
    // Nobody is left to answer, or the answer has begun: only the connection can tell.
    if (response.headersSent || response.destroyed) response.destroy();
    else sendProblem(response, unreachable(service, error));
  }
}

interface Upgrade {
  readonly request: IncomingMessage;
  readonly socket: Socket;
  readonly head: Buffer;
}

async function upgrade(
  proxy: ProxyServer,
  { upstream }: OriginOptions,
  { request, socket, head }: Upgrade,
): Promise<void> {
  const service = serviceOfPath(request.url ?? '/');
  socket.on('error', () => socket.destroy());
  if (service === null) {
    socket.end('HTTP/1.1 404 Not Found\r\nconnection: close\r\ncontent-length: 0\r\n\r\n');
    return;
  }
  dropClaims(request);
  await proxy.ws(request, socket, { target: `http://${upstream(service)}` }, head);
}

/** This is the edge: whoever connects is the client, whatever its headers say about others. */
function dropClaims(request: IncomingMessage): void {
  for (const name of FORWARDED) Reflect.deleteProperty(request.headers, name);
}

interface Problem {
  readonly status: number;
  readonly code: string;
  readonly title: string;
}

function unreachable(service: ServiceName, error: unknown): Problem {
  const refused = error instanceof Error && 'code' in error && error.code === 'ECONNREFUSED';
  return refused
    ? { status: 503, code: 'UNAVAILABLE', title: `The service ${service} is not running` }
    : { status: 502, code: 'BAD_GATEWAY', title: `The service ${service} broke off the request` };
}

/** RFC 9457 problem details in the shape of the services' own. */
function sendProblem(response: ServerResponse, { status, code, title }: Problem): void {
  const type = `https://sallyport.dev/errors/${code}`;
  const body = JSON.stringify({ type, title, status, instance: `urn:request:${randomUUID()}` });
  if (status === 503) response.setHeader('retry-after', '1');
  response.writeHead(status, {
    'content-type': 'application/problem+json',
    'content-length': Buffer.byteLength(body),
    'cache-control': 'no-store',
  });
  response.end(body);
}

/** Listens on both loopback addresses: `localhost` means either, depending on who asks. */
async function listenOnLoopback(servers: readonly [Server, Server], wanted: number): Promise<number> {
  const [ipv4, ipv6] = servers;
  await listen(ipv4, wanted, '127.0.0.1');
  const { port } = ipv4.address() as AddressInfo;
  try {
    await listen(ipv6, port, '::1');
  } catch (error) {
    // A machine without IPv6 is fine; another program on the same port of the other address is not.
    if (wanted !== 0 && codeOf(error) === 'EADDRINUSE') {
      ipv4.close();
      throw error;
    }
  }
  return port;
}

async function listen(server: Server, port: number, host: string): Promise<void> {
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen({ port, host, exclusive: true }, () => {
      server.off('error', reject);
      resolve();
    });
  });
}

const codeOf = (error: unknown): unknown => (error instanceof Error && 'code' in error ? error.code : undefined);

function whyNotListening(port: number, cause: unknown): DevEnvironmentError {
  const other = 'choose another with PORT, for example: PORT=8081 npm start';
  const code = codeOf(cause);
  const reason =
    code === 'EADDRINUSE'
      ? `Port ${port} is in use by another program`
      : code === 'EACCES'
        ? `Port ${port} needs privileges this user does not have`
        : `Cannot listen on port ${port} (${String(code)})`;
  return new DevEnvironmentError('PORT_TAKEN', `${reason}; ${other}`, { cause });
}
