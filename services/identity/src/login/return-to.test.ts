import assert from 'node:assert/strict';

import fc from 'fast-check';

import { safeReturnTo } from './return-to.ts';

const ORIGIN = 'https://sallyport.example';

describe('where a login leads', () => {
  it('is our own origin, whatever the address says (open redirect)', () => {
    const piece = fc.constantFrom(
      '/',
      '//',
      '\\',
      '.',
      '..',
      '@',
      ':',
      '?',
      '#',
      'evil.example',
      '%2F',
      '%5C',
      '\t',
      '\n',
      'https',
      'javascript',
    );
    const hostile = fc
      .array(fc.oneof(piece, fc.string({ maxLength: 3 })), { maxLength: 8 })
      .map((parts) => parts.join(''));
    fc.assert(
      fc.property(
        fc.oneof(
          hostile,
          hostile.map((text) => `/${text}`),
        ),
        (text) => {
          const returnTo = safeReturnTo(text, ORIGIN);
          assert.equal(new URL(returnTo, ORIGIN).origin, ORIGIN);
          assert.match(returnTo, /^\/(?!\/)[\x21-\x7E]*$/);
        },
      ),
      { numRuns: 5_000 },
    );
  });

  it('keeps paths, queries and fragments of ours', () => {
    for (const path of ['/account', '/console/flags?x=%20y#z', '/login/interaction/abc']) {
      assert.equal(safeReturnTo(path, ORIGIN), path);
    }
    assert.equal(safeReturnTo(undefined, ORIGIN), '/account');
  });
});
