import assert from 'node:assert/strict';
import { once } from 'node:events';
import { connect, type AddressInfo } from 'node:net';

import { createMetrics } from '@sallyport/telemetry';
import Koa from 'koa';

import { PUBLIC, route, type RequestContext } from '../src/index.ts';
import { problemOf, rawRequest, startApp, until, type TestApp } from './harness.ts';

/** A route whose requests stay open until the test lets them go. */
const gate = (deadlineMs?: number) => {
  const waiting: RequestContext[] = [];
  const { promise, resolve } = Promise.withResolvers<void>();
  const slow = route({
    method: 'GET',
    path: '/api/test/v1/slow',
    permission: PUBLIC,
    surface: 'api',
    summary: 'Waits',
    ...(deadlineMs === undefined ? {} : { deadlineMs }),
    responses: { 200: null },
    handler: async ({ context }) => {
      waiting.push(context);
      await promise;
      return { status: 200 };
    },
  });
  return { slow, waiting, open: resolve };
};

const closed = async (app: TestApp): Promise<boolean> => {
  try {
    await app.fetch('/healthz');
    return false;
  } catch {
    return true;
  }
};

describe('http server', () => {
  it('finishes what is in flight, refuses what is new, then closes', async () => {
    const { slow, waiting, open } = gate();
    const app = await startApp([slow]);
    await (await app.fetch('/healthz')).text();
    const inFlight = app.fetch('/api/test/v1/slow');
    await until(() => waiting.length === 1);
    const closing = app.close();
    assert.equal(await closed(app), true);
    open();
    const response = await inFlight;
    assert.deepEqual([response.status, response.headers.get('connection')], [200, 'close']);
    await closing;
    await app.close();
  });

  it('drops what does not finish within its grace', async () => {
    const { slow, waiting } = gate();
    const app = await startApp([slow]);
    const inFlight = app.fetch('/api/test/v1/slow');
    await until(() => waiting.length === 1);
    const refused = assert.rejects(inFlight);
    await app.close();
    await refused;
    await until(() => waiting[0]?.signal.aborted === true);
  });

  it('is not ready while it closes, on connections that are still open', async () => {
    const { slow, waiting, open } = gate();
    const app = await startApp([slow]);
    const socket = connect(app.port, '127.0.0.1');
    await once(socket, 'connect');
    const chunks: string[] = [];
    socket.on('data', (chunk: Buffer) => chunks.push(chunk.toString()));
    socket.write('GET /api/test/v1/slow HTTP/1.1\r\nhost: x\r\n\r\nGET /readyz HTTP/1.1\r\nhost: x\r\n\r\n');
    await until(() => waiting.length === 1);
    const closing = app.close();
    open();
    await once(socket, 'close');
    await closing;
    assert.match(chunks.join(''), /^HTTP\/1\.1 200 OK/);
    assert.equal(chunks.join('').includes('"ready"'), false);
  });

  it('answers 504 at the deadline and tells the work through the signal', async () => {
    const { slow, waiting, open } = gate(30);
    const app = await startApp([slow]);
    const response = await app.fetch('/api/test/v1/slow');
    assert.equal(response.status, 504);
    assert.deepEqual(Object.keys(await problemOf(response)).toSorted(), ['instance', 'status', 'title']);
    const [context] = waiting;
    assert.ok(context);
    assert.equal(context.signal.aborted, true);
    assert.equal((context.signal.reason as { code: string }).code, 'DEADLINE_EXCEEDED');
    assert.equal(context.remainingMs(), 0);
    open();
    await app.close();
  });

  it('aborts the signal when the client is gone, and logs 499', async () => {
    const { slow, waiting, open } = gate();
    const app = await startApp([slow]);
    const client = new AbortController();
    const request = assert.rejects(app.fetch('/api/test/v1/slow', { signal: client.signal }));
    await until(() => waiting.length === 1);
    const signal = waiting[0]?.signal;
    assert.equal(signal?.aborted, false);
    client.abort();
    await request;
    await until(() => signal.aborted);
    assert.equal((signal.reason as { code: string }).code, 'CANCELLED');
    await until(() => app.logs.some(({ status, cut }) => status === 499 && cut === true));
    open();
    await app.close();
  });

  it('survives a client that leaves in the middle of its body', async () => {
    const put = route({
      method: 'PUT',
      path: '/api/test/v1/body',
      permission: PUBLIC,
      surface: 'api',
      summary: 'Reads',
      responses: { 204: null },
      handler: () => assert.fail('half a body arrived as a whole one'),
    });
    const app = await startApp([put]);
    const socket = connect(app.port, '127.0.0.1');
    await once(socket, 'connect');
    socket.write(
      'PUT /api/test/v1/body HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-length: 10\r\n\r\n{"a"',
    );
    socket.end();
    socket.resume();
    await until(() => app.logs.some(({ msg }) => msg === 'request'));
    assert.deepEqual(
      app.logs.filter(({ level }) => level === 'error'),
      [],
    );
    await app.close();
  });

  it('explains an address it cannot have in a sentence', async () => {
    const first = await startApp([]);
    const { createHttpServer } = await import('../src/server.ts');
    await assert.rejects(createHttpServer().listen({ port: first.port, host: '127.0.0.1' }), {
      code: 'UNAVAILABLE',
      message: `The address 127.0.0.1:${String(first.port)} is already in use by another program.`,
    });
    await first.close();
  });

  it('answers 400 to what is not HTTP and 431 to endless headers', async () => {
    const app = await startApp([]);
    assert.match(await rawRequest(app.port, 'BANANA\r\n'), /^HTTP\/1\.1 400 /);
    assert.match(
      await rawRequest(app.port, `GET / HTTP/1.1\r\nhost: x\r\nx: ${'y'.repeat(20_000)}\r\n`),
      /^HTTP\/1\.1 431 /,
    );
    await app.close();
  });
});

