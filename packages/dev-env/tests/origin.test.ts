import { strict as assert } from 'node:assert';
import { once } from 'node:events';
import { createServer, request, type IncomingMessage, type RequestListener, type Server } from 'node:http';
import { connect, type Socket } from 'node:net';
import { DevEnvironmentError } from '../src/errors.ts';
import { startOrigin, type Origin } from '../src/origin/origin.ts';
import { serviceOfPath } from '../src/origin/routes.ts';
import { freePort } from '../src/ports.ts';
import type { ServiceName } from '../src/services.ts';

describe('the paths of the origin', () => {
  const owners: readonly (readonly [path: string, service: ServiceName | null])[] = [
    ['/', 'identity'],
    ['/login?next=/api/flags/v1', 'identity'],
    ['/scim/v2/Users', 'identity'],
    ['/saml/abc/acs', 'identity'],
    ['/oidc/token', 'identity'],
    ['/.well-known/openid-configuration', 'identity'],
    ['/api/identity/v1/accounts', 'identity'],
    ['/api/policy/v1/grants', 'policy'],
    ['/access/v1/evaluation', 'policy'],
    ['/.well-known/authzen-configuration', 'policy'],
    ['/api/flags/v1', 'flags'],
    ['/api/flags/v1?limit=1', 'flags'],
    ['/api/flags/v10', 'identity'],
    ['/ofrep/v1/evaluate/flags/checkout', 'flags'],
    ['/metrics', null],
    ['/healthz?deep', null],
    ['/readyz/x', null],
  ];
  for (const [path, service] of owners) {
    it(`${path} belongs to ${service ?? 'nobody outside'}`, () => {
      assert.equal(serviceOfPath(path), service);
    });
  }
});

