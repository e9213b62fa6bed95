/** RP-initiated and back-channel logout OP. Names and source: plans.ts. */
import assert from 'node:assert/strict';

import { waitFor } from '@sallyport/dev-env';
import { createRemoteJWKSet, decodeJwt, generateKeyPair, jwtVerify, SignJWT } from 'jose';

import type { BackchannelLogoutModule, RpInitiatedLogoutModule } from './plans.ts';
import { conforms, POST_LOGOUT_URI, type Module, type Modules, type Parameters, type Stage } from './stage.ts';

const EVENT = 'http://schemas.openid.net/event/backchannel-logout';

/** Somebody signed in through the application, and what a complete logout request of theirs says. */
const begin = async (stage: Stage) => {
  const browser = await stage.browser();
  const signedIn = await stage.signedIn(browser);
  const request = {
    id_token_hint: signedIn.tokens.id_token,
    post_logout_redirect_uri: POST_LOGOUT_URI,
    state: stage.longState(),
  };
  return { browser, signedIn, request };
};

type Change = (request: Awaited<ReturnType<typeof begin>>['request'], stage: Stage) => Parameters | Promise<Parameters>;

/** A page of ours says that the person is signed out; the application's address is not called. */
const endsHere = (clause: string, change: Change): Module =>
  conforms(clause, async (stage) => {
    const { browser, request } = await begin(stage);
    const { response, url, asked } = await stage.logOut(browser, await change(request, stage));
    assert.equal(asked, true); // A link of anybody must not be enough to sign somebody out (§2, §6).
    assert.equal(url.origin, stage.scene.origin);
    assert.match(await response.text(), /You are signed out/);
    assert.equal(await stage.isSignedIn(browser), false);
  });

/** The person is sent back with what was asked for. */
const goesBack = (clause: string, change: Change): Module =>
  conforms(clause, async (stage) => {
    const { browser, request } = await begin(stage);
    const parameters = await change(request, stage);
    const { url } = await stage.logOut(browser, parameters);
    assert.equal(url.origin + url.pathname, POST_LOGOUT_URI);
    const { state } = parameters;
    assert.deepEqual([...url.searchParams], state === undefined ? [] : [['state', state]]);
    assert.equal(await stage.isSignedIn(browser), false);
  });

/** A page of ours says that the request is wrong; nobody is sent anywhere and nobody is signed out. */
const isRefused = (clause: string, change: Change): Module =>
  conforms(clause, async (stage) => {
    const { browser, request } = await begin(stage);
    const { response, asked } = await stage.logOut(browser, await change(request, stage));
    assert.deepEqual([asked, response.status, response.headers.get('location')], [false, 400, null]);
    assert.match(await response.text(), /<code>invalid_request<\/code>/);
    assert.equal(await stage.isSignedIn(browser), true);
  });

const withoutSignature = (token: string): string => {
  const header = Buffer.from(JSON.stringify({ alg: 'none' })).toString('base64url');
  return `${header}.${token.split('.')[1] ?? ''}.`;
};

const ofSomebodyElse = async (stage: Stage): Promise<string> => {
  const { privateKey } = await generateKeyPair('RS256');
  return await new SignJWT({ sub: stage.ada })
    .setProtectedHeader({ alg: 'RS256', kid: 'test' })
    .setIssuer(stage.issuer)
    .setAudience(stage.app.clientId)
    .setIssuedAt()
    .setExpirationTime('5m')
    .sign(privateKey);
};

const RIL = 'RP-Initiated Logout §2';

