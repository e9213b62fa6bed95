import assert from 'node:assert/strict';

import { AppError } from '@sallyport/errors';
import { z } from 'zod';

import {
  GUARDED,
  PUBLIC,
  SELF,
  STEP_UP_PATH,
  createHttpApp,
  route,
  type HttpAppOptions,
  type Route,
} from '../src/index.ts';
import { BEARER, alice, decision, jsonInit, problemOf, startApp } from './harness.ts';

const answer = () => Promise.resolve({ status: 204 });
const base = { method: 'POST', surface: 'api', summary: 'Does something', responses: { 204: null } } as const;

const withApp = async (
  routes: readonly Route[],
  overrides: Partial<HttpAppOptions>,
  work: (app: Awaited<ReturnType<typeof startApp>>) => Promise<void>,
): Promise<void> => {
  const app = await startApp(routes, overrides);
  try {
    await work(app);
  } finally {
    await app.close();
  }
};

const edit = route({ ...base, path: '/api/t/v1/edit', permission: 'thing:edit', handler: answer });
const denied = route({
  ...base,
  path: '/api/t/v1/denied/:projectId',
  permission: 'denied:edit',
  body: z.object({ projectId: z.string() }),
  scope: ({ params }) => ({ projectId: params['projectId'] ?? '' }),
  handler: () => assert.fail('the handler of a denied request runs'),
});
const post = { method: 'POST', headers: BEARER };

