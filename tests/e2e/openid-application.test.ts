/** Somebody else's application, with somebody else's library, signs people in through our OpenID Provider. */
import assert from 'node:assert/strict';

import type { Person } from '@sallyport/dev-env/actors';
import * as client from 'openid-client';

import { employ, type Company, type Employee } from '../src/company.ts';
import { registerApplication, REDIRECT_URI, type Application, type Beginning } from '../support/application.ts';
import { send } from '../support/http.ts';
import { BOOT_TIMEOUT_MS, sharedCompany } from '../support/shared-company.ts';

const isCallback = (url: URL): boolean => url.href.startsWith(REDIRECT_URI);

/** Through the provider with a browser that is signed in; answers where it came back. */
const authorize = async ({ web }: Person, { url }: Pick<Beginning, 'url'>): Promise<URL> => {
  const page = await web.open(url.href, {}, isCallback);
  if (isCallback(new URL(page.url))) return new URL(page.url);
  return new URL((await web.submit(page, {}, isCallback)).url);
};

describe('an OpenID application (openid-client)', function () {
  this.timeout(180_000);
  let company: Company;
  let employee: Employee;
  let application: Application;

  before(async function () {
    this.timeout(BOOT_TIMEOUT_MS);
    company = await sharedCompany();
    employee = await employ(company, ['developers']);
    application = await registerApplication(company, 'Wiki');
  });

  const signIn = async () => {
    const beginning = await application.begin();
    const callback = await authorize(employee.person, beginning);
    return await client.authorizationCodeGrant(application.config, callback, { ...beginning.checks });
  };

  it('finds in the discovery document what there is, at both addresses', async () => {
    const metadata = application.config.serverMetadata();
    const { issuer } = company.constellation.bootstrap.oidc;
    assert.equal(metadata.issuer, issuer);
    assert.deepEqual(metadata.code_challenge_methods_supported, ['S256']);
    assert.deepEqual(metadata.response_types_supported, ['code']);
    for (const endpoint of [
      'authorization',
      'token',
      'userinfo',
      'introspection',
      'revocation',
      'end_session',
    ] as const)
      assert.ok(String(metadata[`${endpoint}_endpoint`]).startsWith(`${issuer}/`), endpoint);
    const { origin } = company.constellation;
    const { status, headers } = await send('GET', `${origin}/.well-known/openid-configuration`);
    assert.deepEqual([status, headers.get('location')], [303, '/oidc/.well-known/openid-configuration']);
  });

  it('signs somebody in: code with PKCE, an identity token whose signature, nonce and audience hold', async () => {
    const tokens = await signIn();
    const claims = tokens.claims();
    assert.equal(claims?.sub, employee.subjectId);
    assert.equal(claims.aud, application.clientId);
    // What the identity provider said of how they signed in.
    assert.equal(claims['acr'], 'urn:oasis:names:tc:SAML:2.0:ac:classes:PasswordProtectedTransport');
    assert.equal(tokens.token_type, 'bearer');
    // Opaque: nothing to be read, nothing to be believed without asking.
    assert.ok(!tokens.access_token.includes('.'));
    const info = await client.fetchUserInfo(application.config, tokens.access_token, claims.sub);
    assert.equal(info['preferred_username'], employee.userName);
    assert.equal(info['org_id'], company.orgId);
  });

  it('refreshes with rotation; the second use of a refresh token ends the whole grant (RFC 9700 §4.14.2)', async () => {
    const { refresh_token: first = '' } = await signIn();
    const next = await client.refreshTokenGrant(application.config, first);
    assert.ok(next.refresh_token !== undefined && next.refresh_token !== first);
    await assert.rejects(client.refreshTokenGrant(application.config, first), { error: 'invalid_grant' });
    await assert.rejects(client.refreshTokenGrant(application.config, next.refresh_token), { error: 'invalid_grant' });
    assert.equal((await client.tokenIntrospection(application.config, next.access_token)).active, false);
  });

  it('introspects and revokes (RFC 7662, RFC 7009)', async () => {
    const { access_token: access, refresh_token: refresh = '' } = await signIn();
    const seen = await client.tokenIntrospection(application.config, access);
    assert.deepEqual([seen.active, seen.sub, seen.client_id], [true, employee.subjectId, application.clientId]);
    await client.tokenRevocation(application.config, refresh);
    await assert.rejects(client.refreshTokenGrant(application.config, refresh), { error: 'invalid_grant' });
    assert.equal((await client.tokenIntrospection(application.config, access)).active, false);
    assert.equal((await client.tokenIntrospection(application.config, 'unknown')).active, false);
  });

  it('is told nothing of another application’s tokens', async () => {
    const { access_token: access } = await signIn();
    const other = await registerApplication(company, 'Other');
    assert.equal((await client.tokenIntrospection(other.config, access)).active, false);
    await client.tokenRevocation(other.config, access).catch(() => undefined);
    assert.equal((await client.tokenIntrospection(application.config, access)).active, true);
  });

  it('gets no code without PKCE, with the plain method or for an address it has not registered', async () => {
    for (const wrong of [
      { code_challenge: '', code_challenge_method: '' },
      { code_challenge_method: 'plain' },
      { response_type: 'token' },
    ]) {
      const { url } = await application.begin(wrong);
      for (const [name, value] of Object.entries(wrong)) if (value === '') url.searchParams.delete(name);
      const callback = await authorize(employee.person, { url });
      assert.equal(callback.searchParams.get('code'), null);
      assert.notEqual(
        callback.searchParams.get('error') ?? new URLSearchParams(callback.hash.slice(1)).get('error'),
        null,
      );
    }
    const { url } = await application.begin({ redirect_uri: 'https://evil.example/callback' });
    const { status, headers } = await send('GET', url.href);
    assert.deepEqual([status, headers.get('location')], [400, null]);
  });

  it('cannot redeem a code twice, with another verifier or as another application', async () => {
    const redeem = async (config: client.Configuration, callback: URL, beginning: Beginning, verifier?: string) =>
      await client.authorizationCodeGrant(config, callback, {
        ...beginning.checks,
        ...(verifier === undefined ? {} : { pkceCodeVerifier: verifier }),
      });
    const one = await application.begin();
    const first = await authorize(employee.person, one);
    const wrongVerifier = client.randomPKCECodeVerifier();
    await assert.rejects(redeem(application.config, first, one, wrongVerifier), { error: 'invalid_grant' });

    const two = await application.begin();
    const second = await authorize(employee.person, two);
    const other = await registerApplication(company, 'Thief');
    await assert.rejects(redeem(other.config, second, two), { error: 'invalid_grant' });

    const three = await application.begin();
    const third = await authorize(employee.person, three);
    const tokens = await redeem(application.config, third, three);
    await assert.rejects(redeem(application.config, third, three), { error: 'invalid_grant' });
    // What the first use gave is void as well (RFC 6749 §4.1.2).
    assert.equal((await client.tokenIntrospection(application.config, tokens.access_token)).active, false);
  });

  it('has nobody once the directory deactivates them', async () => {
    const leaver = await employ(company, ['developers']);
    const beginning = await application.begin();
    const callback = await authorize(leaver.person, beginning);
    const tokens = await client.authorizationCodeGrant(application.config, callback, { ...beginning.checks });
    const unredeemed = await application.begin();
    const late = await authorize(leaver.person, unredeemed);
    await company.idp.act(leaver.key, 'deactivate');
    assert.equal((await client.tokenIntrospection(application.config, tokens.access_token)).active, false);
    const { refresh_token: refresh = '' } = tokens;
    await assert.rejects(client.refreshTokenGrant(application.config, refresh), { error: 'invalid_grant' });
    await assert.rejects(client.fetchUserInfo(application.config, tokens.access_token, leaver.subjectId));
    await assert.rejects(client.authorizationCodeGrant(application.config, late, { ...unredeemed.checks }), {
      error: 'invalid_grant',
    });
  });
});
