import assert from 'node:assert/strict';

import { isAppError } from '@sallyport/errors';
import fc from 'fast-check';

import { readCriteria } from './criteria.ts';
import { MAX_FILTER_BYTES, MAX_FILTER_DEPTH, MAX_FILTER_NODES, parseFilter } from './filter.ts';
import { USER } from './user-schema.ts';

const refuses = (text: string): void => {
  assert.throws(
    () => parseFilter(text),
    (error) => isAppError(error) && error.code === 'INVALID_FILTER',
    text,
  );
};

describe('parseFilter', () => {
  it('reads eq comparisons joined by and (RFC 7644 §3.4.2.2)', () => {
    assert.deepEqual(parseFilter('userName eq "bjensen"'), [{ path: 'userName', value: 'bjensen' }]);
    assert.deepEqual(parseFilter('userName EQ "a" AND (externalId eq "b" and active eq true)'), [
      { path: 'userName', value: 'a' },
      { path: 'externalId', value: 'b' },
      { path: 'active', value: true },
    ]);
  });

  it('reads strings as JSON strings, escapes included', () => {
    assert.deepEqual(parseFilter(String.raw`userName eq "a\"b\\cé] and x eq 1"`), [
      { path: 'userName', value: 'a"b\\cé] and x eq 1' },
    ]);
  });

  it('takes a bare word for a string (Entra documentation: externalId eq jyoung)', () => {
    assert.deepEqual(parseFilter('externalId eq jyoung'), [{ path: 'externalId', value: 'jyoung' }]);
  });

  it('refuses every other operator and every incomplete filter: a filter is never ignored', () => {
    for (const text of [
      '',
      '   ',
      'userName',
      'userName eq',
      'userName pr',
      'userName ne "a"',
      'userName co "a"',
      'userName sw "a"',
      'meta.lastModified gt "2020-01-01T00:00:00Z"',
      'userName eq "a" or userName eq "b"',
      'not (userName eq "a")',
      'userName eq "a" userName eq "b"',
      'userName eq "a" and',
      '(userName eq "a"',
      'userName eq "a")',
      'userName eq "a',
      String.raw`userName eq "\x"`,
      'emails[type eq "work"]',
      '"userName" eq "a"',
      "userName eq 'a' or '1'='1'",
    ])
      refuses(text);
  });

  it('bounds length, depth and number of comparisons', () => {
    refuses(`userName eq "${'a'.repeat(MAX_FILTER_BYTES)}"`);
    refuses(`${'('.repeat(MAX_FILTER_DEPTH + 1)}userName eq "a"${')'.repeat(MAX_FILTER_DEPTH + 1)}`);
    refuses(Array.from({ length: MAX_FILTER_NODES + 1 }, () => 'a eq 1').join(' and '));
    assert.equal(parseFilter(Array.from({ length: MAX_FILTER_NODES }, () => 'a eq 1').join(' and ')).length, 200);
  });

  it('never fails in another way, whatever it is given', () => {
    const piece = fc.oneof(
      fc.constantFrom('userName', 'eq', 'and', 'or', 'not', '(', ')', '[', ']', '"', '\\', ' ', 'true', 'null', '1e9'),
      fc.string({ maxLength: 8 }),
    );
    fc.assert(
      fc.property(fc.array(piece, { maxLength: 60 }), (pieces) => {
        const text = pieces.join(pieces.length % 2 === 0 ? ' ' : '');
        try {
          const filter = parseFilter(text);
          assert.ok(filter.length > 0 && filter.length <= MAX_FILTER_NODES);
        } catch (error) {
          assert.ok(isAppError(error) && error.code === 'INVALID_FILTER', text);
        }
      }),
      { numRuns: 20_000 },
    );
  });

  it('is linear: the longest filter takes a few milliseconds', () => {
    const hostile = ['('.repeat(8_000), `a eq "${'\\"'.repeat(4_000)}`, 'a '.repeat(4_000), 'a eq 1 and '.repeat(700)];
    for (const text of hostile) {
      const startedMs = performance.now();
      refuses(text);
      assert.ok(performance.now() - startedMs < 50, text.slice(0, 20));
    }
  });

  it('reads back every filter it could have been given (property)', () => {
    const comparison = fc.record(
      { path: fc.constantFrom('userName', 'externalId', 'emails.value', 'id'), value: fc.string() },
      { noNullPrototype: true },
    );
    fc.assert(
      fc.property(fc.array(comparison, { minLength: 1, maxLength: 20 }), (comparisons) => {
        const text = comparisons.map(({ path, value }) => `${path} eq ${JSON.stringify(value)}`).join(' and ');
        assert.deepEqual(parseFilter(text), comparisons);
      }),
      { numRuns: 2_000 },
    );
  });
});

describe('readCriteria', () => {
  const fields = new Map([
    ['userName', 'userName'],
    ['emails.value', 'email'],
  ] as const);

  it('resolves names in any case and with their URN (RFC 7643 §2.1)', () => {
    for (const path of ['userName', 'USERNAME', 'urn:ietf:params:scim:schemas:core:2.0:User:userName'])
      assert.deepEqual(readCriteria(USER, fields, `${path} eq "a"`), [{ field: 'userName', value: 'a' }]);
    assert.deepEqual(readCriteria(USER, fields, 'EMAILS.value eq "a"'), [{ field: 'email', value: 'a' }]);
  });

  it('refuses attributes that cannot be looked up, unknown ones and prototype names', () => {
    for (const path of ['nickName', 'password', 'nope', '__proto__', 'constructor', 'toString', 'emails.toString'])
      assert.throws(
        () => readCriteria(USER, fields, `${path} eq "a"`),
        (error) => isAppError(error) && error.code === 'INVALID_FILTER',
        path,
      );
  });

  it('refuses values of the wrong type', () => {
    for (const value of ['true', 'null'])
      assert.throws(
        () => readCriteria(USER, fields, `userName eq ${value}`),
        (error) => isAppError(error) && error.code === 'INVALID_FILTER',
      );
  });
});
