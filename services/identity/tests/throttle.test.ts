import assert from 'node:assert/strict';

import { SamlScene } from './saml/scene.ts';
import { Browser } from './support/browser.ts';
import { countedAttempt, passwordRules } from '../src/throttle/index.ts';

describe('too many attempts', () => {
  let scene: SamlScene;

  before(async () => {
    scene = await SamlScene.start();
    await scene.person('00u1', 'ada@example.com');
  });
  after(async () => {
    await scene.close();
  });
  beforeEach(async () => {
    await scene.forgetAttempts();
  });

  const guess = async (): Promise<Response> =>
    await fetch(`${scene.origin}/api/identity/v1/login`, {
      method: 'POST',
      headers: { 'content-type': 'application/json', origin: scene.origin },
      body: JSON.stringify({ email: 'ada@example.com', password: 'wrong password!' }),
    });

  it('with a password keep nobody from single sign-on (a victim is never locked out)', async () => {
    const rules = passwordRules('ada@example.com', '127.0.0.1');
    let refused = 0;
    for (let count = 0; count < 400; count += 1)
      await countedAttempt(scene.identity.context, rules).catch(() => {
        refused += 1;
      });
    assert.ok(refused > 0);
    const answer = await guess();
    assert.equal(answer.status, 429);
    assert.equal((await scene.answer(await scene.begin())).status, 303);
  });

  it('are told when to come back: the end of the window (RFC 6585 §4)', async () => {
    const rules = [{ key: 'test', limit: 1 }];
    await countedAttempt(scene.identity.context, rules);
    const inSeconds = async (): Promise<number> => {
      try {
        await countedAttempt(scene.identity.context, rules);
      } catch (error) {
        return (error as { retryAfterSeconds: number }).retryAfterSeconds;
      }
      return 0;
    };
    const seconds = await inSeconds();
    assert.ok(seconds > 14 * 60 && seconds <= 15 * 60);
    await scene.identity.admin(
      `UPDATE identity.login_throttle SET window_ends_at = clock_timestamp() + interval '30 seconds'`,
    );
    assert.ok((await inSeconds()) <= 30);
  });

  it('on a page say so in its status and in Retry-After', async () => {
    await scene.identity.admin(`UPDATE identity.login_throttle SET failures = 100000`);
    await new Browser().open(`${scene.origin}/saml/${scene.connectionId}/login`);
    await scene.identity.admin(`UPDATE identity.login_throttle SET failures = 100000`);
    const answer = await new Browser().open(`${scene.origin}/saml/${scene.connectionId}/login`);
    assert.equal(answer.status, 429);
    assert.match(answer.headers.get('retry-after') ?? '', /^\d+$/);
  });

  it('that one address has no more of are refused and use up nobody else’s (no victim is locked out by one machine)', async () => {
    const { context } = scene.identity;
    const tryFrom = async (ip: string): Promise<boolean> =>
      await countedAttempt(context, passwordRules('ada@example.com', ip)).then(
        () => true,
        () => false,
      );
    for (const [index, ip] of ['192.0.2.1', '2001:db8::1', '2001:db8::2'].entries()) {
      const outcomes = [];
      for (let count = 0; count < 120; count += 1) outcomes.push(await tryFrom(ip));
      assert.equal(outcomes.filter(Boolean).length, index === 2 ? 0 : 10, ip);
    }
    assert.equal(await tryFrom('192.0.2.2'), true);
    assert.equal(await tryFrom('2001:db8:0:1::1'), true);
  });

  it('that are refused leave nothing behind, at once or one after the other', async () => {
    const { context } = scene.identity;
    const attempt = async (name: string): Promise<unknown> =>
      await countedAttempt(context, [
        { key: 'one address', limit: 3 },
        { key: `name ${name}`, limit: 10 },
      ]);
    await Promise.allSettled(Array.from({ length: 20 }, async (_, index) => await attempt(String(index))));
    await assert.rejects(attempt('more'));
    const rows = await scene.identity.admin<{ failures: number }>(
      'SELECT failures FROM identity.login_throttle WHERE failures > 0',
    );
    assert.deepEqual(
      rows.map(({ failures }) => failures).sort((left, right) => left - right),
      [1, 1, 1, 3],
    );
  });

  it('are counted together by all replicas, however many come at once', async () => {
    const rules = [{ key: 'together', limit: 10 }];
    const outcomes = await Promise.allSettled(
      Array.from({ length: 40 }, async () => await countedAttempt(scene.identity.context, rules)),
    );
    assert.equal(outcomes.filter(({ status }) => status === 'fulfilled').length, 10);
  });
});
