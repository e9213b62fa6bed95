import assert from 'node:assert/strict';
import { createHmac } from 'node:crypto';

import fc from 'fast-check';

import { base32, codeAt, matchingStep, newTotpSecret, otpauthUri, readTotpCode, STEP_SECONDS, stepAt } from './totp.ts';

const SECRET = Buffer.from('12345678901234567890');
const at = (seconds: number): Date => new Date(seconds * 1000);

describe('TOTP', () => {
  it('reckons the codes of RFC 6238 Appendix B (the last six of their eight digits)', () => {
    const vectors = [
      [59, '287082'],
      [1111111109, '081804'],
      [1111111111, '050471'],
      [1234567890, '005924'],
      [2000000000, '279037'],
      [20000000000, '353130'],
    ] as const;
    for (const [seconds, code] of vectors) assert.equal(codeAt(SECRET, stepAt(at(seconds))), code);
  });

  it('reckons the codes of RFC 4226 Appendix D', () => {
    const codes = ['755224', '287082', '359152', '969429', '338314', '254676', '287922', '162583', '399871', '520489'];
    for (const [count, code] of codes.entries()) assert.equal(codeAt(SECRET, BigInt(count)), code);
  });

  it('takes the code of this step and of one to either side, of no other (RFC 6238 §5.2)', () => {
    fc.assert(
      fc.property(fc.integer({ min: 10, max: 100_000_000 }), fc.integer({ min: -3, max: 3 }), (step, away) => {
        const code = codeAt(SECRET, BigInt(step + away));
        const found = matchingStep(SECRET, code, at(step * STEP_SECONDS), -1n);
        if (Math.abs(away) <= 1) assert.equal(found !== null, true);
        else if (found !== null) assert.equal(codeAt(SECRET, found), code, 'two steps with one code');
      }),
    );
  });

  it('takes no code of a step that was used, or before one that was', () => {
    const now = at(1000 * STEP_SECONDS);
    for (const step of [999n, 1000n, 1001n]) {
      const code = codeAt(SECRET, step);
      assert.equal(matchingStep(SECRET, code, now, step - 1n), step);
      assert.equal(matchingStep(SECRET, code, now, step), null);
      assert.equal(matchingStep(SECRET, code, now, step + 5n), null);
    }
  });

  it('reads digits however they are grouped, and nothing else', () => {
    for (const typed of ['123456', ' 123 456 ', '123-456', '1 2 3 4 5 6']) assert.equal(readTotpCode(typed), '123456');
    for (const typed of ['', '12345', '1234567', '12345a', '१२३४५६', '123456\u0000', '-1234567'])
      assert.equal(readTotpCode(typed), null, typed);
  });

  it('writes base32 as RFC 4648 §10 does, without padding', () => {
    const vectors = [
      ['', ''],
      ['f', 'MY'],
      ['fo', 'MZXQ'],
      ['foo', 'MZXW6'],
      ['foob', 'MZXW6YQ'],
      ['fooba', 'MZXW6YTB'],
      ['foobar', 'MZXW6YTBOI'],
    ] as const;
    for (const [plain, text] of vectors) assert.equal(base32(Buffer.from(plain)), text);
  });

  it('names issuer and account in the link, whatever characters they have (property)', () => {
    const label = fc.string({ unit: 'grapheme', minLength: 1, maxLength: 60 });
    fc.assert(
      fc.property(label, label, (issuer, account) => {
        const url = new URL(otpauthUri(SECRET, { issuer, account }));
        assert.equal(url.protocol, 'otpauth:');
        assert.equal(url.searchParams.get('issuer'), issuer);
        assert.equal(url.searchParams.get('secret'), base32(SECRET));
        const [first, ...rest] = url.pathname.split('/').at(-1)?.split(':') ?? [];
        assert.deepEqual([decodeURIComponent(first ?? ''), decodeURIComponent(rest.join(':'))], [issuer, account]);
      }),
    );
  });

  it('makes secrets of 160 bits that no two people share', () => {
    assert.equal(newTotpSecret().length, createHmac('sha1', '').digest().length);
    assert.notDeepEqual(newTotpSecret(), newTotpSecret());
  });
});
