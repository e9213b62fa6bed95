import assert from 'node:assert/strict';

import { waitFor } from '@sallyport/dev-env';
import { fromBase32 } from '@sallyport/dev-env/actors';
import pg from 'pg';

import { verifyFactor } from '../../src/factors/index.ts';
import { Browser } from '../support/browser.ts';
import { Scene } from './scene.ts';

const MINUTE_MS = 60_000;
const ascending = (a: number, b: number): number => a - b;

describe('authenticator apps and recovery codes', () => {
  let scene: Scene;

  before(async () => {
    scene = await Scene.open();
  });
  beforeEach(() => scene.reset());
  after(() => scene.close());

  const enrolled = async () => {
    const browser = await scene.signedIn();
    return { browser, ...(await scene.enrolTotp(browser)) };
  };
  const status = async (code?: string): Promise<number> =>
    (await scene.login(new Browser(), code === undefined ? {} : { code })).status;

  it('are asked for once one is set up, and recorded in the session as two factors (RFC 8176)', async () => {
    const { secret } = await enrolled();
    const refused = await scene.login(new Browser());
    assert.equal(refused.status, 403);
    assert.equal(refused.body['code'], 'SECOND_FACTOR_REQUIRED');
    const me = await scene.me(await scene.signedIn({ code: scene.nextCode(secret) }));
    assert.deepEqual(me?.['amr'], ['pwd', 'otp', 'mfa']);
    assert.equal(me?.['acr'], 'urn:sallyport:acr:mfa');
  });

  it('count only when confirmed: an app that was only begun asks for nothing', async () => {
    const browser = await scene.signedIn();
    await scene.expect(200, browser, 'POST', '/factors/totp', {});
    assert.equal(await status(), 200);
    assert.equal((await scene.expect(200, browser, 'GET', '/factors'))['totp'], null);
  });

  it('take a code once, also when it is shown many times at once (RFC 6238 §5.2)', async () => {
    const { secret } = await enrolled();
    const code = scene.nextCode(secret);
    const statuses = await Promise.all(Array.from({ length: 6 }, () => status(code)));
    assert.deepEqual(statuses.toSorted(ascending), [200, 403, 403, 403, 403, 403]);
    const reasons = (await scene.entries('factor.refused')).map(({ reason }) => reason);
    assert.ok(reasons.length === 5 && reasons.every((reason) => reason === 'CODE_USED' || reason === 'CODE_WRONG'));
  });

  it('take a code once of two who have both been found right before either is noted', async () => {
    const { secret } = await enrolled();
    const { context, database } = scene.identity;
    const { orgId, ownerId: accountId } = scene.organization;
    const proof = { kind: 'code', code: scene.nextCode(secret) } as const;
    const audit = { orgId, actor: { type: 'user', id: accountId }, ip: '192.0.2.1', requestId: 'test' } as const;
    const holder = new pg.Client({ connectionString: database.adminUrl });
    await holder.connect();
    await holder.query('BEGIN');
    await holder.query('SELECT FROM identity.totp_factor FOR UPDATE');
    const both = [1, 2].map(() => verifyFactor(context, { orgId, accountId, epoch: 1n }, proof, audit));
    await waitFor(
      async () => {
        const [row] = await scene.identity.admin<{ count: string }>(
          `SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND query LIKE 'UPDATE totp_factor%'`,
        );
        return row?.count === '2';
      },
      { message: 'both to be about to note their step' },
    );
    await holder.query('COMMIT');
    await holder.end();
    const verified = await Promise.all(both);
    assert.equal(verified.filter(({ ok }) => ok).length, 1);
  });

  it('do not take the code that confirmed them a second time', async () => {
    const browser = await scene.signedIn();
    const { secret } = await scene.expect(200, browser, 'POST', '/factors/totp', {});
    const code = scene.code(String(secret));
    await scene.expect(200, browser, 'POST', '/factors/totp/confirm', { code });
    assert.equal(await status(code), 403);
  });

  it('take the codes of one step to either side and none further away', async () => {
    const { secret } = await enrolled();
    scene.clock.advance(10 * MINUTE_MS);
    assert.equal(await status(scene.code(secret, -2)), 403);
    assert.equal(await status(scene.code(secret, 2)), 403);
    assert.equal(await status(scene.code(secret, -1)), 200);
    assert.equal(await status(scene.code(secret, 1)), 200);
    assert.equal(await status(scene.code(secret, 0)), 403, 'older than the last one used');
  });

  it('keep their secret sealed, and show it once', async () => {
    const { browser, secret } = await enrolled();
    const rows = await scene.identity.admin<{ secret_sealed: Buffer }>('SELECT * FROM identity.totp_factor');
    const stored = JSON.stringify(rows.map((row) => ({ ...row, secret_sealed: row.secret_sealed.toString('latin1') })));
    assert.ok(!stored.includes(secret) && !stored.includes(fromBase32(secret).toString('latin1')));
    const shown = JSON.stringify(await scene.expect(200, browser, 'GET', '/factors'));
    assert.ok(!shown.includes(secret));
    const log = JSON.stringify(
      await scene.identity.context.audit.list(scene.organization.orgId, { limit: 500 }),
      (_key, value: unknown) => (typeof value === 'bigint' ? value.toString() : value),
    );
    assert.ok(log.includes('totp.enrolled') && !log.includes(secret));
  });

  it('stop counting wrong codes as guesses only after twenty for one account, whatever the address', async () => {
    await enrolled();
    scene.clock.advance(MINUTE_MS);
    const guess = async (address: number): Promise<number> => {
      const browser = new Browser();
      const response = await browser.open(`${scene.origin}/api/identity/v1/login`, {
        method: 'POST',
        headers: { 'content-type': 'application/json', 'x-forwarded-for': `198.51.100.${String(address)}` },
        body: JSON.stringify({ email: 'owner@example.com', password: 'correct horse battery staple', code: '000000' }),
      });
      return response.status;
    };
    const statuses = await Promise.all(Array.from({ length: 23 }, (_, index) => guess(index + 1)));
    assert.equal(statuses.filter((one) => one === 403).length, 20);
    assert.equal(statuses.filter((one) => one === 429).length, 3);
    // Bounded, too: what was not looked at is not recorded.
    assert.equal((await scene.entries('factor.refused')).length, 20);
  }).timeout(180_000);

  it('are of no use any more after a hundred wrong codes in a row; a recovery code still is', async () => {
    const { secret, recoveryCodes } = await enrolled();
    await scene.identity.admin('UPDATE identity.totp_factor SET failures = 99');
    assert.equal(await status('000000'), 403);
    assert.equal(await status(scene.nextCode(secret)), 403);
    assert.equal((await scene.entries('factor.refused')).at(-1)?.reason, 'TOTP_LOCKED');
    assert.equal(await status(recoveryCodes?.[0]), 200);
  });

  it('forget wrong codes with a right one', async () => {
    const { secret } = await enrolled();
    await scene.identity.admin('UPDATE identity.totp_factor SET failures = 99');
    assert.equal(await status(scene.nextCode(secret)), 200);
    const [row] = await scene.identity.admin<{ failures: number }>('SELECT failures FROM identity.totp_factor');
    assert.equal(row?.failures, 0);
  });

  describe('recovery codes', () => {
    it('come with the first factor, ten of them, work once each, and are recorded', async () => {
      const { recoveryCodes } = await enrolled();
      assert.equal(recoveryCodes?.length, 10);
      const [first = '', second = ''] = recoveryCodes ?? [];
      const statuses = await Promise.all([status(first), status(first), status(first)]);
      assert.deepEqual(statuses.toSorted(ascending), [200, 403, 403]);
      assert.equal(await status(second.toLowerCase().replaceAll('-', '')), 200);
      assert.equal((await scene.entries('recovery-code.used')).length, 2);
      const browser = await scene.signedIn({ code: recoveryCodes?.[2] ?? '' });
      assert.equal((await scene.expect(200, browser, 'GET', '/factors'))['recoveryCodesLeft'], 7);
    });

    it('are stored hashed', async () => {
      const { recoveryCodes } = await enrolled();
      const rows = JSON.stringify(
        await scene.identity.admin('SELECT encode(code_hash, $1) FROM identity.recovery_code', ['escape']),
      );
      for (const code of recoveryCodes ?? []) assert.ok(!rows.includes(code.replaceAll('-', '')));
    });

    it('are void once there are new ones', async () => {
      const { secret, recoveryCodes } = await enrolled();
      const browser = await scene.signedIn({ code: scene.nextCode(secret) });
      const made = await scene.expect(200, browser, 'POST', '/factors/recovery-codes', {});
      assert.equal(await status(recoveryCodes?.[0]), 403);
      assert.equal(await status((made['recoveryCodes'] as string[])[0]), 200);
    });

    it('are nothing without a factor they stand in for', async () => {
      const browser = await scene.signedIn();
      await scene.expect(409, browser, 'POST', '/factors/recovery-codes', {});
    });
  });

  describe('setting up and removing', () => {
    it('needs a recent sign-in', async () => {
      const browser = await scene.signedIn();
      scene.clock.advance(16 * MINUTE_MS);
      for (const [method, path, body] of [
        ['POST', '/factors/totp', {}],
        ['POST', '/factors/totp/confirm', { code: '000000' }],
        ['DELETE', '/factors/totp', undefined],
        ['POST', '/factors/recovery-codes', {}],
        ['POST', '/factors/passkeys/options', {}],
        ['PUT', '/password', { current: 'x', password: 'y' }],
      ] as const)
        assert.equal((await scene.expect(403, browser, method, path, body))['code'], 'STEP_UP_REQUIRED', path);
    });

    it('needs all factors there are: a session from before does not remove one', async () => {
      const { browser, secret } = await enrolled();
      assert.equal((await scene.expect(403, browser, 'DELETE', '/factors/totp'))['code'], 'STEP_UP_REQUIRED');
      const complete = await scene.signedIn({ code: scene.nextCode(secret) });
      await scene.expect(204, complete, 'DELETE', '/factors/totp');
      assert.equal(await status(), 200);
      const [left] = await scene.identity.admin<{ count: string }>('SELECT count(*) FROM identity.recovery_code');
      assert.equal(left?.count, '0');
    });

    it('is nothing a token can do', async () => {
      const { authorization } = scene.organization;
      const response = await fetch(`${scene.origin}/api/identity/v1/factors/totp`, {
        method: 'POST',
        headers: { authorization, 'content-type': 'application/json' },
        body: '{}',
      });
      assert.equal(response.status, 403);
    });

    it('is one app at a time', async () => {
      const { secret } = await enrolled();
      const browser = await scene.signedIn({ code: scene.nextCode(secret) });
      await scene.expect(409, browser, 'POST', '/factors/totp', {});
    });

    it('takes a quarter of an hour at most, and ends with the epoch', async () => {
      const browser = await scene.signedIn();
      const begun = await scene.expect(200, browser, 'POST', '/factors/totp', {});
      scene.clock.advance(14 * MINUTE_MS);
      const late = await scene.signedIn();
      scene.clock.advance(2 * MINUTE_MS);
      await scene.expect(409, late, 'POST', '/factors/totp/confirm', { code: scene.code(String(begun['secret'])) });
      const again = await scene.expect(200, late, 'POST', '/factors/totp', {});
      await scene.identity.admin('UPDATE identity.account SET epoch = epoch + 1');
      const next = await scene.signedIn();
      await scene.expect(409, next, 'POST', '/factors/totp/confirm', { code: scene.code(String(again['secret'])) });
    });

    it('is recorded, and its owner is told', async () => {
      const { secret } = await enrolled();
      const browser = await scene.signedIn({ code: scene.nextCode(secret) });
      await scene.expect(204, browser, 'DELETE', '/factors/totp');
      for (const action of ['totp.enrolled', 'recovery-codes.issued', 'totp.removed'])
        assert.equal((await scene.entries(action)).length, 1, action);
      await scene.identity.context.mail.deliverDue();
      const texts = scene.mailer.sent.map(({ to, text }) => `${to} ${text.split('\n')[0] ?? ''}`);
      assert.deepEqual(texts, [
        'owner@example.com An authenticator app was set up for your account.',
        'owner@example.com The authenticator app was removed from your account.',
      ]);
    });
  });
});
