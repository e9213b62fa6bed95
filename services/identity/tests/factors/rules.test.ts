import assert from 'node:assert/strict';

import { Authenticator } from '@sallyport/dev-env/actors';

import { readLocalRules } from '../../src/local-login/index.ts';
import { apiClient, type Client } from '../support/http.ts';
import { Browser } from '../support/browser.ts';
import { OWNER_PASSWORD } from '../support/identity.ts';
import { Scene } from './scene.ts';

describe('what organisations ask of local accounts, and what administrators do about factors', () => {
  let scene: Scene;
  let api: Client;
  let coworker: { id: string; email: string };

  before(async () => {
    scene = await Scene.open();
    api = apiClient(scene.identity, scene.organization);
    coworker = await scene.newLocalAccount('wren@example.com');
  });
  beforeEach(() => scene.reset());
  after(() => scene.close());

  const signedIn = async (): Promise<Browser> => await scene.signedIn({ email: coworker.email });
  const rules = { localAccountsEnabled: true, secondFactorRequired: false };

  it('are seen and changed by whoever manages connections, and recorded', async () => {
    assert.deepEqual((await api('GET', '/local-sign-in')).body, rules);
    const changed = await api('PATCH', '/local-sign-in', { secondFactorRequired: true });
    assert.deepEqual([changed.status, changed.body], [200, { ...rules, secondFactorRequired: true }]);
    await api('PATCH', '/local-sign-in', { secondFactorRequired: true });
    assert.equal((await scene.entries('organization.local-sign-in-changed')).length, 1, 'no entry for no change');
    scene.identity.denied.add('connection:manage');
    assert.equal((await api('PATCH', '/local-sign-in', rules)).status, 403);
    scene.identity.denied.clear();
  });

  it('switch local accounts off: sessions, tokens and sign-ins under way are void, the break-glass Owner gets in', async () => {
    const browser = await signedIn();
    const expiresAt = new Date(scene.clock.now().getTime() + 3_600_000).toISOString();
    const { token } = await scene.expect(201, browser, 'POST', '/api-tokens', { name: 'x', expiresAt });
    const { authenticator } = await scene.enrolPasskey(browser);
    const owner = await scene.signedIn();
    assert.equal((await api('PATCH', '/local-sign-in', { localAccountsEnabled: false })).status, 200);
    assert.equal(await scene.me(browser), null);
    const withToken = await fetch(`${scene.origin}/api/identity/v1/me`, {
      headers: { authorization: `Bearer ${String(token)}` },
    });
    assert.equal(withToken.status, 401);
    const refused = await scene.login(new Browser(), { email: coworker.email });
    assert.deepEqual([refused.status, refused.body['detail']], [403, 'The sign-in details are not right.']);
    assert.equal((await scene.loginWithPasskey(new Browser(), authenticator)).status, 403);
    const reasons = (await scene.entries('login.refused')).map(({ reason }) => reason);
    assert.deepEqual(reasons, ['LOCAL_LOGIN_OFF', 'LOCAL_LOGIN_OFF']);
    assert.ok((await scene.me(owner)) !== null, 'the session of the break-glass Owner goes on');
    assert.equal((await scene.login(new Browser())).status, 200);
    const raised = await scene.entries('account.epoch-raised');
    assert.equal(raised.length, 1);
    await api('PATCH', '/local-sign-in', { localAccountsEnabled: true });
    assert.equal(await scene.me(browser), null, 'nothing of before comes back');
    assert.equal((await scene.loginWithPasskey(new Browser(), authenticator)).status, 200);
  });

  it('switched off once more, close out whoever an earlier request that was cut off has left', async () => {
    const browser = await signedIn();
    const owner = await scene.signedIn();
    // As after the first of several transactions.
    await scene.setRules({ localAccountsEnabled: false });
    assert.ok((await scene.me(browser)) !== null);
    for (let round = 0; round < 2; round += 1)
      assert.equal((await api('PATCH', '/local-sign-in', { localAccountsEnabled: false })).status, 200);
    assert.equal(await scene.me(browser), null);
    assert.ok((await scene.me(owner)) !== null);
    assert.equal((await scene.entries('account.epoch-raised')).length, 1, 'nobody twice');
  });

  it('leave no gap beside a sign-in that is under way: of many at once none is open afterwards', async () => {
    const browsers = Array.from({ length: 6 }, () => new Browser());
    const logins = browsers.map((browser) => scene.login(browser, { email: coworker.email }));
    const [off] = await Promise.all([api('PATCH', '/local-sign-in', { localAccountsEnabled: false }), ...logins]);
    assert.equal(off.status, 200);
    for (const browser of browsers) assert.equal(await scene.me(browser), null);
  });

  it('are held while somebody signs in: they do not change before that has ended', async () => {
    const { orgId } = scene.organization;
    await scene.identity.context.db.unauditedWrite(orgId, 'test', async (tx) => {
      await readLocalRules(tx, orgId);
      // 55P03: somebody holds the row.
      const change = 'SELECT org_id FROM identity.organization WHERE org_id = $1 FOR NO KEY UPDATE NOWAIT';
      await assert.rejects(scene.identity.admin(change, [orgId]), { code: '55P03' });
      const other = 'SELECT org_id FROM identity.organization WHERE org_id = $1 FOR SHARE NOWAIT';
      assert.equal((await scene.identity.admin(other, [orgId])).length, 1); // Many sign in at the same time.
    });
    await scene.identity.context.db.unauditedWrite(orgId, 'test', async (tx) => {
      await readLocalRules(tx, orgId, 'changing');
      const signIn = 'SELECT org_id FROM identity.organization WHERE org_id = $1 FOR SHARE NOWAIT';
      await assert.rejects(scene.identity.admin(signIn, [orgId]), { code: '55P03' });
    });
  });

  describe('factors of others', () => {
    const path = (id = coworker.id): string => `/accounts/${id}/factors`;

    it('are shown without secrets', async () => {
      const browser = await signedIn();
      const { secret } = await scene.enrolTotp(browser);
      await scene.enrolPasskey(await scene.signedIn({ email: coworker.email, code: scene.nextCode(secret) }));
      const { status, body } = await api('GET', path());
      assert.equal(status, 200);
      assert.deepEqual(Object.keys(body).toSorted(), ['passkeys', 'password', 'recoveryCodesLeft', 'totp']);
      const text = JSON.stringify(body);
      for (const hidden of [secret, 'argon2id', 'publicKey', 'credential']) assert.ok(!text.includes(hidden), hidden);
      assert.match(text, /"isLocked":false/);
    });

    it('are reset: all gone, everything the account holds void, recorded, its owner told; the password stays', async () => {
      const browser = await signedIn();
      const { secret, recoveryCodes } = await scene.enrolTotp(browser);
      const complete = await scene.signedIn({ email: coworker.email, code: scene.nextCode(secret) });
      const { authenticator } = await scene.enrolPasskey(complete);
      assert.equal((await api('DELETE', `${path()}?reason=lost%20telephone`)).status, 204);
      assert.equal(await scene.me(complete), null);
      assert.equal((await scene.loginWithPasskey(new Browser(), authenticator)).status, 403);
      const after = await api('GET', path());
      assert.deepEqual([after.body['totp'], after.body['passkeys'], after.body['recoveryCodesLeft']], [null, [], 0]);
      assert.ok((recoveryCodes ?? []).length > 0);
      await signedIn();
      const [entry] = (await scene.entries('factors.reset')) as unknown as {
        reason: string;
        before: { totp: boolean };
      }[];
      assert.deepEqual([entry?.reason, entry?.before.totp], ['lost telephone', true]);
      await scene.identity.context.mail.deliverDue();
      assert.match(scene.mailer.sent.at(-1)?.text ?? '', /An administrator reset the second factors/);
    });

    it('need the right to manage accounts, and an account of this organisation', async () => {
      assert.equal((await api('DELETE', path(crypto.randomUUID()))).status, 404);
      assert.equal((await api('GET', path(crypto.randomUUID()))).status, 404);
      scene.identity.denied.add('account:manage').add('account:read');
      assert.equal((await api('DELETE', path())).status, 403);
      assert.equal((await api('GET', path())).status, 403);
      scene.identity.denied.clear();
    });
  });

  describe('one’s own password', () => {
    const next = 'vogelnest umbrella tractor';
    const change = async (browser: Browser, current: string, password: string) =>
      await scene.api(browser, 'PUT', '/password', { current, password });

    it('is changed with the current one; every other session ends', async () => {
      const [browser, other] = [await signedIn(), await signedIn()];
      assert.equal((await change(browser, OWNER_PASSWORD, next)).status, 204);
      assert.ok((await scene.me(browser)) !== null);
      assert.equal(await scene.me(other), null);
      assert.equal((await scene.login(new Browser(), { email: coworker.email })).status, 403);
      assert.equal((await scene.login(new Browser(), { email: coworker.email, password: next })).status, 200);
      assert.equal((await change(browser, next, OWNER_PASSWORD)).status, 204);
      assert.equal((await scene.entries('password.changed')).length, 2);
    });

    it('is not changed with a wrong one, which counts as a guess and is recorded', async () => {
      const browser = await signedIn();
      const refused = await change(browser, 'not the password', next);
      assert.equal(refused.status, 400);
      assert.deepEqual((refused.body['errors'] as { pointer: string }[])[0]?.pointer, '/current');
      assert.equal((await scene.entries('password.change-refused')).length, 1);
      const more = [];
      for (let guess = 0; guess < 10; guess += 1) more.push((await change(browser, 'not the password', next)).status);
      assert.equal(more.at(-1), 429);
    });

    it('is not changed to a weak one, nor to the owner’s own name', async () => {
      const browser = await signedIn();
      for (const password of ['short', 'password1234567', 'wren@example.com.com', 'x'.repeat(257)]) {
        const { status, body } = await change(browser, OWNER_PASSWORD, password);
        assert.deepEqual([status, (body['errors'] as { pointer: string }[])[0]?.pointer], [400, '/password'], password);
      }
    });

    it('hashed by bcrypt elsewhere is taken, and hashed anew with the first sign-in', async () => {
      const { hash } = await import('bcryptjs');
      await scene.identity.admin('UPDATE identity.local_credential SET password_hash = $1 WHERE account_id = $2', [
        await hash(OWNER_PASSWORD, 4),
        coworker.id,
      ]);
      assert.equal((await scene.login(new Browser(), { email: coworker.email, password: 'wrong' })).status, 403);
      await signedIn();
      const [row] = await scene.identity.admin<{ password_hash: string }>(
        'SELECT password_hash FROM identity.local_credential WHERE account_id = $1',
        [coworker.id],
      );
      assert.match(row?.password_hash ?? '', /^\$argon2id\$/);
      await signedIn();
    });
  });

  it('guesses at a password keep nobody from a passkey, nor from another address', async () => {
    const { authenticator } = await scene.enrolPasskey(await signedIn(), new Authenticator(scene.origin));
    for (let guess = 0; guess < 11; guess += 1)
      await scene.login(new Browser(), { email: coworker.email, password: 'wrong' });
    assert.equal((await scene.login(new Browser(), { email: coworker.email })).status, 429);
    assert.equal((await scene.loginWithPasskey(new Browser(), authenticator)).status, 200);
    const elsewhere = await fetch(`${scene.origin}/api/identity/v1/login`, {
      method: 'POST',
      headers: { 'content-type': 'application/json', 'x-forwarded-for': '203.0.113.9' },
      body: JSON.stringify({ email: coworker.email, password: OWNER_PASSWORD }),
    });
    assert.equal(
      ((await elsewhere.json()) as { code: string }).code,
      'SECOND_FACTOR_REQUIRED',
      'looked at, not throttled',
    );
  }).timeout(180_000);
});
