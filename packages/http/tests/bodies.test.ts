import assert from 'node:assert/strict';

import { AppError } from '@sallyport/errors';
import { z } from 'zod';

import { GUARDED, PUBLIC, route, type Route, type Surface } from '../src/index.ts';
import { jsonInit, problemOf, rawRequest, startApp, until, type TestApp } from './harness.ts';

const KIB = 1024;

const echo = (surface: Surface, path: string, more: { bodyLimitBytes?: number; contentTypes?: string[] } = {}) =>
  route({
    method: 'POST',
    path,
    permission: PUBLIC,
    surface,
    summary: 'Gives back the body',
    body: z.unknown(),
    crossSite: 'allowed',
    responses: { 200: z.unknown() },
    handler: ({ body }) => Promise.resolve({ status: 200, body: { body: body ?? null } }),
    ...more,
  });

const streaming = route({
  method: 'GET',
  path: '/api/test/v1/export/:how',
  permission: PUBLIC,
  surface: 'api',
  summary: 'Streams lines',
  responses: { 200: null },
  handler: ({ params }) => {
    async function* lines() {
      for (let line = 0; line < 3; line++) yield await Promise.resolve(`{"line":${String(line)}}\n`);
      if (params['how'] === 'broken') throw new AppError('INTERNAL', 'the database went away');
    }
    return Promise.resolve({ status: 200, body: lines(), headers: { 'content-type': 'application/jsonl' } });
  },
});

const receiving = route({
  method: 'POST',
  path: '/api/test/v1/import',
  permission: PUBLIC,
  surface: 'api',
  summary: 'Counts bytes as they arrive',
  streamed: true,
  contentTypes: ['application/x-ndjson'],
  crossSite: 'allowed',
  responses: { 200: z.object({ bytes: z.number() }) },
  handler: async ({ ctx }) => {
    let bytes = 0;
    for await (const chunk of ctx.req) bytes += (chunk as Buffer).length;
    return { status: 200, body: { bytes } };
  },
});

const page = route({
  method: 'GET',
  path: '/login',
  permission: PUBLIC,
  surface: 'browser',
  summary: 'A page',
  responses: { 200: null, 303: null },
  handler: ({ query }) =>
    Promise.resolve(
      query['go'] === undefined
        ? { status: 200, body: '<!doctype html><title>x</title>' }
        : { status: 303, headers: { location: '/elsewhere', 'set-cookie': ['a=1', 'b=2'] } },
    ),
});

const failingPage = route({
  method: 'GET',
  path: '/login/failing',
  permission: PUBLIC,
  surface: 'browser',
  summary: 'A page that fails',
  responses: { 200: null },
  handler: () => Promise.reject(new AppError('LOGIN_REFUSED', 'No <script>alert(1)</script> here.')),
});

const guarded = route({
  method: 'GET',
  path: '/scim/v2/Users',
  permission: GUARDED,
  surface: 'scim',
  summary: 'Lists users',
  guard: () => Promise.reject(new AppError('UNAUTHENTICATED', 'A token is required.')),
  responses: { 200: null },
  handler: () => Promise.resolve({ status: 200 }),
});

const routes = [
  echo('api', '/api/test/v1/echo'),
  echo('api', '/api/test/v1/small', { bodyLimitBytes: 16 }),
  echo('api', '/api/test/v1/patch', { contentTypes: ['application/merge-patch+json'] }),
  echo('scim', '/scim/v2/Echo'),
  echo('ofrep', '/ofrep/v1/echo'),
  echo('authzen', '/access/v1/echo'),
  echo('browser', '/saml/acs'),
  echo('oauth', '/token'),
  streaming,
  receiving,
  page,
  failingPage,
  guarded,
];

