import assert from 'node:assert/strict';

import { isAppError } from '@sallyport/errors';
import fc from 'fast-check';

import { SESSION_COOKIE, credentialOf } from './credential.ts';

const bearer = (value: string) => ({ $case: 'bearer', value });
const session = (value: string) => ({ $case: 'session', value });
const isUnauthenticated = (error: unknown): boolean => isAppError(error) && error.code === 'UNAUTHENTICATED';

describe('credential of a request', () => {
  it('is null without a header, and with cookies that are not ours', () => {
    assert.equal(credentialOf({ headers: {} }), null);
    assert.equal(credentialOf({ headers: { cookie: '' } }), null);
    assert.equal(
      credentialOf({ headers: { cookie: 'theme=dark; sallyport_session=a; x__Host-sallyport_session=b' } }),
      null,
    );
  });

  it('is the bearer token, whatever the case of the scheme (RFC 6750 §2.1, RFC 9110 §11.1)', () => {
    for (const scheme of ['Bearer', 'bearer', 'BEARER', 'bEaReR']) {
      assert.deepEqual(
        credentialOf({ headers: { authorization: `${scheme} abc.DEF-1_2~+/==` } }),
        bearer('abc.DEF-1_2~+/=='),
      );
    }
    assert.deepEqual(credentialOf({ headers: { authorization: 'Bearer   abc' } }), bearer('abc'));
  });

  it('is the session cookie, wherever it stands', () => {
    for (const cookie of [`${SESSION_COOKIE}=abc`, `a=b; ${SESSION_COOKIE}=abc; c=d`, `a=b;${SESSION_COOKIE}=abc`]) {
      assert.deepEqual(credentialOf({ headers: { cookie } }), session('abc'));
    }
  });

  it('is the bearer token when there is a cookie as well', () => {
    const headers = { authorization: 'Bearer token', cookie: `${SESSION_COOKIE}=abc` };
    assert.deepEqual(credentialOf({ headers }), bearer('token'));
  });

  for (const authorization of [
    '',
    'Bearer',
    'Bearer ',
    'Bearer a b',
    'Bearer a,b',
    'Bearer a"b',
    'Bearer =',
    'Bearer a=b',
    'Bearer\tabc',
    ' Bearer abc',
    'Bearer abc ',
    'Basic dXNlcjpwdw==',
    'abc',
    'Bearer ä',
    `Bearer ${'a'.repeat(4_097)}`,
  ]) {
    it(`refuses "${authorization.slice(0, 30)}", also next to a good cookie: never a guess, never nobody`, () => {
      assert.throws(() => credentialOf({ headers: { authorization } }), isUnauthenticated);
      const headers = { authorization, cookie: `${SESSION_COOKIE}=abc` };
      assert.throws(() => credentialOf({ headers }), isUnauthenticated);
    });
  }

  it('refuses two Authorization headers, of which Node shows one', () => {
    const rawHeaders = ['Authorization', 'Bearer good', 'X', 'authorization', 'authorization', 'Bearer other'];
    assert.throws(() => credentialOf({ headers: { authorization: 'Bearer good' }, rawHeaders }), isUnauthenticated);
    assert.deepEqual(
      credentialOf({ headers: { authorization: 'Bearer good' }, rawHeaders: rawHeaders.slice(0, 4) }),
      bearer('good'),
    );
  });

  it('refuses two session cookies, an empty one, and one that is no cookie value (RFC 6265 §4.1.1)', () => {
    for (const cookie of ['=a; NAME=b', '=a; NAME=a', '=', '="a"', '=a b', '=a,b', '=a\\b', `=${'a'.repeat(4_097)}`]) {
      const header = `${SESSION_COOKIE}${cookie.replaceAll('NAME', SESSION_COOKIE)}`;
      assert.throws(() => credentialOf({ headers: { cookie: header } }), isUnauthenticated, header.slice(0, 60));
    }
  });

  it('takes any header in its stride: a credential, null or UNAUTHENTICATED (property)', () => {
    const text = fc.oneof(
      fc.string(),
      fc.string().map((s) => `Bearer ${s}`),
      fc.string().map((s) => `${SESSION_COOKIE}=${s}`),
    );
    fc.assert(
      fc.property(fc.option(text, { nil: undefined }), fc.option(text, { nil: undefined }), (authorization, cookie) => {
        const headers = {
          ...(authorization === undefined ? {} : { authorization }),
          ...(cookie === undefined ? {} : { cookie }),
        };
        try {
          const found = credentialOf({ headers });
          if (authorization !== undefined) assert.equal(found?.$case, 'bearer');
        } catch (error) {
          assert.ok(isUnauthenticated(error), String(error));
        }
      }),
    );
  });
});
