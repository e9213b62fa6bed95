/** Basic OP: codes, refresh tokens, redirect addresses, client authentication, request objects. Names: plans.ts. */
import assert from 'node:assert/strict';

import { REDIRECT_URI } from '../provider/scene.ts';
import type { BasicModule } from './plans.ts';
import { conforms, type Modules, type Parameters, type Stage } from './stage.ts';

const reuse = async (stage: Stage, beforeIt: () => Promise<unknown>) => {
  const first = await stage.signedIn(await stage.browser());
  await stage.userInfo(first.tokens.access_token);
  await beforeIt();
  const again = await stage.tokenError(await stage.scene.token(stage.app, stage.codeGrant(first.callback, first)));
  assert.deepEqual(again, { status: 400, error: 'invalid_grant' });
  const headers = { authorization: `Bearer ${first.tokens.access_token}` };
  assert.equal((await fetch(`${stage.issuer}/me`, { headers })).status, 401); // SHOULD in §4.1.2; here it is so.
};

/** The parameters as an unsigned JWT (OIDC Core §6.1, RFC 9101 §10.8). */
const unsigned = (parameters: URLSearchParams): string => {
  const part = (value: object): string => Buffer.from(JSON.stringify(value)).toString('base64url');
  return `${part({ alg: 'none' })}.${part(Object.fromEntries(parameters))}.`;
};

const PARAMETER_OF = { request: 'request_not_supported', request_uri: 'request_uri_not_supported' } as const;

/**
 * We take no request objects by value or address (pushed requests say the same and show who says it, RFC 9126): refused
 * with the error that is specified for this, never half understood, and nothing is fetched (OIDC Core §3.1.2.6).
 */
const isNotSupported = async (stage: Stage, name: keyof typeof PARAMETER_OF, over: Parameters): Promise<void> => {
  assert.equal((await stage.discovery())[`${name}_parameter_supported`] ?? false, false);
  const { error } = await errorOf(stage, over);
  assert.equal(error, PARAMETER_OF[name]);
};

/** What an application learns of a request, by redirect to its registered address or by a page. */
const errorOf = async (stage: Stage, over: Parameters): Promise<{ error: string | null; callback: URL | null }> => {
  const { url, response } = await stage.answer(await stage.browser(), stage.ask(over));
  if (url.origin + url.pathname === REDIRECT_URI) return { error: url.searchParams.get('error'), callback: url };
  assert.equal(url.origin, stage.scene.origin);
  assert.equal(response.status, 400);
  return { error: /<code>(\w+)<\/code>/.exec(await response.text())?.[1] ?? null, callback: null };
};

type Tokens = Extract<
  BasicModule,
  | `oidcc-codereuse${string}`
  | 'oidcc-ensure-registered-redirect-uri'
  | 'oidcc-server-client-secret-post'
  | `oidcc-request-uri-${string}`
  | `oidcc-unsigned-request-object-${string}`
  | 'oidcc-ensure-request-object-with-redirect-uri'
  | 'oidcc-refresh-token'
  | 'oidcc-ensure-request-with-valid-pkce-succeeds'
>;