describe('bodies and surfaces', () => {
  it('a streamed body reaches the handler as it is, of any size; its content type is checked before', async () => {
    const send = async (body: string, type: string): Promise<Response> =>
      await app.fetch('/api/test/v1/import', { method: 'POST', body, headers: { 'content-type': type } });
    const bytes = 3 * 1024 * KIB;
    const answer = await send('x'.repeat(bytes), 'application/x-ndjson');
    assert.deepEqual([answer.status, await answer.json()], [200, { bytes }]);
    for (const type of ['application/json', 'application/x-ndjson; charset=latin1'])
      assert.equal((await send('{}', type)).status, 415);
    for (const wrong of [{ body: z.unknown() }, { contentTypes: undefined }, { method: 'GET' as const }])
      await assert.rejects(startApp([{ ...receiving, ...wrong } as Route]), { code: 'INTERNAL' });
  });

  let app: TestApp;
  before(async () => {
    app = await startApp(routes, {
      renderers: {
        scim: (error, { status }) => ({
          status,
          body: {
            schemas: ['urn:ietf:params:scim:api:messages:2.0:Error'],
            status: String(status),
            detail: error.message,
          },
        }),
        ofrep: () => {
          throw new TypeError('a renderer with a bug');
        },
      },
    });
  });
  after(async () => {
    await app.close();
  });

  const post = async (path: string, contentType: string, body: string | Uint8Array<ArrayBuffer>): Promise<Response> =>
    await app.fetch(path, { method: 'POST', headers: { 'content-type': contentType }, body });

  it('takes the content types of each surface and no other', async () => {
    const json = '{"a":1}';
    const form = 'a=1&b=x&b=y';
    const table: [string, string, string, number][] = [
      ['/api/test/v1/echo', 'application/json', json, 200],
      ['/api/test/v1/echo', 'application/scim+json', json, 415],
      ['/api/test/v1/patch', 'application/merge-patch+json', json, 200],
      ['/api/test/v1/patch', 'application/json', json, 415],
      ['/scim/v2/Echo', 'application/scim+json', json, 200],
      ['/scim/v2/Echo', 'application/json; charset=utf-8', json, 200],
      ['/scim/v2/Echo', 'text/json', json, 415],
      ['/ofrep/v1/echo', 'application/json', json, 200],
      ['/access/v1/echo', 'application/json', json, 200],
      ['/access/v1/echo', 'text/plain', json, 400],
      ['/saml/acs', 'application/x-www-form-urlencoded', form, 200],
      ['/saml/acs', 'application/json', json, 415],
      ['/token', 'application/x-www-form-urlencoded', form, 200],
      ['/token', 'multipart/form-data', form, 415],
    ];
    for (const [path, type, body, status] of table)
      assert.equal((await post(path, type, body)).status, status, path + type);
  });

  it('parses forms into text or lists of text, harmlessly', async () => {
    const response = await post('/saml/acs', 'application/x-www-form-urlencoded', 'a=1&b=x&b=y&__proto__=z&toString=q');
    assert.deepEqual(
      await response.json(),
      JSON.parse('{"body":{"a":"1","b":["x","y"],"__proto__":"z","toString":"q"}}'),
    );
  });

  it('answers 413 above the cap, whether the size was announced or not, and reads no further', async () => {
    const big = JSON.stringify('x'.repeat(256 * KIB));
    assert.equal((await app.fetch('/api/test/v1/echo', jsonInit('POST', big))).status, 413);
    assert.equal((await app.fetch('/api/test/v1/small', jsonInit('POST', '"0123456789abcdef"'))).status, 413);
    assert.equal((await app.fetch('/api/test/v1/small', jsonInit('POST', '"0123456789"'))).status, 200);
    assert.equal((await app.fetch('/scim/v2/Echo', jsonInit('POST', big))).status, 200);
    const chunked =
      'POST /api/test/v1/small HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ntransfer-encoding: chunked\r\n';
    assert.match(await rawRequest(app.port, chunked, `20\r\n"${'y'.repeat(31)}\r\n`), /^HTTP\/1\.1 413 /);
    const announced =
      'POST /api/test/v1/small HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-length: 99999999999\r\n';
    assert.match(await rawRequest(app.port, announced), /^HTTP\/1\.1 413 /);
  });

  it('gives a client that is still sending its 413, many megabytes later', async () => {
    const response = await app.fetch('/api/test/v1/echo', jsonInit('POST', JSON.stringify('x'.repeat(8 * KIB * KIB))));
    assert.equal(response.status, 413);
    assert.equal((await problemOf(response)).code, 'PAYLOAD_TOO_LARGE');
  });

  it('refuses bodies that are not UTF-8, nested too deep or name a key twice', async () => {
    assert.equal((await post('/api/test/v1/echo', 'application/json', new Uint8Array([0x22, 0xff, 0x22]))).status, 400);
    assert.equal((await post('/api/test/v1/echo', 'application/json', '['.repeat(65) + ']'.repeat(65))).status, 400);
    assert.equal((await post('/api/test/v1/echo', 'application/json', '{"a":1,"a":2}')).status, 400);
    assert.equal((await post('/api/test/v1/echo', 'application/json', '{"a":"\\u0000"}')).status, 400);
    assert.equal((await post('/api/test/v1/echo', 'application/json', '{"a":"\\ud800"}')).status, 400);
  });

  it('streams async iterables, and cuts the connection when one fails so that nobody takes a part for the whole', async () => {
    const whole = await app.fetch('/api/test/v1/export/whole');
    assert.equal(whole.headers.get('content-type'), 'application/jsonl');
    assert.equal(await whole.text(), '{"line":0}\n{"line":1}\n{"line":2}\n');
    const broken = await app.fetch('/api/test/v1/export/broken');
    await assert.rejects(broken.text());
    await until(() => app.logs.some(({ msg, cut }) => msg === 'request' && cut === true));
    assert.ok(app.logs.some(({ level, msg }) => level === 'error' && msg === 'response failed'));
    const head = await app.fetch('/api/test/v1/export/whole', { method: 'HEAD' });
    assert.deepEqual([head.status, await head.text()], [200, '']);
  });

  it('serves pages under a policy without inline script, and redirects with several cookies', async () => {
    const html = await app.fetch('/login');
    assert.equal(html.headers.get('content-type'), 'text/html; charset=utf-8');
    const policy = html.headers.get('content-security-policy') ?? '';
    assert.match(policy, /script-src 'self';/);
    assert.match(policy, /frame-ancestors 'none'/);
    assert.equal(policy.includes('unsafe'), false);
    assert.equal(html.headers.get('referrer-policy'), 'same-origin');
    assert.equal(html.headers.get('cross-origin-opener-policy'), 'same-origin');
    const redirect = await app.fetch('/login?go=1');
    assert.deepEqual([redirect.status, redirect.headers.get('location')], [303, '/elsewhere']);
    assert.deepEqual(redirect.headers.getSetCookie(), ['a=1', 'b=2']);
  });

  it('renders errors in the shape of their surface, also for paths no route takes', async () => {
    const scim = await app.fetch('/scim/v2/Nobody');
    assert.equal(scim.headers.get('content-type'), 'application/scim+json; charset=utf-8');
    assert.equal(((await scim.json()) as { status: string }).status, '404');
    const unauthenticated = await app.fetch('/scim/v2/Users');
    assert.equal(unauthenticated.status, 401);
    assert.match(unauthenticated.headers.get('www-authenticate') ?? '', /^Bearer /);
    const refused = await app.fetch('/login/failing');
    assert.equal(refused.headers.get('content-type'), 'text/html; charset=utf-8');
    const text = await refused.text();
    assert.ok(text.includes('&lt;script&gt;') && !text.includes('<script>'));
  });

  it('falls back to problem+json when a renderer fails', async () => {
    const response = await post('/ofrep/v1/echo', 'text/plain', 'x');
    assert.equal(response.status, 415);
    assert.equal(response.headers.get('content-type'), 'application/problem+json');
  });

  it('lowers every cap with bodyLimitBytes, except where a route names its own', async () => {
    const tight = await startApp(routes, { bodyLimitBytes: 8 });
    assert.equal((await tight.fetch('/scim/v2/Echo', jsonInit('POST', '"12345678"'))).status, 413);
    assert.equal((await tight.fetch('/api/test/v1/small', jsonInit('POST', '"12345678"'))).status, 200);
    await tight.close();
  });
});
