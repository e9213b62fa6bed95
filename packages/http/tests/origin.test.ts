import assert from 'node:assert/strict';

import { z } from 'zod';

import { GUARDED, PUBLIC, SELF, route } from '../src/index.ts';
import { BEARER, ORIGIN, SESSION_COOKIE, problemOf, startApp, type TestApp } from './harness.ts';

const base = {
  summary: 'Changes something',
  responses: { 204: null },
  handler: () => Promise.resolve({ status: 204 }),
};

const routes = [
  route({ ...base, method: 'POST', path: '/api/test/v1/mine', permission: SELF, surface: 'api' }),
  route({ ...base, method: 'POST', path: '/api/test/v1/thing', permission: 'thing:edit', surface: 'api' }),
  route({ ...base, method: 'GET', path: '/api/test/v1/thing', permission: 'thing:read', surface: 'api' }),
  route({ ...base, method: 'POST', path: '/api/test/v1/open', permission: PUBLIC, surface: 'api' }),
  route({ ...base, method: 'POST', path: '/login', permission: PUBLIC, surface: 'browser', body: z.unknown() }),
  route({ ...base, method: 'POST', path: '/saml/acs', permission: PUBLIC, surface: 'browser', crossSite: 'allowed' }),
  route({
    ...base,
    method: 'POST',
    path: '/scim/v2/Users',
    permission: GUARDED,
    surface: 'scim',
    guard: () => Promise.resolve('connection-1'),
  }),
];

describe('origin check', () => {
  let app: TestApp;
  before(async () => {
    app = await startApp(routes);
  });
  after(async () => {
    await app.close();
  });

  const post = async (path: string, headers: Record<string, string>): Promise<number> => {
    const response = await app.fetch(path, { method: 'POST', headers });
    if (response.status === 403 && path.startsWith('/api'))
      assert.equal((await problemOf(response)).code, 'ORIGIN_MISMATCH');
    return response.status;
  };
  const cookie = SESSION_COOKIE;

  for (const path of ['/api/test/v1/mine', '/api/test/v1/thing']) {
    it(`lets a session change things only from our own origin: ${path}`, async () => {
      assert.equal(await post(path, { cookie, origin: ORIGIN }), 204);
      assert.equal(await post(path, { cookie, origin: ORIGIN, 'sec-fetch-site': 'same-origin' }), 204);
      assert.equal(await post(path, { cookie, 'sec-fetch-site': 'same-origin' }), 204);
      const foreign: Record<string, string>[] = [
        {},
        { origin: 'null' },
        { origin: 'https://evil.example' },
        { origin: `${ORIGIN}.evil.example` },
        { origin: ORIGIN.replace('https', 'http') },
        { origin: `${ORIGIN}/` },
        { origin: ORIGIN.toUpperCase() },
        { origin: ORIGIN, 'sec-fetch-site': 'cross-site' },
        { 'sec-fetch-site': 'same-site' },
        { 'sec-fetch-site': 'none' },
        { origin: 'https://evil.example', 'sec-fetch-site': 'same-origin' },
        { referer: `${ORIGIN}/page` },
      ];
      for (const headers of foreign)
        assert.equal(await post(path, { cookie, ...headers }), 403, JSON.stringify(headers));
    });
  }

  it('asks policy nothing about a forged request', () => {
    assert.ok(app.asked.length > 0);
    assert.equal(app.asked.length, 3);
  });

  it('does not bother tokens, which no browser sends by itself', async () => {
    assert.equal(await post('/api/test/v1/thing', { ...BEARER }), 204);
    assert.equal(await post('/api/test/v1/thing', { ...BEARER, origin: 'https://evil.example' }), 204);
  });

  it('is not talked out of it by an Authorization header that is not what authenticated', async () => {
    assert.equal(
      await post('/api/test/v1/mine', { cookie, authorization: 'Basic x', origin: 'https://evil.example' }),
      403,
    );
  });

  it('counts every credential outside of Authorization as sent by the browser itself', async () => {
    assert.equal(await post('/api/test/v1/mine', { cookie: 'token=alice', origin: 'https://evil.example' }), 403);
    assert.equal(await post('/api/test/v1/mine', { cookie: 'token=alice', origin: ORIGIN }), 204);
  });

  it('lets safe methods pass', async () => {
    const response = await app.fetch('/api/test/v1/thing', { headers: { cookie, origin: 'https://evil.example' } });
    assert.equal(response.status, 204);
  });

  it('protects forms of pages before anybody is signed in (login CSRF), except where other sites post by design', async () => {
    assert.equal(await post('/login', { origin: ORIGIN }), 204);
    assert.equal(await post('/login', { origin: 'https://evil.example' }), 403);
    assert.equal(await post('/login', {}), 403);
    assert.equal(await post('/saml/acs', { origin: 'https://idp.example', cookie }), 204);
  });

  it('holds for public routes as soon as cookies come along', async () => {
    assert.equal(await post('/api/test/v1/open', {}), 204);
    assert.equal(await post('/api/test/v1/open', { cookie, origin: 'https://evil.example' }), 403);
  });

  it('leaves machines with their own credential alone', async () => {
    assert.equal(await post('/scim/v2/Users', {}), 204);
  });
});
