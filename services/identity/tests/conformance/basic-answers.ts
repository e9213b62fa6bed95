/** Basic OP: what the authorization, token and userinfo endpoints answer. Names and source: plans.ts. */
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';

import type { BasicModule } from './plans.ts';
import { conforms, type Modules, type Stage } from './stage.ts';

const PROFILE = ['name', 'preferred_username'];
const CLAIMS = [...PROFILE, 'email', 'address', 'phone_number'];

/** The claims of a scope come from the userinfo endpoint, only there, and with no others (OIDC Core §5.4). */
const scopeGives =
  (scope: string, expected: readonly string[]) =>
  async (stage: Stage): Promise<void> => {
    const { tokens, claims } = await stage.signedIn(await stage.browser(), { scope });
    const info = await stage.userInfo(tokens.access_token);
    assert.equal(info['sub'], claims.sub);
    const given = CLAIMS.filter((claim) => claim in info);
    assert.deepEqual(given.toSorted(), expected.toSorted());
    for (const claim of CLAIMS) assert.equal(claim in claims, false, `${claim} in the id_token`);
    for (const claim of given) assert.equal(typeof info[claim], 'string');
  };

/**
 * Scopes we have nothing for are not announced, which is when the suite skips the module; a request with one is served
 * all the same, as if it were not there (OIDC Core §3.1.2.1: unknown scopes SHOULD be ignored).
 */
const scopeIsIgnored = (scope: string) => async (stage: Stage) => {
  const { scopes_supported: supported } = await stage.discovery();
  assert.ok(Array.isArray(supported) && !supported.includes(scope));
  await scopeGives(`openid ${scope}`, [])(stage);
  const { tokens } = await stage.signedIn(await stage.browser(), { scope: `openid ${scope}` });
  assert.equal(tokens.scope, 'openid');
};

type Answers = Extract<
  BasicModule,
  | 'oidcc-server'
  | 'oidcc-response-type-missing'
  | `oidcc-idtoken-${string}`
  | `oidcc-userinfo-${string}`
  | `oidcc-scope-${string}`
  | 'oidcc-ensure-request-without-nonce-succeeds-for-code-flow'
  | 'oidcc-ensure-other-scope-order-succeeds'
  | 'oidcc-alternate-happy-flow'
>;

