import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';

import type { JWTPayload } from 'jose';

import { Browser } from '../support/browser.ts';
import { apiClient, newDirectory, type Client, type Directory } from '../support/http.ts';
import { newOrganization, startAtOrigin, type TestIdentity, type TestOrganization } from '../support/identity.ts';
import { MockIdp, newSigningKeys, type Exchange } from './mock-idp.ts';

const CLIENT_ID = 'sallyport';
const CLIENT_SECRET = 'a secret of the IdP';

/** A sign-in that has reached the IdP. */
interface Started {
  readonly browser: Browser;
  readonly connectionId: string;
  readonly request: URLSearchParams;
}

describe('OpenID Connect sign-on over HTTP', () => {
  let identity: TestIdentity;
  let organization: TestOrganization;
  let api: Client;
  let directory: Directory;
  let origin: string;
  let idp: MockIdp;
  let connectionId: string;

  before(async () => {
    idp = await MockIdp.start();
    ({ identity, origin } = await startAtOrigin({ config: { allowInsecurePrivateFetch: true } }));
    organization = await newOrganization(identity);
    api = apiClient(identity, organization);
    directory = await newDirectory(identity, organization);
    connectionId = directory.connectionId;
    await putFacet(connectionId, {});
    const ada = { userName: 'ada@example.com', externalId: '00u1', active: true };
    await directory.scim('POST', '/Users', { schemas: ['urn:ietf:params:scim:schemas:core:2.0:User'], ...ada });
  });
  after(async () => {
    await identity.close();
    await idp.close();
  });

  const putFacet = async (id: string, more: object): Promise<void> => {
    const body = { issuer: idp.issuer, clientId: CLIENT_ID, clientSecret: CLIENT_SECRET, ...more };
    const answer = await api('PUT', `/connections/${id}/oidc`, body);
    assert.equal(answer.status, 200, JSON.stringify(answer.body));
  };

  const start = async (browser = new Browser(), id = connectionId): Promise<Started> => {
    const answer = await browser.open(`${origin}/login/oidc/${id}/start?returnTo=/account`);
    assert.equal(answer.status, 303);
    const location = new URL(answer.headers.get('location') ?? '');
    assert.equal(location.origin, idp.issuer);
    return { browser, connectionId: id, request: location.searchParams };
  };

  const claimsFor = (started: Started, over: Record<string, unknown> = {}): JWTPayload => {
    const now = Math.floor(Date.now() / 1000);
    const times = { iat: now, exp: now + 300, auth_time: now };
    const nonce = started.request.get('nonce') ?? '';
    return { iss: idp.issuer, sub: '00u1', aud: CLIENT_ID, nonce, ...times, ...over };
  };

  const callback = async (started: Started, parameters: Record<string, string> = {}): Promise<Response> => {
    const query = new URLSearchParams({ code: 'c0de', state: started.request.get('state') ?? '', ...parameters });
    return await started.browser.open(`${origin}/login/oidc/${started.connectionId}/callback?${query.toString()}`);
  };

  /** The IdP answers this login with these claims. */
  const answer = async (
    started: Started,
    over: Record<string, unknown> = {},
    more: Partial<Exchange> = {},
  ): Promise<Response> => {
    idp.exchange = () => ({ claims: claimsFor(started, over), ...more });
    return await callback(started);
  };

  const lastRefusal = async (): Promise<unknown> =>
    (
      await identity.context.audit.list(organization.orgId, {
        limit: 1,
        order: 'newest-first',
        action: 'login.refused',
      })
    )[0]?.entry['reason'];

  const isRefused = async (response: Response, reason: string): Promise<void> => {
    assert.equal(response.status, 403);
    assert.equal(await lastRefusal(), reason);
    assert.ok(!response.headers.getSetCookie().some((cookie) => cookie.startsWith('__Host-sallyport_session')));
  };

  it('signs in the provisioned person by code, PKCE, state and nonce', async () => {
    const started = await start();
    assert.equal(started.request.get('response_type'), 'code');
    assert.equal(started.request.get('code_challenge_method'), 'S256');
    assert.equal(started.request.get('redirect_uri'), `${origin}/login/oidc/${connectionId}/callback`);
    const done = await answer(started, { acr: 'phr', amr: ['hwk', 'pin'] });
    assert.deepEqual([done.status, done.headers.get('location')], [303, '/account']);
    const who = (await (await started.browser.open(`${origin}/api/identity/v1/me`)).json()) as Record<string, unknown>;
    assert.deepEqual([who['acr'], who['amr']], ['phr', ['hwk', 'pin']]);
    const { parameters, authorization } = idp.asked.at(-1) ?? assert.fail();
    const verifier = parameters.get('code_verifier') ?? '';
    assert.equal(createHash('sha256').update(verifier).digest('base64url'), started.request.get('code_challenge'));
    assert.match(authorization ?? '', /^Basic /);
  });

  it('keeps neither state nor nonce nor verifier, and no client secret in the open', async () => {
    const started = await start();
    await answer(started);
    const kept = JSON.stringify([
      await identity.admin('SELECT * FROM identity.pending_login'),
      (await identity.admin('SELECT client_secret_sealed FROM identity.oidc_facet')).map((row) =>
        String(Object.values(row)[0]),
      ),
    ]);
    const verifier = idp.asked.at(-1)?.parameters.get('code_verifier') ?? '-';
    for (const secret of [started.request.get('state'), started.request.get('nonce'), verifier, CLIENT_SECRET]) {
      assert.ok(!kept.includes(secret ?? '-'));
    }
    const shown = await api('GET', `/connections/${connectionId}/oidc`);
    assert.equal(shown.body['hasClientSecret'], true);
    assert.ok(!JSON.stringify(shown.body).includes(CLIENT_SECRET));
  });

  it('goes on when the IdP rotates its keys between two logins', async () => {
    await answer(await start());
    const old = idp.keys;
    idp.keys = await newSigningKeys('k2');
    idp.published = [idp.keys.jwk];
    assert.equal((await answer(await start())).status, 303);
    await isRefused(await answer(await start(), {}, { sign: old }), 'KEY_UNKNOWN');
  });

  it('caps the session by session_expiry', async () => {
    const started = await start();
    const endsAt = Math.floor(Date.now() / 1000) + 120;
    await answer(started, { session_expiry: endsAt });
    const who = (await (await started.browser.open(`${origin}/api/identity/v1/me`)).json()) as { expiresAt: string };
    assert.equal(Date.parse(who.expiresAt), endsAt * 1000);
  });

  it('asks userinfo for the configured identifier where the id_token has none', async () => {
    await putFacet(connectionId, { accountRule: { source: { attribute: 'oid' }, targets: ['externalId'] } });
    assert.equal(
      (await answer(await start(), { sub: 'pairwise' }, { userInfo: { sub: 'pairwise', oid: '00u1' } })).status,
      303,
    );
    await isRefused(
      await answer(await start(), { sub: 'pairwise' }, { userInfo: { sub: 'other', oid: '00u1' } }),
      'USERINFO_INVALID',
    );
    await isRefused(
      await answer(await start(), { sub: 'pairwise' }, { userInfo: { sub: 'pairwise' } }),
      'IDENTIFIER_MISSING',
    );
    await putFacet(connectionId, {});
  });

  const wrongClaims: readonly (readonly [string, Record<string, unknown>])[] = [
    ['another issuer', { iss: 'https://evil.example' }],
    ['another audience', { aud: 'other-client' }],
    ['two audiences without azp', { aud: [CLIENT_ID, 'other-client'] }],
    ['azp of another client', { aud: [CLIENT_ID, 'other-client'], azp: 'other-client' }],
    ['a wrong nonce', { nonce: 'wrong' }],
    ['no nonce', { nonce: undefined }],
    ['no subject', { sub: undefined }],
    ['no iat', { iat: undefined }],
    ['an expired token', { exp: 1 }],
  ];
  for (const [name, over] of wrongClaims) {
    it(`refuses an id_token with ${name}`, async () => {
      await isRefused(await answer(await start(), over), 'ANSWER_INVALID');
    });
  }

  it('refuses unsigned, HMAC-signed and foreign id_tokens, and none at all', async () => {
    const stranger = await newSigningKeys(idp.keys.jwk.kid ?? '');
    for (const sign of ['none', 'hmac'] as const) {
      await isRefused(await answer(await start(), {}, { sign }), 'ANSWER_INVALID');
    }
    await isRefused(await answer(await start(), {}, { sign: stranger }), 'SIGNATURE_INVALID');
    await isRefused(await answer(await start(), {}, { idToken: null }), 'ANSWER_INVALID');
  });

  it('refuses an id_token used before: its nonce is of another login', async () => {
    const first = await start();
    const claims = claimsFor(first);
    await answer(first);
    await isRefused(await answer(await start(), claims), 'ANSWER_INVALID');
  });

  it('uses a state up: the second callback is refused, also when both come at once', async () => {
    const started = await start();
    idp.exchange = () => ({ claims: claimsFor(started) });
    const both = await Promise.all([callback(started), callback(started)]);
    assert.deepEqual(
      both.map(({ status }) => status).sort((left, right) => left - right),
      [303, 403],
    );
    await isRefused(await callback(started), 'STATE_CONSUMED');
  });

  it('refuses the callback of another browser, without a login, and without a state (login CSRF)', async () => {
    const started = await start();
    await isRefused(await callback({ ...started, browser: new Browser() }), 'STATE_OTHER_BROWSER');
    await isRefused(await callback(started, { state: 'never' }), 'STATE_UNKNOWN');
    await isRefused(await callback(started, { state: '' }), 'STATE_MISSING');
    assert.equal((await answer(started)).status, 303);
  });

  it('refuses an answer that names another issuer (mix-up, RFC 9207)', async () => {
    await isRefused(await callback(await start(), { iss: 'https://evil.example' }), 'ISSUER_MISMATCH');
    const started = await start();
    idp.exchange = () => ({ claims: claimsFor(started) });
    assert.equal((await callback(started, { iss: idp.issuer })).status, 303);
  });

  it('refuses an answer at the redirect address of another connection (mix-up)', async () => {
    const other = await api('POST', '/connections', { name: 'Another IdP' });
    await putFacet(other.body.id, {});
    const started = await start();
    await isRefused(await callback({ ...started, connectionId: other.body.id }), 'STATE_UNKNOWN');
  });

  it('refuses a discovery document that names another issuer', async () => {
    const evil = await MockIdp.start();
    evil.discovery = { issuer: idp.issuer };
    const made = await api('POST', '/connections', { name: 'Liar' });
    await putFacet(made.body.id, { issuer: evil.issuer });
    await isRefused(await new Browser().open(`${origin}/login/oidc/${made.body.id}/start`), 'DISCOVERY_FAILED');
    await evil.close();
  });

  it('reports what the IdP refuses, without echoing its text', async () => {
    const refused = await callback(await start(), { error: 'access_denied', error_description: '<b>evil</b>' });
    assert.ok(!(await refused.clone().text()).includes('evil'));
    await isRefused(refused, 'PROVIDER_REFUSED');
    await isRefused(await answer(await start(), {}, { status: 400 }), 'ANSWER_INVALID');
  });

  it('refuses somebody nobody provisioned, and an ended IdP session', async () => {
    await isRefused(await answer(await start(), { sub: 'stranger' }), 'ACCOUNT_UNKNOWN');
    await isRefused(await answer(await start(), { session_expiry: 1 }), 'IDP_SESSION_ENDED');
  });

  it('keeps the secret when an update leaves it out', async () => {
    const { body } = await api('PUT', `/connections/${connectionId}/oidc`, { issuer: idp.issuer, clientId: CLIENT_ID });
    assert.equal(body['hasClientSecret'], true);
    assert.equal((await answer(await start())).status, 303);
  });

  it('gives the secret to nobody but whom it was set for', async () => {
    const other = await MockIdp.start();
    const put = (more: object) => api('PUT', `/connections/${connectionId}/oidc`, { clientId: CLIENT_ID, ...more });
    for (const moved of [{ issuer: other.issuer }, { issuer: idp.issuer, clientId: 'another' }]) {
      const refused = await put(moved);
      assert.deepEqual([refused.status, refused.body['code']], [400, 'INVALID_VALUE']);
    }
    assert.equal((await answer(await start())).status, 303);
    const open = await put({ issuer: other.issuer, clientSecret: null });
    assert.deepEqual([open.status, open.body['hasClientSecret']], [200, false]);
    assert.equal((await put({ issuer: idp.issuer })).status, 200);
    await putFacet(connectionId, {});
    await other.close();
  });
});

describe('OpenID Connect sign-on in production', () => {
  it('reaches no private address', async () => {
    const idp = await MockIdp.start();
    const { identity, origin } = await startAtOrigin();
    const api = apiClient(identity, await newOrganization(identity));
    const { body } = await api('POST', '/connections', { name: 'Inside' });
    const set = (issuer: string) => api('PUT', `/connections/${body.id}/oidc`, { issuer, clientId: 'x' });
    assert.equal((await set(idp.issuer)).status, 400);
    assert.equal((await set('https://127.0.0.1')).status, 200);
    assert.equal((await fetch(`${origin}/login/oidc/${body.id}/start`, { redirect: 'manual' })).status, 403);
    await identity.close();
    await idp.close();
  });
});
