import assert from 'node:assert/strict';

import { AppError } from '@sallyport/errors';
import { z } from 'zod';

import { PUBLIC, SELF, route } from '../src/index.ts';
import { BEARER, ORIGIN, jsonInit, problemOf, rawRequest, startApp, until, type TestApp } from './harness.ts';

const put = route({
  method: 'PUT',
  path: '/api/test/v1/things/:thingId',
  permission: 'thing:edit',
  surface: 'api',
  summary: 'Writes a thing',
  params: z.object({ thingId: z.string().regex(/^t-\d+$/) }),
  query: z.object({ notify: z.enum(['yes', 'no']).default('no') }),
  body: z.object({ name: z.string().min(1), tags: z.array(z.object({ key: z.string() })).default([]) }),
  scope: ({ params }) => ({ projectId: params.thingId }),
  responses: { 200: z.object({ thingId: z.string(), name: z.string(), notify: z.string() }) },
  handler: ({ params, query, body }) =>
    Promise.resolve({ status: 200, body: { thingId: params.thingId, name: body.name, notify: query.notify } }),
});

const read = route({
  method: 'GET',
  path: '/api/test/v1/things/:thingId',
  permission: SELF,
  surface: 'api',
  summary: 'Reads a thing',
  responses: { 200: z.object({ thingId: z.string() }) },
  handler: ({ params }) => Promise.resolve({ status: 200, body: { thingId: params['thingId'] } }),
});

const literal = route({
  method: 'GET',
  path: '/api/test/v1/things/special',
  permission: PUBLIC,
  surface: 'api',
  summary: 'A literal path beside a parameter',
  responses: { 204: null },
  handler: () => Promise.resolve({ status: 204 }),
});

const apply = route({
  method: 'POST',
  path: '/api/test/v1/apply',
  permission: 'thing:apply',
  surface: 'api',
  summary: 'Takes no body',
  responses: { 204: null },
  handler: () => Promise.resolve({ status: 204 }),
});

const failing = route({
  method: 'GET',
  path: '/api/test/v1/failing/:how',
  permission: PUBLIC,
  surface: 'api',
  summary: 'Fails',
  responses: { 200: null, 409: null },
  handler: ({ params }) => {
    if (params['how'] === 'conflict') throw new AppError('CONFLICT', 'It is in use.', { metadata: { by: 'x' } });
    if (params['how'] === 'undeclared') throw new AppError('PRECONDITION_FAILED', 'Not declared.');
    if (params['how'] === 'busy') throw new AppError('UNAVAILABLE', 'db-7 is down', { retryAfterSeconds: 1.2 });
    if (params['how'] === 'status') return Promise.resolve({ status: 202 });
    if (params['how'] === 'body') return Promise.resolve({ status: 200, body: { secret: 1 } });
    throw new TypeError('password=hunter2');
  },
});

const expiring = route({
  method: 'POST',
  path: '/api/test/v1/expiring',
  permission: PUBLIC,
  surface: 'api',
  summary: 'Commits too late',
  responses: { 204: null },
  handler: () => Promise.reject(new AppError('DECISION_EXPIRED', 'Too late.')),
});

const THING = '/api/test/v1/things/t-1';

