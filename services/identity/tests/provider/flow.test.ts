import assert from 'node:assert/strict';
import { once } from 'node:events';
import { get, type IncomingMessage } from 'node:http';
import { text } from 'node:stream/consumers';

import {
  buildEndSessionUrl,
  fetchUserInfo,
  refreshTokenGrant,
  tokenIntrospection,
  tokenRevocation,
} from 'openid-client';

import { Browser } from '../support/browser.ts';
import { apiClient } from '../support/http.ts';
import { newOrganization } from '../support/identity.ts';
import { ProviderScene, REDIRECT_URI, type Application } from './scene.ts';

describe('OpenID Provider', () => {
  let scene: ProviderScene;
  let app: Application;
  let ada: string;
  let browser: Browser;

  before(async () => {
    scene = await ProviderScene.start();
    ada = await scene.person('ada');
    app = await scene.register();
  });
  after(async () => {
    await scene.close();
  });
  beforeEach(async () => {
    browser = await scene.signIn('ada');
  });

  it('completes code + PKCE, userinfo, refresh, introspection, revocation and logout (openid-client)', async () => {
    const app = await scene.register({ postLogoutRedirectUris: ['https://app.example/bye'] });
    const tokens = await scene.tokens(browser, app);
    const claims = tokens.claims() ?? assert.fail();
    assert.equal(claims.sub, ada);
    assert.equal(claims.iss, scene.issuer);
    assert.equal(claims['acr'], 'urn:oasis:names:tc:SAML:2.0:ac:classes:PasswordProtectedTransport');
    const info = await fetchUserInfo(app.configuration, tokens.access_token, claims.sub);
    assert.deepEqual(
      [info.preferred_username, info.email, info['org_id']],
      ['ada@example.com', 'ada@example.com', scene.organization.orgId],
    );
    const refreshed = await refreshTokenGrant(app.configuration, tokens.refresh_token ?? '');
    assert.notEqual(refreshed.refresh_token, tokens.refresh_token);
    const introspected = await tokenIntrospection(app.configuration, refreshed.access_token);
    assert.deepEqual([introspected.active, introspected.sub, introspected.client_id], [true, ada, app.clientId]);
    assert.equal(await scene.me(refreshed.access_token), 200);
    await tokenRevocation(app.configuration, refreshed.refresh_token ?? '');
    assert.equal((await tokenIntrospection(app.configuration, refreshed.access_token)).active, false);
    assert.equal(await scene.me(refreshed.access_token), 401);
    const again = await scene.tokens(browser, app);
    const parameters = { id_token_hint: again.id_token ?? '', post_logout_redirect_uri: 'https://app.example/bye' };
    const logout = buildEndSessionUrl(app.configuration, { ...parameters, state: 'st4te' });
    const [, xsrf = ''] = /name="xsrf" value="([^"]+)"/.exec(await (await browser.open(logout)).text()) ?? [];
    const done = await browser.post(`${scene.issuer}/session/end/confirm`, { xsrf, logout: 'yes' });
    assert.equal(done.headers.get('location'), 'https://app.example/bye?state=st4te');
    assert.equal((await tokenIntrospection(app.configuration, again.access_token)).active, false);
    await assert.rejects(refreshTokenGrant(app.configuration, again.refresh_token ?? ''), { error: 'invalid_grant' });
  });

  it('serves applications that are opened side by side in one browser, each with a session that lives on', async () => {
    const opened = await Promise.all(Array.from({ length: 5 }, async () => await scene.authorize(browser, app)));
    for (const authorized of opened) {
      const tokens = await scene.exchange(app, authorized);
      assert.equal(await scene.me(tokens.access_token), 200);
      await refreshTokenGrant(app.configuration, tokens.refresh_token ?? '');
    }
    const later = await scene.tokens(browser, app);
    assert.equal(await scene.me(later.access_token), 200);
  });

  it('says of a sign-in that is opened twice at once that it is over, to one of the two', async () => {
    const fresh = new Browser();
    const { url } = await scene.request(app);
    const { url: login } = await fresh.follow(url);
    const interaction = `${scene.origin}${login.searchParams.get('returnTo') ?? ''}`;
    for (const name of ['__Host-sallyport_session', '__Host-sallyport_op'])
      fresh.setCookie(scene.origin, name, browser.cookie(scene.origin, name) ?? '');
    const answers = await Promise.all([1, 2, 3].map(async () => await fresh.open(interaction)));
    const statuses = answers.map(({ status }) => status);
    assert.ok(
      statuses.every((status) => status === 303 || status === 400),
      String(statuses),
    );
    assert.ok(statuses.includes(303));
  });

  it('sends whoever is not signed in to the sign-in page, and goes on from there', async () => {
    const fresh = new Browser();
    const { url, ...rest } = await scene.request(app);
    const stopped = await fresh.follow(url);
    assert.equal(stopped.url.pathname, '/login');
    const returnTo = stopped.url.searchParams.get('returnTo') ?? '';
    await scene.signIn('ada', fresh);
    const { url: callback } = await fresh.follow(scene.origin + returnTo, ({ origin }) => origin !== scene.origin);
    const tokens = await scene.exchange(app, { callback, ...rest });
    assert.equal(tokens.claims()?.sub, ada);
  });

  it('serves public clients with PKCE and CORS for their own origin only', async () => {
    const spa = await scene.register({ kind: 'public' });
    const tokens = await scene.tokens(browser, spa);
    assert.equal(await scene.me(tokens.access_token), 200);
    const ask = async (origin: string): Promise<Response> =>
      await fetch(`${scene.issuer}/token`, {
        method: 'POST',
        headers: { origin },
        body: new URLSearchParams({ grant_type: 'refresh_token', client_id: spa.clientId, refresh_token: 'x' }),
      });
    assert.equal((await ask('https://app.example')).headers.get('access-control-allow-origin'), 'https://app.example');
    assert.equal((await ask('https://evil.example')).headers.get('access-control-allow-origin'), null);
  });

  it('asks to sign in again where the application demands it (prompt=login)', async () => {
    await scene.identity.admin(`UPDATE identity.browser_session SET created_at = now() - interval '1 minute'`);
    const { url } = await scene.request(app, { prompt: 'login' });
    const page = await browser.follow(url);
    assert.equal(page.url.pathname, '/login/step-up');
    // The identity provider is told to ask the person, not to answer from its own session.
    assert.match(await page.response.text(), /href="\/saml\/[^"]+&amp;stepUp=1"/);
  });

  it('is not satisfied with a new session of an old sign-in, and goes on after a new one (prompt=login)', async () => {
    const tokens = await scene.tokens(browser, app);
    await scene.identity.admin(`UPDATE identity.browser_session SET created_at = now() - interval '1 minute'`);
    const { url, ...rest } = await scene.request(app, { prompt: 'login' });
    const page = await browser.follow(url);
    const [, stepUp = ''] = /href="(\/saml\/[^"]+stepUp=1)"/.exec(await page.response.text()) ?? [];
    const plain = stepUp.replace('&amp;stepUp=1', '');
    const hourOld = await scene.signInAt(browser, plain, 'ada', 3_600_000);
    assert.equal(hourOld.status, 303);
    const again = await browser.follow(scene.origin + (hourOld.headers.get('location') ?? ''));
    assert.equal(again.url.pathname, '/login/step-up');
    const fresh = await scene.signInAt(browser, stepUp, 'ada');
    const goOn = scene.origin + (fresh.headers.get('location') ?? '');
    const { url: callback } = await browser.follow(goOn, ({ origin }) => origin !== scene.origin);
    const { sub, auth_time: at } = (await scene.exchange(app, { callback, ...rest })).claims() ?? {};
    assert.deepEqual([sub, Number(at) >= Math.floor(Date.now() / 1000) - 10], [ada, true]);
    assert.equal(await scene.me(tokens.access_token), 401); // The plain sign-in replaced the session it hung on.
  });

  it('tells no time of a sign-in where the identity provider tells none, and takes it for no fresh one', async () => {
    await scene.identity.admin('UPDATE identity.browser_session SET proven_at = NULL');
    const claims = (await scene.tokens(browser, app)).claims() ?? assert.fail();
    assert.equal('auth_time' in claims, false);
    const { url } = await scene.request(app, { max_age: '3600' });
    assert.equal((await browser.follow(url)).url.pathname, '/login/step-up');
  });

  it('signs nobody out of other applications for it', async () => {
    const other = await scene.register();
    const tokens = await scene.tokens(browser, other);
    await scene.identity.admin(`UPDATE identity.browser_session SET created_at = now() - interval '1 minute'`);
    const { url, ...rest } = await scene.request(app, { prompt: 'login' });
    const page = await (await browser.follow(url)).response.text();
    const [, stepUp = ''] = /href="(\/saml\/[^"]+stepUp=1)"/.exec(page) ?? [];
    const fresh = await scene.signInAt(browser, stepUp, 'ada');
    const goOn = scene.origin + (fresh.headers.get('location') ?? '');
    const { url: callback } = await browser.follow(goOn, ({ origin }) => origin !== scene.origin);
    await scene.exchange(app, { callback, ...rest });
    assert.equal(await scene.me(tokens.access_token), 200);
  });

  it('signs nobody out of them when a local account steps up', async () => {
    const local = new Browser();
    await scene.signInLocally(local);
    const tokens = await scene.tokens(local, app);
    const before = local.cookie(scene.origin, '__Host-sallyport_session');
    assert.equal((await local.open(`${scene.origin}/login/step-up`)).status, 200);
    await scene.signInLocally(local);
    assert.notEqual(local.cookie(scene.origin, '__Host-sallyport_session'), before);
    assert.equal(await scene.me(tokens.access_token), 200);
    await refreshTokenGrant(app.configuration, tokens.refresh_token ?? '');
  });

  it('answers an id_token_hint of somebody else with an error, not with another sign-in (OIDC Core §3.1.2.1)', async () => {
    await scene.person('cyd');
    const hint = (await scene.tokens(await scene.signIn('cyd'), app)).id_token ?? '';
    const { callback } = await scene.authorize(browser, app, { id_token_hint: hint });
    assert.equal(callback.searchParams.get('error'), 'login_required');
  });

  it('answers prompt=none without a page: a code when signed in, login_required when not', async () => {
    await scene.authorize(browser, app);
    const silent = await scene.authorize(browser, app, { prompt: 'none', scope: 'openid' });
    assert.notEqual(silent.callback.searchParams.get('code'), null);
    const { callback } = await scene.authorize(new Browser(), app, { prompt: 'none', scope: 'openid' });
    assert.equal(callback.searchParams.get('error'), 'login_required');
  });

  it('takes its addresses from configuration, whatever Host says', async () => {
    const { port } = new URL(scene.origin);
    const headers = { host: 'evil.example', 'x-forwarded-host': 'evil.example', 'x-forwarded-proto': 'https' };
    const path = '/oidc/.well-known/openid-configuration';
    const documents: string[] = [];
    for (const target of [path, `http://evil.example${path}`]) {
      const answer = get({ host: '127.0.0.1', port, path: target, headers });
      const [message] = (await once(answer, 'response')) as [IncomingMessage];
      documents.push(await text(message));
    }
    const [document = ''] = documents;
    assert.ok(!documents.join('').includes('evil'));
    const metadata = JSON.parse(document) as Record<string, unknown>;
    assert.equal(metadata['issuer'], scene.issuer);
    assert.deepEqual(metadata['response_types_supported'], ['code']);
    assert.deepEqual(metadata['code_challenge_methods_supported'], ['S256']);
    assert.deepEqual(metadata['introspection_endpoint'], `${scene.issuer}/token/introspection`);
  });

  it('answers a POST at the authorization endpoint with the same request as a GET (OIDC Core §3.1.2.1)', async () => {
    const { url } = await scene.request(app);
    const answer = await browser.post(
      `${scene.issuer}/auth`,
      Object.fromEntries(url.searchParams),
      'https://app.example',
    );
    assert.equal(answer.status, 303);
    assert.equal(new URL(answer.headers.get('location') ?? '', scene.origin).search, `?${url.searchParams.toString()}`);
  });

  it('redirects no POST to an address that nobody takes', async () => {
    const { url } = await scene.request(app);
    for (const [length, status] of [
      [8_000, 303],
      [20_000, 413],
    ] as const) {
      url.searchParams.set('state', 'x'.repeat(length));
      const request = { method: 'POST', body: url.searchParams, redirect: 'manual' } as const;
      assert.equal((await fetch(`${scene.issuer}/auth`, request)).status, status);
    }
  });

  it('signs out where an application asks for it, after a question, and ends the browser session', async () => {
    const tokens = await scene.tokens(browser, app);
    const query = new URLSearchParams({ id_token_hint: tokens.id_token ?? '' });
    const question = await browser.open(`${scene.issuer}/session/end?${query.toString()}`);
    const page = await question.text();
    assert.match(page, /Sign out\?/);
    assert.equal(await scene.me(browser), 200); // Asking is not doing (forced logout).
    const xsrf = /name="xsrf" value="([^"]+)"/.exec(page)?.[1] ?? '';
    const done = await browser.post(`${scene.issuer}/session/end/confirm`, { xsrf, logout: 'yes' });
    assert.equal(done.status, 303);
    assert.equal(await scene.me(browser), 401);
    assert.deepEqual(await scene.introspect(app, tokens.access_token), { active: false });
    assert.deepEqual(await scene.introspect(app, tokens.refresh_token ?? ''), { active: false });
  });

  it('ends everything an application got when the person signs out here', async () => {
    const tokens = await scene.tokens(browser, app);
    await browser.post(`${scene.origin}/logout`, {});
    assert.equal(await scene.me(tokens.access_token), 401);
    assert.deepEqual(await scene.introspect(app, tokens.refresh_token ?? ''), { active: false });
    await assert.rejects(refreshTokenGrant(app.configuration, tokens.refresh_token ?? ''));
  });

  describe('keeps organisations apart', () => {
    it("refuses somebody of another organisation at an organisation's application", async () => {
      const other = await newOrganization(scene.identity);
      const theirs = await scene.register({}, apiClient(scene.identity, other));
      const { callback } = await scene.authorize(browser, theirs);
      assert.equal(callback.searchParams.get('error'), 'access_denied');
      assert.equal(callback.searchParams.get('code'), null);
    });

    it('hides the applications of others', async () => {
      const other = apiClient(scene.identity, await newOrganization(scene.identity));
      assert.deepEqual((await other('GET', '/oauth-clients')).body.items, []);
      assert.equal((await other('DELETE', `/oauth-clients/${app.clientId}`)).status, 404);
    });

    it('lets a resource server introspect tokens of its own organisation only, and nobody else', async () => {
      const tokens = await scene.tokens(browser, app);
      const resourceServer = await scene.register({ mayIntrospect: true });
      const bystander = await scene.register();
      const stranger = await scene.register(
        { mayIntrospect: true },
        apiClient(scene.identity, await newOrganization(scene.identity)),
      );
      assert.equal((await scene.introspect(resourceServer, tokens.access_token))['active'], true);
      assert.deepEqual(await scene.introspect(bystander, tokens.access_token), { active: false });
      assert.deepEqual(await scene.introspect(stranger, tokens.access_token), { active: false });
    });
  });

  describe('applications', () => {
    it('show their secret once, and are kept with its hash only', async () => {
      const rows = JSON.stringify(await scene.identity.admin('SELECT * FROM identity.oauth_client'));
      assert.ok(!rows.includes(app.clientSecret));
      const listed = JSON.stringify((await scene.api('GET', '/oauth-clients')).body);
      assert.ok(listed.includes(app.clientId) && !listed.includes(app.clientSecret));
    });

    it('need exact redirect addresses: absolute, https or localhost, without fragment', async () => {
      const bad = [
        'http://app.example/cb',
        '/cb',
        'https://app.example/cb#x',
        'javascript:alert(1)',
        'https://u:p@app.example/',
      ];
      for (const uri of bad) {
        const answer = await scene.api('POST', '/oauth-clients', { name: 'Bad', redirectUris: [uri] });
        assert.equal(answer.status, 400, uri);
      }
    });

    it('get into our own API only when they were registered for that', async () => {
      for (const apiAccess of [false, undefined]) {
        const tokens = await scene.tokens(browser, await scene.register({ apiAccess }));
        assert.equal(await scene.me(tokens.access_token), 401);
        assert.equal((await scene.introspect(app, tokens.access_token))['active'], false);
      }
    });

    it('take everything with them when they are removed', async () => {
      const doomed = await scene.register();
      const resourceServer = await scene.register({ mayIntrospect: true });
      const tokens = await scene.tokens(browser, doomed);
      assert.equal((await scene.api('DELETE', `/oauth-clients/${doomed.clientId}`)).status, 204);
      assert.equal(await scene.me(tokens.access_token), 401);
      assert.deepEqual(await scene.introspect(resourceServer, tokens.refresh_token ?? ''), { active: false });
      assert.equal((await scene.token(doomed, { grant_type: 'refresh_token', refresh_token: 'x' })).status, 401);
    });

    it('are managed with client:manage only', async () => {
      scene.identity.denied.add('client:manage');
      assert.equal((await scene.api('GET', '/oauth-clients')).status, 403);
      assert.equal(
        (await scene.api('POST', '/oauth-clients', { name: 'x', redirectUris: [REDIRECT_URI] })).status,
        403,
      );
      scene.identity.denied.delete('client:manage');
    });
  });

  it('stores identifiers of artifacts as hashes', async () => {
    const tokens = await scene.tokens(browser, app);
    const rows = JSON.stringify(await scene.identity.admin('SELECT * FROM identity.provider_artifact'));
    for (const secret of [tokens.access_token, tokens.refresh_token ?? '-']) assert.ok(!rows.includes(secret));
    assert.ok(!rows.includes(browser.cookie(scene.origin, '__Host-sallyport_op') ?? '-'));
  });

  it('audits grants, once each', async () => {
    const own = await scene.register();
    await scene.tokens(browser, own);
    await scene.tokens(browser, own);
    const entries = await scene.identity.context.audit.list(scene.organization.orgId, {
      limit: 500,
      action: 'oauth-grant.created',
    });
    const ofOwn = entries.filter(({ entry }) => JSON.stringify(entry).includes(own.clientId));
    assert.equal(ofOwn.length, 1);
  });
});
