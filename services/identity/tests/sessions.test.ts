import assert from 'node:assert/strict';

import { touchSession } from '../src/sessions/store.ts';
import { Browser } from './support/browser.ts';
import { apiClient, type Client } from './support/http.ts';
import {
  newOrganization,
  OWNER_PASSWORD,
  startAtOrigin,
  type TestIdentity,
  type TestOrganization,
} from './support/identity.ts';

const SETTINGS = '/session-settings';
const DEFAULTS = {
  idleMinutes: 60,
  absoluteMinutes: 1440,
  stepUp: { actions: [], minutes: 15, multiFactor: false, tokensAllowed: false },
};

describe('sessions', () => {
  let identity: TestIdentity;
  let organization: TestOrganization;
  let api: Client;
  let origin: string;

  beforeEach(async () => {
    ({ identity, origin } = await startAtOrigin());
    organization = await newOrganization(identity);
    api = apiClient(identity, organization);
  });
  afterEach(async () => {
    await identity.close();
  });

  const signIn = async (browser = new Browser(), agent = 'Mozilla/5.0 (X11; Linux x86_64) Firefox/140.0') => {
    const answer = await browser.open(`${origin}/api/identity/v1/login`, {
      method: 'POST',
      headers: { 'content-type': 'application/json', origin, 'user-agent': agent },
      body: JSON.stringify({ email: 'owner@example.com', password: OWNER_PASSWORD }),
    });
    const body = (await answer.json()) as Record<string, string>;
    assert.equal(answer.status, 200, JSON.stringify(body));
    return { browser, id: body['sessionId'] ?? '', expiresAt: Date.parse(body['expiresAt'] ?? '') };
  };
  const ask = async (browser: Browser, path: string, init: RequestInit = {}) => {
    const headers = { 'content-type': 'application/json', origin };
    const answer = await browser.open(`${origin}/api/identity/v1${path}`, { headers, ...init });
    const text = await answer.text();
    return { status: answer.status, body: (text === '' ? {} : JSON.parse(text)) as Record<string, unknown> };
  };
  const me = async (browser: Browser): Promise<number> => (await ask(browser, '/me')).status;
  const set = async (body: object) => await api('PATCH', SETTINGS, body);
  const lastUsed = async (id: string, sql: string): Promise<void> => {
    await identity.admin(`UPDATE identity.browser_session SET last_used_at = ${sql} WHERE id = $1`, [id]);
  };
  const row = async (id: string) => {
    const [found] = await identity.admin<{ last_used_at: Date; ended_at: Date | null; end_cause: string | null }>(
      'SELECT last_used_at, ended_at, end_cause FROM identity.browser_session WHERE id = $1',
      [id],
    );
    assert.ok(found);
    return found;
  };

  describe('their limits', () => {
    it('are an hour and a day until the organisation shortens them; changes are audited', async () => {
      assert.deepEqual((await api('GET', SETTINGS)).body, DEFAULTS);
      const changed = await set({ idleMinutes: 15, stepUp: { actions: ['key:manage', 'grant:manage', 'key:manage'] } });
      assert.equal(changed.status, 200, JSON.stringify(changed.body));
      const stepUp = { ...DEFAULTS.stepUp, actions: ['grant:manage', 'key:manage'] };
      assert.deepEqual(changed.body, { ...DEFAULTS, idleMinutes: 15, stepUp });
      assert.deepEqual((await api('GET', SETTINGS)).body, changed.body);
      const filter = { limit: 5, action: 'organization.session-settings-changed' };
      const entries = await identity.context.audit.list(organization.orgId, filter);
      assert.equal(entries.length, 1);
      assert.equal((await set({ idleMinutes: 15 })).status, 200);
      assert.equal((await identity.context.audit.list(organization.orgId, filter)).length, 1);
    });

    for (const body of [
      { idleMinutes: 61 },
      { idleMinutes: 4 },
      { absoluteMinutes: 1441 },
      { absoluteMinutes: 14 },
      { idleMinutes: 30, absoluteMinutes: 20 },
      { stepUp: { minutes: 16 } },
      { stepUp: { minutes: 0 } },
      { stepUp: { actions: ['grant:mange'] } },
      { idleMinutes: 10.5 },
      { idle: 10 },
    ])
      it(`refuses ${JSON.stringify(body)}`, async () => {
        assert.equal((await set(body)).status, 400);
        assert.deepEqual((await api('GET', SETTINGS)).body, DEFAULTS);
      });

    it('need the right to manage connections', async () => {
      identity.denied.add('connection:manage');
      assert.equal((await set({ idleMinutes: 15 })).status, 403);
      assert.equal((await api('GET', SETTINGS)).status, 200);
      identity.denied.add('organization:read');
      assert.equal((await api('GET', SETTINGS)).status, 403);
    });

    it('are those of one organisation only', async () => {
      const other = apiClient(identity, await newOrganization(identity));
      await set({ idleMinutes: 15 });
      assert.deepEqual((await other('GET', SETTINGS)).body, DEFAULTS);
    });

    it('idle: unused for so long, a session is none (NIST SP 800-63B-4 §2.2.3)', async () => {
      await set({ idleMinutes: 15 });
      const { browser, id } = await signIn();
      await lastUsed(id, `clock_timestamp() - interval '14 minutes'`);
      assert.equal(await me(browser), 200);
      await lastUsed(id, `clock_timestamp() - interval '15 minutes'`);
      assert.equal(await me(browser), 401);
    });

    it('absolute: shortened, it cuts the sessions that are open', async () => {
      const { browser, id, expiresAt } = await signIn();
      assert.ok(Math.abs(expiresAt - Date.now() - 24 * 3_600_000) < 60_000);
      await identity.admin(
        `UPDATE identity.browser_session SET created_at = created_at - interval '20 minutes' WHERE id = $1`,
        [id],
      );
      assert.equal(await me(browser), 200);
      assert.equal((await set({ idleMinutes: 15, absoluteMinutes: 15 })).status, 200);
      assert.equal(await me(browser), 401);
      const next = await signIn();
      assert.ok(next.expiresAt <= Date.now() + 15 * 60_000);
    });

    it('lengthened, they revive nobody', async () => {
      await set({ idleMinutes: 5 });
      const { browser, id } = await signIn();
      await lastUsed(id, `clock_timestamp() - interval '6 minutes'`);
      assert.equal((await set({ idleMinutes: 60 })).status, 200);
      assert.equal(await me(browser), 401);
      assert.equal((await row(id)).end_cause, 'session.idle');
    });
  });

  describe('their last use', () => {
    it('is written not more than once a minute', async () => {
      const { browser, id } = await signIn();
      await lastUsed(id, `clock_timestamp() - interval '59 seconds'`);
      const first = (await row(id)).last_used_at;
      await me(browser);
      assert.deepEqual((await row(id)).last_used_at, first);
      await lastUsed(id, `clock_timestamp() - interval '61 seconds'`);
      await me(browser);
      assert.ok((await row(id)).last_used_at > first);
    });

    it('noted late, never revives a session that has become idle, expired or been ended', async () => {
      const { browser, id } = await signIn();
      const { orgId } = organization;
      const at = new Date();
      const touch = async (): Promise<void> => {
        await identity.context.db.unauditedWrite(orgId, 'test', async (tx) => {
          await touchSession(tx, { orgId, id, at, staleMs: 60_000 });
        });
      };
      await lastUsed(id, `clock_timestamp() - interval '60 minutes'`);
      const idle = await row(id);
      await touch();
      assert.deepEqual(await row(id), idle);
      assert.equal(await me(browser), 401);
      await lastUsed(id, `clock_timestamp() - interval '2 minutes'`);
      await identity.admin('UPDATE identity.browser_session SET ended_at = clock_timestamp() WHERE id = $1', [id]);
      const ended = await row(id);
      await touch();
      assert.deepEqual(await row(id), ended);
    });
  });

  it('are listed by page, newest first, with device, address and the current one marked', async () => {
    const opened: Awaited<ReturnType<typeof signIn>>[] = [];
    for (let count = 0; count < 5; count += 1) opened.push(await signIn());
    const newest = opened.at(-1);
    assert.ok(newest !== undefined);
    const seen: Record<string, unknown>[] = [];
    let cursor = '';
    do {
      const { body } = await ask(newest.browser, `/sessions?limit=2${cursor}`);
      const items = body['items'] as Record<string, unknown>[];
      assert.ok(items.length <= 2);
      seen.push(...items);
      const next = body['nextCursor'] as string | null;
      cursor = next === null ? '' : `&cursor=${next}`;
    } while (cursor !== '');
    assert.deepEqual(
      seen.map((session) => session['id']),
      opened.map(({ id }) => id).reverse(),
    );
    assert.deepEqual(
      seen.map((session) => session['current']),
      [true, false, false, false, false],
    );
    const [first] = seen;
    assert.equal(first?.['device'], 'Firefox on Linux');
    assert.match(String(first['ip']), /^(127\.0\.0\.1|::1)$/);
    assert.ok(Date.parse(String(first['lastUsedAt'])) > 0);
    const theirs = await api('GET', `/accounts/${organization.ownerId}/sessions?limit=3`);
    assert.equal((theirs.body['items'] as unknown as unknown[]).length, 3);
    assert.notEqual(theirs.body['nextCursor'], null);
    await lastUsed(opened[0]?.id ?? '', `clock_timestamp() - interval '61 minutes'`);
    const left = (await ask(newest.browser, '/sessions')).body['items'] as unknown[];
    assert.equal(left.length, 4);
  });

  it('get a new identifier at every sign-in, and the old one is dead (ASVS 7.2.4)', async () => {
    const { browser, id } = await signIn();
    const token = browser.cookie(origin, '__Host-sallyport_session') ?? '';
    await signIn(browser);
    assert.notEqual(browser.cookie(origin, '__Host-sallyport_session'), token);
    assert.equal((await row(id)).end_cause, 'session.replaced');
    const thief = new Browser();
    thief.setCookie(origin, '__Host-sallyport_session', token);
    assert.equal(await me(thief), 401);
  });

  describe('step-up', () => {
    const newToken = (browser: Browser) =>
      ask(browser, '/api-tokens', {
        method: 'POST',
        body: JSON.stringify({ name: 'ci', expiresAt: new Date(Date.now() + 3_600_000).toISOString() }),
      });
    const provenAt = async (id: string, sql: string): Promise<void> => {
      await identity.admin(`UPDATE identity.browser_session SET proven_at = ${sql} WHERE id = $1`, [id]);
    };

    it('is demanded of nothing unless the organisation says so', async () => {
      const { browser, id } = await signIn();
      await provenAt(id, 'NULL');
      assert.equal((await newToken(browser)).status, 201);
    });

    it('refuses a chosen action without a recent sign-in, says where to go, and is audited', async () => {
      await set({ stepUp: { actions: ['api-token:create', 'account:manage'] } });
      const { browser, id } = await signIn();
      assert.equal((await newToken(browser)).status, 201);
      await provenAt(id, `clock_timestamp() - interval '16 minutes'`);
      const refused = await newToken(browser);
      assert.equal(refused.status, 403);
      assert.equal(refused.body['code'], 'STEP_UP_REQUIRED');
      assert.deepEqual(refused.body['metadata'], { action: 'api-token:create', stepUpPath: '/login/step-up' });
      const account = await ask(browser, '/accounts', { method: 'POST', body: '{"kind":"service_account"}' });
      assert.equal(account.body['code'], 'STEP_UP_REQUIRED');
      assert.equal((await ask(browser, '/accounts')).status, 200);
      assert.deepEqual((await ask(browser, '/me')).body['stepUpDue'], ['account:manage', 'api-token:create']);
      const filter = { limit: 5, action: 'api.request-refused' };
      const entries = await identity.context.audit.list(organization.orgId, filter);
      assert.deepEqual(
        entries.map(({ entry }) => entry['reason']),
        ['STEP_UP_REQUIRED', 'STEP_UP_REQUIRED'],
      );
    });

    it('with the password again opens a new session, whose sign-in is recent', async () => {
      await set({ stepUp: { actions: ['api-token:create'] } });
      const { browser, id } = await signIn();
      await provenAt(id, `clock_timestamp() - interval '16 minutes'`);
      assert.equal((await newToken(browser)).status, 403);
      const page = await (await browser.open(`${origin}/login/step-up?returnTo=/account`)).text();
      const field = (name: string): string => new RegExp(`name="${name}" value="([^"]*)"`).exec(page)?.[1] ?? '';
      const [email, slug] = [field('email'), field('organization')];
      assert.equal(email, 'owner@example.com');
      const form = { email, organization: slug, returnTo: field('returnTo') };
      await browser.post(`${origin}/login/password`, { ...form, password: 'wrong' });
      assert.equal((await newToken(browser)).status, 403);
      const answer = await browser.post(`${origin}/login/password`, { ...form, password: OWNER_PASSWORD });
      assert.deepEqual([answer.status, answer.headers.get('location')], [303, '/account']);
      assert.equal((await newToken(browser)).status, 201);
      assert.equal((await row(id)).end_cause, 'session.replaced');
    });

    it('is nothing a token has: it is refused, unless the organisation lets tokens in', async () => {
      const { browser } = await signIn();
      const secret = String((await newToken(browser)).body['token']);
      await set({ stepUp: { actions: ['api-token:create'] } });
      const byToken = async (): Promise<Response> =>
        await fetch(`${origin}/api/identity/v1/api-tokens`, {
          method: 'POST',
          headers: { authorization: `Bearer ${secret}`, 'content-type': 'application/json' },
          body: JSON.stringify({ name: 'x', expiresAt: new Date(Date.now() + 60_000).toISOString() }),
        });
      assert.equal((await byToken()).status, 403);
      await set({ stepUp: { tokensAllowed: true } });
      assert.equal((await byToken()).status, 201);
    });

    it('with more than one factor is demanded only by somebody who has signed in so', async () => {
      const { browser, id } = await signIn();
      const demand = () => ask(browser, SETTINGS, { method: 'PATCH', body: '{"stepUp":{"multiFactor":true}}' });
      assert.equal((await demand()).status, 409);
      await identity.admin('UPDATE identity.browser_session SET multi_factor = true WHERE id = $1', [id]);
      assert.equal((await demand()).status, 200);
    });

    it('leads who is not signed in to the sign-in page', async () => {
      const answer = await new Browser().open(`${origin}/login/step-up?returnTo=//evil.example`);
      assert.deepEqual([answer.status, answer.headers.get('location')], [303, '/login?returnTo=%2Faccount']);
    });
  });
});
