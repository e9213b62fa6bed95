import assert from 'node:assert/strict';

import { factorRules, passwordRules } from './throttle.ts';

const limitsOf = (rules: readonly { readonly key: string; readonly limit: number }[]): number[] =>
  rules.map(({ limit }) => limit);

/** Which of the rules two attempts share: what one uses up, the other feels. */
const shared = (one: readonly { key: string; limit: number }[], other: readonly { key: string }[]): number[] =>
  one.filter(({ key }) => other.some((rule) => rule.key === key)).map(({ limit }) => limit);

describe('What attempts are counted by', () => {
  it('a password: by name and address, by name, by address', () => {
    const ada = passwordRules('ada', '192.0.2.1');
    assert.deepEqual(limitsOf(ada), [10, 100, 300]);
    assert.deepEqual(shared(ada, passwordRules('ada', '192.0.2.2')), [100]);
    assert.deepEqual(shared(ada, passwordRules('bea', '192.0.2.1')), [300]);
    assert.deepEqual(shared(ada, passwordRules('bea', '192.0.2.2')), []);
    // NIST SP 800-63B-4 §3.2.2: at most 100 for one account, from wherever.
    assert.ok(Math.max(...shared(ada, passwordRules('ada', '192.0.2.2'))) <= 100);
  });

  it('a second factor: by account and address, by account, and never together with a password', () => {
    const ada = factorRules('a1', '192.0.2.1');
    assert.deepEqual(limitsOf(ada), [10, 20]);
    assert.deepEqual(shared(ada, factorRules('a1', '192.0.2.2')), [20]);
    assert.deepEqual(shared(ada, factorRules('a2', '192.0.2.1')), []);
    assert.deepEqual(shared(ada, passwordRules('a1', '192.0.2.1')), []);
  });
});
