import assert from 'node:assert/strict';

import { Authenticator } from '@sallyport/dev-env/actors';

import { Browser } from '../support/browser.ts';
import { OWNER_PASSWORD } from '../support/identity.ts';
import { OWNER_EMAIL, Scene } from './scene.ts';

const MINUTE_MS = 60_000;

describe('a sign-in between its two factors', () => {
  let scene: Scene;

  before(async () => {
    scene = await Scene.open();
  });
  beforeEach(() => scene.reset());
  after(() => scene.close());

  /** Sends the password on the page; the id of what it leads to. */
  const begin = async (browser: Browser, returnTo = '/account'): Promise<{ half: string; path: string }> => {
    const answer = await scene.form(browser, '/login/password', {
      email: OWNER_EMAIL,
      password: OWNER_PASSWORD,
      returnTo,
    });
    assert.equal(answer.status, 303, await answer.text());
    const url = new URL(answer.headers.get('location') ?? '', scene.origin);
    return { half: url.searchParams.get('half') ?? '', path: url.pathname };
  };
  const enrolled = async () => await scene.enrolTotp(await scene.signedIn());
  const open = async (browser: Browser, path: string): Promise<Response> =>
    await browser.open(`${scene.origin}${path}`);
  const finish = async (browser: Browser, half: string, code: string): Promise<number> =>
    (await scene.form(browser, '/login/second-factor', { half, code })).status;

  it('asks for the second factor on a page of its own, and goes on where the sign-in was for', async () => {
    const { secret } = await enrolled();
    const browser = new Browser();
    const { half, path } = await begin(browser, '/account/security');
    assert.equal(path, '/login/second-factor');
    assert.equal(await scene.me(browser), null);
    const page = await (await open(browser, `${path}?half=${half}`)).text();
    assert.match(page, /<label for="code">Code<\/label>/);
    assert.match(page, /aria-describedby="code-hint"/);
    assert.match(page, /autocomplete="one-time-code"/);
    const answer = await scene.form(browser, path, { half, code: scene.nextCode(secret) });
    assert.deepEqual([answer.status, answer.headers.get('location')], [303, '/account/security']);
    assert.deepEqual((await scene.me(browser))?.['amr'], ['pwd', 'otp', 'mfa']);
  });

  it('is never a credential: neither its id nor its cookie open anything', async () => {
    await enrolled();
    const browser = new Browser();
    const { half } = await begin(browser);
    const secret = browser.cookie(scene.origin, '__Host-sallyport_login') ?? '';
    for (const token of [half, secret])
      for (const headers of [{ authorization: `Bearer ${token}` }, { cookie: `__Host-sallyport_session=${token}` }]) {
        const answer = await fetch(`${scene.origin}/api/identity/v1/me`, {
          headers: headers as Record<string, string>,
        });
        assert.equal(answer.status, 401);
      }
  });

  it('belongs to the browser that typed the password', async () => {
    const { secret } = await enrolled();
    const browser = new Browser();
    const { half } = await begin(browser);
    const thief = new Browser();
    assert.equal((await open(thief, `/login/second-factor?half=${half}`)).status, 403);
    await scene.api(thief, 'POST', '/login/passkey/options', {});
    const code = scene.nextCode(secret);
    assert.equal(await finish(thief, half, code), 403);
    assert.equal(await scene.me(thief), null);
    assert.equal(await finish(browser, half, code), 303, 'and the thief has not used the code up');
  });

  it('ends after ten minutes', async () => {
    const { secret } = await enrolled();
    const browser = new Browser();
    const { half } = await begin(browser);
    scene.clock.advance(10 * MINUTE_MS);
    assert.equal(await finish(browser, half, scene.nextCode(secret)), 403);
    assert.equal(await scene.me(browser), null);
  });

  it('ends with the epoch of its account', async () => {
    const { secret } = await enrolled();
    const browser = new Browser();
    const { half } = await begin(browser);
    await scene.identity.admin('UPDATE identity.account SET epoch = epoch + 1');
    assert.equal(await finish(browser, half, scene.nextCode(secret)), 403);
  });

  it('ends with a change of the password it began with', async () => {
    const { secret } = await enrolled();
    const browser = new Browser();
    const { half } = await begin(browser);
    const owner = await scene.signedIn({ code: scene.nextCode(secret) });
    const next = 'vogelnest umbrella tractor';
    await scene.expect(204, owner, 'PUT', '/password', { current: OWNER_PASSWORD, password: next });
    assert.equal(await finish(browser, half, scene.nextCode(secret)), 403);
    await scene.expect(204, owner, 'PUT', '/password', { current: next, password: OWNER_PASSWORD });
  });

  it('is finished once, however many right factors come at once', async () => {
    const { recoveryCodes } = await enrolled();
    const browser = new Browser();
    const { half } = await begin(browser);
    const codes = (recoveryCodes ?? []).slice(0, 4);
    const statuses = await Promise.all(codes.map((code) => finish(browser, half, code)));
    assert.equal(statuses.filter((status) => status === 303).length, 1);
    assert.equal((await scene.entries('session.created')).length, 2, 'the one that enrolled, and this one');
  });

  it('survives a wrong code, says so beside the field, and counts it', async () => {
    const { secret } = await enrolled();
    const browser = new Browser();
    const { half } = await begin(browser);
    const answer = await scene.form(browser, '/login/second-factor', { half, code: '000000' });
    assert.equal(answer.status, 403);
    const page = await answer.text();
    assert.match(page, /aria-describedby="code-hint code-problem"/);
    assert.match(page, /id="code-problem" class="problem" role="alert"/);
    assert.equal(await finish(browser, half, scene.nextCode(secret)), 303);
    assert.equal((await scene.entries('factor.refused')).length, 1);
  });

  it('takes a passkey of the account, bound to this sign-in, and no other', async () => {
    const owner = await scene.signedIn();
    const { authenticator } = await scene.enrolPasskey(owner);
    const browser = new Browser();
    const { half } = await begin(browser);
    const page = await (await open(browser, `/login/second-factor?half=${half}`)).text();
    assert.match(page, /data-passkey="get"/);
    const options = await scene.expect(200, browser, 'POST', '/login/second-factor/passkey/options', { half });
    const { allowCredentials } = (options as { publicKey: { allowCredentials: { id: string }[] } }).publicKey;
    assert.equal(allowCredentials[0]?.id, authenticator.credentialId.toString('base64url'));
    // A challenge of another sign-in of the same browser does not do.
    const { half: other } = await begin(browser);
    const stray = { half: other, response: authenticator.get(options as never) };
    await scene.expect(403, browser, 'POST', '/login/second-factor/passkey', stray);
    const again = await scene.expect(200, browser, 'POST', '/login/second-factor/passkey/options', { half });
    const shown = { half, response: authenticator.get(again as never) };
    await scene.expect(200, browser, 'POST', '/login/second-factor/passkey', shown);
    assert.deepEqual((await scene.me(browser))?.['amr'], ['pwd', 'hwk', 'user', 'mfa']);
  });

  it('takes the passkey of nobody else, however right it is', async () => {
    const { authenticator } = await scene.enrolPasskey(await scene.signedIn());
    const thief = await scene.newLocalAccount('thief@example.com');
    const stolen = new Authenticator(scene.origin);
    await scene.enrolPasskey(await scene.signedIn({ email: thief.email }), stolen);
    const browser = new Browser();
    const { half } = await begin(browser); // With the Owner's password; the passkey is the thief's own.
    const path = '/login/second-factor/passkey';
    const options = await scene.expect(200, browser, 'POST', `${path}/options`, { half });
    await scene.expect(403, browser, 'POST', path, { half, response: stolen.get(options as never) });
    assert.equal(await scene.me(browser), null);
    const again = await scene.expect(200, browser, 'POST', `${path}/options`, { half });
    await scene.expect(200, browser, 'POST', path, { half, response: authenticator.get(again as never) });
  });

  it('replaces the session the browser had (ASVS 7.2.4)', async () => {
    const { secret } = await enrolled();
    const browser = await scene.signedIn({ code: scene.nextCode(secret) });
    const before = browser.cookie(scene.origin, '__Host-sallyport_session');
    const { half } = await begin(browser);
    assert.equal(await finish(browser, half, scene.nextCode(secret)), 303);
    const old = new Browser();
    old.setCookie(scene.origin, '__Host-sallyport_session', before ?? '');
    assert.equal(await scene.me(old), null);
  });

  describe('where the organisation demands a second factor and there is none', () => {
    beforeEach(() => scene.setRules({ secondFactorRequired: true }));

    it('leads to setting one up, with which the sign-in ends', async () => {
      const browser = new Browser();
      const { half, path } = await begin(browser);
      assert.equal(path, '/login/enrol');
      assert.match(await (await open(browser, `${path}?half=${half}`)).text(), /Set up an app/);
      const page = await (await scene.form(browser, '/login/enrol/totp', { half })).text();
      assert.match(page, /<svg [^>]*role="img" aria-label="QR code for an authenticator app"/);
      const secret = /Key: <code>([A-Z2-7 ]+)<\/code>/.exec(page)?.[1]?.replaceAll(' ', '') ?? '';
      assert.equal(secret.length, 32);
      const wrong = await scene.form(browser, '/login/enrol/totp/confirm', { half, code: '000000' });
      assert.equal(wrong.status, 400);
      assert.equal(await scene.me(browser), null);
      const done = await scene.form(browser, '/login/enrol/totp/confirm', { half, code: scene.code(secret) });
      assert.equal(done.status, 200);
      assert.equal((await done.text()).match(/<li>[0-9A-Z-]{19}<\/li>/g)?.length, 10);
      assert.deepEqual((await scene.me(browser))?.['amr'], ['pwd', 'otp', 'mfa']);
    });

    it('may be a passkey', async () => {
      const browser = new Browser();
      const { half } = await begin(browser);
      const options = await scene.expect(200, browser, 'POST', '/login/enrol/passkey/options', { half });
      const response = new Authenticator(scene.origin).create(options as never);
      const done = await scene.expect(200, browser, 'POST', '/login/enrol/passkey', { half, response, name: 'Key' });
      assert.equal((done['recoveryCodes'] as string[]).length, 10);
      assert.deepEqual((await scene.me(browser))?.['amr'], ['pwd', 'hwk', 'user', 'mfa']);
    });

    it('is nothing the API can get around', async () => {
      const answer = await scene.login(new Browser());
      assert.deepEqual([answer.status, answer.body['code']], [403, 'SECOND_FACTOR_REQUIRED']);
    });

    it('adds no second factor beside one that is there: a password alone must not', async () => {
      const browser = new Browser();
      const { half } = await begin(browser);
      await scene.setRules({ secondFactorRequired: false });
      const { secret } = await scene.enrolTotp(await scene.signedIn());
      await scene.setRules({ secondFactorRequired: true });
      assert.equal((await scene.form(browser, '/login/enrol/totp', { half })).status, 403);
      const options = await scene.expect(200, browser, 'POST', '/login/enrol/passkey/options', { half });
      const response = new Authenticator(scene.origin).create(options as never);
      await scene.expect(403, browser, 'POST', '/login/enrol/passkey', { half, response });
      assert.equal(
        (await scene.expect(200, await scene.signedIn({ code: scene.nextCode(secret) }), 'GET', '/factors'))[
          'recoveryCodesLeft'
        ],
        10,
      );
    });
  });
});
