import assert from 'node:assert/strict';

import { needsFreshLogin } from './fresh-login.ts';

const ASKED_AT = 1_000_000;
const at = (secondsFromAsking: number): Date => new Date((ASKED_AT + secondsFromAsking) * 1000);
const LOGIN = ['login_prompt'];
const MAX_AGE = ['no_session', 'max_age'];

/** Created and proven in seconds from the request; asked for what; needed? */
const CASES: readonly (readonly [string, number, number | null, readonly string[], number | undefined, boolean])[] = [
  ['nothing is asked of an old sign-in', -3600, -3600, ['no_session'], undefined, false],
  ['prompt=login: a sign-in before it', -1, -1, LOGIN, undefined, true],
  ['prompt=login: a sign-in after it', 1, 1, LOGIN, undefined, false],
  ['prompt=login: a clock 60 s behind ours', 1, -60, LOGIN, undefined, false],
  ['prompt=login: the identity provider asked nobody', 1, -61, LOGIN, undefined, true],
  ['prompt=login: the identity provider does not say', 1, null, LOGIN, undefined, true],
  ['prompt=login and max_age: the age does not help', -1, -1, [...LOGIN, 'max_age'], 3600, true],
  ['max_age: recent enough', -100, -100, MAX_AGE, 110, false],
  ['max_age: to the second', -100, -100, MAX_AGE, 109, true],
  ['max_age: a new session of an old sign-in', -10, -100, MAX_AGE, 50, true],
  ['max_age: nobody says when', -10, null, MAX_AGE, 3600, true],
  ['max_age=0: a sign-in after it', 5, 5, MAX_AGE, 0, false],
  ['max_age=0: a sign-in before it', -1, -1, MAX_AGE, 0, true],
  ['max_age that is none', -1, -1, MAX_AGE, undefined, true],
];

describe('A fresh sign-in for an authorization request (OIDC Core §3.1.2.1)', () => {
  for (const [name, created, proven, reasons, maxAge, expected] of CASES) {
    it(name, () => {
      const signIn = { createdAt: at(created), provenAt: proven === null ? null : at(proven) };
      const asked = { reasons, askedAt: ASKED_AT, maxAge };
      assert.equal(needsFreshLogin(asked, signIn, at(10)), expected);
    });
  }
});
