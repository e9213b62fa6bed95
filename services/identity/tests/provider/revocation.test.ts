import assert from 'node:assert/strict';

import type { IntrospectionServiceService } from '@sallyport/proto/identity/v1';
import type { GrpcClient } from '@sallyport/grpc';
import { refreshTokenGrant } from 'openid-client';

import type { Browser } from '../support/browser.ts';
import { introspectionClient } from './introspection.ts';
import { ProviderScene, type Application, type Authorized, type Tokens } from './scene.ts';

/** One credential of every class that identity issues. */
interface Everything {
  readonly id: string;
  readonly browser: Browser;
  readonly apiToken: string;
  readonly tokens: Tokens;
  /** Issued, not redeemed. */
  readonly code: Authorized;
  /** An authorization request that waits for its sign-in. */
  readonly interaction: string;
}

describe('credentials end with their account', () => {
  let scene: ProviderScene;
  let app: Application;
  let policy: GrpcClient<IntrospectionServiceService>;

  before(async () => {
    scene = await ProviderScene.start();
    app = await scene.register();
    policy = await introspectionClient(scene.identity);
  });
  after(async () => {
    policy.close();
    await scene.close();
  });

  const introspect = async (credential: { $case: 'session' | 'bearer'; value: string }) =>
    await policy.unary('introspect', { credential }, { deadlineMs: 10_000 });

  const sessionOf = (browser: Browser): string => browser.cookie(scene.origin, '__Host-sallyport_session') ?? '';

  const apiTokenOf = async (browser: Browser, over: object = {}): Promise<Response> =>
    await browser.open(`${scene.origin}/api/identity/v1/api-tokens`, {
      method: 'POST',
      headers: { 'content-type': 'application/json', origin: scene.origin },
      body: JSON.stringify({ name: 'ci', expiresAt: new Date(Date.now() + 3_600_000).toISOString(), ...over }),
    });

  const everythingOf = async (name: string): Promise<Everything> => {
    const id = await scene.person(name);
    const browser = await scene.signIn(name);
    const { token } = (await (await apiTokenOf(browser)).json()) as { token: string };
    const tokens = await scene.tokens(browser, app);
    const code = await scene.authorize(browser, app);
    const { url } = await scene.request(app);
    const interaction = (await browser.open(url)).headers.get('location') ?? '';
    const held = { id, browser, apiToken: token, tokens, code, interaction };
    assert.deepEqual(await alive(held), [
      'session',
      'api token',
      'access token',
      'refresh token (introspection)',
      'access token (introspection)',
    ]);
    return held;
  };

  /** The classes that still work, without using up those that can be used once. */
  const alive = async ({ browser, apiToken, tokens }: Everything): Promise<string[]> => {
    const isActive = async (token: string): Promise<boolean> => (await scene.introspect(app, token))['active'] === true;
    const classes: readonly (readonly [string, boolean])[] = [
      [
        'session',
        (await scene.me(browser)) === 200 && (await introspect({ $case: 'session', value: sessionOf(browser) })).active,
      ],
      [
        'api token',
        (await scene.me(apiToken)) === 200 && (await introspect({ $case: 'bearer', value: apiToken })).active,
      ],
      [
        'access token',
        (await scene.me(tokens.access_token)) === 200 &&
          (await introspect({ $case: 'bearer', value: tokens.access_token })).active,
      ],
      ['refresh token (introspection)', await isActive(tokens.refresh_token ?? '')],
      ['access token (introspection)', await isActive(tokens.access_token)],
    ];
    return classes.filter(([, works]) => works).map(([name]) => name);
  };

  /** Uses those that can be used once; all of them must fail. */
  const assertAllDead = async (held: Everything): Promise<void> => {
    assert.deepEqual(await alive(held), []);
    assert.deepEqual(await scene.introspect(app, held.tokens.access_token), { active: false });
    await assert.rejects(scene.exchange(app, held.code));
    await assert.rejects(refreshTokenGrant(app.configuration, held.tokens.refresh_token ?? ''));
    const userInfo = await fetch(`${scene.issuer}/me`, {
      headers: { authorization: `Bearer ${held.tokens.access_token}` },
    });
    assert.equal(userInfo.status, 401);
    const silent = await scene.authorize(held.browser, app, { prompt: 'none', scope: 'openid' });
    assert.equal(silent.callback.searchParams.get('error'), 'login_required');
    const waiting = await held.browser.follow(
      new URL(held.interaction, scene.origin),
      ({ origin }) => origin !== scene.origin,
    );
    assert.equal(waiting.url.origin, scene.origin);
    assert.ok(waiting.response.status === 400 || waiting.url.pathname === '/login');
  };

  it('every class, when the directory deactivates the person; and again active, none of them lives again', async () => {
    const held = await everythingOf('dora');
    await scene.setActive(held.id, false);
    await assertAllDead(held);
    await scene.setActive(held.id, true);
    await assertAllDead(held);
    assert.equal(await scene.me(await scene.signIn('dora')), 200);
  });

  it('every class by the epoch alone, with all rows still there', async () => {
    const held = await everythingOf('emil');
    await scene.identity.admin('UPDATE identity.account SET epoch = epoch + 1 WHERE id = $1', [held.id]);
    await assertAllDead(held);
  });

  it('every class by the status alone', async () => {
    const held = await everythingOf('finn');
    await scene.identity.admin(
      `UPDATE identity.account SET status = 'inactive', admin_hold = true, epoch = epoch + 1 WHERE id = $1`,
      [held.id],
    );
    await assertAllDead(held);
  });

  it('every class, when the connection is disabled', async () => {
    const held = await everythingOf('gina');
    const path = `/connections/${scene.directory.connectionId}`;
    assert.equal((await scene.api('PATCH', path, { enabled: false })).status, 200);
    await assertAllDead(held);
    assert.equal((await scene.api('PATCH', path, { enabled: true })).status, 200);
    await assertAllDead(held);
  });

  it('every class, when the person is deleted', async () => {
    const held = await everythingOf('hugo');
    assert.equal((await scene.directory.scim('DELETE', `/Users/${held.id}`)).status, 204);
    await assertAllDead(held);
  });

  it('nothing that is issued while the door closes outlives it', async () => {
    const id = await scene.person('iris');
    const browser = await scene.signIn('iris');
    const issuing = Array.from({ length: 6 }, () => apiTokenOf(browser));
    const [, ...issued] = await Promise.all([scene.setActive(id, false), ...issuing]);
    for (const answer of issued) {
      const { token } = (await answer.json()) as { token?: string };
      if (token !== undefined) assert.equal(await scene.me(token), 401);
    }
  });

  it('ends with one session what hangs on it, and nothing else', async () => {
    const held = await everythingOf('jan');
    const other = await scene.signIn('jan');
    await held.browser.post(`${scene.origin}/logout`, {});
    assert.deepEqual(await alive(held), ['api token']);
    assert.equal(await scene.me(other), 200);
  });

  describe('introspection over gRPC', () => {
    it('names the principal behind a session', async () => {
      const id = await scene.person('karl');
      const answer = await introspect({ $case: 'session', value: sessionOf(await scene.signIn('karl')) });
      assert.equal(answer.active, true);
      assert.equal(answer.principal?.subjectId, id);
      assert.equal(answer.principal?.orgId, scene.organization.orgId);
      assert.equal(answer.principal?.displayName, 'karl');
    });

    it('gives the reason to the services, for their logs', async () => {
      const id = await scene.person('lena');
      const browser = await scene.signIn('lena');
      const reasonOf = async (value: string) => (await introspect({ $case: 'session', value })).inactiveReason;
      assert.equal(await reasonOf('nonsense'), 'MALFORMED');
      assert.equal(await reasonOf(''), 'MALFORMED');
      await scene.identity.admin(`UPDATE identity.account SET epoch = epoch + 1 WHERE id = $1`, [id]);
      assert.equal(await reasonOf(sessionOf(browser)), 'EPOCH_RAISED');
      assert.equal((await introspect({ $case: 'bearer', value: 'x' })).inactiveReason, 'UNKNOWN');
    });

    it('serves policy and flags only', async () => {
      const other = await introspectionClient(scene.identity, 'operator');
      const credential = { $case: 'bearer', value: 'x' } as const;
      await assert.rejects(other.unary('introspect', { credential }, { deadlineMs: 10_000 }), {
        code: 'PERMISSION_DENIED',
      });
      other.close();
    });
  });

  describe('API tokens', () => {
    let browser: Browser;

    before(async () => {
      await scene.person('mona');
      browser = await scene.signIn('mona');
    });

    it('are shown once, kept as hashes, listed with their last use, and can be revoked', async () => {
      const created = (await (await apiTokenOf(browser)).json()) as { id: string; token: string };
      assert.match(created.token, /^sp_pat_\w{49}$/);
      assert.ok(
        !JSON.stringify(await scene.identity.admin('SELECT * FROM identity.api_token')).includes(created.token),
      );
      assert.equal(await scene.me(created.token), 200);
      const url = `${scene.origin}/api/identity/v1/api-tokens`;
      const { items } = (await (await browser.open(url)).json()) as {
        items: { id: string; lastUsedAt: string | null }[];
      };
      assert.notEqual(items.find(({ id }) => id === created.id)?.lastUsedAt, null);
      const revoke = await browser.open(`${url}/${created.id}`, {
        method: 'DELETE',
        headers: { origin: scene.origin },
      });
      assert.equal(revoke.status, 204);
      assert.equal(await scene.me(created.token), 401);
    });

    it('expire, and cannot be made without an expiry or beyond a year', async () => {
      const soon = (await (await apiTokenOf(browser)).json()) as { id: string; token: string };
      await scene.identity.admin(`UPDATE identity.api_token SET expires_at = now() WHERE id = $1`, [soon.id]);
      assert.equal(await scene.me(soon.token), 401);
      assert.equal((await apiTokenOf(browser, { expiresAt: undefined })).status, 400);
      assert.equal((await apiTokenOf(browser, { expiresAt: '2020-01-01T00:00:00Z' })).status, 400);
      assert.equal((await apiTokenOf(browser, { expiresAt: '2099-01-01T00:00:00Z' })).status, 400);
    });

    it('never make a wider or longer-lived token than themselves (ASVS 8.3.3)', async () => {
      const narrow = (await (await apiTokenOf(browser, { scopes: ['flag:read'] })).json()) as {
        token: string;
        expiresAt: string;
      };
      const make = async (over: object): Promise<number> => {
        const answer = await fetch(`${scene.origin}/api/identity/v1/api-tokens`, {
          method: 'POST',
          headers: { 'content-type': 'application/json', authorization: `Bearer ${narrow.token}` },
          body: JSON.stringify({ name: 'child', scopes: ['flag:read'], expiresAt: narrow.expiresAt, ...over }),
        });
        return answer.status;
      };
      assert.equal(await make({}), 201);
      assert.equal(await make({ scopes: [] }), 403);
      assert.equal(await make({ scopes: ['flag:read', 'flag:edit'] }), 403);
      assert.equal(await make({ expiresAt: new Date(Date.parse(narrow.expiresAt) + 1).toISOString() }), 403);
    });

    it("are nobody else's business", async () => {
      await scene.person('nora');
      const created = (await (await apiTokenOf(browser)).json()) as { id: string };
      const other = await scene.signIn('nora');
      const url = `${scene.origin}/api/identity/v1/api-tokens/${created.id}`;
      assert.equal((await other.open(url, { method: 'DELETE', headers: { origin: scene.origin } })).status, 404);
    });
  });
});