export const rpInitiatedLogoutOp: Modules<RpInitiatedLogoutModule> = {
  'oidcc-rp-initiated-logout-discovery-endpoint-verification': conforms('RP-Initiated Logout §2.1', async (stage) => {
    const { end_session_endpoint: endpoint } = await stage.discovery();
    assert.equal(endpoint, `${stage.issuer}/session/end`);
  }),
  'oidcc-rp-initiated-logout': goesBack(`${RIL}, §3`, (request) => request),
  'oidcc-rp-initiated-logout-no-state': goesBack(`${RIL}, §3`, (request) => ({ ...request, state: undefined })),
  'oidcc-rp-initiated-logout-bad-post-logout-redirect-uri': isRefused(`${RIL}, §3`, (request) => ({
    ...request,
    post_logout_redirect_uri: 'https://app.example/other',
  })),
  'oidcc-rp-initiated-logout-query-added-to-post-logout-redirect-uri': isRefused(`${RIL}, §3`, (request) => ({
    ...request,
    post_logout_redirect_uri: `${POST_LOGOUT_URI}?foo=bar`,
  })),
  'oidcc-rp-initiated-logout-modified-id-token-hint': isRefused(RIL, (request) => ({
    ...request,
    id_token_hint: withoutSignature(request.id_token_hint),
  })),
  'oidcc-rp-initiated-logout-bad-id-token-hint': isRefused(RIL, async (request, stage) => ({
    ...request,
    id_token_hint: await ofSomebodyElse(stage),
  })),
  'oidcc-rp-initiated-logout-no-id-token-hint': endsHere(`${RIL}, §3`, ({ state }) => ({
    post_logout_redirect_uri: POST_LOGOUT_URI,
    state,
  })),
  'oidcc-rp-initiated-logout-no-params': endsHere(RIL, () => ({})),
  'oidcc-rp-initiated-logout-only-state': endsHere(RIL, ({ state }) => ({ state })),
  'oidcc-rp-initiated-logout-no-post-logout-redirect-uri': endsHere(RIL, ({ id_token_hint, state }) => ({
    id_token_hint,
    state,
  })),
};

/** The logout token of a session; those of other tests may come before it. */
const logoutTokenOf = async (stage: Stage, sid: unknown): Promise<string> => {
  const find = (): string | undefined => stage.receiver.tokens.find((token) => decodeJwt(token)['sid'] === sid);
  await waitFor(() => find() !== undefined, { message: 'the logout token' });
  return find() ?? assert.fail();
};

export const backchannelLogoutOp: Modules<BackchannelLogoutModule> = {
  'oidcc-backchannel-logout-discovery-endpoint-verification': conforms('Back-Channel Logout §2.1', async (stage) => {
    const document = await stage.discovery();
    assert.equal(document['backchannel_logout_supported'], true);
    assert.equal(document['backchannel_logout_session_supported'], true);
    assert.equal(typeof document['end_session_endpoint'], 'string');
  }),
  'oidcc-backchannel-rp-initiated-logout': conforms('Back-Channel Logout §2.4, §2.5', async (stage) => {
    const { browser, signedIn, request } = await begin(stage);
    const { sid } = signedIn.claims;
    assert.equal(typeof sid, 'string');
    const { url } = await stage.logOut(browser, request);
    assert.deepEqual([url.origin + url.pathname, ...url.searchParams], [POST_LOGOUT_URI, ['state', request.state]]);
    const token = await logoutTokenOf(stage, sid);
    const { payload, protectedHeader } = await jwtVerify(token, createRemoteJWKSet(new URL(`${stage.issuer}/jwks`)), {
      issuer: stage.issuer,
      audience: stage.app.clientId,
      typ: 'logout+jwt',
      requiredClaims: ['iat', 'exp', 'jti', 'events'],
    });
    assert.deepEqual([payload.sub, payload['sid'], payload['events']], [stage.ada, sid, { [EVENT]: {} }]);
    assert.equal('nonce' in payload, false);
    assert.equal(protectedHeader.alg, signedIn.header.alg); // As the id_tokens of this application (§2.4).
    const form = stage.receiver.forms[stage.receiver.tokens.indexOf(token)];
    assert.deepEqual([...(form?.keys() ?? [])], ['logout_token']);
    assert.equal(await stage.isSignedIn(browser), false);
  }),
};
