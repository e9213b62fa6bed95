import assert from 'node:assert/strict';

import { hash } from 'bcryptjs';
import fc from 'fast-check';

import { hashNewPassword } from './accept-password.ts';
import { ThreadedPasswordJudge } from './password-judge.ts';
import { hashPassword, isOutdatedHash, rehashPassword, verifyPassword } from './password.ts';

const GOOD = 'correct horse battery';

describe('password', () => {
  const judge = new ThreadedPasswordJudge();
  after(() => judge.close());
  const verify = async (password: string, stored: string | null): Promise<boolean> =>
    await verifyPassword(password, stored, judge);

  it('accepts the password it hashed and no other (RFC 9106)', async () => {
    const stored = await hashPassword(GOOD);
    assert.match(stored, /^\$argon2id\$v=19\$m=19456,t=2,p=1\$/);
    assert.equal(await verify(GOOD, stored), true);
    assert.equal(await verify('correct horse batterz', stored), false);
    assert.equal(isOutdatedHash(stored), false);
  });

  it('salts: the same password never hashes to the same text twice', async () => {
    assert.notEqual(await hashPassword(GOOD), await hashPassword(GOOD));
  });

  it('treats composed and decomposed characters alike (NIST SP 800-63B-4 §3.1.1.2)', async () => {
    const stored = await hashPassword('schl\u00fcsselbund-7');
    assert.equal(await verify('schlu\u0308sselbund-7', stored), true);
  });

  it('takes 15 to 256 characters, counted as people count them, and cuts nothing off', async () => {
    await assert.rejects(hashPassword('x'.repeat(14)), { code: 'INVALID_VALUE' });
    await assert.rejects(hashPassword('x'.repeat(257)), { code: 'INVALID_VALUE' });
    await assert.rejects(hashPassword('\u{1F600}'.repeat(14)), { code: 'INVALID_VALUE' });
    const longest = '\u{1F600}'.repeat(255);
    const stored = await hashPassword(`${longest}a`);
    assert.equal(await verify(`${longest}a`, stored), true);
    assert.equal(await verify(`${longest}b`, stored), false);
    assert.equal(await verify('x'.repeat(1025), stored), false);
  });

  it('answers false for a missing or unreadable hash', async () => {
    assert.equal(await verify(GOOD, null), false);
    assert.equal(await verify(GOOD, '$2b$10$abcdefghijklmnopqrstuv'), false);
    assert.equal(await verify('', '$argon2id$v=19$m=19456,t=2,p=1$$'), false);
  });

  it('reads bcrypt hashes, whatever their letter, and knows that they are outdated', async () => {
    const stored = await hash(GOOD, 4);
    for (const letter of ['a', 'b', 'y']) {
      const other = stored.replace(/^\$2./, `$2${letter}`);
      assert.equal(await verify(GOOD, other), true);
      assert.equal(await verify(`${GOOD}!`, other), false);
      assert.equal(isOutdatedHash(other), true);
    }
    assert.equal(isOutdatedHash(await rehashPassword(GOOD)), false);
  });

  it('is not fooled by bcrypt reading 72 bytes only', async () => {
    const stored = await hash('x'.repeat(80), 4);
    assert.equal(await verify('x'.repeat(72), stored), true, 'all that was hashed');
    assert.equal(await verify('x'.repeat(80), stored), false, 'no password of which a part is ignored');
    assert.equal(await verify(`${'x'.repeat(72)}anything`, stored), false);
  });

  it('does not start on a bcrypt hash that would take seconds', async () => {
    const stored = (await hash(GOOD, 4)).replace('$04$', '$16$');
    assert.equal(await verify(GOOD, stored), false);
  });

  it('asks for no work a hash from elsewhere makes too expensive, and none a password makes too long', async () => {
    let asked = 0;
    const everything = { verifyBcrypt: async () => await Promise.resolve((asked += 1) > 0) };
    const stored = await hash(GOOD, 4);
    assert.equal(await verifyPassword(GOOD, stored, everything), true);
    for (const cost of ['03', '13', '16', '31'])
      assert.equal(await verifyPassword(GOOD, stored.replace('$04$', `$${cost}$`), everything), false, cost);
    assert.equal(asked, 1);
    // Whatever was hashed once: more than 1 KiB is not hashed again.
    const long = 'x'.repeat(1_025);
    assert.equal(await verify(long, await rehashPassword(long)), false);
  });

  it('takes as long for a name nobody has as for a wrong password (ASVS 6.3.8)', async () => {
    const stored = await hashPassword(GOOD);
    const fastest = async (against: string | null): Promise<number> => {
      const times: number[] = [];
      for (let count = 0; count < 5; count += 1) {
        const startedAt = performance.now();
        assert.equal(await verify('wrong password!!', against), false);
        times.push(performance.now() - startedAt);
      }
      return Math.min(...times);
    };
    const [wrong, unknown] = [await fastest(stored), await fastest(null)];
    assert.ok(unknown > wrong / 4, `${String(unknown)} ms for nobody, ${String(wrong)} ms for somebody`);
  });

  describe('a new one', () => {
    const accept = async (password: string, context: readonly string[] = []): Promise<string> =>
      await hashNewPassword(judge, password, context);
    const isWeak = async (password: string, context: readonly string[] = []): Promise<void> => {
      await assert.rejects(accept(password, context), (error: { code: string; fields: { code: string }[] }) => {
        assert.deepEqual([error.code, error.fields[0]?.code], ['INVALID_VALUE', 'weak'], password);
        return true;
      });
    };

    it('may be anything that is hard to guess, without rules of composition', async () => {
      for (const password of [
        'correct horse battery staple',
        'vogelnest umbrella tractor',
        '鍵は窓際の青い花瓶の下にあります',
      ])
        assert.ok(await verify(password, await accept(password)));
    });

    it('is not a common or leaked one, nor one of those with something added or exchanged', async () => {
      for (const password of [
        'password1234567',
        'Password123456!',
        'P@ssw0rdP@ssw0rd!',
        'qwertyuiopasdfgh',
        'iloveyouforever1',
        'summer2025summer2025',
        '1234567890123456',
        'aaaaaaaaaaaaaaaaaaaa',
        'sallyport-sallyport',
      ])
        await isWeak(password);
    });

    it('is not made of what is known about its owner', async () => {
      const password = 'winifred.holtzmann';
      await accept(password);
      await isWeak(password, ['winifred.holtzmann@acme.example']);
      await isWeak('holtzmannwinifred', ['Winifred Holtzmann']);
    });

    it('is judged within bounds, whatever it is (property)', async function () {
      this.timeout(180_000);
      await fc.assert(
        fc.asyncProperty(fc.string({ unit: 'binary', minLength: 1, maxLength: 300 }), async (password) => {
          const guesses = await judge.guessesLog10(password, [password.slice(0, 10)]);
          assert.ok(Number.isFinite(guesses) && guesses >= 0);
        }),
        { numRuns: 40 },
      );
      assert.ok((await judge.guessesLog10('1!|7+l2z4@$0'.repeat(25), ['1!|7', '4@$0'])) > 0);
    });
  });

  it('goes on after its thread has been ended', async () => {
    await judge.close();
    assert.equal(await verify(GOOD, await hash(GOOD, 4)), true);
  });
});
