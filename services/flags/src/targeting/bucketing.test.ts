import assert from 'node:assert/strict';

import { murmur3 } from '../../tests/support/reference-evaluator.ts';
import golden from './bucketing-vectors.json' with { type: 'json' };
import { BUCKETING_VERSION, createFlagSet, rulesSchema, toEvaluationContext } from './index.ts';

describe('bucketing golden vectors', () => {
  it('belong to the bucketing version the service names in every change set', () => {
    assert.equal(golden.bucketing, BUCKETING_VERSION);
  });

  for (const { flagKey, weights, variants } of golden.vectors)
    it(`puts everybody where they were: ${flagKey} ${JSON.stringify(weights)}`, () => {
      const set = createFlagSet();
      const buckets = Object.entries(weights).map(([variant, weight]) => ({ variant, weight }));
      const rules = rulesSchema.parse([{ serve: { rollout: { bucketBy: 'account', buckets } } }]);
      const values = { a: 'a', b: 'b', c: 'c' };
      set.upsert({ key: flagKey, variants: values, state: 'ENABLED', defaultVariant: null, rules });
      for (const [account = '', expected] of variants) {
        const result = set.evaluate(flagKey, toEvaluationContext({ account }));
        assert.ok(result.ok && 'variant' in result);
        assert.equal(result.variant, expected, account);
      }
    });

  it('hash as the published MurmurHash3 x86 32-bit vectors do (seed 0)', () => {
    assert.equal(murmur3(''), 0);
    assert.equal(murmur3('hello'), 0x248bfa47);
    assert.equal(murmur3('The quick brown fox jumps over the lazy dog'), 0x2e4ff723);
  });
});
