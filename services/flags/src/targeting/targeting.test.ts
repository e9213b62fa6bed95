import assert from 'node:assert/strict';

import fc from 'fast-check';

import * as any from '../../tests/support/arbitraries.ts';
import { type ReferenceAnswer, referenceEvaluate } from '../../tests/support/reference-evaluator.ts';
import { type CompilableFlag, createFlagSet, type Evaluation, rulesSchema, toEvaluationContext } from './index.ts';

const evaluate = (flag: CompilableFlag, context: Parameters<typeof toEvaluationContext>[0]): Evaluation => {
  const set = createFlagSet();
  set.upsert(flag);
  return set.evaluate(flag.key, toEvaluationContext(context));
};

const asReference = (evaluation: Evaluation): ReferenceAnswer => {
  if (!evaluation.ok) {
    assert.equal(evaluation.errorCode, 'TARGETING_KEY_MISSING', evaluation.detail);
    return { kind: 'targeting-key-missing' };
  }
  if ('variant' in evaluation)
    return {
      kind: 'value',
      variant: evaluation.variant,
      value: evaluation.value,
      matched: evaluation.reason === 'TARGETING_MATCH',
    };
  return evaluation.reason === 'DISABLED' ? { kind: 'disabled' } : { kind: 'none' };
};

const flagWith = (rules: unknown, defaultVariant: string | null = 'off'): CompilableFlag => ({
  key: 'checkout',
  variants: { on: true, off: false },
  state: 'ENABLED',
  rules: rulesSchema.parse(rules),
  defaultVariant,
});

describe('targeting', () => {
  it('compiled rules answer as the naive evaluator does, for every flag and every context', () => {
    fc.assert(
      fc.property(any.flag, any.context, (flag, context) => {
        assert.deepEqual(asReference(evaluate(flag, context)), referenceEvaluate(flag, context));
      }),
      { numRuns: 20_000 },
    );
  });

  it('an incrementally kept set equals one built from scratch', () => {
    const step = fc.oneof(
      any.flag.map((flag) => ({ kind: 'upsert' as const, flag })),
      fc.constantFrom('checkout', 'dark-mode', 'a.b_c').map((key) => ({ kind: 'remove' as const, key })),
    );
    fc.assert(
      fc.property(fc.array(step, { maxLength: 12 }), any.context, (steps, raw) => {
        const incremental = createFlagSet();
        const live = new Map<string, CompilableFlag>();
        for (const change of steps) {
          if (change.kind === 'upsert') {
            incremental.upsert(change.flag);
            live.set(change.flag.key, change.flag);
          } else {
            incremental.remove(change.key);
            live.delete(change.key);
          }
        }
        const rebuilt = createFlagSet();
        for (const flag of live.values()) rebuilt.upsert(flag);
        const context = toEvaluationContext(raw);
        assert.deepEqual([...incremental.keys()].sort(), [...rebuilt.keys()].sort());
        for (const key of ['checkout', 'dark-mode', 'a.b_c'])
          assert.deepEqual(incremental.evaluate(key, context), rebuilt.evaluate(key, context));
      }),
      { numRuns: 1_000 },
    );
  });

  it('raising one of two weights moves people only into its variant', () => {
    const at = (weight: number): CompilableFlag =>
      flagWith([
        {
          serve: {
            rollout: {
              buckets: [
                { variant: 'on', weight },
                { variant: 'off', weight: 100 - weight },
              ],
            },
          },
        },
      ]);
    fc.assert(
      fc.property(fc.nat({ max: 100 }), fc.nat({ max: 100 }), fc.uuid(), (one, other, targetingKey) => {
        const [low, high] = [at(Math.min(one, other)), at(Math.max(one, other))];
        const before = evaluate(low, { targetingKey });
        const after = evaluate(high, { targetingKey });
        assert.ok(before.ok && after.ok && 'variant' in before && 'variant' in after);
        if (before.variant === 'on') assert.equal(after.variant, 'on');
      }),
    );
  });

  it('answers no value where neither a rule nor a default decides (OFREP ADR-0006, code default)', () => {
    assert.deepEqual(evaluate(flagWith([], null), {}), { ok: true, reason: 'DEFAULT' });
  });

  it('says STATIC without rules, DEFAULT when no rule held, TARGETING_MATCH when one did', () => {
    const rules = [{ when: [{ attribute: 'plan', operator: 'equals', value: 'pro' }], serve: { variant: 'on' } }];
    const reasons = [
      evaluate(flagWith([]), {}),
      evaluate(flagWith(rules), {}),
      evaluate(flagWith(rules), { plan: 'pro' }),
    ];
    assert.deepEqual(
      reasons.map((result) => (result.ok ? result.reason : result.errorCode)),
      ['STATIC', 'DEFAULT', 'TARGETING_MATCH'],
    );
  });

  it('does not invent a bucket for a context without a targeting key, and only where a rollout is reached', () => {
    const rules = [
      { when: [{ attribute: 'plan', operator: 'equals', value: 'pro' }], serve: { variant: 'on' } },
      { serve: { rollout: { buckets: [{ variant: 'on', weight: 1 }] } } },
    ];
    const missing = evaluate(flagWith(rules), { plan: 'free', targetingKey: '' });
    assert.ok(!missing.ok && missing.errorCode === 'TARGETING_KEY_MISSING');
    assert.ok(evaluate(flagWith(rules), { plan: 'pro' }).ok);
  });

  it('names an unknown flag as not found', () => {
    const result = createFlagSet().evaluate('constructor', toEvaluationContext({}));
    assert.ok(!result.ok && result.errorCode === 'FLAG_NOT_FOUND');
  });
});

