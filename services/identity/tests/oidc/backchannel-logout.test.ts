import assert from 'node:assert/strict';

import { newId } from '@sallyport/storage';
import type { JWTPayload } from 'jose';

import { newSigningKeys, signed } from './mock-idp.ts';
import { CLIENT_ID, OidcScene } from './scene.ts';

const EVENT = 'http://schemas.openid.net/event/backchannel-logout';
const now = (): number => Math.floor(Date.now() / 1000);

/** @see OpenID Connect Back-Channel Logout 1.0 */
describe('Back-channel logout from an identity provider', () => {
  let scene: OidcScene;

  before(async () => {
    scene = await OidcScene.start();
    await scene.person('grace');
  });
  after(async () => {
    await scene.close();
  });

  const claimsFor = (over: Record<string, unknown> = {}): JWTPayload => ({
    iss: scene.idp.issuer,
    aud: CLIENT_ID,
    iat: now(),
    exp: now() + 120,
    jti: newId(),
    events: { [EVENT]: {} },
    sub: 'ada',
    ...over,
  });

  const post = async (token: string, connectionId = scene.connectionId): Promise<Response> =>
    await fetch(`${scene.origin}/login/oidc/${connectionId}/backchannel-logout`, {
      method: 'POST',
      body: new URLSearchParams({ logout_token: token }),
    });

  const logout = async (over: Record<string, unknown> = {}): Promise<Response> =>
    await post(await signed(claimsFor(over), scene.idp.keys, { typ: 'logout+jwt' }));

  it('ends every session of the subject, and nobody else’s (§2.5, §2.7)', async () => {
    const [one, two, other] = [await scene.signIn(), await scene.signIn(), await scene.signIn({ sub: 'grace' })];
    const answer = await logout();
    assert.deepEqual([answer.status, await answer.text()], [200, '']);
    assert.equal(answer.headers.get('cache-control'), 'no-store');
    assert.deepEqual([await scene.isSignedIn(one), await scene.isSignedIn(two)], [false, false]);
    assert.equal(await scene.isSignedIn(other), true);
    assert.deepEqual((await scene.last('login.idp-logout-received'))['after'], { sessions: 2 });
    const ended = (await scene.last('session.ended'))['after'] as Record<string, unknown>;
    assert.equal(ended['cause'], 'oidc.backchannel-logout');
  });

  it('ends the one session a sid names, with the subject or without', async () => {
    for (const over of [{ sid: 's1' }, { sid: 's1', sub: undefined }]) {
      const [one, other] = [await scene.signIn({ sid: 's1' }), await scene.signIn({ sid: 's2' })];
      assert.equal((await logout(over)).status, 200);
      assert.deepEqual([await scene.isSignedIn(one), await scene.isSignedIn(other)], [false, true]);
    }
  });

  it('ends nothing when sid and sub belong to different people', async () => {
    const browser = await scene.signIn({ sid: 's3' });
    assert.equal((await logout({ sid: 's3', sub: 'grace' })).status, 200);
    assert.equal(await scene.isSignedIn(browser), true);
  });

  it('answers 200 when nobody is signed in any more (§2.7)', async () => {
    assert.equal((await logout({ sub: 'nobody' })).status, 200);
  });

  it('reaches no session of another connection, though subject and provider are the same', async () => {
    const browser = await scene.signIn();
    const connectionId = await scene.connect(scene.idp.issuer);
    assert.equal((await post(await signed(claimsFor(), scene.idp.keys), connectionId)).status, 200);
    assert.equal(await scene.isSignedIn(browser), true);
  });

  it('uses a token once, also when it comes twice at once', async () => {
    const token = await signed(claimsFor(), scene.idp.keys, { typ: 'logout+jwt' });
    const both = await Promise.all([post(token), post(token)]);
    assert.deepEqual(
      both.map(({ status }) => status).sort((left, right) => left - right),
      [200, 400],
    );
    const browser = await scene.signIn();
    assert.equal((await post(token)).status, 400);
    assert.equal((await scene.last('login.idp-logout-refused'))['reason'], 'LOGOUT_REPLAYED');
    assert.equal(await scene.isSignedIn(browser), true);
  });

  const cases: readonly (readonly [string, string, Record<string, unknown>])[] = [
    ['of another issuer', 'ISSUER_MISMATCH', { iss: 'https://evil.example' }],
    ['for another application', 'AUDIENCE_UNTRUSTED', { aud: 'other' }],
    ['for us and others', 'AUDIENCE_UNTRUSTED', { aud: [CLIENT_ID, 'other'] }],
    ['for nobody', 'AUDIENCE_UNTRUSTED', { aud: undefined }],
    ['without a time', 'TOKEN_MALFORMED', { iat: undefined }],
    ['from the future', 'ISSUED_IN_FUTURE', { iat: 4_000_000_000, exp: 4_000_000_100 }],
    ['that was held back', 'ISSUED_TOO_LONG_AGO', { iat: 1_700_000_000 }],
    ['without an end', 'TOKEN_MALFORMED', { exp: undefined }],
    ['that has expired', 'EXPIRED', { exp: 1_700_000_000 }],
    ['about nobody', 'LOGOUT_SUBJECT_MISSING', { sub: undefined }],
    ['about a session nobody can read', 'LOGOUT_SUBJECT_MISSING', { sid: 7 }],
    ['about a session no row can hold', 'LOGOUT_SUBJECT_MISSING', { sid: 's\0' }],
    ['about somebody no row can hold', 'LOGOUT_SUBJECT_MISSING', { sub: 'ada\0' }],
    ['without the event', 'LOGOUT_EVENT_MISSING', { events: {} }],
    ['with the event as a text', 'LOGOUT_EVENT_MISSING', { events: { [EVENT]: 'yes' } }],
    ['with a nonce (an id_token)', 'LOGOUT_NONCE_PRESENT', { nonce: 'n' }],
    ['without an identifier', 'LOGOUT_ID_MISSING', { jti: undefined }],
  ];
  for (const [name, reason, over] of cases) {
    it(`refuses a token ${name} (§2.6)`, async () => {
      const browser = await scene.signIn();
      const answer = await logout(over);
      assert.deepEqual([answer.status, await answer.json()], [400, { error: 'invalid_request' }]);
      assert.equal(answer.headers.get('cache-control'), 'no-store');
      assert.equal((await scene.last('login.idp-logout-refused'))['reason'], reason);
      assert.equal(await scene.isSignedIn(browser), true);
    });
  }

  it('refuses what is signed by a stranger, with the wrong algorithm or not at all', async () => {
    const browser = await scene.signIn();
    const refusals = [
      [await signed(claimsFor(), await newSigningKeys('k1')), 'SIGNATURE_INVALID'],
      [await signed(claimsFor(), await newSigningKeys('elsewhere')), 'KEY_UNKNOWN'],
      [`${Buffer.from('{"alg":"none"}').toString('base64url')}.e30.`, 'ALGORITHM_REFUSED'],
      [`${Buffer.from('{"alg":"HS256"}').toString('base64url')}.e30.AAAA`, 'ALGORITHM_REFUSED'],
      ['nonsense', 'TOKEN_MALFORMED'],
      ['x'.repeat(65_537), 'TOKEN_MALFORMED'],
    ] as const;
    for (const [token, reason] of refusals) {
      const { status } = await post(token);
      if (status === 413) continue; // Longer than any form we read.
      assert.equal(status, 400);
      assert.equal((await scene.last('login.idp-logout-refused'))['reason'], reason);
    }
    assert.equal(await scene.isSignedIn(browser), true);
  });

  it('takes no other kind of token for a logout token', async () => {
    const token = await signed(claimsFor(), scene.idp.keys, { typ: 'at+jwt' });
    assert.equal((await post(token)).status, 400);
    assert.equal((await scene.last('login.idp-logout-refused'))['reason'], 'TOKEN_TYPE_WRONG');
  });

  it('answers what names no connection, or no token, or two', async () => {
    const address = `${scene.origin}/login/oidc/${scene.connectionId}/backchannel-logout`;
    const token = await signed(claimsFor(), scene.idp.keys);
    assert.equal((await post(token, newId())).status, 400);
    assert.equal((await fetch(address, { method: 'POST', body: new URLSearchParams() })).status, 400);
    const twice = new URLSearchParams([
      ['logout_token', token],
      ['logout_token', token],
    ]);
    assert.equal((await fetch(address, { method: 'POST', body: twice })).status, 400);
    assert.equal((await fetch(address)).status, 405);
  });

  it('tells administrators the address to set the identity provider up with', async () => {
    const { body } = await scene.api('GET', `/connections/${scene.connectionId}/oidc`);
    const address = `${scene.origin}/login/oidc/${scene.connectionId}/backchannel-logout`;
    assert.equal(body['backchannelLogoutUri'], address);
  });
});
