import assert from 'node:assert/strict';

import { freePort } from '@sallyport/dev-env';

import { verifyDomain } from '../../src/login/index.ts';
import { Browser } from '../support/browser.ts';
import { MockIdp, newSigningKeys, signed, type Exchange } from './mock-idp.ts';
import { CLIENT_ID, OidcScene, type Started } from './scene.ts';

const now = (): number => Math.floor(Date.now() / 1000);

/** What a hostile provider answers, and the reason it is refused for. */
interface Case {
  readonly name: string;
  readonly reason: string;
  readonly claims?: () => Record<string, unknown>;
  readonly more?: (started: Started) => Promise<Partial<Exchange>> | Partial<Exchange>;
  /** Parameters of the answer. */
  readonly parameters?: Record<string, string>;
}

const UNKEEPABLE: readonly (readonly [name: string, claims: Record<string, unknown>])[] = [
  ['a NUL in the subject', { sub: 'a\0da' }],
  ['half a character in the subject', { sub: 'ada\ud800' }],
  ['a subject of 256 characters', { sub: 'a'.repeat(256) }],
  ['a NUL in the session', { sid: 's\0' }],
  ['a session of 513 characters', { sid: 's'.repeat(513) }],
  ['a NUL in how they signed in', { acr: 'a\0' }],
  ['a NUL in one of the ways they signed in', { amr: ['pwd', 'o\0tp'] }],
  ['a way to sign in of 513 characters', { amr: ['a'.repeat(513)] }],
  ['a NUL in a group', { groups: ['g\0'] }],
  ['a NUL in the name of a claim', { 'x\0': 'y' }],
];

