import assert from 'node:assert/strict';

import { AppError } from '@sallyport/errors';
import { experiencedMs } from '@sallyport/testing';

import { Browser } from '../support/browser.ts';
import { newOrganization, OWNER_PASSWORD } from '../support/identity.ts';
import { OWNER_EMAIL, Scene } from './scene.ts';

const MINUTE_MS = 60_000;
const NEXT = 'vogelnest umbrella tractor';

describe('forgotten passwords', () => {
  let scene: Scene;
  let passwordHash: string;

  before(async () => {
    scene = await Scene.open();
    const [row] = await scene.identity.admin<{ password_hash: string }>(
      'SELECT password_hash FROM identity.local_credential',
    );
    passwordHash = row?.password_hash ?? '';
  });
  beforeEach(async () => {
    await scene.reset();
    await scene.identity.admin('DELETE FROM identity.password_reset');
    await scene.identity.admin('UPDATE identity.local_credential SET password_hash = $1', [passwordHash]);
  });
  after(() => scene.close());

  const ask = async (email = OWNER_EMAIL): Promise<Response> =>
    await scene.form(new Browser(), '/login/forgot', { email });
  const asked = async (): Promise<string> => {
    assert.equal((await ask()).status, 200);
    return await scene.mailedSecret('sp_rst_', OWNER_EMAIL);
  };
  const reset = async (token: string, password = NEXT, code = ''): Promise<Response> =>
    await scene.form(new Browser(), '/login/reset', { token, password, code });

  it('are replaced by the secret of a mail; everything the account held is void, and nobody is signed in', async () => {
    const before = await scene.signedIn();
    const expiresAt = new Date(scene.clock.now().getTime() + 60 * MINUTE_MS).toISOString();
    const { token: apiToken } = await scene.expect(201, before, 'POST', '/api-tokens', { name: 'x', expiresAt });
    const answer = await reset(await asked());
    assert.equal(answer.status, 200);
    assert.deepEqual(
      answer.headers.getSetCookie().filter((cookie) => cookie.includes('_session=')),
      [],
    );
    assert.equal(await scene.me(before), null);
    const headers = { authorization: `Bearer ${String(apiToken)}` };
    assert.equal((await fetch(`${scene.origin}/api/identity/v1/me`, { headers })).status, 401);
    assert.equal((await scene.login(new Browser())).status, 403);
    assert.equal((await scene.login(new Browser(), { password: NEXT })).status, 200);
    for (const action of ['password.reset-requested', 'password.reset', 'account.epoch-raised'])
      assert.equal((await scene.entries(action)).length, 1, action);
    await scene.identity.context.mail.deliverDue();
    assert.match(scene.mailer.sent.at(-1)?.text ?? '', /Your password was reset/);
  });

  it('work once, also many times at once', async () => {
    const token = await asked();
    const statuses = (await Promise.all(Array.from({ length: 4 }, () => reset(token)))).map(({ status }) => status);
    assert.equal(statuses.filter((status) => status === 200).length, 1, statuses.join());
    assert.equal((await reset(token)).status, 403);
  });

  it('end after half an hour, with the epoch, and with the account', async () => {
    const late = await asked();
    scene.clock.advance(30 * MINUTE_MS);
    assert.equal((await reset(late)).status, 403);
    const raised = await asked();
    await scene.identity.admin('UPDATE identity.account SET epoch = epoch + 1');
    assert.equal((await reset(raised)).status, 403);
    const closed = await asked();
    await scene.identity.admin(`UPDATE identity.account SET status = 'inactive', admin_hold = true, epoch = epoch + 1`);
    await scene.identity.admin(
      'UPDATE identity.password_reset SET epoch_at_issue = (SELECT epoch FROM identity.account)',
    );
    assert.equal((await reset(closed)).status, 403);
    await scene.identity.admin(`UPDATE identity.account SET status = 'active', admin_hold = false, epoch = epoch + 1`);
  });

  it('void one another: after the first, the second of two mails is nothing', async () => {
    const first = await asked();
    const second = await asked();
    assert.notEqual(first, second);
    assert.equal((await reset(second)).status, 200);
    assert.equal((await reset(first)).status, 403);
  });

  it('are void when the password is changed meanwhile', async () => {
    const token = await asked();
    const change = { current: OWNER_PASSWORD, password: NEXT };
    await scene.expect(204, await scene.signedIn(), 'PUT', '/password', change);
    assert.equal((await reset(token, 'another umbrella tractor')).status, 403);
  });

  it('demand the second factor that is set up, of the break-glass Owner too', async () => {
    const { secret, recoveryCodes } = await scene.enrolTotp(await scene.signedIn());
    const token = await asked();
    for (const code of ['', '000000']) {
      const answer = await reset(token, NEXT, code);
      assert.equal(answer.status, 403);
      assert.match(await answer.text(), /id="code-problem"/);
    }
    assert.equal((await reset(token, NEXT, scene.nextCode(secret))).status, 200);
    const next = await asked();
    assert.equal((await reset(next, 'another umbrella tractor', recoveryCodes?.[0])).status, 200);
    const factors = await scene.signedIn({ password: 'another umbrella tractor', code: scene.nextCode(secret) });
    assert.ok((await scene.expect(200, factors, 'GET', '/factors'))['totp'] !== null, 'the factor stays');
  });

  it('are not used up by a password that is not good enough', async () => {
    const token = await asked();
    for (const password of ['short', 'password1234567']) assert.equal((await reset(token, password)).status, 400);
    assert.equal((await reset(token)).status, 200);
  });

  describe('whoever asks is told nothing', () => {
    it('in words: the same answer for an account, for nobody, and for somebody with an identity provider', async () => {
      const answers = await Promise.all([ask(), ask('nobody@example.com'), ask('not an address')]);
      const texts = await Promise.all(answers.map(async (answer) => [answer.status, await answer.text()]));
      assert.deepEqual(texts[1], texts[0]);
      assert.deepEqual(texts[2], texts[0]);
      await scene.identity.context.mail.deliverDue();
      assert.equal(scene.mailer.sent.length, 1);
    });

    it('in time: the medians differ by less than the noise', async () => {
      const longEnough: boolean[] = [];
      const timed = async (email: string): Promise<number> => {
        const startedAt = performance.now();
        const experienced = await experiencedMs(() => ask(email));
        longEnough.push(performance.now() - startedAt >= 990);
        return experienced;
      };
      const median = (times: number[]): number => times.toSorted((a, b) => a - b)[Math.floor(times.length / 2)] ?? 0;
      // In turn: what else the machine does, it does to both.
      const [known, unknown]: [number[], number[]] = [[], []];
      for (let count = 0; count < 5; count += 1) {
        const both = await Promise.all([timed(OWNER_EMAIL), timed('nobody@example.com')]);
        known.push(both[0]);
        unknown.push(both[1]);
      }
      assert.ok(Math.abs(median(known) - median(unknown)) < 100, `${String(median(known))} ${String(median(unknown))}`);
      assert.ok(longEnough.every(Boolean));
    }).timeout(180_000);

    it('when mail cannot be written', async () => {
      await scene.identity.admin('ALTER TABLE identity.mail_outbox RENAME TO mail_outbox_away');
      const answer = await ask();
      await scene.identity.admin('ALTER TABLE identity.mail_outbox_away RENAME TO mail_outbox');
      assert.equal(answer.status, 200);
      assert.match(await answer.text(), /a link is on its way/);
    });

    it('about limits: one account gets three mails an hour, and the fourth request looks like the first', async () => {
      const answers = [await ask(), await ask(), await ask(), await ask()];
      assert.deepEqual(
        answers.map(({ status }) => status),
        [200, 200, 200, 200],
      );
      await scene.identity.context.mail.deliverDue();
      assert.equal(scene.mailer.sent.length, 3);
    }).timeout(180_000);

    it('about that limit to many requests at once either', async () => {
      const answers = await Promise.all(Array.from({ length: 12 }, async () => (await ask()).status));
      assert.deepEqual([...new Set(answers)], [200]);
      await scene.identity.context.mail.deliverDue();
      assert.equal(scene.mailer.sent.length, 3);
    });
  });

  it('are for local accounts alone, and not while those are switched off', async () => {
    const coworker = await scene.newLocalAccount('wren@example.com');
    await scene.setRules({ localAccountsEnabled: false });
    await ask(coworker.email);
    await ask();
    await scene.identity.context.mail.deliverDue();
    assert.deepEqual(
      scene.mailer.sent.map(({ to }) => to),
      [OWNER_EMAIL],
    );
  });

  it('are finished by nobody whose local account was switched off meanwhile; the break-glass Owner may', async () => {
    const coworker = await scene.newLocalAccount('robin@example.com');
    await ask(coworker.email);
    const secret = await scene.mailedSecret('sp_rst_', coworker.email);
    const owners = await asked();
    await scene.setRules({ localAccountsEnabled: false });
    assert.equal((await reset(secret)).status, 403);
    assert.equal((await reset(owners)).status, 200);
  });

  it('name the organisation where one address is local in two', async () => {
    const other = await newOrganization(scene.identity);
    await ask();
    await scene.identity.context.mail.deliverDue();
    await scene.identity.admin(`UPDATE identity.account SET user_name_key = 'elsewhere' WHERE id = $1`, [
      other.ownerId,
    ]);
    assert.equal(scene.mailer.sent.length, 2);
    assert.equal(new Set(scene.mailer.sent.map(({ text }) => text)).size, 2);
  });

  it('limit the requests of one address of the network', async () => {
    const answers = await Promise.all(
      Array.from({ length: 61 }, (_, index) => ask(`nobody-${String(index)}@example.com`)),
    );
    assert.equal(answers.filter(({ status }) => status === 429).length, 1);
  }).timeout(180_000);

  describe('mail', () => {
    const outbox = async (): Promise<number> =>
      Number((await scene.identity.admin<{ count: string }>('SELECT count(*) FROM identity.mail_outbox'))[0]?.count);

    it('is sealed while it waits, and gone once it is sent', async () => {
      scene.mailer.failNext(new AppError('UNAVAILABLE', 'away'), new AppError('UNAVAILABLE', 'away'));
      await ask();
      await scene.identity.context.mail.deliverDue();
      const rows = JSON.stringify(
        await scene.identity.admin(`SELECT encode(message_sealed, 'escape') AS text FROM identity.mail_outbox`),
      );
      assert.doesNotMatch(rows, /owner@example|sp_rst_/);
      await scene.mailedSecret('sp_rst_', OWNER_EMAIL);
      assert.equal(await outbox(), 0);
    });

    it('is tried again after a failure, later and later', async () => {
      scene.mailer.failNext(new AppError('UNAVAILABLE', 'away'));
      await ask();
      await scene.identity.context.mail.deliverDue();
      assert.deepEqual([scene.mailer.sent.length, await outbox()], [0, 1]);
      // The clock goes on by itself, too: far from the edge, so that a busy machine changes nothing.
      scene.clock.advance(1_000);
      await scene.identity.context.mail.deliverDue();
      assert.equal(scene.mailer.sent.length, 0, 'too early');
      scene.clock.advance(5_000);
      await scene.identity.context.mail.deliverDue();
      assert.deepEqual([scene.mailer.sent.length, await outbox()], [1, 0]);
    });

    it('is given up when it is refused for good, and when its link has expired', async () => {
      scene.mailer.failNext(new AppError('INTERNAL', 'no such mailbox'));
      await ask();
      await scene.identity.context.mail.deliverDue();
      assert.deepEqual([scene.mailer.sent.length, await outbox()], [0, 0]);
      scene.mailer.failNext(new AppError('UNAVAILABLE', 'away'));
      await ask();
      await scene.identity.context.mail.deliverDue();
      scene.clock.advance(30 * MINUTE_MS);
      await scene.identity.context.mail.deliverDue();
      assert.deepEqual([scene.mailer.sent.length, await outbox()], [0, 0]);
    });

    it('is not sent for what did not commit', async () => {
      const { context } = scene.identity;
      const actor = { type: 'system', id: 'test' } as const;
      const { enqueueMail } = await import('../../src/mail/index.ts');
      const message = { to: OWNER_EMAIL, subject: 'x', text: 'x' };
      const expiresAt = new Date(scene.clock.now().getTime() + MINUTE_MS);
      const work = context.audit.mutate({ orgId: scene.organization.orgId, actor, requestId: 'test' }, async (tx) => {
        await enqueueMail(tx, context, { orgId: tx.orgId, kind: 'security-notice', message, expiresAt });
        throw new AppError('CONFLICT', 'rolled back');
      });
      await assert.rejects(work, { code: 'CONFLICT' });
      await context.mail.deliverDue();
      assert.equal(scene.mailer.sent.length, 0);
    });
  });

  it('leave the password as it is until they are done', async () => {
    await asked();
    assert.equal((await scene.login(new Browser(), { password: OWNER_PASSWORD })).status, 200);
  });
});
