import assert from 'node:assert/strict';

import fc from 'fast-check';

import { deviceOf } from './device.ts';
import { isMultiFactor, stepUpDue, stepUpDueOfToken } from './step-up.ts';

const NOW = new Date('2030-01-01T12:00:00Z');
const settings = { actions: ['grant:manage'], minutes: 15, multiFactor: false, tokensAllowed: false } as const;
const before = (ms: number): Date => new Date(NOW.getTime() - ms);

describe('a recent sign-in', () => {
  it('is one of the last minutes, to the millisecond', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 15 }), fc.integer({ min: -5_000_000, max: 5_000_000 }), (minutes, ms) => {
        const due = stepUpDue({ ...settings, minutes }, { provenAt: before(ms), multiFactor: false }, NOW);
        assert.equal(due.length === 0, ms >= 0 && ms < minutes * 60_000);
      }),
    );
  });

  it('is none where the identity provider does not say when the person was there', () => {
    assert.deepEqual(stepUpDue(settings, { provenAt: null, multiFactor: true }, NOW), ['grant:manage']);
  });

  it('is with more than one factor where the organisation demands that', () => {
    const strict = { ...settings, multiFactor: true };
    assert.deepEqual(stepUpDue(strict, { provenAt: NOW, multiFactor: false }, NOW), ['grant:manage']);
    assert.deepEqual(stepUpDue(strict, { provenAt: NOW, multiFactor: true }, NOW), []);
  });

  it('is nothing a token has', () => {
    assert.deepEqual(stepUpDueOfToken(settings), ['grant:manage']);
    assert.deepEqual(stepUpDueOfToken({ ...settings, tokensAllowed: true }), []);
  });

  it('with a password alone is with one factor (RFC 8176 §2)', () => {
    assert.equal(isMultiFactor(['pwd']), false);
    assert.equal(isMultiFactor([]), false);
    for (const method of ['mfa', 'otp', 'hwk', 'swk']) assert.equal(isMultiFactor(['pwd', method]), true);
  });
});

describe('the device of a session', () => {
  const cases: readonly (readonly [string | null, string])[] = [
    ['Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0', 'Firefox on Linux'],
    ['Mozilla/5.0 (Windows NT 10.0) AppleWebKit/537.36 Chrome/140.0 Safari/537.36 Edg/140.0', 'Edge on Windows'],
    ['Mozilla/5.0 (iPhone; CPU iPhone OS 19_0 like Mac OS X) Version/19.0 Safari/604.1', 'Safari on iOS'],
    ['curl/8.5.0', 'curl'],
    ['', 'Unknown device'],
    [null, 'Unknown device'],
  ];
  for (const [userAgent, device] of cases)
    it(`of ${String(userAgent)} is ${device}`, () => {
      assert.equal(deviceOf(userAgent), device);
    });
});
