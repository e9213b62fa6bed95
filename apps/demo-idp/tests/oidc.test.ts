import assert from 'node:assert/strict';
import * as client from 'openid-client';
import { firstForm, PlainBrowser } from './support/browser.ts';
import { startTestIdp, type TestIdp } from './support/running-idp.ts';

const REDIRECT_URI = 'https://app.example/oidc/callback';

describe('OpenID Provider, as openid-client sees it', () => {
  let idp: TestIdp;
  let app: client.Configuration;

  before(async () => {
    idp = await startTestIdp();
    const oidc = { clientId: 'sallyport', clientSecret: 'a-secret', redirectUris: [REDIRECT_URI] };
    await idp.api('PUT', '/api/targets', { oidc });
    const options = { execute: [client.allowInsecureRequests] };
    app = await client.discovery(
      new URL(`${idp.origin}/oidc`),
      'sallyport',
      undefined,
      client.ClientSecretBasic('a-secret'),
      options,
    );
  });
  after(async () => {
    await idp.close();
  });

  interface Attempt {
    url: string;
    checks: { pkceCodeVerifier: string; expectedState: string; expectedNonce: string };
  }

  async function begin(parameters: Record<string, string> = {}): Promise<Attempt> {
    const pkceCodeVerifier = client.randomPKCECodeVerifier();
    const checks = { pkceCodeVerifier, expectedState: client.randomState(), expectedNonce: client.randomNonce() };
    const url = client.buildAuthorizationUrl(app, {
      redirect_uri: REDIRECT_URI,
      scope: 'openid profile email groups',
      code_challenge: await client.calculatePKCECodeChallenge(pkceCodeVerifier),
      code_challenge_method: 'S256',
      state: checks.expectedState,
      nonce: checks.expectedNonce,
      ...parameters,
    });
    return { url: url.href, checks };
  }

  it('completes the code flow with PKCE and says who signed in, in the ID token and in userinfo (OIDC Core §3.1)', async () => {
    const { url, checks } = await begin({ login_hint: 'dana@acme.example' });
    const landed = await new PlainBrowser().get(url);
    assert.ok(landed.url.startsWith(REDIRECT_URI), landed.url + landed.text);
    const tokens = await client.authorizationCodeGrant(app, new URL(landed.url), checks);
    const claims = tokens.claims();
    assert.ok(claims);
    const { sub, email, preferred_username: preferredUserName, groups, acr, amr, name } = claims;
    assert.deepEqual(
      { sub, email, preferredUserName, groups, acr, amr, name },
      {
        sub: '00u1d4n4dev3l0per5d7',
        email: 'dana@acme.example',
        preferredUserName: 'dana@acme.example',
        groups: ['Developers'],
        acr: 'urn:okta:loa:1fa:pwd',
        amr: ['pwd'],
        name: 'Dana Developer',
      },
    );
    assert.equal(typeof claims.auth_time, 'number');
    const userinfo = await client.fetchUserInfo(app, tokens.access_token, sub);
    assert.deepEqual(userinfo['groups'], ['Developers']);
  });

  it('asks who it is when nobody is named, every time', async () => {
    const browser = new PlainBrowser();
    for (const person of ['rosa', 'ravi']) {
      const { url, checks } = await begin();
      const asked = await browser.get(url);
      const choice = firstForm(asked.text);
      assert.match(asked.text, /Who are you\?/);
      const landed = await browser.post(`${idp.origin}${choice.action}`, { as: person });
      assert.ok(landed.url.startsWith(REDIRECT_URI), landed.url + landed.text);
      const tokens = await client.authorizationCodeGrant(app, new URL(landed.url), checks);
      assert.equal(tokens.claims()?.['email'], `${person}@acme.example`);
    }
  });

  it('asserts the authentication class that was asked for', async () => {
    const { url, checks } = await begin({ as: 'dana', acr_values: 'urn:okta:loa:2fa:any' });
    const landed = await new PlainBrowser().get(url);
    const claims = (await client.authorizationCodeGrant(app, new URL(landed.url), checks)).claims();
    assert.deepEqual([claims?.['acr'], claims?.['amr']], ['urn:okta:loa:2fa:any', ['pwd', 'mfa', 'otp']]);
  });

  it('names groups and people by object id when it plays Entra', async () => {
    await idp.api('PUT', '/api/targets', { flavor: 'entra' });
    const { url, checks } = await begin({ as: 'dana' });
    const landed = await new PlainBrowser().get(url);
    const claims = (await client.authorizationCodeGrant(app, new URL(landed.url), checks)).claims();
    assert.deepEqual(claims?.['groups'], ['9b7e4d10-52c3-4b8f-8e66-41a7c9de0001']);
    assert.equal(claims?.['oid'], '3f1c2a58-7a0e-4c0b-9a41-0d5f6b1e0001');
    assert.equal(claims?.sub, claims?.['oid']);
    await idp.api('PUT', '/api/targets', { flavor: 'okta' });
  });

  it('lets nobody in who is deactivated, and their tokens and sessions are gone at once', async () => {
    await idp.api('PUT', '/api/targets', { behavior: { rememberSignIn: true } });
    const browser = new PlainBrowser();
    const { url, checks } = await begin({ as: 'otto' });
    const landed = await browser.get(url);
    const tokens = await client.authorizationCodeGrant(app, new URL(landed.url), checks);
    const remembered = await browser.get((await begin()).url);
    assert.ok(remembered.url.startsWith(REDIRECT_URI), 'a remembered browser is not asked');

    await idp.api('POST', '/api/people/otto/deactivate');
    await assert.rejects(client.fetchUserInfo(app, tokens.access_token, client.skipSubjectCheck));
    assert.match((await browser.get((await begin()).url)).text, /Who are you\?/);
    assert.equal((await new PlainBrowser().get((await begin({ as: 'otto' })).url)).status, 403);
    await idp.api('POST', '/api/people/otto/activate');
    await idp.api('PUT', '/api/targets', { behavior: { rememberSignIn: false } });
  });

  it('refuses requests without PKCE, unknown clients and unregistered addresses without redirecting there', async () => {
    const { url } = await begin({ as: 'dana' });
    const without = new URL(url);
    without.searchParams.delete('code_challenge');
    without.searchParams.delete('code_challenge_method');
    const landed = await new PlainBrowser().get(without.href);
    assert.equal(new URL(landed.url).searchParams.get('error'), 'invalid_request');
    for (const [name, value] of [
      ['client_id', 'nobody'],
      ['redirect_uri', 'https://app.example/oidc/callback/'],
    ] as const) {
      const changed = new URL(url);
      changed.searchParams.set(name, value);
      const answer = await new PlainBrowser().get(changed.href);
      assert.equal(answer.status, 400);
      assert.ok(answer.url.startsWith(idp.origin));
    }
  });

  it('takes its addresses from the configuration, not from the Host header', async () => {
    const { request } = await import('undici');
    const { body } = await request(`http://127.0.0.1:${String(idp.port)}/oidc/.well-known/openid-configuration`, {
      headers: { host: 'evil.example', 'x-forwarded-host': 'evil.example' },
    });
    assert.doesNotMatch(await body.text(), /evil/);
  });
});
