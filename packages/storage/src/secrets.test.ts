import assert from 'node:assert/strict';

import fc from 'fast-check';

import { constantTimeEqual, isId, isWellFormedSecret, newId, newSecret, secretHash } from './index.ts';

describe('secrets', () => {
  it('are well-formed under their own prefix and under no other', () => {
    for (let round = 0; round < 200; round += 1) {
      const secret = newSecret('sp_pat_');
      assert.match(secret, /^sp_pat_[0-9A-Za-z]{49}$/);
      assert.equal(isWellFormedSecret('sp_pat_', secret), true);
      assert.equal(isWellFormedSecret('sp_env_', secret), false);
    }
  });

  it('are told from a secret with any one character changed', () => {
    const secret = newSecret('sp_');
    for (let at = 3; at < secret.length; at += 1) {
      const changed = secret.slice(0, at) + (secret[at] === 'A' ? 'B' : 'A') + secret.slice(at + 1);
      assert.equal(isWellFormedSecret('sp_', changed), false);
    }
  });

  it('never repeat and hash to different values', () => {
    const secrets = Array.from({ length: 500 }, () => newSecret('x_'));
    assert.equal(new Set(secrets.map((secret) => secretHash(secret).toString('hex'))).size, 500);
  });

  it('compare equal exactly when they are', () => {
    fc.assert(
      fc.property(fc.string(), fc.string(), (left, right) => {
        assert.equal(constantTimeEqual(left, right), left === right);
        assert.equal(constantTimeEqual(left, left), true);
      }),
    );
  });
});

describe('identifiers', () => {
  it('are version 7 UUIDs in ascending order', () => {
    const ids = Array.from({ length: 200 }, newId);
    assert.deepEqual([...ids].sort(), ids);
    assert.ok(ids.every(isId));
  });

  it('are only what they look like', () => {
    for (const value of ['', 'x', 7, null, undefined, {}, [newId()], `${newId()}\n`, newId().toUpperCase()]) {
      assert.equal(isId(value), false);
    }
  });
});
