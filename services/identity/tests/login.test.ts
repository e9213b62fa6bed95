import assert from 'node:assert/strict';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { Browser } from './support/browser.ts';
import {
  newOrganization,
  OWNER_PASSWORD,
  startAtOrigin,
  startIdentity,
  type TestIdentity,
  type TestOrganization,
} from './support/identity.ts';

describe('signing in and out', () => {
  let identity: TestIdentity;
  let organization: TestOrganization;
  let origin: string;
  let slug: string;

  before(async () => {
    ({ identity, origin } = await startAtOrigin());
    organization = await newOrganization(identity);
    slug = (await identity.admin<{ slug: string }>('SELECT slug FROM identity.organization'))[0]?.slug ?? '';
  });
  after(async () => {
    await identity.close();
  });

  const login = async (browser: Browser, body: object): Promise<Response> =>
    await browser.open(`${origin}/api/identity/v1/login`, {
      method: 'POST',
      headers: { 'content-type': 'application/json', origin },
      body: JSON.stringify(body),
    });
  const owner = { email: 'owner@example.com', password: OWNER_PASSWORD };
  const signedIn = async (): Promise<Browser> => {
    const browser = new Browser();
    assert.equal((await login(browser, owner)).status, 200);
    return browser;
  };
  const me = async (browser: Browser): Promise<number> => (await browser.open(`${origin}/api/identity/v1/me`)).status;

  it('signs the local Owner in over the API, with a cookie no script and no other site can use', async () => {
    const browser = new Browser();
    const answer = await login(browser, { ...owner, organization: slug });
    assert.equal(answer.status, 200);
    const [cookie = ''] = answer.headers.getSetCookie();
    assert.match(cookie, /^__Host-sallyport_session=sp_ses_\w+; Path=\/; Secure; HttpOnly; SameSite=Lax$/);
    const who = (await (await browser.open(`${origin}/api/identity/v1/me`)).json()) as Record<string, unknown>;
    assert.equal(who['subjectId'], organization.ownerId);
    assert.equal(who['credentialType'], 'session');
    assert.equal(who['orgSlug'], slug);
  });

  it('keeps no session token, only its hash', async () => {
    const token = (await signedIn()).cookie(origin, '__Host-sallyport_session') ?? '';
    const rows = await identity.admin('SELECT * FROM identity.browser_session');
    assert.ok(!JSON.stringify(rows).includes(token));
  });

  it('answers wrong password, unknown name and other organisation alike (ASVS 6.3.8)', async () => {
    const attempts = [
      { ...owner, password: 'wrong password!' },
      { ...owner, email: 'nobody@example.com' },
      { ...owner, organization: 'other-org' },
    ];
    const answers = [];
    for (const attempt of attempts) {
      const answer = await login(new Browser(), attempt);
      const { instance: _instance, ...body } = (await answer.json()) as Record<string, unknown>;
      answers.push([answer.status, body]);
    }
    assert.equal(answers[0]?.[0], 403);
    assert.deepEqual(answers[1], answers[0]);
    assert.deepEqual(answers[2], answers[0]);
  });

  it('throttles guesses against one name from one address, all that come at once counted', async () => {
    const guesses = Array.from({ length: 14 }, () =>
      login(new Browser(), { email: 'guessed@example.com', password: 'x' }),
    );
    const statuses = (await Promise.all(guesses)).map(({ status }) => status);
    assert.equal(statuses.filter((status) => status === 429).length, 4);
    assert.equal((await login(new Browser(), owner)).status, 200);
  });

  it('records logins and refusals, with the reason', async () => {
    await login(new Browser(), { ...owner, password: 'wrong password!' });
    const entriesOf = async (action: string) =>
      (await identity.context.audit.list(organization.orgId, { limit: 100, action })).map(({ entry }) => entry);
    assert.ok((await entriesOf('session.created')).length > 0);
    const refusal = (await entriesOf('login.refused')).at(-1) ?? {};
    assert.deepEqual([refusal['outcome'], refusal['reason']], ['denied', 'PASSWORD_WRONG']);
  });

  it('gives a new session identifier at every login and ends the old one (ASVS 7.2.4)', async () => {
    const browser = await signedIn();
    const before = browser.cookie(origin, '__Host-sallyport_session') ?? '';
    await login(browser, owner);
    assert.notEqual(browser.cookie(origin, '__Host-sallyport_session'), before);
    const old = new Browser();
    old.setCookie(origin, '__Host-sallyport_session', before);
    assert.equal(await me(old), 401);
    assert.equal(await me(browser), 200);
  });

  it('signs out: the session is dead, the cookie gone, the account page says so', async () => {
    const browser = await signedIn();
    const token = browser.cookie(origin, '__Host-sallyport_session') ?? '';
    assert.match(await (await browser.open(`${origin}/account`)).text(), /Signed in as/);
    const answer = await browser.post(`${origin}/logout`, {});
    assert.equal(answer.status, 303);
    assert.equal(browser.cookie(origin, '__Host-sallyport_session'), undefined);
    const replay = new Browser();
    replay.setCookie(origin, '__Host-sallyport_session', token);
    assert.equal(await me(replay), 401);
    assert.match(await (await replay.open(`${origin}/account`)).text(), /You are signed out/);
  });

  it('refuses to sign out, or in, from a page of another origin', async () => {
    const browser = await signedIn();
    assert.equal((await browser.post(`${origin}/logout`, {}, 'https://evil.example')).status, 403);
    assert.equal(await me(browser), 200);
    assert.equal((await new Browser().post(`${origin}/login/password`, owner, 'https://evil.example')).status, 403);
  });

  it("lists my sessions and ends one of them; another person's is not found", async () => {
    const [browser, other] = [await signedIn(), await signedIn()];
    const list = (await (await browser.open(`${origin}/api/identity/v1/sessions`)).json()) as {
      items: { id: string; current: boolean }[];
    };
    const otherId = list.items.find(({ current }) => !current)?.id ?? '';
    const end = async (id: string) =>
      (await browser.open(`${origin}/api/identity/v1/sessions/${id}`, { method: 'DELETE', headers: { origin } }))
        .status;
    assert.equal(await end(otherId), 204);
    assert.equal(await end(otherId), 404);
    assert.equal(await me(browser), 200);
    void other;
  });

  it('ends all my other sessions at once, and nobody else’s (ASVS 7.5.2)', async () => {
    const [browser, other, third] = [await signedIn(), await signedIn(), await signedIn()];
    const stranger = await newOrganization(identity);
    const rows = await identity.admin<{ slug: string }>('SELECT slug FROM identity.organization WHERE org_id = $1', [
      stranger.orgId,
    ]);
    const theirs = new Browser();
    assert.equal((await login(theirs, { ...owner, organization: rows[0]?.slug ?? '' })).status, 200);
    // One name in two organisations would need the organisation from here on.
    await identity.admin(`UPDATE identity.account SET user_name_key = 'theirs' WHERE org_id = $1`, [stranger.orgId]);
    const end = async (): Promise<number> =>
      (await browser.open(`${origin}/api/identity/v1/sessions`, { method: 'DELETE', headers: { origin } })).status;
    assert.equal(await end(), 204);
    assert.deepEqual([await me(browser), await me(other), await me(third), await me(theirs)], [200, 401, 401, 200]);
    assert.equal(await end(), 204);
    assert.equal(await me(browser), 200);
  });

  it('signs in through the page; where it leads is a path of ours, whatever the address says', async () => {
    const browser = new Browser();
    const page = await (await browser.open(`${origin}/login?returnTo=${encodeURIComponent('//evil.example/')}`)).text();
    assert.match(page, /name="returnTo" value="\/account"/);
    assert.deepEqual(page.match(/<script.*/g), ['<script src="/login/passkeys.js" defer></script>']);
    assert.doesNotMatch(page, / on\w+=/);
    const evil = [
      'https://evil.example',
      '//evil.example',
      '/\\evil.example',
      '/.//evil.example',
      '/a/..//evil.example',
      '/\t/evil.example',
      'javascript:alert(1)',
      '/%0d%0aX:1',
    ];
    for (const returnTo of evil) {
      const answer = await new Browser().post(`${origin}/login/password`, { ...owner, returnTo });
      const location = new URL(answer.headers.get('location') ?? '', origin);
      assert.equal(location.origin, origin, returnTo);
    }
    const answer = await browser.post(`${origin}/login/password`, { ...owner, returnTo: '/account?x=1' });
    assert.deepEqual([answer.status, answer.headers.get('location')], [303, '/account?x=1']);
  });

  it('serves pages without inline scripts, framed by nobody, and not cached', async () => {
    for (const path of ['/login', '/account']) {
      const { headers } = await new Browser().open(origin + path);
      const policy = headers.get('content-security-policy') ?? '';
      assert.match(policy, /script-src 'self'/);
      assert.match(policy, /frame-ancestors 'none'/);
      assert.doesNotMatch(policy, /unsafe/);
      assert.equal(headers.get('cache-control'), 'no-store');
    }
  });

  it('serves the style sheet of the pages, with the theme of the deployment after it', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'theme-'));
    const themeFile = join(folder, 'theme.css');
    await writeFile(themeFile, ':root { --accent: #7a0019 }');
    const other = await startIdentity({ config: { themeFile } });
    try {
      const answer = await fetch(`http://127.0.0.1:${String(other.server.httpPort)}/login/style.css`);
      assert.match(answer.headers.get('content-type') ?? '', /^text\/css/);
      assert.match(await answer.text(), /--accent: #0b3d91[\s\S]+--accent: #7a0019 }\s*$/);
      await writeFile(themeFile, '@import "https://evil.example/x.css";');
      await assert.rejects(startIdentity({ config: { themeFile } }), { code: 'INVALID_VALUE' });
    } finally {
      await other.close();
      await rm(folder, { recursive: true });
    }
  });

  it('ends by itself after an hour without use, and after a day', async () => {
    const token = (await signedIn()).cookie(origin, '__Host-sallyport_session') ?? '';
    const alive = async (change: string): Promise<number> => {
      await identity.admin(`UPDATE identity.browser_session SET ${change} WHERE ended_at IS NULL`);
      const browser = new Browser();
      browser.setCookie(origin, '__Host-sallyport_session', token);
      return await me(browser);
    };
    assert.equal(await alive(`last_used_at = now() - interval '59 minutes'`), 200);
    assert.equal(await alive(`last_used_at = now() - interval '61 minutes'`), 401);
    assert.equal(await alive(`last_used_at = now(), expires_at = now() - interval '1 second'`), 401);
  });

  it('takes nobody for a cookie that is there twice', async () => {
    const token = (await signedIn()).cookie(origin, '__Host-sallyport_session') ?? '';
    const cookie = `__Host-sallyport_session=${token}; __Host-sallyport_session=${token}`;
    assert.equal((await fetch(`${origin}/api/identity/v1/me`, { headers: { cookie } })).status, 401);
  });
});
