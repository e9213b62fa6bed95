import assert from 'node:assert/strict';

import type { OidcFacet } from '../../src/oidc/facet-store.ts';
import { createRelyingParty } from '../../src/oidc/relying-party.ts';
import { ManualTime } from '../support/manual-time.ts';

const ISSUER = 'https://idp.example';
const MINUTE_MS = 60_000;
const DOCUMENT = {
  issuer: ISSUER,
  authorization_endpoint: `${ISSUER}/authorize`,
  token_endpoint: `${ISSUER}/token`,
  jwks_uri: `${ISSUER}/jwks`,
};

describe('the discovery document of a provider', () => {
  let time: ManualTime;
  let asked: number;
  let answer: () => Promise<Response>;
  let start: () => Promise<string>;

  beforeEach(() => {
    time = new ManualTime();
    asked = 0;
    answer = () => Promise.resolve(Response.json(DOCUMENT));
    const relyingParty = createRelyingParty({
      fetch: async () => {
        asked += 1;
        return await answer();
      },
      allowPlainHttp: false,
      clock: { now: () => new Date(), monotonicMs: time.monotonicMs },
    });
    const facet = { issuer: ISSUER, clientId: 'c', scopes: ['openid'], acrValues: [] } as unknown as OidcFacet;
    const request = { state: 's', nonce: 'n', codeVerifier: 'v', redirectUri: 'https://us.example/callback' };
    start = async () =>
      await relyingParty.authorizationUrl(
        { facet, clientSecret: 'a secret' },
        { ...request, signInAnew: false, maxAgeSeconds: null },
      );
  });
  const away = () => Promise.reject(new Error('away'));
  const starts = async (count: number): Promise<unknown[]> =>
    await Promise.all(Array.from({ length: count }, async () => await start().catch((error: unknown) => error)));

  it('is asked for once by all who start a login at the same time, whether it is there or not', async () => {
    answer = away;
    for (const outcome of await starts(50)) assert.equal((outcome as { reason?: string }).reason, 'DISCOVERY_FAILED');
    assert.equal(asked, 1);
    answer = () => Promise.resolve(Response.json(DOCUMENT));
    for (const outcome of await starts(50)) assert.match(String(outcome), /^https:\/\/idp\.example\/authorize\?/);
    assert.equal(asked, 2);
  });

  it('is no error of ours, whatever it says about what nobody has to say', async () => {
    for (const token_endpoint_auth_methods_supported of [5, null, 'client_secret_basic', {}, [5]]) {
      answer = () => Promise.resolve(Response.json({ ...DOCUMENT, token_endpoint_auth_methods_supported }));
      time.advance(10 * MINUTE_MS);
      assert.match(await start(), /^https:\/\/idp\.example\/authorize\?/);
    }
  });

  it('goes on being used when a new one cannot be had, which is tried once a minute', async () => {
    await start();
    answer = away;
    time.advance(10 * MINUTE_MS);
    for (let login = 0; login < 5; login += 1) await start();
    assert.equal(asked, 2);
    time.advance(MINUTE_MS);
    for (let login = 0; login < 5; login += 1) await start();
    assert.equal(asked, 3);
    answer = () => Promise.resolve(Response.json({ ...DOCUMENT, authorization_endpoint: `${ISSUER}/moved` }));
    time.advance(MINUTE_MS);
    assert.match(await start(), /\/moved\?/);
  });
});
