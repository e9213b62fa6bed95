import assert from 'node:assert/strict';

import { refreshTokenGrant } from 'openid-client';

import type { Browser } from '../support/browser.ts';
import { ProviderScene, REDIRECT_URI, type Application } from './scene.ts';

const ASSERTION_TYPE = 'urn:ietf:params:oauth:client-assertion-type:jwt-bearer';

const errorOf = async (answer: Response): Promise<unknown> => ((await answer.json()) as { error?: unknown }).error;

describe('OpenID Provider under attack', () => {
  let scene: ProviderScene;
  let app: Application;
  let browser: Browser;

  before(async () => {
    scene = await ProviderScene.start();
    await scene.person('ada');
    app = await scene.register({ redirectUris: [REDIRECT_URI, 'http://localhost:9/callback'] });
    browser = await scene.signIn('ada');
  });
  after(async () => {
    await scene.close();
  });

  /** What an authorization request leads to: an error page of ours, or the error it goes back with. */
  const outcome = async (over: Record<string, string>): Promise<string> => {
    const { url } = await scene.request(app, over);
    for (const [name, value] of Object.entries(over)) if (value === '') url.searchParams.delete(name);
    const end = await browser.follow(url, ({ origin }) => origin !== scene.origin);
    if (end.url.origin === scene.origin) return `page ${end.response.status}`;
    // Response types that are off answer in the fragment, where their response would have been.
    const answer = new URLSearchParams(end.url.hash === '' ? end.url.search : end.url.hash.slice(1));
    assert.deepEqual([answer.get('code'), answer.get('id_token'), answer.get('access_token')], [null, null, null]);
    return answer.get('error') ?? 'no error';
  };

  const redirects = [
    `${REDIRECT_URI}/`,
    `${REDIRECT_URI}?x=1`,
    `${REDIRECT_URI}#x`,
    'https://app.example/Callback',
    'https://app.example/a/../callback',
    'https://app.example/%63allback',
    'https://app.example:8443/callback',
    'https://app.example.evil.example/callback',
    'https://user@app.example/callback',
    'http://app.example/callback',
    'http://localhost:10/callback',
    'http://127.0.0.1:9/callback',
    'https://evil.example/callback',
    `https://evil.example/?${REDIRECT_URI}`,
  ];
  for (const redirect of redirects) {
    it(`never redirects to ${redirect}`, async () => {
      assert.equal(await outcome({ redirect_uri: redirect }), 'page 400');
    });
  }

  it('never redirects for an unknown application, nor shows what was sent as markup', async () => {
    const { url } = await scene.request(app);
    url.searchParams.set('client_id', '<script>alert(1)</script>');
    const { response } = await browser.follow(url, ({ origin }) => origin !== scene.origin);
    assert.equal(response.status, 400);
    assert.ok(!(await response.text()).includes('<script>alert'));
  });

  const requests: readonly (readonly [string, Record<string, string>, string])[] = [
    ['implicit', { response_type: 'token' }, 'unsupported_response_type'],
    ['id_token only', { response_type: 'id_token' }, 'unsupported_response_type'],
    ['hybrid', { response_type: 'code id_token' }, 'unsupported_response_type'],
    ['PKCE plain', { code_challenge_method: 'plain' }, 'invalid_request'],
    ['PKCE missing', { code_challenge: '', code_challenge_method: '' }, 'invalid_request'],
    ['an unsigned request object', { request: 'eyJhbGciOiJub25lIn0.e30.' }, 'request_not_supported'],
    ['a request object fetched from elsewhere', { request_uri: 'http://127.0.0.1/' }, 'request_uri_not_supported'],
  ];
  for (const [name, over, error] of requests) {
    it(`refuses ${name}`, async () => {
      const result = await outcome(over);
      assert.ok(
        result === error || result === 'page 400' || result === 'invalid_request_uri' || result === 'invalid_request',
        result,
      );
    });
  }

  it('refuses a code without its verifier, with another, and with another redirect address', async () => {
    const wrong: readonly Record<string, string>[] = [
      {},
      { code_verifier: 'x'.repeat(43) },
      { redirect_uri: 'http://localhost:9/callback' },
    ];
    for (const over of wrong) {
      const { callback, verifier } = await scene.authorize(browser, app);
      const base = {
        grant_type: 'authorization_code',
        code: callback.searchParams.get('code') ?? '',
        redirect_uri: REDIRECT_URI,
      };
      const right: Record<string, string> = 'redirect_uri' in over ? { code_verifier: verifier } : {};
      const answer = await scene.token(app, { ...base, ...right, ...over });
      assert.deepEqual([answer.status, await errorOf(answer)], [400, 'invalid_grant']);
    }
  });

  it('ends the whole grant when a code is used twice (RFC 6749 §4.1.2)', async () => {
    const own = await scene.register();
    const authorized = await scene.authorize(browser, own);
    const tokens = await scene.exchange(own, authorized);
    assert.equal(await scene.me(tokens.access_token), 200);
    await assert.rejects(scene.exchange(own, authorized));
    assert.equal(await scene.me(tokens.access_token), 401);
    assert.deepEqual(await scene.introspect(own, tokens.refresh_token ?? ''), { active: false });
  });

  it('lets one of two simultaneous uses of a code win at most, and ends the grant', async () => {
    const own = await scene.register();
    const authorized = await scene.authorize(browser, own);
    const both = await Promise.allSettled([scene.exchange(own, authorized), scene.exchange(own, authorized)]);
    const won = both.filter((result) => result.status === 'fulfilled');
    assert.ok(won.length <= 1);
    for (const { value } of won) assert.equal(await scene.me(value.access_token), 401);
  });

  it('ends the whole family when a refresh token is used twice, late or at once (RFC 9700 §4.14.2)', async () => {
    const own = await scene.register();
    const first = await scene.tokens(browser, own);
    const second = await refreshTokenGrant(own.configuration, first.refresh_token ?? '');
    await assert.rejects(refreshTokenGrant(own.configuration, first.refresh_token ?? ''));
    assert.equal(await scene.me(second.access_token), 401);
    await assert.rejects(refreshTokenGrant(own.configuration, second.refresh_token ?? ''));

    const third = await scene.tokens(browser, own);
    const use = () => refreshTokenGrant(own.configuration, third.refresh_token ?? '');
    const both = await Promise.allSettled([use(), use(), use()]);
    const won = both.filter((result) => result.status === 'fulfilled');
    assert.ok(won.length <= 1);
    for (const { value } of won) assert.equal(await scene.me(value.access_token), 401);
  });

  it('keeps the absolute end of a refresh token through rotations (ASVS 10.4.8)', async () => {
    const own = await scene.register();
    const first = await scene.tokens(browser, own);
    await scene.identity.admin(
      `UPDATE identity.provider_artifact
          SET payload = jsonb_set(payload, '{exp}', to_jsonb(extract(epoch FROM now())::bigint + 100))
        WHERE model = 'RefreshToken' AND client_id = $1`,
      [own.clientId],
    );
    const second = await refreshTokenGrant(own.configuration, first.refresh_token ?? '');
    const { exp } = (await scene.introspect(own, second.refresh_token ?? '')) as { exp: number };
    assert.ok(exp <= Date.now() / 1000 + 101);
  });

  it('refuses code, refresh and access tokens of one application at another', async () => {
    const other = await scene.register();
    const { callback, verifier } = await scene.authorize(browser, app);
    const code = callback.searchParams.get('code') ?? '';
    const swapped = await scene.token(other, {
      grant_type: 'authorization_code',
      code,
      redirect_uri: REDIRECT_URI,
      code_verifier: verifier,
    });
    assert.equal(await errorOf(swapped), 'invalid_grant');
    const tokens = await scene.tokens(browser, app);
    const refreshed = await scene.token(other, {
      grant_type: 'refresh_token',
      refresh_token: tokens.refresh_token ?? '',
    });
    assert.equal(await errorOf(refreshed), 'invalid_grant');
    assert.deepEqual(await scene.introspect(other, tokens.access_token), { active: false });
    await scene.form('/oidc/token/revocation', other, { token: tokens.access_token });
    assert.equal(await scene.me(tokens.access_token), 200);
  });

  it('refuses a wrong secret, none, and the stored hash itself', async () => {
    const [row] = await scene.identity.admin<{ secret_hash: Buffer }>(
      'SELECT secret_hash FROM identity.oauth_client_secret WHERE client_id = $1',
      [app.clientId],
    );
    for (const clientSecret of ['wrong', '', row?.secret_hash.toString('hex') ?? '']) {
      const answer = await scene.token({ ...app, clientSecret }, { grant_type: 'refresh_token', refresh_token: 'x' });
      assert.equal(answer.status, clientSecret === '' ? 400 : 401);
      assert.equal(await errorOf(answer), clientSecret === '' ? 'invalid_request' : 'invalid_client');
    }
  });

  it('refuses the password and other grants that are off', async () => {
    for (const grant of ['password', 'client_credentials', 'urn:ietf:params:oauth:grant-type:device_code']) {
      const answer = await scene.token(app, { grant_type: grant, username: 'ada', password: 'x' });
      // Client credentials are for directories (scim-credentials.test.ts), not for applications.
      const expected = grant === 'client_credentials' ? 'invalid_request' : 'unsupported_grant_type';
      assert.equal(answer.status, 400);
      assert.equal(await errorOf(answer), expected, grant);
    }
  });

  it('refuses text that cannot be stored, wherever it comes, as a mistake of whoever sent it', async () => {
    const nul = String.fromCodePoint(0);
    const jwt = [{ alg: 'ES256' }, { sub: nul, aud: nul }]
      .map((part) => Buffer.from(JSON.stringify(part)).toString('base64url'))
      .join('.');
    const assertion = { client_assertion: `${jwt}.aa`, client_assertion_type: ASSERTION_TYPE };
    for (const path of ['/token', '/token/introspection', '/token/revocation', '/request'])
      for (const shown of [{ client_id: nul }, { client_id: `sp_sc_${nul}` }, assertion]) {
        const body = new URLSearchParams({ grant_type: 'client_credentials', token: 'x', ...shown });
        const answer = await fetch(scene.issuer + path, { method: 'POST', body });
        assert.deepEqual([answer.status, await errorOf(answer)], [401, 'invalid_client'], path);
      }
    const { url } = await scene.request(app);
    const ways = ['client_id', 'state', 'nonce', 'login_hint', 'ui_locales'].map((name) => {
      const way = new URL(url);
      way.searchParams.set(name, nul);
      return way;
    });
    for (const query of [`client_id=${app.clientId}&state=%00`, 'client_id=%00', `id_token_hint=${jwt}.aa`])
      ways.push(new URL(`${scene.issuer}/session/end?${query}`));
    for (const way of ways) assert.equal((await browser.open(way)).status, 400, way.search);
    const pushed = await scene.form('/oidc/request', app, {
      ...Object.fromEntries(url.searchParams),
      nonce: nul,
    });
    const { request_uri: requestUri } = (await pushed.json()) as { request_uri: string };
    assert.equal(await outcome({ request_uri: requestUri }), 'invalid_request');
  });

  it('leaves no unregistered address in the way out', async () => {
    const tokens = await scene.tokens(browser, app);
    const query = new URLSearchParams({
      id_token_hint: tokens.id_token ?? '',
      post_logout_redirect_uri: 'https://evil.example/',
    });
    const answer = await browser.open(`${scene.issuer}/session/end?${query.toString()}`);
    assert.equal(answer.status, 400);
    const forged = await browser.post(`${scene.issuer}/session/end/confirm`, { xsrf: 'guess', logout: 'yes' });
    assert.equal(forged.status, 400);
    assert.equal(await scene.me(browser), 200);
  });

  it('takes no interaction of another browser, and none that has ended', async () => {
    const { url } = await scene.request(app, { prompt: 'login' });
    await scene.identity.admin(`UPDATE identity.browser_session SET created_at = now() - interval '1 minute'`);
    const { url: login } = await browser.follow(url);
    const path = login.searchParams.get('returnTo') ?? '';
    assert.match(path, /^\/login\/interaction\//);
    const other = await scene.signIn('ada');
    assert.equal((await other.open(scene.origin + path)).status, 400);
    assert.equal((await browser.open(`${scene.origin}/login/interaction/aaaaaaaaaaaaaaaa`)).status, 400);
  });
});