describe('authorisation', () => {
  it('answers a denial with reason and explanation, after recording it', async () => {
    await withApp([denied], {}, async (app) => {
      const response = await app.fetch('/api/t/v1/denied/p-1', jsonInit('POST', { projectId: 'p-2' }));
      assert.equal(response.status, 403);
      const { code, detail, metadata } = await problemOf(response);
      assert.deepEqual(
        { code, detail, metadata },
        {
          code: 'PERMISSION_DENIED',
          detail: 'You hold no role that allows this here.',
          metadata: { reason: 'NO_GRANT', permission: 'denied:edit' },
        },
      );
      assert.equal(app.denials.length, 1);
      const [{ principal, permission, scope, reason, route: path, context }] = app.denials as [(typeof app.denials)[0]];
      assert.deepEqual(
        [principal.subjectId, permission, scope, reason, path],
        ['alice', 'denied:edit', { projectId: 'p-1' }, 'NO_GRANT', '/api/t/v1/denied/:projectId'],
      );
      assert.deepEqual(context.auditContext().actor, { type: 'user', id: 'alice', via: 'api_token:token-1' });
      assert.equal(context.auditContext().requestId, response.headers.get('x-request-id'));
    });
  });

  it('decides before the body is read: a denied request is 403 whatever it carries', async () => {
    await withApp([denied], {}, async (app) => {
      for (const body of ['{', '{"projectId":1}', 'x'.repeat(300_000)])
        assert.equal((await app.fetch('/api/t/v1/denied/p-1', jsonInit('POST', body))).status, 403);
      assert.deepEqual(new Set(app.asked.map(({ projectId }) => projectId)), new Set(['p-1']));
    });
  });

  it('stays a refusal when the denial cannot be recorded, and says so in the log', async () => {
    const onDenied = () => Promise.reject(new AppError('UNAVAILABLE', 'no database'));
    await withApp([denied], { onDenied }, async (app) => {
      const response = await app.fetch('/api/t/v1/denied/p-1', jsonInit('POST', {}));
      assert.equal(response.status, 403);
      assert.ok(
        app.logs.some(({ level, msg }) => level === 'error' && msg === 'a denied attempt could not be recorded'),
      );
    });
  });

  it('fails closed when no decision can be had', async () => {
    const decide = () => Promise.reject(new AppError('DECISION_UNAVAILABLE', 'policy is away'));
    await withApp([edit], { decide }, async (app) => {
      assert.equal((await app.fetch('/api/t/v1/edit', post)).status, 503);
    });
    await withApp([edit], { decide: () => Promise.reject(new TypeError('bug')) }, async (app) => {
      assert.equal((await app.fetch('/api/t/v1/edit', post)).status, 500);
    });
  });

  it('takes a thrown PERMISSION_DENIED for the denial it is, and records it', async () => {
    const decide = () =>
      Promise.reject(new AppError('PERMISSION_DENIED', 'Gone.', { metadata: { reason: 'SUBJECT_REVOKED' } }));
    await withApp([edit], { decide }, async (app) => {
      const response = await app.fetch('/api/t/v1/edit', post);
      assert.equal(response.status, 403);
      assert.equal((await problemOf(response)).metadata?.['reason'], 'SUBJECT_REVOKED');
      assert.equal(app.denials[0]?.reason, 'SUBJECT_REVOKED');
    });
  });

  it('holds a credential to its scopes without asking policy', async () => {
    await withApp([edit], {}, async (app) => {
      const refused = await app.fetch('/api/t/v1/edit', {
        method: 'POST',
        headers: { authorization: 'Bearer limited:thing:read' },
      });
      assert.equal(refused.status, 403);
      assert.equal((await problemOf(refused)).metadata?.['reason'], 'CREDENTIAL_SCOPE');
      assert.deepEqual([app.asked, app.denials.length], [[], 1]);
      const allowed = await app.fetch('/api/t/v1/edit', {
        method: 'POST',
        headers: { authorization: 'Bearer limited:thing:edit' },
      });
      assert.equal(allowed.status, 204);
    });
  });

  it('lets a deferred route ask for the scopes it finds, and gives the decision to the handler', async () => {
    const deferred = route({
      ...base,
      path: '/api/t/v1/deferred',
      permission: 'thing:edit',
      scope: 'deferred',
      body: z.object({ environments: z.array(z.string()), ask: z.boolean() }),
      responses: { 204: null },
      handler: async ({ body, context }) => {
        for (const environmentId of body.ask ? body.environments : []) {
          const granted = await context.require(environmentId === 'prod' ? 'denied:toggle' : 'thing:edit', {
            environmentId,
          });
          assert.equal(granted.allowed, true);
        }
        return { status: 204 };
      },
    });
    await withApp([deferred], {}, async (app) => {
      const call = async (environments: string[], ask = true) =>
        (await app.fetch('/api/t/v1/deferred', jsonInit('POST', { environments, ask }))).status;
      assert.equal(await call(['staging', 'test']), 204);
      assert.deepEqual(
        app.asked.map(({ environmentId }) => environmentId),
        ['staging', 'test'],
      );
      assert.equal(await call(['staging', 'prod']), 403);
      // A success nobody decided on does not leave.
      assert.equal(await call(['staging'], false), 500);
      assert.equal(await call([]), 500);
    });
  });

  it('lets a scope function refuse an unknown resource with 404, before policy is asked', async () => {
    const hidden = route({
      ...base,
      path: '/api/t/v1/hidden',
      permission: 'thing:edit',
      scope: () => Promise.reject(new AppError('NOT_FOUND', 'No such project.')),
      handler: answer,
    });
    await withApp([hidden], {}, async (app) => {
      assert.equal((await app.fetch('/api/t/v1/hidden', post)).status, 404);
      assert.deepEqual(app.asked, []);
    });
  });

  it('gives PUBLIC routes nobody, SELF routes the principal, GUARDED routes what the guard returns', async () => {
    const who = z.object({ who: z.string().nullable() });
    const routes = [
      route({
        ...base,
        path: '/api/t/v1/public',
        permission: PUBLIC,
        responses: { 200: who },
        handler: ({ context }) => Promise.resolve({ status: 200, body: { who: context.principal?.subjectId ?? null } }),
      }),
      route({
        ...base,
        path: '/api/t/v1/self',
        permission: SELF,
        responses: { 200: who },
        handler: ({ context }) => Promise.resolve({ status: 200, body: { who: context.principal?.subjectId ?? null } }),
      }),
      route({
        ...base,
        path: '/ofrep/t',
        surface: 'ofrep',
        permission: GUARDED,
        responses: { 200: who },
        guard: (ctx) => {
          const key = ctx.get('x-environment-key');
          if (key === '') throw new AppError('UNAUTHENTICATED', 'An environment key is required.');
          return Promise.resolve({ key });
        },
        handler: ({ guarded }) => Promise.resolve({ status: 200, body: { who: guarded.key } }),
      }),
    ];
    await withApp(routes, {}, async (app) => {
      const ask = async (path: string, headers: Record<string, string>): Promise<unknown> => {
        const response = await app.fetch(path, { method: 'POST', headers });
        return response.status === 200 ? ((await response.json()) as { who: unknown }).who : response.status;
      };
      assert.equal(await ask('/api/t/v1/public', BEARER), null);
      assert.equal(await ask('/api/t/v1/self', BEARER), 'alice');
      assert.equal(await ask('/api/t/v1/self', {}), 401);
      assert.equal(await ask('/ofrep/t', { 'x-environment-key': 'env-1' }), 'env-1');
      assert.equal(await ask('/ofrep/t', BEARER), 401);
      assert.deepEqual(app.asked, []);
    });
  });

  it('does not grant on anything but an explicit allow', async () => {
    for (const odd of [
      {},
      { allowed: 'false' },
      { allowed: undefined },
      { ...decision(true), allowed: 1 },
      { allowed: null },
    ]) {
      await withApp([edit], { decide: () => Promise.resolve(odd as never) }, async (app) => {
        assert.equal((await app.fetch('/api/t/v1/edit', post)).status, 403, JSON.stringify(odd));
      });
    }
  });
});