describe('OpenID Connect sign-on at a hostile provider', () => {
  let scene: OidcScene;
  let idp: MockIdp;
  let page: string;

  /** The page without the number of the request. */
  const seen = async (response: Response): Promise<string> =>
    (await response.text()).replace(/<code>[^<]*<\/code>/, '<code/>');

  const isRefused = async (response: Response, reason: string): Promise<void> => {
    assert.equal(response.status, 403);
    const entry = await scene.last('login.refused');
    assert.equal(entry['reason'], reason, JSON.stringify(entry));
    assert.ok(!response.headers.getSetCookie().some((cookie) => cookie.startsWith('__Host-sallyport_session')));
    assert.equal(await seen(response), page);
  };

  before(async () => {
    scene = await OidcScene.start();
    ({ idp } = scene);
    page = await seen(await scene.callback(await scene.begin(), { state: 'never' }));
  });
  after(async () => {
    await scene.close();
  });

  const cases: readonly Case[] = [
    { name: 'names another issuer', reason: 'ANSWER_INVALID', claims: () => ({ iss: 'https://evil.example' }) },
    { name: 'names no issuer', reason: 'ANSWER_INVALID', claims: () => ({ iss: undefined }) },
    { name: 'is for another application', reason: 'ANSWER_INVALID', claims: () => ({ aud: 'other' }) },
    {
      name: 'is for us and for somebody we do not know',
      reason: 'AUDIENCE_UNTRUSTED',
      claims: () => ({ aud: [CLIENT_ID, 'other'], azp: CLIENT_ID }),
    },
    {
      name: 'was issued to another application (azp)',
      reason: 'AUTHORIZED_PARTY_WRONG',
      claims: () => ({ azp: 'other' }),
    },
    { name: 'has another nonce', reason: 'ANSWER_INVALID', claims: () => ({ nonce: 'other' }) },
    { name: 'has no nonce', reason: 'ANSWER_INVALID', claims: () => ({ nonce: undefined }) },
    { name: 'has no subject', reason: 'ANSWER_INVALID', claims: () => ({ sub: undefined }) },
    { name: 'has expired', reason: 'ANSWER_INVALID', claims: () => ({ exp: now() - 61 }) },
    { name: 'never expires', reason: 'ANSWER_INVALID', claims: () => ({ exp: undefined }) },
    { name: 'is not valid yet', reason: 'ANSWER_INVALID', claims: () => ({ nbf: now() + 120 }) },
    { name: 'has no time of issue', reason: 'ANSWER_INVALID', claims: () => ({ iat: undefined }) },
    { name: 'comes from the future', reason: 'ISSUED_IN_FUTURE', claims: () => ({ iat: now() + 120 }) },
    { name: 'was issued an hour ago', reason: 'ISSUED_TOO_LONG_AGO', claims: () => ({ iat: now() - 3600 }) },
    {
      name: 'signs the person in tomorrow',
      reason: 'AUTH_TIME_IN_FUTURE',
      claims: () => ({ auth_time: now() + 86_400 }),
    },
    {
      name: 'belongs to another access token (at_hash)',
      reason: 'ACCESS_TOKEN_HASH_WRONG',
      claims: () => ({ at_hash: 'AAAAAAAAAAAAAAAAAAAAAA' }),
    },
    { name: 'is unsigned', reason: 'ANSWER_INVALID', more: () => ({ sign: 'none' }) },
    {
      name: 'is signed with our own secret (RS256 to HS256)',
      reason: 'ANSWER_INVALID',
      more: () => ({ sign: 'hmac' }),
    },
    {
      name: 'is signed by a stranger under a known key id',
      reason: 'SIGNATURE_INVALID',
      more: async () => ({ sign: await newSigningKeys('k1') }),
    },
    {
      name: 'is signed with a key nobody publishes',
      reason: 'KEY_UNKNOWN',
      more: async () => ({ sign: await newSigningKeys('elsewhere') }),
    },
    {
      name: 'brings its own key (jwk)',
      reason: 'SIGNATURE_INVALID',
      more: async () => {
        const keys = await newSigningKeys('k1');
        return { sign: keys, header: { jwk: keys.jwk } };
      },
    },
    {
      name: 'says where its key is (jku, x5u)',
      reason: 'SIGNATURE_INVALID',
      more: async () => {
        const sign = await newSigningKeys('k1');
        return { sign, header: { jku: 'http://127.0.0.1:1/keys', x5u: 'http://127.0.0.1:1/cert' } };
      },
    },
    {
      name: 'names a key by a path or a statement (kid)',
      reason: 'KEY_UNKNOWN',
      more: async () => ({ sign: await newSigningKeys("../../dev/null' OR 1=1 --") }),
    },
    {
      name: 'is signed with an algorithm that is not that of the key',
      reason: 'KEY_UNKNOWN',
      more: async () => ({ sign: await newSigningKeys('k1', 'ES256') }),
    },
    {
      name: 'wants something understood that is not (crit)',
      reason: 'ANSWER_INVALID',
      more: () => ({ header: { crit: ['x-evil'], 'x-evil': true } }),
    },
    { name: 'is an access token', reason: 'TOKEN_TYPE_WRONG', more: () => ({ header: { typ: 'at+jwt' } }) },
    { name: 'is a logout token', reason: 'TOKEN_TYPE_WRONG', more: () => ({ header: { typ: 'logout+jwt' } }) },
    { name: 'is no JWT', reason: 'ANSWER_INVALID', more: () => ({ idToken: 'a.b.c' }) },
    { name: 'is encrypted', reason: 'ANSWER_INVALID', more: () => ({ idToken: 'a.b.c.d.e' }) },
    ...UNKEEPABLE.map(([name, claims]) => ({
      name: `says what nobody can keep: ${name}`,
      reason: 'TOKEN_MALFORMED',
      claims: () => claims,
    })),
    { name: 'is missing', reason: 'ANSWER_INVALID', more: () => ({ idToken: null }) },
    {
      name: 'is altered after it was signed',
      reason: 'SIGNATURE_INVALID',
      more: async (started) => {
        const honest = await signed(scene.claimsFor(started), idp.keys);
        const other = await signed(scene.claimsFor(started, { sub: 'grace' }), await newSigningKeys('k1'));
        const [header, , signature] = honest.split('.');
        return { idToken: `${header ?? ''}.${other.split('.')[1] ?? ''}.${signature ?? ''}` };
      },
    },
    {
      name: 'comes with a token of a kind we cannot use',
      reason: 'ANSWER_INVALID',
      more: () => ({ raw: { access_token: 'at', token_type: 'mac', id_token: 'a.b.c' } }),
    },
    { name: 'comes without an access token', reason: 'ANSWER_INVALID', more: () => ({ raw: { id_token: 'a.b.c' } }) },
    {
      name: 'comes in more than half a megabyte',
      reason: 'ANSWER_INVALID',
      more: () => ({ raw: { access_token: 'x'.repeat(600 * 1024), token_type: 'Bearer' } }),
    },
    { name: 'comes as an error of the server', reason: 'ANSWER_INVALID', more: () => ({ status: 500 }) },
    {
      name: 'comes from another issuer (RFC 9207)',
      reason: 'ISSUER_MISMATCH',
      parameters: { iss: 'https://evil.example' },
    },
    {
      name: 'comes as a signed response nobody asked for (JARM)',
      reason: 'ANSWER_INVALID',
      parameters: { response: 'a.b.c' },
    },
    { name: 'comes with an id_token in the address', reason: 'ANSWER_INVALID', parameters: { id_token: 'a.b.c' } },
    { name: 'refuses', reason: 'PROVIDER_REFUSED', parameters: { error: 'access_denied' } },
  ];
  for (const { name, reason, claims, more, parameters } of cases) {
    it(`refuses an answer that ${name}`, async () => {
      const started = await scene.begin();
      const exchange = { claims: scene.claimsFor(started, claims?.()), ...(await more?.(started)) };
      idp.exchange = () => exchange;
      await isRefused(await scene.callback(started, parameters), reason);
    });
  }

  it('refuses an answer with two codes or two states', async () => {
    for (const [extra, reason] of [
      ['&code=other', 'ANSWER_INVALID'],
      ['&state=other', 'STATE_MISSING'],
    ] as const) {
      const started = await scene.begin();
      idp.exchange = () => ({ claims: scene.claimsFor(started) });
      const query = new URLSearchParams({ code: 'c0de', state: started.request.get('state') ?? '' }).toString() + extra;
      const url = `${scene.origin}/login/oidc/${scene.connectionId}/callback?${query}`;
      await isRefused(await started.browser.open(url), reason);
    }
  });

  it('refuses an id_token of another login of the same person: its nonce was for that one', async () => {
    const first = await scene.begin();
    const idToken = await signed(scene.claimsFor(first), idp.keys);
    assert.equal((await scene.answer(first, {}, { idToken })).status, 303);
    await isRefused(await scene.answer(await scene.begin(), {}, { idToken }), 'ANSWER_INVALID');
  });

  it('demands the issuer in the answer where the provider announces it (RFC 9207 §2.4)', async () => {
    const announcing = await MockIdp.start();
    announcing.discovery = { authorization_response_iss_parameter_supported: true };
    const connectionId = await scene.connect(announcing.issuer);
    const started = await scene.begin(connectionId);
    announcing.exchange = () => ({ claims: scene.claimsFor(started, { iss: announcing.issuer }) });
    await isRefused(await scene.callback(started), 'ISSUER_MISSING');
    const again = await scene.begin(connectionId);
    announcing.exchange = () => ({ claims: scene.claimsFor(again, { iss: announcing.issuer }) });
    // The issuer is right: what stops this login is that nobody of that connection is known.
    await isRefused(await scene.callback(again, { iss: announcing.issuer }), 'ACCOUNT_UNKNOWN');
    await announcing.close();
  });

  it('refuses what one provider signs in the name of another (mix-up)', async () => {
    const evil = await MockIdp.start();
    evil.discovery = { authorization_endpoint: `${idp.issuer}/authorize`, jwks_uri: `${idp.issuer}/jwks` };
    const connectionId = await scene.connect(evil.issuer);
    const started = await scene.begin(connectionId);
    const idToken = await signed(scene.claimsFor(started), idp.keys);
    evil.exchange = () => ({ claims: {}, idToken });
    await isRefused(await scene.callback(started), 'ANSWER_INVALID');
    await evil.close();
  });

  it('takes no account, by no claim, that the connection did not provision (nOAuth)', async () => {
    await isRefused(
      await scene.answer(await scene.begin(), { sub: 'stranger', email: 'ada@example.com', email_verified: true }),
      'ACCOUNT_UNKNOWN',
    );
  });

  it('makes nobody of an address the provider itself calls unverified (nOAuth)', async () => {
    const connectionId = await scene.connect(idp.issuer);
    await scene.putFacet({ accountRule: { createOnFirstLogin: true } }, connectionId);
    await scene.api('PUT', `/connections/${connectionId}/domains`, { domains: ['first.example'] });
    const claim = { orgId: scene.organization.orgId, connectionId, domain: 'first.example', verified: true };
    await verifyDomain(scene.identity.context, claim, { requestId: 'test', operator: 'operator' });
    const claims = { sub: 'mallory', email: 'boss@first.example' };
    for (const email_verified of [false, 'false']) {
      const typedIn = await scene.answer(await scene.begin(connectionId), { ...claims, email_verified });
      await isRefused(typedIn, 'IDENTIFIER_MISSING');
    }
    for (const [at, email_verified] of [true, undefined].entries()) {
      const believed = { sub: `s${at}`, email: `s${at}@first.example`, email_verified };
      assert.equal((await scene.answer(await scene.begin(connectionId), believed)).status, 303);
    }
  });

  describe('discovery', () => {
    const documents: readonly (readonly [string, Record<string, unknown>, string])[] = [
      ['names another issuer', { issuer: 'https://accounts.example' }, 'DISCOVERY_FAILED'],
      ['has no keys', { jwks_uri: undefined }, 'DISCOVERY_FAILED'],
      ['has no token endpoint', { token_endpoint: undefined }, 'DISCOVERY_FAILED'],
      ['sends browsers to a script', { authorization_endpoint: 'javascript:alert(1)' }, 'DISCOVERY_FAILED'],
      ['reads a file', { token_endpoint: 'file:///etc/passwd' }, 'DISCOVERY_FAILED'],
    ];
    for (const [name, discovery, reason] of documents) {
      it(`refuses a document that ${name}`, async () => {
        const evil = await MockIdp.start();
        evil.discovery = discovery;
        const connectionId = await scene.connect(evil.issuer);
        const answer = await new Browser().open(`${scene.origin}/login/oidc/${connectionId}/start`);
        await isRefused(answer, reason);
        await evil.close();
      });
    }

    it('refuses a provider that is not there', async () => {
      const connectionId = await scene.connect(`http://127.0.0.1:${await freePort()}`);
      await isRefused(await new Browser().open(`${scene.origin}/login/oidc/${connectionId}/start`), 'DISCOVERY_FAILED');
    });
  });

  describe('keys', () => {
    let evil: MockIdp;
    let connectionId: string;
    const asked = async (more: Partial<Exchange> = {}): Promise<Response> => {
      const started = await scene.begin(connectionId);
      evil.exchange = () => ({ claims: scene.claimsFor(started, { iss: evil.issuer }), ...more });
      return await scene.callback(started);
    };

    beforeEach(async () => {
      evil = await MockIdp.start();
      connectionId = await scene.connect(evil.issuer);
    });
    afterEach(async () => {
      await evil.close();
    });

    it('refuses when they cannot be had, or are no key set', async () => {
      evil.keySet = [503, {}];
      await isRefused(await asked(), 'KEYS_UNAVAILABLE');
      evil.keySet = [200, { keys: 'none' }];
      await isRefused(await asked(), 'KEYS_UNAVAILABLE');
      evil.keySet = [200, { keys: Array.from({ length: 101 }, () => evil.keys.jwk) }];
      await isRefused(await asked(), 'KEYS_UNAVAILABLE');
    });

    it('refuses when several could be meant and none is named', async () => {
      const other = await newSigningKeys('k2');
      const { kid: _one, ...first } = evil.keys.jwk;
      const { kid: _two, ...second } = other.jwk;
      evil.published = [first, second];
      await isRefused(await asked({ header: { kid: undefined } }), 'KEY_UNKNOWN');
    });

    it('takes no key that is for encryption, and no symmetric one', async () => {
      evil.published = [
        { ...evil.keys.jwk, use: 'enc' },
        { kty: 'oct', k: 'c2VjcmV0', kid: 'k1' },
      ];
      await isRefused(await asked(), 'KEY_UNKNOWN');
    });

    it('accepts old and new keys side by side, and asks again at once for one it does not know', async () => {
      const next = await newSigningKeys('k2', 'ES256');
      await isRefused(await asked(), 'ACCOUNT_UNKNOWN');
      evil.published = [evil.keys.jwk, next.jwk];
      await isRefused(await asked({ sign: next }), 'ACCOUNT_UNKNOWN');
      await isRefused(await asked(), 'ACCOUNT_UNKNOWN');
      assert.equal(evil.keyRequests, 2);
    });

    it('lets made-up key ids cause no more than a few requests a minute', async () => {
      await isRefused(await asked(), 'ACCOUNT_UNKNOWN');
      for (let attempt = 0; attempt < 10; attempt += 1) {
        await isRefused(await asked({ sign: await newSigningKeys(`made-up-${attempt}`, 'ES256') }), 'KEY_UNKNOWN');
      }
      assert.equal(evil.keyRequests, 7);
      await isRefused(await asked(), 'ACCOUNT_UNKNOWN');
    });
  });

  describe('how recent and how strong a sign-in is', () => {
    afterEach(async () => {
      await scene.putFacet({});
    });

    it('asks for what the connection demands', async () => {
      await scene.putFacet({ maxAgeSeconds: 900, acrValues: ['phr', 'phrh'] });
      const { request } = await scene.begin();
      assert.deepEqual([request.get('max_age'), request.get('acr_values')], ['900', 'phr phrh']);
    });

    it('refuses an older sign-in, and one that does not say how old it is (OIDC Core §3.1.2.1)', async () => {
      await scene.putFacet({ maxAgeSeconds: 900 });
      await isRefused(await scene.answer(await scene.begin(), { auth_time: now() - 1000 }), 'LOGIN_TOO_OLD');
      await isRefused(await scene.answer(await scene.begin(), { auth_time: undefined }), 'AUTH_TIME_MISSING');
      assert.equal((await scene.answer(await scene.begin(), { auth_time: now() - 800 })).status, 303);
    });

    it('refuses a weaker sign-in than demanded', async () => {
      await scene.putFacet({ acrValues: ['phr'] });
      await isRefused(await scene.answer(await scene.begin(), { acr: 'pwd' }), 'ACR_INSUFFICIENT');
      await isRefused(await scene.answer(await scene.begin()), 'ACR_INSUFFICIENT');
      assert.equal((await scene.answer(await scene.begin(), { acr: 'phr' })).status, 303);
    });

    it('bears clocks that are a minute apart', async () => {
      assert.equal((await scene.answer(await scene.begin(), { iat: now() + 50, auth_time: now() + 50 })).status, 303);
      assert.equal((await scene.answer(await scene.begin(), { exp: now() - 50 })).status, 303);
    });
  });
});
