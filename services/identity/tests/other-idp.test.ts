import assert from 'node:assert/strict';

import { sweepOutlivedSessions } from '../src/login/end-outlived-sessions.ts';
import { MockIdp } from './oidc/mock-idp.ts';
import { OidcScene } from './oidc/scene.ts';
import { SamlScene } from './saml/scene.ts';
import type { Browser } from './support/browser.ts';

describe('a connection that gets another identity provider', () => {
  describe('by SAML', () => {
    let scene: SamlScene;
    before(async () => {
      scene = await SamlScene.start();
      await scene.person('00u1', 'ada@example.com');
    });
    after(async () => {
      await scene.close();
    });

    const signIn = async (issuer: string): Promise<Browser> => {
      const started = await scene.begin();
      assert.equal((await scene.answer(started, { issuer })).status, 303);
      return started.browser;
    };
    const isSignedIn = async (browser: Browser): Promise<boolean> =>
      (await browser.open(`${scene.origin}/api/identity/v1/me`)).status === 200;
    const set = async (entityId: string, more: object = {}): Promise<void> => {
      await scene.putFacet(scene.connectionId, { entityId, ...more });
    };

    it('ends the sessions of the one before, and no others', async () => {
      const [one, other] = ['https://first.example/é', 'https://first.example/é2'];
      await set(one);
      const [before, also] = [await signIn(one), await signIn(one)];
      await set(one, { allowIdpInitiated: true });
      assert.deepEqual([await isSignedIn(before), await isSignedIn(also)], [true, true]);
      await set(other);
      assert.deepEqual([await isSignedIn(before), await isSignedIn(also)], [false, false]);
      const present = await signIn(other);
      await set(other, { signRequests: false });
      await sweepOutlivedSessions(scene.identity.context);
      assert.equal(await isSignedIn(present), true);
      const filter = { limit: 1, action: 'session.ended' };
      const [ended] = await scene.identity.context.audit.list(scene.organization.orgId, filter);
      assert.ok(ended);
      const { cause } = ended.entry['after'] as { readonly cause: string };
      assert.equal(cause, 'connection.identity-provider-changed');
    });

    it('ends them later where the process died in between', async () => {
      await set('https://second.example');
      const browser = await signIn('https://second.example');
      await scene.identity.admin(
        `UPDATE identity.saml_facet SET idp_entity_id = 'https://third.example', updated_at = clock_timestamp()`,
      );
      assert.equal(await isSignedIn(browser), true);
      await sweepOutlivedSessions(scene.identity.context);
      assert.equal(await isSignedIn(browser), false);
    });
  });

  it('by OpenID Connect ends the sessions of the one before', async () => {
    const [scene, other] = [await OidcScene.start(), await MockIdp.start()];
    const browser = await scene.signIn();
    await scene.putFacet({ maxAgeSeconds: 3_600 });
    assert.equal(await scene.isSignedIn(browser), true);
    await scene.putFacet({ issuer: other.issuer });
    assert.equal(await scene.isSignedIn(browser), false);
    await other.close();
    await scene.close();
  });
});
