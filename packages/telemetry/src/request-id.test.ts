import assert from 'node:assert/strict';

import fc from 'fast-check';

import { acceptRequestId, newRequestId } from './request-id.ts';

describe('request id', () => {
  it('accepts a harmless one', () => {
    for (const id of ['abcd1234', 'A.b-c_d:e-12', newRequestId()]) assert.equal(acceptRequestId(id), id);
  });

  it('replaces anything else: what comes out is always safe for a header, a log and a URN (property)', () => {
    fc.assert(
      fc.property(fc.anything(), (offered) => {
        assert.match(acceptRequestId(offered), /^[\w.:-]{8,64}$/);
      }),
    );
    for (const id of ['short', 'a'.repeat(65), 'with blank', 'new\nline1', 'abcd1234\n', 'ä'.repeat(10)]) {
      assert.notEqual(acceptRequestId(id), id);
    }
  });
});