export const basicAnswers: Modules<Answers> = {
  'oidcc-server': conforms('OIDC Core §3.1, §2', async (stage) => {
    const { callback, claims, nonce, tokens } = await stage.signedIn(await stage.browser());
    const code = callback.searchParams.get('code') ?? '';
    assert.ok(code.length >= 22, 'at least 128 bits (RFC 6749 §10.10)');
    assert.deepEqual(
      [claims.sub, claims['nonce'], claims['azp'] ?? claims.aud],
      [stage.ada, nonce, stage.app.clientId],
    );
    assert.ok((claims.exp ?? 0) > (claims.iat ?? 0));
    const half = createHash('sha256').update(tokens.access_token).digest().subarray(0, 16).toString('base64url');
    assert.equal(claims['at_hash'] ?? half, half);
    assert.equal('name' in claims, false); // What the scopes give comes from userinfo (§5.4).
    assert.equal(tokens.refresh_token, undefined); // Nobody asked for offline_access.
  }),
  'oidcc-response-type-missing': conforms('RFC 6749 §3.1.1', async (stage) => {
    const asked = stage.ask({ response_type: undefined });
    const error = await stage.refusal(await stage.browser(), asked);
    assert.ok(error === 'invalid_request' || error === 'unsupported_response_type', String(error));
  }),
  'oidcc-idtoken-signature': conforms('OIDC Core §2, §10.1', async (stage) => {
    const { header } = await stage.signedIn(await stage.browser());
    const { keys } = (await (await fetch(`${stage.issuer}/jwks`)).json()) as { keys: { kid?: string; alg?: string }[] };
    assert.equal(header.alg, 'RS256');
    assert.equal(keys.filter(({ kid }) => kid === header.kid).length, 1);
  }),
  // We sign always, and no application can be registered for less: the module is skipped where none is not announced.
  'oidcc-idtoken-unsigned': conforms('OIDC Core §3.1.3.7, RFC 8725 §3.2', async (stage) => {
    for (const [name, values] of Object.entries(await stage.discovery())) {
      if (name.endsWith('_alg_values_supported')) assert.ok(Array.isArray(values) && !values.includes('none'), name);
    }
    const body = { name: 'x', redirectUris: ['https://app.example/'], id_token_signed_response_alg: 'none' };
    const registered = await stage.scene.api('POST', '/oauth-clients', body);
    assert.ok(registered.status === 400 || !JSON.stringify(registered.body).includes('none"'));
  }),
  'oidcc-userinfo-get': conforms('OIDC Core §5.3.1', async (stage) => {
    const { tokens } = await stage.signedIn(await stage.browser());
    assert.equal((await stage.userInfo(tokens.access_token))['sub'], stage.ada);
    const refused = await fetch(`${stage.issuer}/me`, { headers: { authorization: 'Bearer nothing' } });
    assert.equal(refused.status, 401);
    assert.match(refused.headers.get('www-authenticate') ?? '', /^Bearer .*error="invalid_token"/); // RFC 6750 §3
  }),
  'oidcc-userinfo-post-header': conforms('OIDC Core §5.3.1', async (stage) => {
    const { tokens } = await stage.signedIn(await stage.browser());
    const headers = { authorization: `Bearer ${tokens.access_token}` };
    const info = await stage.userInfoOf(await fetch(`${stage.issuer}/me`, { method: 'POST', headers }));
    assert.equal(info['sub'], stage.ada);
  }),
  'oidcc-userinfo-post-body': conforms('OIDC Core §5.3.1, RFC 6750 §2.2', async (stage) => {
    const { tokens } = await stage.signedIn(await stage.browser());
    const body = new URLSearchParams({ access_token: tokens.access_token });
    const info = await stage.userInfoOf(await fetch(`${stage.issuer}/me`, { method: 'POST', body }));
    assert.equal(info['sub'], stage.ada);
  }),
  'oidcc-ensure-request-without-nonce-succeeds-for-code-flow': conforms('OIDC Core §3.1.2.1', async (stage) => {
    const { claims } = await stage.signedIn(await stage.browser(), { nonce: undefined });
    assert.equal('nonce' in claims, false);
  }),
  'oidcc-scope-profile': conforms('OIDC Core §5.4', scopeGives('openid profile', PROFILE)),
  'oidcc-scope-email': conforms('OIDC Core §5.4', scopeGives('openid email', ['email'])),
  'oidcc-scope-address': conforms('OIDC Core §5.4, §3.1.2.1', scopeIsIgnored('address')),
  'oidcc-scope-phone': conforms('OIDC Core §5.4, §3.1.2.1', scopeIsIgnored('phone')),
  'oidcc-scope-all': conforms(
    'OIDC Core §5.4',
    scopeGives('openid profile email address phone', [...PROFILE, 'email']),
  ),
  'oidcc-ensure-other-scope-order-succeeds': conforms('RFC 6749 §3.3', scopeGives('email openid', ['email'])),
  'oidcc-alternate-happy-flow': conforms('RFC 6749 §3.1, §3.3', async (stage) => {
    const asked = stage.ask({ scope: 'email openid' });
    const reversed = [...asked.url.searchParams].toReversed();
    const url = new URL(`${asked.url.origin}${asked.url.pathname}?${new URLSearchParams(reversed).toString()}`);
    const callback = await stage.callback(await stage.browser(), { ...asked, url });
    assert.equal((await stage.completed(asked, callback)).claims.sub, stage.ada);
  }),
};
