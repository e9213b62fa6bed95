import assert from 'node:assert/strict';

import { Browser } from '../support/browser.ts';
import { OidcScene, type Started } from './scene.ts';

const MINUTE_S = 60;
const now = (): number => Math.floor(Date.now() / 1000);

describe('step-up and tests at an OpenID Provider', () => {
  let scene: OidcScene;

  before(async () => {
    scene = await OidcScene.start();
    await scene.person('grace');
    const settings = { stepUp: { actions: ['api-token:create'] } };
    assert.equal((await scene.api('PATCH', '/session-settings', settings)).status, 200);
  });
  after(async () => {
    await scene.close();
  });

  const goTo = async (browser: Browser, url: string | URL): Promise<Started> => {
    const answer = await browser.open(url);
    assert.equal(answer.status, 303, await answer.clone().text());
    const request = new URL(answer.headers.get('location') ?? '').searchParams;
    return { browser, connectionId: scene.connectionId, request };
  };
  const stepUp = async (browser: Browser): Promise<Started> =>
    await goTo(browser, `${scene.origin}/login/oidc/${scene.connectionId}/start?returnTo=/account&stepUp=1`);
  const due = async (browser: Browser): Promise<unknown> => {
    const answer = await browser.open(`${scene.origin}/api/identity/v1/me`);
    return ((await answer.json()) as Record<string, unknown>)['stepUpDue'];
  };
  const refusal = async (): Promise<unknown> => (await scene.last('login.refused'))['reason'];

  it('asks for a new sign-in (Core §3.1.2.1), and counts it', async () => {
    const browser = await scene.signIn({ auth_time: now() - 20 * MINUTE_S });
    assert.deepEqual(await due(browser), ['api-token:create']);
    const started = await stepUp(browser);
    assert.deepEqual([started.request.get('prompt'), started.request.get('max_age')], ['login', '0']);
    assert.equal((await scene.answer(started)).status, 303);
    assert.deepEqual(await due(browser), []);
  });

  it('takes the time a token was issued for no sign-in (Core §2, auth_time)', async () => {
    assert.deepEqual(await due(await scene.signIn({ auth_time: undefined })), ['api-token:create']);
  });

  it('refuses a provider that did not ask the person, and somebody else', async () => {
    const browser = await scene.signIn({ auth_time: now() - 20 * MINUTE_S });
    const stale = await scene.answer(await stepUp(browser), { auth_time: now() - 5 * MINUTE_S });
    assert.equal(stale.status, 403);
    assert.equal((await scene.answer(await stepUp(browser), { auth_time: undefined })).status, 403);
    assert.equal((await scene.answer(await stepUp(browser), { sub: 'grace' })).status, 403);
    assert.equal(await refusal(), 'STEP_UP_OTHER_ACCOUNT');
    assert.deepEqual(await due(browser), ['api-token:create']);
  });

  describe('a test', () => {
    const begin = async (): Promise<Started> => {
      const path = `/connections/${scene.connectionId}/login-tests`;
      const { status, body } = await scene.api('POST', path, { protocol: 'oidc' });
      assert.equal(status, 201, JSON.stringify(body));
      return await goTo(new Browser(), String(body['url']));
    };
    const newest = async (): Promise<Record<string, unknown>> => {
      const { body } = await scene.api('GET', `/connections/${scene.connectionId}/login-traces`);
      return (body['items'] as unknown as Record<string, unknown>[])[0] ?? {};
    };

    it('says whom it would sign in, and signs nobody in', async () => {
      const started = await begin();
      const answer = await scene.answer(started, { email: 'secret@example.com', acr: 'phr' });
      assert.equal(answer.status, 200);
      assert.match(await answer.text(), /The test passed/);
      assert.equal(await scene.isSignedIn(started.browser), false);
      const { passed, account, arrived } = await newest();
      assert.deepEqual([passed, (account as { userName: string }).userName], [true, 'ada@example.com']);
      assert.ok((arrived as { claims: string[] }).claims.includes('email'));
      assert.ok(!JSON.stringify(arrived).includes('secret@example.com'));
    });

    it('says what failed, also while the connection is disabled', async () => {
      const started = await begin();
      const path = `/connections/${scene.connectionId}`;
      assert.equal((await scene.api('PATCH', path, { enabled: false })).status, 200);
      assert.equal((await scene.answer(started, { aud: 'somebody-else' })).status, 200);
      const { passed, checks } = await newest();
      const failed = (checks as { name: string; result: string }[]).filter(({ result }) => result === 'failed');
      assert.equal(passed, false);
      assert.equal(failed.length, 1);
      assert.equal((await scene.answer(started)).status, 403);
      assert.equal((await scene.api('PATCH', path, { enabled: true })).status, 200);
    });
  });
});
