import fc from 'fast-check';

import { type CompilableFlag, type Condition, type Rule, ruleSchema } from '../../src/targeting/index.ts';
import type { JsonValue } from '../../src/vocabulary/index.ts';

// Few names and values, so that rules and contexts meet; strange ones among them, so that they meet badly.
const ATTRIBUTES = ['email', 'plan', 'age', 'version', 'targetingKey', 'length', 'valueOf2'] as const;
const TEXTS = [
  '',
  'a',
  'ab',
  'b',
  'pro',
  'Pro',
  '1',
  '2.0.0',
  '1.2.3',
  'v1.2',
  '1.0.0-rc.1',
  '$flagd',
  'true',
  'x@corp.test',
];
const NUMBERS = [0, -1, 1, 2, 2.5, 1e9, Number.MAX_SAFE_INTEGER];
const VERSIONS = ['0.0.1', '1.2.3', '1.2.4', '1.10.0', '2.0.0', '1.0.0-rc.1', '1.0.0-rc.2', '1.0.0-alpha'];

export const attribute = fc.constantFrom<string>(...ATTRIBUTES);
const text = fc.oneof(fc.constantFrom(...TEXTS), fc.string({ unit: 'grapheme-ascii', maxLength: 6 }));
const wellFormed = text.filter((value) => value.isWellFormed());
const nonEmpty = wellFormed.filter((value) => value !== '');
const number = fc.oneof(fc.constantFrom(...NUMBERS), fc.integer({ min: -5, max: 5 }));
const listed = fc.oneof(wellFormed, number);

export const condition: fc.Arbitrary<Condition> = fc.oneof(
  fc.record({
    attribute,
    operator: fc.constantFrom('equals' as const, 'not_equals' as const),
    value: fc.oneof(wellFormed, number, fc.boolean()),
  }),
  fc.record({
    attribute,
    operator: fc.constantFrom('in' as const, 'not_in' as const),
    values: fc.array(listed, { minLength: 1, maxLength: 5 }),
  }),
  fc.record({
    attribute,
    operator: fc.constantFrom('contains' as const, 'starts_with' as const, 'ends_with' as const),
    value: nonEmpty,
  }),
  fc.record({
    attribute,
    operator: fc.constantFrom(
      'less_than' as const,
      'less_than_or_equal' as const,
      'greater_than' as const,
      'greater_than_or_equal' as const,
    ),
    value: number,
  }),
  fc.record({
    attribute,
    operator: fc.constant('sem_ver' as const),
    comparison: fc.constantFrom('=' as const, '!=', '<', '<=', '>', '>=', '^', '~'),
    value: fc.constantFrom(...VERSIONS),
  }),
  fc.record({ attribute, operator: fc.constantFrom('exists' as const, 'not_exists' as const) }),
);

export const VARIANTS = ['on', 'off', 'blue'] as const;
const variant = fc.constantFrom<string>(...VARIANTS);

const rollout = fc
  .uniqueArray(fc.record({ variant, weight: fc.nat({ max: 5 }) }), {
    minLength: 1,
    maxLength: VARIANTS.length,
    selector: (bucket) => bucket.variant,
  })
  .filter((buckets) => buckets.some(({ weight }) => weight > 0))
  .chain((buckets) => attribute.map((bucketBy) => ({ rollout: { bucketBy, buckets } })));

export const rule: fc.Arbitrary<Rule> = fc
  .record({
    when: fc.array(condition, { maxLength: 3 }),
    serve: fc.oneof(
      variant.map((name) => ({ variant: name })),
      rollout,
    ),
  })
  .map((value) => ruleSchema.parse(value));

export const rules = fc.array(rule, { maxLength: 4 });

export const flag: fc.Arbitrary<CompilableFlag> = fc.record({
  key: fc.constantFrom('checkout', 'dark-mode', 'a.b_c'),
  variants: fc.constantFrom<Readonly<Record<string, JsonValue>>>(
    { on: true, off: false, blue: true },
    { on: 'x', off: '', blue: 'b' },
    { on: 0, off: -1.5, blue: 3 },
    { on: {}, off: { deep: [1, null] }, blue: { a: 'b' } },
  ),
  state: fc.constantFrom('ENABLED' as const, 'ENABLED' as const, 'ENABLED' as const, 'DISABLED' as const),
  rules,
  defaultVariant: fc.option(variant, { nil: null }),
});

const attributeValue: fc.Arbitrary<JsonValue> = fc.oneof(
  { weight: 6, arbitrary: wellFormed },
  { weight: 3, arbitrary: fc.constantFrom(...VERSIONS) },
  { weight: 3, arbitrary: number },
  { weight: 1, arbitrary: fc.boolean() },
  { weight: 1, arbitrary: fc.constant(null) },
  { weight: 1, arbitrary: fc.constantFrom<JsonValue>([], ['a'], {}, { length: 1 }, [[1]]) },
);

/** A context as a client might send it, hostile names included. */
export const context: fc.Arbitrary<Readonly<Record<string, JsonValue>>> = fc
  .array(
    fc.tuple(
      fc.oneof({ weight: 9, arbitrary: attribute }, fc.constantFrom('__proto__', 'constructor', '$flagd')),
      attributeValue,
    ),
    {
      maxLength: 6,
    },
  )
  .map((entries) => Object.fromEntries(entries));
