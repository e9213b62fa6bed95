import assert from 'node:assert/strict';

import fc from 'fast-check';

import { newRecoveryCodes, readRecoveryCode, RECOVERY_CODES, recoveryCodeHash } from './recovery-codes.ts';

describe('recovery codes', () => {
  it('are ten, of 80 bits each, and never the same', () => {
    const codes = [...newRecoveryCodes(), ...newRecoveryCodes()];
    assert.equal(codes.length, 2 * RECOVERY_CODES);
    assert.equal(new Set(codes).size, codes.length);
    for (const code of codes) assert.match(code, /^[0-9A-HJKMNP-TV-Z]{4}(-[0-9A-HJKMNP-TV-Z]{4}){3}$/);
  });

  it('are read however they are typed', () => {
    const [code = ''] = newRecoveryCodes();
    const plain = code.replaceAll('-', '');
    for (const typed of [code, plain, code.toLowerCase(), ` ${code.replaceAll('-', ' ')} `])
      assert.equal(readRecoveryCode(typed), plain);
    assert.equal(readRecoveryCode('o0iL-1111-1111-1111'), '0011111111111111');
  });

  it('are nothing else (property)', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary', maxLength: 40 }), (typed) => {
        const code = readRecoveryCode(typed);
        assert.ok(code === null || /^[0-9A-HJKMNP-TV-Z]{16}$/.test(code));
      }),
    );
    assert.equal(readRecoveryCode('U000-0000-0000-0000'), null);
  });

  it('are stored so that the same code of two accounts does not look the same', () => {
    assert.notDeepEqual(recoveryCodeHash('a', '0000000000000000'), recoveryCodeHash('b', '0000000000000000'));
  });
});
