import assert from 'node:assert/strict';

import { Authenticator } from '@sallyport/dev-env/actors';

import { changePassword } from '../../src/account-security/change-password.ts';
import { finishTotp, removeTotp, startTotp, verifyFactor, type FactorOwner } from '../../src/factors/index.ts';
import { usePasskey } from '../../src/factors/passkey-store.ts';
import { findLocalAccount, upgradePasswordHash } from '../../src/local-login/index.ts';
import { openLocalSession, type LocalProof } from '../../src/local-sign-in/open-local-session.ts';
import { REFUSAL_FLOOR_MS } from '../../src/local-sign-in/refusal-floor.ts';
import { Browser } from '../support/browser.ts';
import { newDirectory } from '../support/http.ts';
import { newOrganization, OWNER_PASSWORD } from '../support/identity.ts';
import { OWNER_EMAIL, Scene } from './scene.ts';

const NEXT_PASSWORD = 'pelican velvet thermos ninety';

/** Rules that only show when something changes in between, twice at once, or far too often. */
describe('rules of local sign-in that need a race, an accomplice or patience', () => {
  let scene: Scene;
  let orgId: string;
  let accountId: string;

  before(async () => {
    scene = await Scene.open();
    ({ orgId, ownerId: accountId } = scene.organization);
  });
  beforeEach(() => scene.reset());
  after(() => scene.close());

  const auditContext = () => ({ orgId, actor: { type: 'user', id: accountId } as const, requestId: 'test' });
  const owner = async (): Promise<FactorOwner> => {
    const [row] = await scene.identity.admin<{ epoch: string }>('SELECT epoch FROM identity.account WHERE id = $1', [
      accountId,
    ]);
    return { orgId, accountId, epoch: BigInt(row?.epoch ?? '0') };
  };
  const notices = async (): Promise<string[]> => {
    await scene.identity.context.mail.deliverDue();
    return scene.mailer.sent.map(({ text }) => text.split('\n')[0] ?? '');
  };
  /** As after any number of attempts: the next is one too many. */
  const useUpAttempts = async (): Promise<void> => {
    await scene.identity.admin('UPDATE identity.login_throttle SET failures = 100000');
  };

  describe('an account that was closed, or whose epoch moved on, after the request began', () => {
    const closed = async (id: string): Promise<void> => {
      await scene.identity.admin(
        "UPDATE identity.account SET status = 'inactive', epoch = epoch + 1, directory_active = false WHERE id = $1",
        [id],
      );
    };
    const stale = async (): Promise<FactorOwner> => ({ ...(await owner()), epoch: 0n });

    it('sets nothing up, confirms nothing, removes nothing, changes no password', async () => {
      const { context } = scene.identity;
      const late = await stale();
      const refused = { code: 'LOGIN_REFUSED' };
      await assert.rejects(startTotp(context, late, 'signed-in'), refused);
      await assert.rejects(finishTotp(context, late, { code: '123456', by: 'signed-in' }, auditContext()), refused);
      await assert.rejects(removeTotp(context, late, auditContext()), refused);
      const change = { current: OWNER_PASSWORD, next: NEXT_PASSWORD, sessionId: accountId };
      await assert.rejects(changePassword(context, late, change, auditContext()), refused);
      const guest = await scene.newLocalAccount('closed@example.com');
      await closed(guest.id);
      await assert.rejects(startTotp(context, { orgId, accountId: guest.id, epoch: 2n }, 'signed-in'), refused);
    });

    it('opens no session; nor does another password, a new rule or a new factor since the proofs were looked at', async () => {
      const { context } = scene.identity;
      const { epoch } = await owner();
      const found = await findLocalAccount(context.db, { userNameKey: OWNER_EMAIL, organization: null });
      const passwordHash = found?.passwordHash ?? assert.fail();
      const right: LocalProof = {
        accountId,
        breakGlass: true,
        epoch,
        method: 'password',
        amr: ['pwd'],
        passwordHash,
        replaces: null,
      };
      const open = async (proof: LocalProof): Promise<unknown> =>
        await context.audit.mutate(auditContext(), async (tx) => await openLocalSession(tx, context, proof));
      const isRefused = async (reason: string, over: Partial<LocalProof> = {}): Promise<void> => {
        await assert.rejects(open({ ...right, ...over }), { code: 'LOGIN_REFUSED', metadata: { reason } });
      };
      await open(right);
      await isRefused('EPOCH_RAISED', { epoch: epoch - 1n });
      await isRefused('PASSWORD_CHANGED', { passwordHash: `${passwordHash}x` });
      const guest = await scene.newLocalAccount('gone@example.com');
      await closed(guest.id);
      await isRefused('ACCOUNT_INACTIVE', { accountId: guest.id, epoch: null });
      await scene.setRules({ localAccountsEnabled: false });
      await isRefused('LOCAL_LOGIN_OFF', { breakGlass: false });
      await open(right); // The break-glass Owner gets in (docs/local-accounts.md).
      await scene.setRules({ localAccountsEnabled: true, secondFactorRequired: true });
      await isRefused('SECOND_FACTOR_MISSING');
      await scene.setRules({ secondFactorRequired: false });
      await scene.enrolTotp(await scene.signedIn());
      await isRefused('SECOND_FACTOR_MISSING');
    });
  });

  describe('second factors', () => {
    it('are not confirmed by a password alone when one came up meanwhile', async () => {
      await scene.setRules({ secondFactorRequired: true });
      const browser = new Browser();
      const begun = await scene.form(browser, '/login/password', { email: OWNER_EMAIL, password: OWNER_PASSWORD });
      const half = /half=([\w-]+)/.exec(begun.headers.get('location') ?? '')?.[1] ?? '';
      const page = await (await scene.form(browser, '/login/enrol/totp', { half })).text();
      const secret = /Key: <code>([A-Z2-7 ]+)<\/code>/.exec(page)?.[1]?.replaceAll(' ', '') ?? '';
      await scene.setRules({ secondFactorRequired: false });
      await scene.enrolPasskey(await scene.signedIn());
      const done = await scene.form(browser, '/login/enrol/totp/confirm', { half, code: scene.code(secret) });
      assert.equal(done.status, 403);
      assert.equal(await scene.me(browser), null);
    });

    it('are confirmed once: a confirmed app is not confirmed again', async () => {
      const browser = await scene.signedIn();
      const { secret } = await scene.enrolTotp(browser);
      const complete = await scene.signedIn({ code: scene.nextCode(secret) });
      await scene.expect(409, complete, 'POST', '/factors/totp/confirm', { code: scene.nextCode(secret) });
    });

    it('twenty passkeys at most, also when two are added at once', async () => {
      const browser = await scene.signedIn();
      const { id } = await scene.enrolPasskey(browser);
      await scene.identity.admin(
        `INSERT INTO identity.passkey (org_id, id, account_id, credential_id, public_key, sign_count, transports, backed_up,
           multi_device, aaguid, name, created_at)
         SELECT org_id, gen_random_uuid(), account_id, decode(md5(n::text), 'hex'), public_key, sign_count, transports,
           backed_up, multi_device, aaguid, name, created_at FROM identity.passkey, generate_series(1, 18) AS n WHERE id = $1`,
        [id],
      );
      await scene.identity.admin(`UPDATE identity.browser_session SET amr = '{pwd,otp,mfa}', multi_factor = true`);
      const added = await Promise.all(
        [0, 1].map(async () => {
          const options = await scene.expect(200, browser, 'POST', '/factors/passkeys/options', {});
          const response = new Authenticator(scene.origin).create(options as never);
          return async () => (await scene.api(browser, 'POST', '/factors/passkeys', { response, name: 'x' })).status;
        }),
      );
      const statuses = await Promise.all(added.map((add) => add()));
      assert.deepEqual(
        statuses.toSorted((one, other) => one - other),
        [201, 409],
      );
    });

    it('take one of two passkey answers with the same counter (WebAuthn §7.2 step 22)', async () => {
      const { id } = await scene.enrolPasskey(await scene.signedIn());
      const use = async (signCount: number): Promise<boolean> =>
        await scene.identity.context.db.unauditedWrite(orgId, 'test', async (tx) => {
          return await usePasskey(tx, { orgId, id }, { signCount, isBackedUp: false, at: new Date() });
        });
      assert.deepEqual([await use(7), await use(7), await use(6), await use(8)], [true, false, false, true]);
    });

    it('take one of two sign-ins with the same counter that come at the same moment', async () => {
      const { authenticator } = await scene.enrolPasskey(await scene.signedIn());
      const answers = await Promise.all(
        [new Browser(), new Browser(), new Browser()].map(async (browser) => {
          const options = await scene.expect(200, browser, 'POST', '/login/passkey/options', {});
          return { browser, response: authenticator.get(options as never, { signCount: 50 }) };
        }),
      );
      const sent = answers.map(({ browser, response }) => scene.api(browser, 'POST', '/login/passkey', { response }));
      const statuses = (await Promise.all(sent)).map(({ status }) => status);
      assert.deepEqual(
        statuses.toSorted((one, other) => one - other),
        [200, 403, 403],
      );
    });

    it('prove nothing before they are confirmed', async () => {
      const begun = await scene.expect(200, await scene.signedIn(), 'POST', '/factors/totp', {});
      const proof = { kind: 'code', code: scene.code(String(begun['secret'])) } as const;
      const verified = await verifyFactor(scene.identity.context, await owner(), proof, auditContext());
      assert.deepEqual(verified, { ok: false, reason: 'NOT_ENROLLED' });
    });

    it('are asked for on no page once their sign-in was finished, or its account has another epoch', async () => {
      const guest = await scene.newLocalAccount('half@example.com');
      const { secret } = await scene.enrolTotp(await scene.signedIn({ email: guest.email }));
      const begin = async (browser: Browser): Promise<string> => {
        const fields = { email: guest.email, password: OWNER_PASSWORD };
        const begun = await scene.form(browser, '/login/password', fields);
        return /half=([\w-]+)/.exec(begun.headers.get('location') ?? '')?.[1] ?? '';
      };
      const page = async (browser: Browser, half: string): Promise<number> =>
        (await browser.open(`${scene.origin}/login/second-factor?half=${half}`)).status;
      const browser = new Browser();
      const used = await begin(browser);
      assert.equal(await page(browser, used), 200);
      const code = scene.nextCode(secret);
      assert.equal((await scene.form(browser, '/login/second-factor', { half: used, code })).status, 303);
      assert.equal(await page(browser, used), 403);
      const old = await begin(browser);
      await scene.identity.admin('UPDATE identity.account SET epoch = epoch + 1 WHERE id = $1', [guest.id]);
      assert.equal(await page(browser, old), 403);
    });

    it('of others are neither renamed nor removed by who knows their id', async () => {
      const { id } = await scene.enrolPasskey(await scene.signedIn());
      const guest = await scene.newLocalAccount('thief@example.com');
      const thief = await scene.signedIn({ email: guest.email });
      await scene.expect(404, thief, 'PATCH', `/factors/passkeys/${id}`, { name: 'mine' });
      await scene.expect(404, thief, 'DELETE', `/factors/passkeys/${id}`);
      const [row] = await scene.identity.admin<{ name: string }>('SELECT name FROM identity.passkey WHERE id = $1', [
        id,
      ]);
      assert.equal(row?.name, 'Laptop');
    });

    it('take their recovery codes with them; used ones are not left', async () => {
      const { secret, recoveryCodes } = await scene.enrolTotp(await scene.signedIn());
      const [first = '', second = ''] = recoveryCodes ?? [];
      const browser = await scene.signedIn({ code: first });
      assert.equal((await scene.expect(200, browser, 'GET', '/factors'))['recoveryCodesLeft'], 9);
      await scene.expect(204, browser, 'DELETE', '/factors/totp');
      const again = await scene.enrolTotp(await scene.signedIn());
      assert.notEqual(again.secret, secret);
      assert.equal(again.recoveryCodes?.length, 10);
      assert.equal((await scene.login(new Browser(), { code: second })).status, 403);
    });

    it('tell their owner of every change', async () => {
      const browser = await scene.signedIn();
      const { id } = await scene.enrolPasskey(browser);
      await scene.identity.admin(`UPDATE identity.browser_session SET amr = '{pwd,otp,mfa}', multi_factor = true`);
      await scene.expect(200, browser, 'POST', '/factors/recovery-codes', {});
      await scene.expect(204, browser, 'DELETE', `/factors/passkeys/${id}`);
      const change = { current: OWNER_PASSWORD, password: NEXT_PASSWORD };
      await scene.expect(204, browser, 'PUT', '/password', change);
      assert.deepEqual(await notices(), [
        'A passkey was added to your account: Laptop',
        'New recovery codes were made for your account; the old ones are void.',
        'A passkey was removed from your account: Laptop',
        'Your password was changed.',
      ]);
      await scene.expect(204, browser, 'PUT', '/password', { current: NEXT_PASSWORD, password: OWNER_PASSWORD });
    });

    it('leave a record of every refusal', async () => {
      const { secret } = await scene.enrolTotp(await scene.signedIn());
      assert.equal((await scene.login(new Browser(), { code: '000000' })).status, 403);
      await scene.signedIn({ code: scene.nextCode(secret) });
      assert.deepEqual(
        (await scene.entries('factor.refused')).map(({ reason, outcome }) => [reason, outcome]),
        [['CODE_WRONG', 'denied']],
      );
    });
  });

  describe('passwords', () => {
    it('are changed once, whoever else changes them at the same moment', async () => {
      const browser = await scene.signedIn();
      const change = (password: string) =>
        scene.api(browser, 'PUT', '/password', { current: OWNER_PASSWORD, password });
      const both = [NEXT_PASSWORD, 'lantern orbit cactus seventeen'];
      const statuses = (await Promise.all(both.map(change))).map(({ status }) => status);
      assert.deepEqual(
        statuses.toSorted((one, other) => one - other),
        [204, 400],
      );
      const current = both[statuses.indexOf(204)];
      await scene.expect(204, browser, 'PUT', '/password', { current, password: OWNER_PASSWORD });
    });

    it('are not put back by a better hash of the one before', async () => {
      const { db } = scene.identity.context;
      const read = async () =>
        (await findLocalAccount(db, { userNameKey: OWNER_EMAIL, organization: null }))?.passwordHash;
      const before = await read();
      await db.unauditedWrite(orgId, 'test', async (tx) => {
        await upgradePasswordHash(tx, { orgId, accountId, from: 'of another password', to: 'x' });
      });
      assert.equal(await read(), before);
    });

    it('of one name in two organisations need the organisation; alone they are refused as wrong ones are', async () => {
      const other = await newOrganization(scene.identity);
      const rows = await scene.identity.admin<{ org_id: string; slug: string }>(
        'SELECT org_id, slug FROM identity.organization',
      );
      const slugs = new Map(rows.map(({ org_id: id, slug }) => [id, slug]));
      assert.equal((await scene.login(new Browser())).status, 403);
      for (const id of [orgId, other.orgId])
        assert.equal((await scene.login(new Browser(), { organization: slugs.get(id) ?? '' })).status, 200);
      await scene.identity.admin("UPDATE identity.account SET user_name_key = 'elsewhere' WHERE org_id = $1", [
        other.orgId,
      ]);
    });

    it('are of active people of no connection: nobody else is looked at', async () => {
      const { context } = scene.identity;
      const found = async (name: string): Promise<boolean> =>
        (await findLocalAccount(context.db, { userNameKey: name, organization: null })) !== null;
      const guest = await scene.newLocalAccount('looked-for@example.com');
      assert.equal(await found(guest.email), true);
      const change = async (what: string): Promise<void> => {
        await scene.identity.admin(`UPDATE identity.account SET ${what} WHERE id = $1`, [guest.id]);
      };
      await change("status = 'inactive', epoch = epoch + 1, directory_active = false");
      assert.equal(await found(guest.email), false);
      await change("status = 'active', directory_active = true");
      assert.equal(await found(guest.email), true);
      await change("kind = 'service_account'");
      assert.equal(await found(guest.email), false);
      await change("kind = 'user'");
      assert.equal(await found(guest.email), true);
      const { connectionId } = await newDirectory(scene.identity, scene.organization);
      await change(`connection_id = '${connectionId}', epoch = epoch + 1`);
      assert.equal(await found(guest.email), false);
    });

    it('that are right count as no guess', async () => {
      for (let count = 0; count < 12; count += 1) await scene.signedIn();
    });

    it('are refused no faster for a name nobody has (ASVS 6.3.8)', async () => {
      for (const wrong of [{ password: 'wrong password!' }, { email: 'nobody@example.com' }]) {
        const startedAt = performance.now();
        assert.equal((await scene.login(new Browser(), wrong)).status, 403);
        assert.ok(performance.now() - startedAt >= REFUSAL_FLOOR_MS - 10);
      }
    });
  });

  it('guesses are counted wherever something can be guessed, and too many are refused', async () => {
    const browser = await scene.signedIn();
    const authenticator = new Authenticator(scene.origin);
    await scene.enrolPasskey(browser, authenticator);
    await scene.identity.admin(`UPDATE identity.browser_session SET amr = '{pwd,otp,mfa}', multi_factor = true`);
    const form = await scene.form(new Browser(), '/login/password', { email: OWNER_EMAIL, password: OWNER_PASSWORD });
    const half = /half=([\w-]+)/.exec(form.headers.get('location') ?? '')?.[1] ?? '';
    const options = await scene.expect(200, browser, 'POST', '/login/passkey/options', {});
    const response = authenticator.get(options as never);
    const begun = await scene.expect(200, browser, 'POST', '/factors/totp', {});
    const places: readonly (readonly [method: string, path: string, body: object])[] = [
      ['POST', '/login', { email: OWNER_EMAIL, password: 'wrong password!' }],
      ['POST', '/login/passkey/options', {}],
      ['POST', '/login/passkey', { response }],
      ['POST', '/login/second-factor/passkey/options', { half }],
      ['POST', '/login/enrol/passkey/options', { half }],
      ['PUT', '/password', { current: 'wrong password!', password: NEXT_PASSWORD }],
      ['POST', '/factors/totp/confirm', { code: scene.code(String(begun['secret']), 40) }],
    ];
    for (const [method, path, body] of places) {
      await scene.identity.admin('DELETE FROM identity.login_throttle');
      assert.notEqual((await scene.api(browser, method, path, body)).status, 429, path);
      await useUpAttempts();
      assert.equal((await scene.api(browser, method, path, body)).status, 429, path);
    }
    const pages = [
      ['/login/forgot', { email: 'nobody@example.com' }],
      ['/login/reset', { token: 'sp_rst_x', password: NEXT_PASSWORD, code: '' }],
      ['/login/invitation', { token: 'sp_inv_x', password: NEXT_PASSWORD }],
    ] as const;
    for (const [path, fields] of pages) {
      await scene.identity.admin('DELETE FROM identity.login_throttle');
      assert.notEqual((await scene.form(new Browser(), path, fields)).status, 429, path);
      await useUpAttempts();
      assert.equal((await scene.form(new Browser(), path, fields)).status, 429, path);
    }
  });
});
