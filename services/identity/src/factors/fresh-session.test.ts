import assert from 'node:assert/strict';

import type { Principal } from '@sallyport/http';

import { assertFresh, FRESH_MS, ownerOf } from './fresh-session.ts';

const NOW = new Date('2026-01-01T12:00:00Z');

describe('Who may change how they sign in (ASVS 7.5.1)', () => {
  const cases: readonly (readonly [string, number, boolean, readonly string[] | undefined, boolean])[] = [
    ['a sign-in of this moment', 0, false, ['pwd'], true],
    ['a quarter of an hour ago', FRESH_MS, false, ['pwd'], true],
    ['longer ago', FRESH_MS + 1, false, ['pwd'], false],
    ['in the future', -1, false, ['pwd'], false],
    ['with all factors there are', 0, true, ['pwd', 'otp', 'mfa'], true],
    ['with the password only, of two', 0, true, ['pwd'], false],
    ['with who knows what, of two', 0, true, undefined, false],
  ];
  for (const [name, ageMs, hasFactor, amr, isFresh] of cases)
    it(`${name}: ${isFresh ? 'yes' : 'no'}`, () => {
      const signIn = { authenticatedAt: new Date(NOW.getTime() - ageMs), ...(amr === undefined ? {} : { amr }) };
      const check = (): void => {
        assertFresh(signIn, { hasFactor, now: NOW });
      };
      if (isFresh) check();
      else assert.throws(check, { code: 'STEP_UP_REQUIRED' });
    });

  it('is the person of a browser session, and nobody else', () => {
    const person = { orgId: 'o', subjectId: 'a', epoch: 3n, type: 'user', credentialType: 'session' };
    assert.deepEqual(ownerOf(person as Principal), { orgId: 'o', accountId: 'a', epoch: 3n });
    for (const other of [
      { credentialType: 'api_token' },
      { credentialType: 'access_token' },
      { type: 'service_account' },
    ])
      assert.equal(ownerOf({ ...person, ...other } as Principal), null);
    assert.equal(ownerOf(null), null);
  });
});
