import assert from 'node:assert/strict';

import { newId } from '@sallyport/storage';
import { createRemoteJWKSet, decodeJwt, exportJWK, generateKeyPair, jwtVerify, SignJWT, type CryptoKey } from 'jose';
import { allowInsecureRequests, discovery, PrivateKeyJwt, refreshTokenGrant } from 'openid-client';

import { Browser } from '../support/browser.ts';
import { ProviderScene, REDIRECT_URI, type Application } from './scene.ts';

describe('Applications of the OpenID Provider', () => {
  let scene: ProviderScene;
  let browser: Browser;

  before(async () => {
    scene = await ProviderScene.start();
    await scene.person('ada');
    browser = await scene.signIn('ada');
  });
  after(async () => {
    await scene.close();
  });

  const errorOf = async (answer: Response): Promise<unknown> => ((await answer.json()) as { error?: unknown }).error;
  const useless = { grant_type: 'refresh_token', refresh_token: 'x' };
  /** What the token endpoint says to whom it knows, and to whom it does not. */
  const authenticates = async (app: Application): Promise<boolean> =>
    (await errorOf(await scene.token(app, useless))) === 'invalid_grant';

  describe('secrets', () => {
    it('live side by side while one is replaced; the removed one opens nothing', async () => {
      const app = await scene.register();
      const path = `/oauth-clients/${app.clientId}`;
      const added = await scene.api('POST', `${path}/secrets`);
      assert.equal(added.status, 201);
      const next = { ...app, clientSecret: String(added.body['clientSecret']) };
      assert.deepEqual([await authenticates(app), await authenticates(next)], [true, true]);
      assert.equal((await scene.api('POST', `${path}/secrets`)).status, 409);
      const { secrets } = (await scene.api('GET', path)).body as unknown as { secrets: { id: string }[] };
      const first = secrets.find(({ id }) => id !== added.body.id)?.id ?? '';
      assert.equal((await scene.api('DELETE', `${path}/secrets/${first}`)).status, 204);
      assert.deepEqual([await authenticates(app), await authenticates(next)], [false, true]);
      assert.equal((await scene.api('DELETE', `${path}/secrets/${added.body.id}`)).status, 204);
      assert.equal(await authenticates(next), false);
    });

    it('are not for those who cannot keep them', async () => {
      const spa = await scene.register({ kind: 'public' });
      assert.equal((await scene.api('POST', `/oauth-clients/${spa.clientId}/secrets`)).status, 409);
    });
  });

  describe('changes', () => {
    it('take effect at once, and what is left out stays', async () => {
      const app = await scene.register({ postLogoutRedirectUris: ['https://app.example/bye'] });
      const change = { redirectUris: ['https://app.example/other'] };
      const { body } = await scene.api('PATCH', `/oauth-clients/${app.clientId}`, change);
      assert.deepEqual(body['postLogoutRedirectUris'], ['https://app.example/bye']);
      const { url } = await scene.request(app);
      const end = await browser.follow(url, ({ origin }) => origin !== scene.origin);
      assert.equal(end.response.status, 400);
    });

    it('are refused where they make no sense', async () => {
      const app = await scene.register();
      const spa = await scene.register({ kind: 'public' });
      const cases: readonly (readonly [string, object])[] = [
        [app.clientId, { jwksUri: 'https://app.example/keys' }],
        [app.clientId, { redirectUris: [] }],
        [app.clientId, { backchannelLogoutUri: 'ftp://app.example/' }],
        [spa.clientId, { mayIntrospect: true }],
        [spa.clientId, { requirePar: true }],
      ];
      for (const [id, change] of cases) {
        assert.equal((await scene.api('PATCH', `/oauth-clients/${id}`, change)).status, 400, JSON.stringify(change));
      }
    });
  });

  describe('private_key_jwt (RFC 7523)', () => {
    let privateKey: CryptoKey;
    let app: Application;

    before(async () => {
      const pair = await generateKeyPair('ES256', { extractable: true });
      ({ privateKey } = pair);
      const jwk = { ...(await exportJWK(pair.publicKey)), kid: 'k1', alg: 'ES256' };
      const registered = await scene.register({ authMethod: 'private_key_jwt', jwks: { keys: [jwk] } });
      const key = { key: privateKey, kid: 'k1' };
      const configuration = await discovery(new URL(scene.issuer), registered.clientId, undefined, PrivateKeyJwt(key), {
        execute: [allowInsecureRequests],
      });
      app = { ...registered, configuration };
    });

    const assertion = async (over: Record<string, unknown> = {}, header: object = {}, key = privateKey) => {
      const now = Math.floor(Date.now() / 1000);
      const claims = { iss: app.clientId, sub: app.clientId, aud: scene.issuer, jti: newId(), iat: now, exp: now + 60 };
      return await new SignJWT({ ...claims, ...over })
        .setProtectedHeader({ alg: 'ES256', kid: 'k1', ...header })
        .sign(key);
    };

    const ask = async (token: string): Promise<unknown> =>
      await errorOf(
        await fetch(`${scene.issuer}/token`, {
          method: 'POST',
          body: new URLSearchParams({
            ...useless,
            client_id: app.clientId,
            client_assertion_type: 'urn:ietf:params:oauth:client-assertion-type:jwt-bearer',
            client_assertion: token,
          }),
        }),
      );

    it('completes code flow and refresh (openid-client)', async () => {
      const tokens = await scene.tokens(browser, app);
      const refreshed = await refreshTokenGrant(app.configuration, tokens.refresh_token ?? '');
      assert.equal(await scene.me(refreshed.access_token), 200);
    });

    it('takes an assertion once', async () => {
      const token = await assertion();
      assert.equal(await ask(token), 'invalid_grant');
      assert.equal(await ask(token), 'invalid_client');
    });

    const now = Math.floor(Date.now() / 1000);
    const cases: readonly (readonly [string, Record<string, unknown>])[] = [
      ['for somebody else', { aud: 'https://evil.example' }],
      ['for us and others', { aud: [`http://localhost`, 'https://evil.example'] }],
      ['of another application', { iss: 'other' }],
      ['about another application', { sub: 'other' }],
      ['without an end', { exp: undefined }],
      ['that has expired', { exp: now - 120 }],
      ['that lives an hour', { exp: now + 3600 }],
      ['that was made long before it ends', { iat: now - 3600, exp: now + 60 }],
      ['without a time', { iat: undefined }],
      ['without an identifier', { jti: undefined }],
    ];
    for (const [name, over] of cases) {
      it(`refuses an assertion ${name}`, async () => {
        assert.match(String(await ask(await assertion(over))), /^invalid_(client|request)$/);
      });
    }

    it('refuses an assertion for us among others, of an unknown key, and one that names none', async () => {
      const stranger = await generateKeyPair('ES256');
      assert.equal(await ask(await assertion({ aud: [scene.issuer, 'https://evil.example'] })), 'invalid_client');
      assert.equal(await ask(await assertion({}, {}, stranger.privateKey)), 'invalid_client');
      assert.equal(await ask(await assertion({}, { kid: undefined })), 'invalid_client');
    });

    it('takes no secret in place of the key, and no private or weak key at registration', async () => {
      assert.equal(await errorOf(await scene.token({ ...app, clientSecret: 'x' }, useless)), 'invalid_client');
      const pair = await generateKeyPair('ES256', { extractable: true });
      const whole = { ...(await exportJWK(pair.privateKey)), kid: 'k', alg: 'ES256' };
      const bad: readonly object[] = [
        whole,
        { kty: 'oct', k: 'c2VjcmV0', kid: 'k' },
        { kty: 'EC', crv: 'P-256', x: 'AAAA', y: 'AAAA', kid: 'k' },
        { kty: 'RSA', n: 'AQAB', e: 'AQAB', kid: 'k', alg: 'RS256' },
      ];
      for (const key of bad) {
        const body = { name: 'x', redirectUris: [REDIRECT_URI], authMethod: 'private_key_jwt', jwks: { keys: [key] } };
        assert.equal((await scene.api('POST', '/oauth-clients', body)).status, 400, JSON.stringify(key));
      }
      const none = { name: 'x', redirectUris: [REDIRECT_URI], authMethod: 'private_key_jwt' };
      assert.equal((await scene.api('POST', '/oauth-clients', none)).status, 400);
    });
  });

  describe('pushed authorization requests (RFC 9126)', () => {
    const push = async (app: Application, parameters: URLSearchParams): Promise<Response> =>
      await scene.form('/oidc/request', app, Object.fromEntries(parameters));

    it('are taken from everybody, once, and demanded of those registered so', async () => {
      const app = await scene.register({ requirePar: true });
      const { url, ...rest } = await scene.request(app);
      const direct = await browser.follow(url, ({ origin }) => origin !== scene.origin);
      assert.equal(direct.url.searchParams.get('code'), null);
      const pushed = await push(app, url.searchParams);
      assert.equal(pushed.status, 201);
      const { request_uri: uri } = (await pushed.json()) as { request_uri: string };
      const short = new URL(`${scene.issuer}/auth`);
      short.search = new URLSearchParams({ client_id: app.clientId, request_uri: uri }).toString();
      const { url: callback } = await browser.follow(short, ({ origin }) => origin !== scene.origin);
      assert.equal(await scene.me((await scene.exchange(app, { callback, ...rest })).access_token), 200);
      const again = await browser.follow(short, ({ origin }) => origin !== scene.origin);
      assert.equal(again.url.searchParams.get('code'), null);
    });

    it('are checked like any other, and belong to who pushed them', async () => {
      const [app, other] = [await scene.register(), await scene.register()];
      const { url } = await scene.request(app, { redirect_uri: 'https://evil.example/' });
      assert.equal((await push(app, url.searchParams)).status, 400);
      const good = await scene.request(app);
      const { request_uri: uri } = (await (await push(app, good.url.searchParams)).json()) as { request_uri: string };
      const stolen = new URL(`${scene.issuer}/auth`);
      stolen.search = new URLSearchParams({ client_id: other.clientId, request_uri: uri }).toString();
      const end = await browser.follow(stolen, ({ origin }) => origin !== scene.origin);
      assert.equal(end.url.searchParams.get('code'), null);
    });
  });

  describe('JWT access tokens', () => {
    const AUDIENCE = 'https://service.example/';
    const resource = { resource: AUDIENCE };

    it('are had for the one registered resource, for a minute, with epoch and organisation', async () => {
      const app = await scene.register({ jwtAudience: AUDIENCE });
      const authorized = await scene.authorize(browser, app, resource);
      const code = authorized.callback.searchParams.get('code') ?? '';
      const grant = { grant_type: 'authorization_code', code, redirect_uri: REDIRECT_URI };
      const answer = await scene.token(app, { ...grant, code_verifier: authorized.verifier, ...resource });
      const { access_token: token } = (await answer.json()) as { access_token: string };
      const { payload } = await jwtVerify(token, createRemoteJWKSet(new URL(`${scene.issuer}/jwks`)), {
        issuer: scene.issuer,
        audience: AUDIENCE,
        typ: 'at+jwt',
      });
      assert.ok((payload.exp ?? 0) - (payload.iat ?? 0) <= 60);
      assert.deepEqual([payload['epoch'], payload['org_id']], [1, scene.organization.orgId]);
      assert.equal(await scene.me(token), 401); // Good for that service, and for nothing of ours.
    });

    it('are opaque where nobody asks, and for nobody who is not registered for them', async () => {
      const app = await scene.register({ jwtAudience: AUDIENCE });
      const { access_token: token } = await scene.tokens(browser, app);
      assert.throws(() => decodeJwt(token));
      for (const [client, over] of [
        [await scene.register(), resource],
        [app, { resource: 'https://other.example/' }],
      ] as const) {
        const { callback } = await scene.authorize(browser, client, over);
        assert.equal(callback.searchParams.get('error'), 'invalid_target');
      }
    });
  });

  describe('consent', () => {
    it('is asked of people for applications of others, once a session, and can be refused', async () => {
      const app = await scene.register({ thirdParty: true, apiAccess: false });
      const own = await scene.signIn('ada', new Browser());
      const ask = async (): Promise<{
        page: string;
        path: string;
        rest: Awaited<ReturnType<typeof scene.request>>;
      }> => {
        const rest = await scene.request(app, { scope: 'openid email' });
        rest.url.searchParams.delete('prompt');
        const { response, url } = await own.follow(rest.url, ({ origin }) => origin !== scene.origin);
        return { page: await response.text(), path: url.href, rest };
      };
      const { page, path, rest } = await ask();
      assert.match(page, /is not run by your/);
      assert.match(page, /your e-mail address/);
      const refused = await own.post(`${path}/consent`, { answer: 'refuse' });
      const whereTo = /url=([^"]+)"/.exec(await refused.text())?.[1]?.replaceAll('&amp;', '&') ?? '';
      const denied = await own.follow(whereTo, ({ origin }) => origin !== scene.origin);
      assert.equal(denied.url.searchParams.get('error'), 'access_denied');

      const second = await ask();
      const allowed = await own.post(`${second.path}/consent`, { answer: 'allow' });
      const onward = /url=([^"]+)"/.exec(await allowed.text())?.[1]?.replaceAll('&amp;', '&') ?? '';
      const { url: callback } = await own.follow(onward, ({ origin }) => origin !== scene.origin);
      const tokens = await scene.exchange(app, { ...second.rest, callback });
      assert.equal(tokens.claims()?.iss, scene.issuer);
      const third = await scene.request(app, { scope: 'openid email' });
      third.url.searchParams.delete('prompt');
      const silent = await own.follow(third.url, ({ origin }) => origin !== scene.origin);
      assert.notEqual(silent.url.searchParams.get('code'), null);
      assert.equal(rest.url.origin, scene.origin);
    });

    it('is not given by another site, another browser, or for another person', async () => {
      const app = await scene.register({ thirdParty: true });
      const own = await scene.signIn('ada', new Browser());
      const { url } = await scene.request(app);
      const { url: at } = await own.follow(url, ({ origin }) => origin !== scene.origin);
      const other = await scene.signIn('ada', new Browser());
      assert.equal((await own.post(`${at.href}/consent`, { answer: 'allow' }, 'https://evil.example')).status, 403);
      assert.equal((await other.post(`${at.href}/consent`, { answer: 'allow' })).status, 400);
      await scene.person('bea');
      await scene.signIn('bea', own);
      assert.equal((await own.post(`${at.href}/consent`, { answer: 'allow' })).status, 400);
    });

    it('is not asked for applications of the organisation itself', async () => {
      const { callback } = await scene.authorize(browser, await scene.register());
      assert.notEqual(callback.searchParams.get('code'), null);
    });
  });
});