describe('route table', () => {
  const create = (...routes: Route[]) =>
    createHttpApp({
      routes,
      publicOrigin: 'https://x.test',
    } as unknown as HttpAppOptions);
  const broken = (change: Record<string, unknown>): Route => ({ ...edit, ...change });

  const mistakes: readonly (readonly [string, Record<string, unknown>, RegExp])[] = [
    ['a route without a permission', { permission: undefined }, /declares no permission/],
    ['an empty permission', { permission: '' }, /declares no permission/],
    ['a guard without GUARDED', { guard: answer }, /guard exactly when/],
    ['GUARDED without a guard', { permission: GUARDED }, /guard exactly when/],
    ['a scope without a permission', { permission: SELF, scope: 'deferred' }, /asks for no permission/],
    ['other sites with a session', { permission: SELF, crossSite: 'allowed' }, /other sites/],
    ['no declared response', { responses: {} }, /declares no response/],
    ['a GET with a body', { method: 'GET', body: z.object({}) }, /GET with a body/],
    ['a relative path', { path: 'api' }, /slash/],
    ['a recent sign-in of nobody', { permission: PUBLIC, stepUp: 'x:y' }, /of nobody/],
    ['params that are no object', { params: z.string() }, /must be an object/],
  ];
  for (const [what, change, message] of mistakes) {
    it(`does not start with ${what}`, () => {
      assert.throws(() => create(broken(change)), message);
    });
  }

  it('does not start with two rows for the same requests', () => {
    const one = broken({ path: '/api/t/v1/:a' });
    const two = broken({ path: '/api/t/v1/:b' });
    assert.throws(() => create(one, two), /declared twice/);
  });
});

describe('a recent sign-in', () => {
  const SELVES = route({ ...base, path: '/api/t/v1/own', permission: SELF, stepUp: 'own:make', handler: answer });
  const authenticate = () => Promise.resolve(alice({ stepUpDue: ['thing:edit', 'own:make'] }));

  it('is demanded where one is due, after policy has granted, and recorded', async () => {
    await withApp([edit, SELVES, denied], { authenticate }, async (app) => {
      for (const [path, action] of [
        ['/api/t/v1/edit', 'thing:edit'],
        ['/api/t/v1/own', 'own:make'],
      ] as const) {
        const { code, metadata } = await problemOf(await app.fetch(path, post));
        assert.deepEqual(
          { code, metadata },
          { code: 'STEP_UP_REQUIRED', metadata: { action, stepUpPath: STEP_UP_PATH } },
        );
        const denial = app.denials.at(-1);
        assert.deepEqual([denial?.reason, denial?.permission, denial?.route], ['STEP_UP_REQUIRED', action, path]);
      }
      const refused = await problemOf(await app.fetch('/api/t/v1/denied/p-1', jsonInit('POST', { projectId: 'p-1' })));
      assert.equal(refused['code'], 'PERMISSION_DENIED');
    });
  });

  it('is not demanded for anything else', async () => {
    const other = route({ ...edit, path: '/api/t/v1/other', permission: 'thing:see' });
    await withApp([other], { authenticate }, async (app) => {
      assert.equal((await app.fetch('/api/t/v1/other', post)).status, 204);
    });
  });

  it('is demanded of permissions a handler asks for by itself, too', async () => {
    const deferred = route({
      ...base,
      path: '/api/t/v1/deferred',
      permission: 'thing:see',
      scope: 'deferred',
      handler: async ({ context }) => {
        await context.require('thing:edit');
        return { status: 204 };
      },
    });
    await withApp([deferred], { authenticate }, async (app) => {
      assert.equal((await app.fetch('/api/t/v1/deferred', post)).status, 403);
    });
  });
});
