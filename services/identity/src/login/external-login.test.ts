import assert from 'node:assert/strict';

import fc from 'fast-check';

import { composeKey } from './external-login.ts';

describe('the key of an external subject', () => {
  it('differs whenever any part does (length-prefixed, no truncation)', () => {
    const parts = fc.array(fc.string({ unit: fc.constantFrom('a', ':', '1', '2', 'é'), maxLength: 4 }), {
      minLength: 1,
      maxLength: 4,
    });
    fc.assert(
      fc.property(parts, parts, (left, right) => {
        assert.equal(composeKey(...left) === composeKey(...right), JSON.stringify(left) === JSON.stringify(right));
      }),
      { numRuns: 5_000 },
    );
    for (let length = 1; length <= 300; length += 1) {
      assert.notEqual(composeKey('x'.repeat(length)), composeKey(`${'x'.repeat(length - 1)}y`));
    }
  });
});