describe('the origin', () => {
  let origin: Origin;
  let upstream: Server;
  let answer: RequestListener;
  let address: string;
  beforeEach(async () => {
    answer = (_request, response) => response.end('ok');
    upstream = createServer((incoming, response) => answer(incoming, response)).listen(0, '127.0.0.1');
    await once(upstream, 'listening');
    address = addressOf(upstream);
    origin = await startOrigin({ port: 0, upstream: () => address });
  });
  afterEach(async () => {
    await origin.close(0);
    upstream.closeAllConnections();
    upstream.close();
  });
  const url = (path: string): string => `http://127.0.0.1:${origin.port}${path}`;

  it('hands method, path, query, body and answer through as they are', async () => {
    answer = (incoming, response) => {
      response.writeHead(201, { 'set-cookie': ['a=1', 'b=2'], etag: '"v"' });
      response.write(`${incoming.method} ${incoming.url} `);
      incoming.pipe(response);
    };
    const response = await fetch(url('/scim/v2/Users?filter=a%20eq%20%22b%22'), { method: 'PUT', body: 'body' });
    assert.equal(response.status, 201);
    assert.deepEqual(response.headers.getSetCookie(), ['a=1', 'b=2']);
    assert.equal(response.headers.get('etag'), '"v"');
    assert.equal(await response.text(), 'PUT /scim/v2/Users?filter=a%20eq%20%22b%22 body');
  });

  it('says who connected and drops what the client claims about that', async () => {
    answer = (incoming, response) => response.end(JSON.stringify(incoming.headers));
    const claims = { 'x-forwarded-for': '203.0.113.9', 'x-forwarded-proto': 'https', forwarded: 'for=203.0.113.9' };
    const seen = (await (await fetch(url('/'), { headers: claims })).json()) as Record<string, string>;
    assert.equal(seen['x-forwarded-for'], '127.0.0.1');
    assert.equal(seen['x-forwarded-proto'], 'http');
    assert.equal(seen['x-forwarded-port'], String(origin.port));
    assert.equal(seen['host'], `127.0.0.1:${origin.port}`);
    assert.equal(seen['forwarded'], undefined);
  });

  it('answers on both addresses of localhost', async () => {
    assert.equal((await fetch(`http://localhost:${origin.port}/`)).status, 200);
    assert.equal((await fetch(url('/'))).status, 200);
  });

  it('streams: the first event arrives while the answer is still open, and leaving ends it upstream', async () => {
    let left: Promise<unknown> | undefined;
    answer = (_incoming, response) => {
      left = once(response, 'close');
      response.writeHead(200, { 'content-type': 'text/event-stream' });
      response.write('data: 1\n\n');
    };
    const controller = new AbortController();
    const response = await fetch(url('/api/flags/v1/stream'), { signal: controller.signal });
    const first = (await response.body?.getReader().read()) as { value: Uint8Array };
    assert.equal(Buffer.from(first.value).toString(), 'data: 1\n\n');
    controller.abort();
    await left;
  });

  it('passes WebSocket upgrades with their bytes in both directions', async () => {
    upstream.on('upgrade', (_incoming, socket: Socket) => {
      socket.write('HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: websocket\r\n\r\n');
      socket.pipe(socket);
    });
    const upgrading = request(url('/api/flags/v1/socket'), {
      headers: { connection: 'upgrade', upgrade: 'websocket' },
    }).end();
    const [, socket] = (await once(upgrading, 'upgrade')) as [IncomingMessage, Socket];
    socket.write('ping');
    const [echo] = (await once(socket, 'data')) as [Buffer];
    assert.equal(echo.toString(), 'ping');
    socket.destroy();
  });

  it('ends an upgraded connection upstream when it closes itself', async () => {
    const arrived = once(upstream, 'upgrade') as Promise<[IncomingMessage, Socket]>;
    const headers = { connection: 'upgrade', upgrade: 'websocket' };
    const upgrading = request(url('/api/flags/v1/socket'), { headers }).end();
    const [, upstreamSocket] = await arrived;
    upstreamSocket.write('HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: websocket\r\n\r\n');
    const [, socket] = (await once(upgrading, 'upgrade')) as [IncomingMessage, Socket];
    socket.on('error', () => undefined);
    // Only who reads learns that there is nothing more to read.
    const gone = once(upstreamSocket.resume(), 'end');
    await origin.close(0);
    await gone;
    for (const end of [upstreamSocket, socket]) end.destroy();
  });

  it('answers 503 with a problem document while the service is down, and serves again once it is back', async () => {
    const running = address;
    address = `127.0.0.1:${await freePort()}`;
    const down = await fetch(url('/api/flags/v1/projects'));
    assert.equal(down.status, 503);
    assert.equal(down.headers.get('content-type'), 'application/problem+json');
    assert.equal(down.headers.get('retry-after'), '1');
    const problem = (await down.json()) as Record<string, unknown>;
    assert.equal(problem['status'], 503);
    assert.match(String(problem['title']), /flags/);
    assert.match(String(problem['instance']), /^urn:request:/);
    address = running;
    assert.equal((await fetch(url('/api/flags/v1/projects'))).status, 200);
  });

  it('answers 502 when the service breaks off before its answer, and breaks off when it does so within', async () => {
    answer = (incoming) => incoming.socket.destroy();
    assert.equal((await fetch(url('/'))).status, 502);
    answer = (_incoming, response) => {
      response.writeHead(200, { 'content-length': 100 });
      response.write('half', () => response.destroy());
    };
    const broken = await fetch(url('/'));
    await assert.rejects(broken.text());
  });

  it('keeps the internal endpoints of a service internal', async () => {
    for (const path of ['/metrics', '/healthz', '/readyz']) assert.equal((await fetch(url(path))).status, 404);
    const socket = connect(origin.port, '127.0.0.1');
    socket.write('GET /metrics HTTP/1.1\r\nhost: x\r\nconnection: upgrade\r\nupgrade: websocket\r\n\r\n');
    const [line] = (await once(socket, 'data')) as [Buffer];
    assert.match(line.toString(), /^HTTP\/1.1 404/);
    socket.destroy();
  });

  it('refuses a taken port with a sentence that names it and the way out', async () => {
    await assert.rejects(startOrigin({ port: origin.port, upstream: () => address }), (error) => {
      assert.ok(error instanceof DevEnvironmentError && error.code === 'PORT_TAKEN');
      assert.match(
        error.message,
        new RegExp(`^Port ${origin.port} is in use by another program; choose another with PORT`),
      );
      return true;
    });
  });
});

function addressOf(server: Server): string {
  const address = server.address();
  assert.ok(typeof address === 'object' && address !== null);
  return `127.0.0.1:${address.port}`;
}