describe('http pipeline', () => {
  let app: TestApp;
  before(async () => {
    app = await startApp([put, read, literal, apply, failing, expiring]);
  });
  after(async () => {
    await app.close();
  });
  beforeEach(() => {
    app.asked.length = 0;
    app.logs.length = 0;
  });

  it('serves a valid request, with the decision asked for the scope of the path', async () => {
    const response = await app.fetch(`${THING}?notify=yes`, jsonInit('PUT', { name: 'lamp' }));
    assert.equal(response.status, 200);
    assert.deepEqual(await response.json(), { thingId: 't-1', name: 'lamp', notify: 'yes' });
    assert.equal(response.headers.get('content-type'), 'application/json; charset=utf-8');
    assert.deepEqual(app.asked, [{ permission: 'thing:edit', projectId: 't-1' }]);
  });

  it('answers 401 with a challenge before anything of the request is looked at (RFC 9110 §11.6.1)', async () => {
    const response = await app.fetch(THING, jsonInit('PUT', 'not json', {}));
    assert.equal(response.status, 401);
    assert.equal(response.headers.get('www-authenticate'), 'Bearer realm="sallyport"');
    assert.equal((await problemOf(response)).code, 'UNAUTHENTICATED');
    assert.deepEqual(app.asked, []);
  });

  it('says invalid_token when a token was shown (RFC 6750 §3)', async () => {
    const response = await app.fetch(THING, { headers: { authorization: 'Bearer stolen' } });
    assert.equal(response.status, 401);
    assert.equal(response.headers.get('www-authenticate'), 'Bearer realm="sallyport", error="invalid_token"');
  });

  it('answers 400 with a pointer for each offending field, of body, query and path', async () => {
    const body = await app.fetch(THING, jsonInit('PUT', { name: '', tags: [{ key: 1 }] }));
    assert.equal(body.status, 400);
    assert.equal(body.headers.get('content-type'), 'application/problem+json');
    const problem = await problemOf(body);
    assert.deepEqual(
      problem.errors?.map(({ pointer, code }) => [pointer, code]),
      [
        ['/name', 'TOO_SMALL'],
        ['/tags/0/key', 'INVALID_TYPE'],
      ],
    );
    const query = await problemOf(await app.fetch(`${THING}?notify=maybe`, jsonInit('PUT', { name: 'x' })));
    assert.deepEqual([query.status, query.errors?.[0]?.pointer], [400, '?notify']);
    const path = await problemOf(await app.fetch('/api/test/v1/things/1', jsonInit('PUT', { name: 'x' })));
    assert.deepEqual([path.status, path.errors?.[0]?.pointer], [400, ':thingId']);
    const missing = await problemOf(await app.fetch(THING, { method: 'PUT', headers: BEARER }));
    assert.deepEqual([missing.status, missing.errors?.[0]?.pointer], [400, '']);
  });

  it('refuses fields and parameters nobody declared, at every depth', async () => {
    const body = await problemOf(
      await app.fetch(THING, jsonInit('PUT', { name: 'x', admin: true, tags: [{ key: 'a', role: 'Owner' }] })),
    );
    assert.deepEqual(body.errors, [
      { pointer: '/tags/0/role', code: 'UNKNOWN_FIELD' },
      { pointer: '/admin', code: 'UNKNOWN_FIELD' },
    ]);
    const query = await problemOf(await app.fetch(`${THING}?limt=5`, { headers: BEARER }));
    assert.deepEqual(query.errors, [{ pointer: '?limt', code: 'UNKNOWN_FIELD' }]);
    const noBody = await problemOf(await app.fetch('/api/test/v1/apply', jsonInit('POST', { force: true })));
    assert.deepEqual(noBody.errors, [{ pointer: '/force', code: 'UNKNOWN_FIELD' }]);
    for (const init of [jsonInit('POST', {}), { method: 'POST', headers: BEARER }])
      assert.equal((await app.fetch('/api/test/v1/apply', init)).status, 204);
  });

  it('answers 400 MALFORMED_JSON for what is not JSON, and 400 for JSON with keys of object internals', async () => {
    for (const text of ['{', '{"name":}', '\u{FEFF}x', 'undefined', '{"name":"a",}']) {
      const response = await app.fetch(THING, jsonInit('PUT', text));
      assert.equal(response.status, 400);
      assert.equal((await problemOf(response)).code, 'MALFORMED_JSON');
    }
    for (const key of ['__proto__', 'constructor', 'prototype', '\\u005f_proto__']) {
      const response = await app.fetch(THING, jsonInit('PUT', `{"name":"a","${key}":{"isAdmin":true}}`));
      assert.equal(response.status, 400, key);
      assert.equal((await problemOf(response)).errors?.[0]?.code, 'FORBIDDEN_KEY');
    }
    assert.equal(Reflect.get({}, 'isAdmin'), undefined);
  });

  it('answers 415 for another content type, charset or encoding', async () => {
    const headers = [
      { 'content-type': 'text/plain' },
      { 'content-type': 'application/x-www-form-urlencoded' },
      { 'content-type': 'application/json; charset=utf-16' },
      { 'content-type': 'application/json', 'content-encoding': 'gzip' },
      { 'content-type': 'application/jsonx' },
    ];
    for (const more of headers) {
      const init = { method: 'PUT', body: '{"name":"a"}', headers: { ...BEARER, ...more } };
      const response = await app.fetch(THING, init);
      assert.equal(response.status, 415, JSON.stringify(more));
      assert.equal((await problemOf(response)).code, 'UNSUPPORTED_MEDIA_TYPE');
    }
    const spelled = { ...BEARER, 'content-type': 'Application/JSON; Charset="UTF-8"' };
    assert.equal((await app.fetch(THING, { method: 'PUT', body: '{"name":"a"}', headers: spelled })).status, 200);
  });

  it('answers 404 for an unknown path and 405 with Allow for a known one (RFC 9110 §15.5.6)', async () => {
    const unknown = await app.fetch('/api/test/v1/nothing');
    assert.equal(unknown.status, 404);
    assert.equal((await problemOf(unknown)).code, 'NOT_FOUND');
    const wrong = await app.fetch(THING, { method: 'DELETE', headers: BEARER });
    assert.equal(wrong.status, 405);
    assert.equal(wrong.headers.get('allow'), 'GET, HEAD, OPTIONS, PUT');
    assert.equal((await problemOf(wrong)).code, 'METHOD_NOT_ALLOWED');
    assert.equal((await app.fetch('/API/test/v1/apply', { method: 'POST', headers: BEARER })).status, 404);
  });

  it('answers HEAD like GET without a body, and OPTIONS with Allow', async () => {
    const get = await app.fetch(THING, { headers: BEARER });
    const head = await app.fetch(THING, { method: 'HEAD', headers: BEARER });
    assert.equal(head.status, 200);
    assert.equal(head.headers.get('content-length'), get.headers.get('content-length'));
    assert.equal(await head.text(), '');
    const options = await app.fetch(THING, { method: 'OPTIONS' });
    assert.deepEqual([options.status, options.headers.get('allow')], [204, 'GET, HEAD, OPTIONS, PUT']);
  });

  it('prefers a literal path to a parameter whatever their order', async () => {
    assert.equal((await app.fetch('/api/test/v1/things/special')).status, 204);
  });

  it('refuses text that cannot be stored, in path and query', async () => {
    for (const path of ['/api/test/v1/things/%00', `${THING}?notify=%00`])
      assert.equal((await app.fetch(path, { headers: BEARER })).status, 400, path);
  });

  it('echoes a sane request id and makes one otherwise', async () => {
    const sane = await app.fetch(THING, { headers: { ...BEARER, 'x-request-id': 'caller-id-123' } });
    assert.equal(sane.headers.get('x-request-id'), 'caller-id-123');
    for (const id of ['short', 'x'.repeat(200), 'has space in it', '<script>alert</script>']) {
      const made = await app.fetch('/nowhere', { headers: { 'x-request-id': id } });
      const echoed = made.headers.get('x-request-id') ?? '';
      assert.match(echoed, /^[0-9a-f-]{36}$/);
      assert.equal((await problemOf(made)).instance, `urn:request:${echoed}`);
    }
  });

  it('sends the security headers of the surface with every answer', async () => {
    for (const path of [THING, '/nowhere', '/api/test/v1/failing/x']) {
      const { headers } = await app.fetch(path, { headers: BEARER });
      assert.equal(headers.get('x-content-type-options'), 'nosniff');
      assert.equal(headers.get('x-frame-options'), 'DENY');
      assert.equal(headers.get('cache-control'), 'no-store');
      assert.equal(headers.get('referrer-policy'), 'no-referrer');
      assert.equal(headers.get('content-security-policy'), "default-src 'none'; frame-ancestors 'none'");
      assert.match(headers.get('strict-transport-security') ?? '', /^max-age=31536000/);
      assert.equal(headers.get('x-powered-by'), null);
    }
  });

  it('shows detail, code and metadata below 500, and of 5xx only title, status and instance', async () => {
    const conflict = await app.fetch('/api/test/v1/failing/conflict');
    assert.equal(conflict.status, 409);
    const { instance, ...rest } = await problemOf(conflict);
    assert.deepEqual(rest, {
      type: 'https://sallyport.dev/errors/CONFLICT',
      title: 'The current state does not allow this',
      status: 409,
      detail: 'It is in use.',
      code: 'CONFLICT',
      metadata: { by: 'x' },
    });
    assert.match(instance, /^urn:request:/);
    const broken = await app.fetch('/api/test/v1/failing/bug');
    assert.equal(broken.status, 500);
    assert.deepEqual(Object.keys(await problemOf(broken)).toSorted(), ['instance', 'status', 'title']);
    const busy = await app.fetch('/api/test/v1/failing/busy');
    assert.deepEqual([busy.status, busy.headers.get('retry-after')], [503, '2']);
    assert.equal((await busy.text()).includes('db-7'), false);
    assert.ok(app.logs.some(({ level, msg }) => level === 'error' && msg === 'request failed'));
  });

  it('says that a decision ran out, whatever the route declares', async () => {
    const expired = await app.fetch('/api/test/v1/expiring', { method: 'POST' });
    assert.deepEqual([expired.status, (await problemOf(expired)).code], [409, 'DECISION_EXPIRED']);
  });

  it('turns what a route does not declare into 500 under strictResponses', async () => {
    for (const how of ['status', 'body', 'undeclared'])
      assert.equal((await app.fetch(`/api/test/v1/failing/${how}`)).status, 500, how);
  });

  it('writes one access line per request: the template, never path, query, headers or body', async () => {
    const init = jsonInit('PUT', { name: 'body-secret' }, { ...BEARER, cookie: 'c=cookie-secret' });
    await (await app.fetch(`${THING}?notify=no`, init)).text();
    await until(() => app.logs.length > 0);
    assert.equal(app.logs.length, 1);
    const { durationMs, time: _, requestId, ...line } = app.logs[0] ?? {};
    assert.deepEqual(line, {
      level: 'info',
      service: 'test',
      method: 'PUT',
      route: '/api/test/v1/things/:thingId',
      status: 200,
      orgId: 'org-1',
      subjectId: 'alice',
      msg: 'request',
    });
    assert.ok(Number(durationMs) > 0 && String(requestId).length === 36);
    for (const secret of ['t-1', 'notify', 'body-secret', 'cookie-secret', 'Bearer'])
      assert.equal(JSON.stringify(app.logs).includes(secret), false, secret);
  });

  it('takes host and protocol from its settings, never from the request', async () => {
    const where = route({
      method: 'GET',
      path: '/api/test/v1/where',
      permission: PUBLIC,
      surface: 'api',
      summary: 'Where it thinks it is',
      responses: { 200: z.object({ origin: z.string(), path: z.string() }) },
      handler: ({ ctx }) => {
        ctx.cookies.set('__Host-x', 'y', { secure: true });
        return Promise.resolve({ status: 200, body: { origin: new URL(ctx.href).origin, path: ctx.path } });
      },
    });
    const other = await startApp([where]);
    const headers = { host: 'evil.example', 'x-forwarded-host': 'evil.example', 'x-forwarded-proto': 'ftp' };
    const response = await other.fetch('/api/test/v1/where', { headers });
    assert.deepEqual(await response.json(), { origin: ORIGIN, path: '/api/test/v1/where' });
    assert.match(response.headers.get('set-cookie') ?? '', /^__Host-x=y; path=\/; secure; httponly$/);
    const absolute = await rawRequest(other.port, 'GET http://evil.example/api/test/v1/where HTTP/1.1\r\nhost: x\r\n');
    assert.ok(absolute.endsWith(JSON.stringify({ origin: ORIGIN, path: '/api/test/v1/where' })), absolute);
    await other.close();
  });
});
