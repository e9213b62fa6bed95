import assert from 'node:assert/strict';

import { createHttpApp, type HttpAppOptions } from '@sallyport/http';
import { createMetrics, silentLogger } from '@sallyport/telemetry';

import { FailureLimiter, withoutGuessing } from './failure-limiter.ts';

const WINDOW_MS = 15 * 60_000;

/** A provider behind the limiter, which answers with a status. */
const listening = async (limit: number) => {
  let status = 200;
  const provider = {
    prefix: '/oidc',
    surface: 'oauth' as const,
    middleware: async (ctx: { status: number; body: unknown }) => {
      ctx.status = status;
      ctx.body = {};
      await Promise.resolve();
    },
  };
  const options = {
    service: 'test',
    logger: silentLogger(),
    metrics: createMetrics('test'),
    routes: [],
    authenticate: () => Promise.resolve(null),
    decide: () => assert.fail('nobody asks'),
    onDenied: () => Promise.resolve(),
    publicOrigin: 'http://localhost',
    trustedProxies: ['127.0.0.1'],
    mounts: [withoutGuessing(provider, { monotonicMs: () => performance.now() }, limit)],
  } satisfies HttpAppOptions;
  const app = createHttpApp(options);
  const { port } = await app.listen({ port: 0, host: '127.0.0.1' });
  return {
    app,
    answerWith: (answer: number): void => {
      status = answer;
    },
    ask: async (path: string, from = '198.51.100.7'): Promise<Response> =>
      await fetch(`http://127.0.0.1:${port}/oidc${path}`, { method: 'POST', headers: { 'x-forwarded-for': from } }),
  };
};

describe('failures at the credential endpoints', () => {
  it('are let through up to a limit per key, and again after 15 minutes', () => {
    let nowMs = 0;
    const limiter = new FailureLimiter({ monotonicMs: () => nowMs }, 3);
    for (let count = 0; count < 3; count += 1) {
      assert.equal(limiter.blockedForSeconds('a'), 0);
      limiter.failed('a');
    }
    nowMs = 60_000;
    assert.equal(limiter.blockedForSeconds('a'), (WINDOW_MS - nowMs) / 1000);
    assert.equal(limiter.blockedForSeconds('b'), 0);
    nowMs = WINDOW_MS;
    assert.equal(limiter.blockedForSeconds('a'), 0);
    limiter.failed('a');
    assert.equal(limiter.blockedForSeconds('a'), 0);
  });

  it('take a bounded amount of memory', () => {
    const limiter = new FailureLimiter({ monotonicMs: () => 0 }, 1);
    for (let key = 0; key < 50_000; key += 1) limiter.failed(`k${key}`);
    assert.equal(limiter.blockedForSeconds('k0'), 0);
    assert.ok(limiter.blockedForSeconds('k49999') > 0);
  });

  it('shut an address out there and nowhere else; what succeeds is not counted', async () => {
    const { ask, app, answerWith } = await listening(2);
    try {
      answerWith(200);
      for (let count = 0; count < 5; count += 1) assert.equal((await ask('/token')).status, 200);
      for (const status of [400, 401]) {
        answerWith(status);
        assert.equal((await ask('/token')).status, status);
      }
      answerWith(200);
      const refused = await ask('/token/introspection');
      assert.equal(refused.status, 429);
      assert.match(refused.headers.get('retry-after') ?? '', /^\d+$/);
      assert.equal((await ask('/auth')).status, 200);
      assert.equal((await ask('/token', '198.51.100.8')).status, 200);
    } finally {
      await app.close();
    }
  });

  it('cannot be reached under another spelling, which would be counted nowhere', async () => {
    const { ask, app, answerWith } = await listening(2);
    try {
      answerWith(401);
      for (const path of [
        '/Token',
        '/TOKEN',
        '/token/',
        '/token//',
        '/Token/Introspection',
        '/token/revocation/',
        '/REQUEST',
      ])
        assert.equal((await ask(path)).status, 404, path);
      assert.equal((await ask('/token')).status, 401);
      answerWith(200);
      assert.equal((await ask('/Auth/aB3')).status, 200);
    } finally {
      await app.close();
    }
  });
});
