import assert from 'node:assert/strict';
import { inflateRawSync } from 'node:zlib';

import { Browser } from '../support/browser.ts';
import { SamlScene, type Started } from './scene.ts';

const SESSION = '__Host-sallyport_session';
const MINUTE_MS = 60_000;

describe('step-up at a SAML identity provider', () => {
  let scene: SamlScene;

  before(async () => {
    scene = await SamlScene.start();
    await scene.person('00u1', 'ada@example.com');
    await scene.person('00u2', 'grace@example.com');
    const settings = { stepUp: { actions: ['api-token:create'] } };
    assert.equal((await scene.api('PATCH', '/session-settings', settings)).status, 200);
  });
  after(async () => {
    await scene.close();
  });

  /** Signs Ada in, with an authentication at her identity provider that is as old as this. */
  const signedIn = async (ageMs: number): Promise<Browser> => {
    const started = await scene.begin();
    assert.equal((await scene.answer(started, { authnInstant: Date.now() - ageMs })).status, 303);
    return started.browser;
  };

  const newToken = async (browser: Browser): Promise<number> => {
    const body = JSON.stringify({ name: 'ci', expiresAt: new Date(Date.now() + MINUTE_MS).toISOString() });
    const headers = { 'content-type': 'application/json', origin: scene.origin };
    return (await browser.open(`${scene.origin}/api/identity/v1/api-tokens`, { method: 'POST', headers, body })).status;
  };

  const follow = async (browser: Browser, path: string): Promise<Started & { readonly request: string }> => {
    const answer = await browser.open(scene.origin + path);
    const location = new URL(answer.headers.get('location') ?? '');
    const request = inflateRawSync(Buffer.from(location.searchParams.get('SAMLRequest') ?? '', 'base64')).toString();
    const requestId = / ID="([^"]+)"/.exec(request)?.[1] ?? '';
    const relayState = location.searchParams.get('RelayState') ?? '';
    return { browser, connectionId: scene.connectionId, requestId, relayState, request };
  };

  /** Goes where the page of a refused action leads. */
  const stepUp = async (browser: Browser) => {
    const page = await (await browser.open(`${scene.origin}/login/step-up?returnTo=/account`)).text();
    const [, href = ''] = /<a class="button" href="([^"]+)"/.exec(page) ?? [];
    return await follow(browser, href.replaceAll('&amp;', '&'));
  };

  it('counts an old sign-in at the identity provider as old, however new our session is', async () => {
    assert.equal(await newToken(await signedIn(20 * MINUTE_MS)), 403);
    assert.equal(await newToken(await signedIn(0)), 201);
  });

  it('asks the identity provider for a new sign-in, and gives the session a new identifier', async () => {
    const browser = await signedIn(20 * MINUTE_MS);
    const before = browser.cookie(scene.origin, SESSION);
    const started = await stepUp(browser);
    assert.match(started.request, /ForceAuthn="true"/);
    assert.equal((await scene.answer(started)).headers.get('location'), '/account');
    assert.notEqual(browser.cookie(scene.origin, SESSION), before);
    assert.equal(await newToken(browser), 201);
    const thief = new Browser();
    thief.setCookie(scene.origin, SESSION, before ?? '');
    assert.equal((await thief.open(`${scene.origin}/api/identity/v1/me`)).status, 401);
  });

  it('does not ask for one at an ordinary sign-in', async () => {
    const started = await follow(new Browser(), `/saml/${scene.connectionId}/login`);
    assert.doesNotMatch(started.request, /ForceAuthn="true"/);
  });

  it('refuses an identity provider that did not ask the person', async () => {
    const browser = await signedIn(20 * MINUTE_MS);
    const answer = await scene.answer(await stepUp(browser), { authnInstant: Date.now() - 5 * MINUTE_MS });
    assert.equal(answer.status, 403);
    assert.equal(await scene.refusalOf(answer), 'STEP_UP_NOT_FRESH');
    assert.equal(await newToken(browser), 403);
  });

  it('refuses somebody else, and leaves the session as it was', async () => {
    const browser = await signedIn(20 * MINUTE_MS);
    const answer = await scene.answer(await stepUp(browser), { nameId: '00u2' });
    assert.equal(answer.status, 403);
    assert.equal(await scene.refusalOf(answer), 'STEP_UP_OTHER_ACCOUNT');
    assert.deepEqual((await scene.me(browser))['stepUpDue'], ['api-token:create']);
  });

  it('is an ordinary sign-in for who has no session of this connection', async () => {
    const started = await follow(new Browser(), `/saml/${scene.connectionId}/login?stepUp=1`);
    assert.doesNotMatch(started.request, /ForceAuthn="true"/);
  });

  it('counts as more than one factor only what the connection says', async () => {
    const isMultiFactor = async (): Promise<boolean> => {
      const browser = await signedIn(0);
      const answer = await browser.open(`${scene.origin}/api/identity/v1/sessions`);
      const { items } = (await answer.json()) as { items: { current: boolean; multiFactor: boolean }[] };
      return items.find(({ current }) => current)?.multiFactor ?? false;
    };
    assert.equal(await isMultiFactor(), false);
    const acr = 'urn:oasis:names:tc:SAML:2.0:ac:classes:PasswordProtectedTransport';
    await scene.putFacet(scene.connectionId, { accountRule: { multiFactor: [acr] } });
    assert.equal(await isMultiFactor(), true);
  });
});