describe('health endpoints', () => {
  it('tell liveness, readiness with the names of failing checks only, and metrics by route template', async () => {
    let isUp = false;
    const app = await startApp([gate().slow], {
      readiness: {
        database: () => (isUp ? Promise.resolve() : Promise.reject(new TypeError('password=hunter2'))),
        other: () => Promise.resolve(),
      },
    });
    assert.equal((await app.fetch('/healthz')).status, 200);
    const notReady = await app.fetch('/readyz');
    assert.equal(notReady.status, 503);
    assert.deepEqual(await notReady.json(), { status: 'not ready', failing: ['database'] });
    isUp = true;
    assert.equal((await app.fetch('/readyz')).status, 200);
    await (await app.fetch('/api/test/v1/slow/sub?secret=1')).text();
    await until(() => app.logs.length === 1);
    const metrics = await (await app.fetch('/metrics')).text();
    assert.match(metrics, /test_http_request_duration_seconds_count\{[^}]*route="unmatched"[^}]*status="404"[^}]*\} 1/);
    assert.equal(metrics.includes('secret'), false);
    assert.equal((await app.fetch('/healthz', { method: 'POST' })).status, 404);
    await app.close();
  });

  it('are not ready once closing has begun, whatever the checks say', async () => {
    const { healthEndpoints } = await import('../src/health.ts');
    const metrics = createMetrics('test', { processMetrics: false });
    const koa = new Koa().use(healthEndpoints({ metrics, readiness: {}, isClosing: () => true }));
    const server = koa.listen(0);
    await once(server, 'listening');
    const { port } = server.address() as AddressInfo;
    const response = await fetch(`http://127.0.0.1:${String(port)}/readyz`);
    assert.deepEqual([response.status, await response.json()], [503, { status: 'not ready', failing: ['closing'] }]);
    server.close();
    server.closeAllConnections();
  });

  it('gives a check that hangs one second', async () => {
    const { failingChecks } = await import('../src/health.ts');
    const never = new Promise<void>(() => undefined);
    assert.deepEqual(await failingChecks({ hanging: async () => await never, fine: () => Promise.resolve() }), [
      'hanging',
    ]);
  });
});
