import { once } from 'node:events';
import { connect } from 'node:net';

import { createLogger, createMetrics } from '@sallyport/telemetry';
import type Koa from 'koa';

import {
  createHttpApp,
  type Decision,
  type Denial,
  type HttpAppOptions,
  type Principal,
  type Route,
} from '../src/index.ts';

export const ORIGIN = 'https://sallyport.test';
export const SESSION_COOKIE = '__Host-sallyport_session=alice';
export const BEARER = { authorization: 'Bearer alice' };

/** The person behind every credential of these tests. */
export const alice = (more: Partial<Principal> = {}): Principal => ({
  orgId: 'org-1',
  orgSlug: 'acme',
  subjectId: 'alice',
  type: 'user',
  epoch: 1n,
  credentialType: 'api_token',
  credentialId: 'token-1',
  scopes: [],
  authenticatedAt: new Date(0),
  expiresAt: new Date(1),
  displayName: 'Alice',
  ...more,
});

/** `Bearer alice`, `Bearer limited:<scope>`, a session cookie or a token in a cookie; anything else is nobody. */
export const authenticate = (ctx: Koa.Context): Promise<Principal | null> => {
  const bearer = /^Bearer (?<name>alice|limited:(?<scope>\S+))$/.exec(ctx.get('authorization'));
  if (bearer !== null) {
    const scope = bearer.groups?.['scope'];
    return Promise.resolve(alice(scope === undefined ? {} : { scopes: [scope] }));
  }
  // A credential that is no session and still travels by itself.
  if (ctx.cookies.get('token') === 'alice') return Promise.resolve(alice());
  const hasSession = ctx.cookies.get('__Host-sallyport_session') === 'alice';
  return Promise.resolve(hasSession ? alice({ credentialType: 'session', credentialId: 'session-1' }) : null);
};

export const decision = (allowed: boolean): Decision => ({
  allowed,
  reason: allowed ? 'GRANTED' : 'NO_GRANT',
  explanation: allowed ? 'Granted.' : 'You hold no role that allows this here.',
  policyRevision: 'acme@s1.g1',
  validForMs: 100,
  decidedAtMonotonicMs: 0,
});

export interface Asked {
  readonly permission: string;
  readonly projectId?: string | undefined;
  readonly environmentId?: string | undefined;
}

export interface TestApp {
  readonly url: string;
  readonly port: number;
  /** What policy was asked, in order. */
  readonly asked: Asked[];
  readonly denials: Denial[];
  /** Parsed log lines. */
  readonly logs: Record<string, unknown>[];
  fetch(path: string, init?: RequestInit): Promise<Response>;
  close(): Promise<void>;
}

/** A real server on a free port. Everything is allowed except permissions that start with `denied:`. */
export const startApp = async (routes: readonly Route[], overrides: Partial<HttpAppOptions> = {}): Promise<TestApp> => {
  const asked: Asked[] = [];
  const denials: Denial[] = [];
  const logs: Record<string, unknown>[] = [];
  const destination = { write: (line: string) => logs.push(JSON.parse(line) as Record<string, unknown>) };
  const { listen, close } = createHttpApp({
    service: 'test',
    logger: createLogger({ service: 'test', destination }),
    metrics: createMetrics('test', { processMetrics: false }),
    routes,
    authenticate,
    decide: (_principal, permission, scope) => {
      asked.push({ permission, ...scope });
      return Promise.resolve(decision(!permission.startsWith('denied:')));
    },
    onDenied: (denial) => {
      denials.push(denial);
      return Promise.resolve();
    },
    publicOrigin: ORIGIN,
    strictResponses: true,
    ...overrides,
  });
  const { port } = await listen({ port: 0, host: '127.0.0.1' });
  const url = `http://127.0.0.1:${String(port)}`;
  return {
    url,
    port,
    asked,
    denials,
    logs,
    fetch: async (path, init) => await fetch(url + path, { redirect: 'manual', ...init }),
    close: async () => await close({ graceMs: 1_000 }),
  };
};

export const jsonInit = (method: string, body: unknown, headers: Record<string, string> = BEARER): RequestInit => ({
  method,
  headers: { 'content-type': 'application/json', ...headers },
  body: typeof body === 'string' ? body : JSON.stringify(body),
});

export interface Problem {
  readonly type?: string;
  readonly title: string;
  readonly status: number;
  readonly detail?: string;
  readonly instance: string;
  readonly code?: string;
  readonly errors?: { pointer: string; code: string; detail?: string }[];
  readonly metadata?: Record<string, string>;
}

export const problemOf = async (response: Response): Promise<Problem> => (await response.json()) as Problem;

/** Resolves when the condition holds, checked on every turn of the event loop; fails after five seconds. */
export const until = async (condition: () => boolean): Promise<void> => {
  const end = performance.now() + 5_000;
  while (!condition()) {
    if (performance.now() > end) throw new Error('the condition never held');
    await new Promise(setImmediate);
  }
};

/** Sends bytes as they are on a connection of their own and gives everything that comes back. */
export const rawRequest = async (port: number, head: string, body = ''): Promise<string> => {
  const socket = connect(port, '127.0.0.1');
  await once(socket, 'connect');
  socket.write(`${head}connection: close\r\n\r\n${body}`);
  const chunks: Buffer[] = [];
  socket.on('data', (chunk: Buffer) => chunks.push(chunk));
  await once(socket, 'close');
  return Buffer.concat(chunks).toString();
};
