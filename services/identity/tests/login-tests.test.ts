import assert from 'node:assert/strict';
import { inflateRawSync } from 'node:zlib';

import { createSelfSigned } from '@sallyport/dev-env';

import { Browser } from './support/browser.ts';
import { apiClient } from './support/http.ts';
import { newOrganization } from './support/identity.ts';
import { encoded, responseText } from './saml/idp.ts';
import { SamlScene, type Started } from './saml/scene.ts';

interface Trace {
  readonly passed: boolean;
  readonly reason: string | null;
  readonly checks: readonly { readonly name: string; readonly result: string; readonly reason?: string }[];
  readonly arrived: Readonly<Record<string, unknown>>;
  readonly account: { readonly id: string | null; readonly userName: string; readonly isNew: boolean } | null;
  readonly mapped: { readonly email: string | null; readonly groups: readonly string[] } | null;
}

const EMAIL = ['email', ['new@example.org']] as const;
const GROUPS = ['groups', ['Admins', 'Developers']] as const;

describe('the test of a SAML connection', () => {
  let scene: SamlScene;
  let ada: string;
  let jit: string;

  before(async () => {
    scene = await SamlScene.start();
    ada = await scene.person('00u1', 'ada@example.com');
    jit = (await scene.api('POST', '/connections', { name: 'First logins' })).body.id;
    const accountRule = { createOnFirstLogin: true, groupsAttribute: 'groups' };
    await scene.putFacet(jit, { accountRule });
    await scene.api('PUT', `/connections/${jit}/domains`, { domains: ['example.org'] });
    await scene.prove(jit, 'example.org');
  });
  after(async () => {
    await scene.close();
  });
  beforeEach(async () => {
    await scene.forgetAttempts();
  });

  const address = async (connectionId: string): Promise<URL> => {
    const { status, body } = await scene.api('POST', `/connections/${connectionId}/login-tests`, { protocol: 'saml' });
    assert.equal(status, 201, JSON.stringify(body));
    return new URL(String(body['url']));
  };
  const begin = async (connectionId = scene.connectionId, browser = new Browser()): Promise<Started> => {
    const answer = await browser.open(await address(connectionId));
    assert.equal(answer.status, 303);
    const location = new URL(answer.headers.get('location') ?? '');
    const request = inflateRawSync(Buffer.from(location.searchParams.get('SAMLRequest') ?? '', 'base64')).toString();
    const requestId = / ID="([^"]+)"/.exec(request)?.[1] ?? '';
    return { browser, connectionId, requestId, relayState: location.searchParams.get('RelayState') ?? '' };
  };
  const traces = async (connectionId = scene.connectionId): Promise<Trace[]> =>
    (await scene.api('GET', `/connections/${connectionId}/login-traces`)).body['items'] as unknown as Trace[];
  const newest = async (connectionId = scene.connectionId): Promise<Trace> => {
    const [trace] = await traces(connectionId);
    assert.ok(trace);
    return trace;
  };
  const rows = async (table: string): Promise<number> =>
    (await scene.identity.admin(`SELECT FROM identity.${table}`)).length;

  it('says what arrived, what was checked and whom it would sign in, and opens no session', async () => {
    const started = await begin();
    const sessions = await rows('browser_session');
    const answer = await scene.answer(started);
    assert.equal(answer.status, 200);
    assert.match(await answer.text(), /The test passed[\s\S]*nobody has been signed in[\s\S]*ada@example\.com/);
    assert.equal(started.browser.cookie(scene.origin, '__Host-sallyport_session'), undefined);
    assert.equal(await rows('browser_session'), sessions);
    const trace = await newest();
    assert.deepEqual([trace.passed, trace.account], [true, { id: ada, userName: 'ada@example.com', isNew: false }]);
    assert.ok(trace.checks.length > 0 && trace.checks.every(({ result }) => result === 'passed'));
    assert.equal(trace.arrived['subject'], '00u1');
    assert.ok((trace.arrived['algorithms'] as string[]).some((name) => name.includes('rsa-sha256')));
    assert.match(String((trace.arrived['certificatesTried'] as string[])[0]), /^([0-9A-F]{2}:){31}[0-9A-F]{2}$/);
  });

  it('says which check failed, and that the later ones were not reached', async () => {
    const stranger = await createSelfSigned('stranger');
    const cases = [
      [{ audience: 'https://other.example' }, 'statements', 'AUDIENCE_MISMATCH'],
      [{ signing: { with: stranger } }, 'signature', 'SIGNATURE_INVALID'],
      [{ nameId: '00u-nobody' }, 'account', 'ACCOUNT_UNKNOWN'],
    ] as const;
    for (const [over, check, reason] of cases) {
      assert.equal((await scene.answer(await begin(), over)).status, 200);
      const trace = await newest();
      assert.deepEqual([trace.passed, trace.reason], [false, reason]);
      const at = trace.checks.findIndex(({ result }) => result === 'failed');
      assert.equal(trace.checks[at]?.name, check);
      assert.ok(trace.checks.slice(0, at).every(({ result }) => result === 'passed'));
      assert.ok(trace.checks.slice(at + 1).every(({ result }) => result === 'not-reached'));
    }
  });

  it('works while the connection is disabled, through which nobody signs in', async () => {
    const path = `/connections/${jit}`;
    assert.equal((await scene.api('PATCH', path, { enabled: false })).status, 200);
    const started = await begin(jit);
    assert.equal((await scene.answer(started, { attributes: [EMAIL] })).status, 200);
    assert.equal((await newest(jit)).passed, true);
    assert.equal((await new Browser().open(`${scene.origin}/saml/${jit}/login`)).status, 403);
    assert.equal((await scene.api('PATCH', path, { enabled: true })).status, 200);
  });

  it('creates nobody and no group, and shows who and what would be', async () => {
    const before = [await rows('account'), await rows('login_identity'), await rows('directory_group')];
    await scene.answer(await begin(jit), { nameId: 'n1', attributes: [EMAIL, GROUPS] });
    const trace = await newest(jit);
    assert.deepEqual(trace.account, { id: null, userName: 'new@example.org', isNew: true });
    assert.deepEqual(trace.mapped?.groups, ['Admins', 'Developers']);
    assert.deepEqual([await rows('account'), await rows('login_identity'), await rows('directory_group')], before);
  });

  it('keeps what attributes say to itself: names and numbers only', async () => {
    const secret = ['ssn', ['078-05-1120']] as const;
    await scene.answer(await begin(jit), { nameId: 'n1', attributes: [EMAIL, secret] });
    const trace = await newest(jit);
    assert.ok(JSON.stringify(trace.arrived).includes('ssn'));
    assert.ok(!JSON.stringify(trace).includes('078-05'));
  });

  it('is used once, by the browser that started it, within five minutes', async () => {
    const started = await begin();
    assert.equal((await scene.answer({ ...started, browser: new Browser() })).status, 403);
    assert.equal((await scene.answer(started)).status, 200);
    assert.equal((await scene.answer(started)).status, 403);
    const url = await address(scene.connectionId);
    const ticket = url.searchParams.get('ticket') ?? '';
    for (const forged of [`${ticket.slice(0, -4)}AAAA`, '', ticket.slice(0, 40)]) {
      url.searchParams.set('ticket', forged);
      assert.equal((await new Browser().open(url)).status, 403);
    }
    const elsewhere = new URL(`/login/test/${jit}?ticket=${ticket}`, scene.origin);
    assert.equal((await new Browser().open(elsewhere)).status, 403);
  });

  it('is one also where the identity provider drops the relay state, as a login would go on', async () => {
    const { browser, requestId } = await begin();
    const before = (await traces()).length;
    const message = encoded(responseText(scene.response(requestId)));
    const answer = await scene.post(browser, message);
    assert.equal(answer.status, 200);
    assert.match(await answer.text(), /The test passed/);
    assert.equal(browser.cookie(scene.origin, '__Host-sallyport_session'), undefined);
    assert.equal((await traces()).length, before + 1);
    await scene.isRefused(await scene.post(browser, message), 'REQUEST_CONSUMED');
  });

  it('is for those who manage connections of the organisation, and audited', async () => {
    const stranger = apiClient(scene.identity, await newOrganization(scene.identity));
    const path = `/connections/${scene.connectionId}`;
    assert.equal((await stranger('POST', `${path}/login-tests`, { protocol: 'saml' })).status, 404);
    assert.equal((await stranger('GET', `${path}/login-traces`)).status, 404);
    scene.identity.denied.add('connection:manage');
    assert.equal((await scene.api('POST', `${path}/login-tests`, { protocol: 'saml' })).status, 403);
    assert.equal((await scene.api('GET', `${path}/login-traces`)).status, 403);
    scene.identity.denied.delete('connection:manage');
    assert.equal((await scene.api('POST', `${path}/login-tests`, { protocol: 'oidc' })).status, 404);
    const filter = { limit: 1, action: 'connection.login-tested' };
    assert.equal((await scene.identity.context.audit.list(scene.organization.orgId, filter)).length, 1);
  });

  it('is kept for a day, and twenty to a connection', async () => {
    await scene.identity.admin(
      `INSERT INTO identity.login_trace SELECT org_id, gen_random_uuid(), connection_id, protocol, started_by, passed,
         reason, trace, created_at, expires_at FROM identity.login_trace, generate_series(1, 5)`,
    );
    await scene.answer(await begin());
    assert.equal((await traces()).length, 20);
    await scene.identity.admin('UPDATE identity.login_trace SET expires_at = clock_timestamp()');
    assert.equal((await traces()).length, 0);
  });

  describe('groups of the identity provider', () => {
    const groupsOf = async (): Promise<string[]> => {
      const found = await scene.identity.admin<{ name: string }>(
        `SELECT g.display_name AS name FROM identity.group_member m
           JOIN identity.directory_group g ON g.id = m.group_id
           JOIN identity.account a ON a.id = m.account_id WHERE a.user_name = 'new@example.org'
          ORDER BY lower(g.display_name)`,
      );
      return found.map(({ name }) => name);
    };
    const signIn = async (...groups: string[]): Promise<void> => {
      const attributes = [EMAIL, ...(groups.length === 0 ? [] : [['groups', groups] as const])];
      const started = await scene.begin(new Browser(), jit);
      assert.equal((await scene.answer(started, { nameId: 'n1', attributes })).status, 303);
    };

    it('are those of the last login, where no directory says who is in them', async () => {
      await signIn('Admins', 'Developers');
      assert.deepEqual(await groupsOf(), ['Admins', 'Developers']);
      await signIn('Developers', 'Auditors', ' auditors ', 'DEVELOPERS');
      assert.deepEqual(
        (await groupsOf()).map((name) => name.toLowerCase()),
        ['auditors', 'developers'],
      );
      await signIn();
      assert.deepEqual(await groupsOf(), []);
    });

    it('count for nothing when there are too many', async () => {
      await signIn('Admins');
      await signIn(...Array.from({ length: 201 }, (_, at) => `g${at}`));
      assert.deepEqual(await groupsOf(), []);
    });

    it('are without those that only look like another one', async () => {
      await signIn('Admins', 'Ad\u200bmins', '\u202eDevelopers');
      assert.deepEqual(await groupsOf(), ['Admins']);
    });

    it('count for nothing while a directory says who is in them', async () => {
      await scene.putFacet(scene.connectionId, { accountRule: { groupsAttribute: 'groups' } });
      const before = await rows('group_member');
      assert.equal((await scene.answer(await scene.begin(), { attributes: [GROUPS] })).status, 303);
      assert.equal(await rows('group_member'), before);
    });
  });
});