export const basicTokens: Modules<Tokens> = {
  'oidcc-codereuse': conforms('OIDC Core §3.1.3.2, RFC 6749 §4.1.2', async (stage) => {
    await reuse(stage, () => Promise.resolve());
  }),
  'oidcc-codereuse-30seconds': conforms('RFC 6749 §4.1.2', async (stage) => {
    await reuse(
      stage,
      async () =>
        await stage.scene.identity.admin(
          `UPDATE identity.provider_artifact SET consumed_at = consumed_at - interval '30 seconds',
             created_at = created_at - interval '30 seconds', expires_at = expires_at - interval '30 seconds'
            WHERE model = 'AuthorizationCode'`,
        ),
    );
  }),
  'oidcc-ensure-registered-redirect-uri': conforms('OIDC Core §3.1.2.1, RFC 6749 §3.1.2.4', async (stage) => {
    for (const uri of [
      'https://app.example/other',
      `${REDIRECT_URI}?x=1`,
      `${REDIRECT_URI}/`,
      'https://evil.example/',
    ]) {
      const { url, response } = await stage.answer(await stage.browser(), stage.ask({ redirect_uri: uri }));
      assert.deepEqual([url.origin, response.status], [stage.scene.origin, 400], uri);
    }
  }),
  'oidcc-server-client-secret-post': conforms('RFC 6749 §2.3.1, OIDC Core §9', async (stage) => {
    const asked = stage.ask();
    const callback = await stage.callback(await stage.browser(), asked);
    const credentials = { client_id: stage.app.clientId, client_secret: stage.app.clientSecret };
    const body = new URLSearchParams({ ...stage.codeGrant(callback, asked), ...credentials });
    const tokens = await stage.tokensOf(await fetch(`${stage.issuer}/token`, { method: 'POST', body }));
    assert.equal((await stage.verified(tokens.id_token)).payload.sub, stage.ada);
  }),
  'oidcc-request-uri-unsigned-supported-correctly-or-rejected-as-unsupported': conforms(
    'OIDC Core §6.2, §3.1.2.6',
    async (stage) => {
      const before = stage.receiver.forms.length;
      await isNotSupported(stage, 'request_uri', { request_uri: stage.receiver.address });
      assert.equal(stage.receiver.forms.length, before);
    },
  ),
  'oidcc-unsigned-request-object-supported-correctly-or-rejected-as-unsupported': conforms(
    'OIDC Core §6.1, §3.1.2.6',
    async (stage) => {
      await isNotSupported(stage, 'request', { request: unsigned(stage.ask().url.searchParams) });
    },
  ),
  'oidcc-ensure-request-object-with-redirect-uri': conforms('OIDC Core §6.1, §3.1.2.6', async (stage) => {
    const request = unsigned(stage.ask({ redirect_uri: REDIRECT_URI }).url.searchParams);
    await isNotSupported(stage, 'request', { request });
    // What an unsigned object says does not make up for an address that is not registered: nobody is sent there.
    const { error, callback } = await errorOf(stage, { request, redirect_uri: 'https://evil.example/' });
    assert.deepEqual([error, callback], ['invalid_redirect_uri', null]);
  }),
  'oidcc-refresh-token': conforms('OIDC Core §11, §12.2, RFC 6749 §6', async (stage) => {
    const browser = await stage.browser();
    const over = { scope: 'openid offline_access', prompt: 'consent', max_age: '3600' };
    const refresh = (app: Stage['app'], token: string) =>
      stage.scene.token(app, { grant_type: 'refresh_token', refresh_token: token });
    for (const app of [stage.app, stage.secondApp]) {
      const first = await stage.signedIn(browser, over, app);
      const token = first.tokens.refresh_token ?? assert.fail('no refresh token');
      assert.match(token, /^[\x20-\x7e]+$/);
      const second = await stage.tokensOf(await refresh(app, token));
      assert.notEqual(second.access_token, first.tokens.access_token);
      const { payload } = await stage.verified(second.id_token, app);
      const same = ['iss', 'sub', 'aud', 'auth_time'] as const;
      for (const claim of same) assert.deepEqual(payload[claim], first.claims[claim], claim);
      assert.ok((payload.iat ?? 0) >= (first.claims.iat ?? 0));
      await stage.userInfo(second.access_token);
      const other = app === stage.app ? stage.secondApp : stage.app;
      const stolen = await stage.tokenError(await refresh(other, second.refresh_token ?? ''));
      assert.deepEqual(stolen, { status: 400, error: 'invalid_grant' });
    }
  }),
  // Every other module sends a challenge: none gets far without (RFC 9700 §2.1.1), so the refusals belong here.
  'oidcc-ensure-request-with-valid-pkce-succeeds': conforms('RFC 7636 §4.3 to §4.6', async (stage) => {
    const browser = await stage.browser();
    assert.equal((await stage.signedIn(browser)).claims.sub, stage.ada);
    const none = { code_challenge: undefined, code_challenge_method: undefined };
    assert.equal(await stage.refusal(browser, stage.ask(none)), 'invalid_request');
    assert.equal(await stage.refusal(browser, stage.ask({ code_challenge_method: 'plain' })), 'invalid_request');
    for (const verifier of [undefined, stage.ask().verifier]) {
      const asked = stage.ask();
      const { code_verifier: _own, ...grant } = stage.codeGrant(await stage.callback(browser, asked), asked);
      const form = verifier === undefined ? grant : { ...grant, code_verifier: verifier };
      const refused = await stage.tokenError(await stage.scene.token(stage.app, form));
      assert.deepEqual(refused, { status: 400, error: 'invalid_grant' });
    }
  }),
};
