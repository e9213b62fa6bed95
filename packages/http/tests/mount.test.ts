import assert from 'node:assert/strict';

import type Koa from 'koa';

import { PUBLIC, route, type Mount } from '../src/index.ts';
import { startApp, type TestApp } from './harness.ts';

const seen: Koa.Middleware = (ctx) => {
  ctx.body = { path: ctx.path, mountPath: ctx['mountPath'] as unknown };
};
const mounts: Mount[] = [
  { prefix: '/oidc', middleware: seen },
  { prefix: '/.well-known/openid-configuration', middleware: seen, strip: false },
  {
    prefix: '/through',
    middleware: async (ctx, next) => {
      await next();
      ctx.set('x-path-after', ctx.path);
    },
  },
  { prefix: '/broken', middleware: () => Promise.reject(new TypeError('hunter2')), surface: 'api' },
];
const below = route({
  method: 'GET',
  path: '/through/api',
  permission: PUBLIC,
  surface: 'api',
  summary: 'Below a mount',
  responses: { 204: null },
  handler: () => Promise.resolve({ status: 204 }),
});

describe('mounts', () => {
  let app: TestApp;
  before(async () => {
    app = await startApp([below], { mounts });
  });
  after(async () => {
    await app.close();
  });
  const get = async (path: string): Promise<unknown> => await (await app.fetch(path)).json();

  it('own their prefix and what is below it, nothing that merely begins alike', async () => {
    assert.deepEqual(await get('/oidc'), { path: '/', mountPath: '/oidc' });
    assert.deepEqual(await get('/oidc/token?x=1'), { path: '/token', mountPath: '/oidc' });
    assert.equal((await app.fetch('/oidcx')).status, 404);
    assert.deepEqual(await get('/.well-known/openid-configuration'), { path: '/.well-known/openid-configuration' });
  });

  it('hand on with the whole path, and get their own back', async () => {
    const response = await app.fetch('/through/api');
    assert.deepEqual([response.status, response.headers.get('x-path-after')], [204, '/api']);
  });

  it('share request id, security headers, error shape and access line, by prefix instead of path', async () => {
    const response = await app.fetch('/broken/secret-path', { headers: { 'x-request-id': 'mount-request' } });
    assert.equal(response.status, 500);
    assert.equal((await response.text()).includes('hunter2'), false);
    assert.equal(response.headers.get('x-request-id'), 'mount-request');
    assert.equal(response.headers.get('x-content-type-options'), 'nosniff');
    const line = app.logs.find(({ msg, requestId }) => msg === 'request' && requestId === 'mount-request');
    assert.equal(line?.['route'], '/broken');
  });
});