describe('rule validation', () => {
  const serve = { variant: 'on' };
  const refused: readonly [what: string, rules: unknown][] = [
    ['an unknown operator', [{ when: [{ attribute: 'a', operator: 'matches', value: '.*' }], serve }]],
    ['an unknown property', [{ when: [], serve, skipReview: true }]],
    ['raw JsonLogic', [{ when: [{ if: [true, 'on', 'off'] }], serve }]],
    ['an attribute named like an object internal', [{ when: [{ attribute: '__proto__', operator: 'exists' }], serve }]],
    ['an attribute with a path', [{ when: [{ attribute: 'a.b', operator: 'exists' }], serve }]],
    ['a variant named like an object internal', [{ serve: { variant: 'constructor' } }]],
    ['a variant with a dollar sign', [{ serve: { variant: '$targetingKeyMissing' } }]],
    ['an empty value list', [{ when: [{ attribute: 'a', operator: 'in', values: [] }], serve }]],
    ['a number beyond 2^53 - 1', [{ when: [{ attribute: 'a', operator: 'less_than', value: 2 ** 53 }], serve }]],
    [
      'a version that is none',
      [{ when: [{ attribute: 'a', operator: 'sem_ver', comparison: '>', value: '1.2' }], serve }],
    ],
    ['weights that add up to nothing', [{ serve: { rollout: { buckets: [{ variant: 'on', weight: 0 }] } } }]],
    ['a fractional weight', [{ serve: { rollout: { buckets: [{ variant: 'on', weight: 0.5 }] } } }]],
    ['a negative weight', [{ serve: { rollout: { buckets: [{ variant: 'on', weight: -1 }] } } }]],
    [
      'weights beyond 2^31 - 1',
      [
        {
          serve: {
            rollout: {
              buckets: [
                { variant: 'on', weight: 2 ** 31 - 1 },
                { variant: 'off', weight: 1 },
              ],
            },
          },
        },
      ],
    ],
    [
      'a variant twice in a rollout',
      [
        {
          serve: {
            rollout: {
              buckets: [
                { variant: 'on', weight: 1 },
                { variant: 'on', weight: 1 },
              ],
            },
          },
        },
      ],
    ],
    ['too many rules', Array.from({ length: 33 }, () => ({ serve }))],
    ['both a variant and a rollout', [{ serve: { ...serve, rollout: { buckets: [{ variant: 'on', weight: 1 }] } } }]],
  ];
  for (const [what, rules] of refused)
    it(`refuses ${what}`, () => {
      assert.equal(rulesSchema.safeParse(rules).success, false);
    });
});
