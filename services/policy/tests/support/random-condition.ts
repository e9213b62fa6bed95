import fc from 'fast-check';

import type { Condition, ConditionTest, GivenProperties } from '../../src/conditions/index.ts';

/** Few names and values, so that conditions and requests meet; prototype names among them. */
const NAMES = ['a', 'owner', 'constructor', 'toString', 'ip'] as const;
const TEXTS = [
  'a',
  'b',
  '',
  'A',
  'a*b',
  'prod-eu',
  'prod-',
  'é',
  'e\u0301',
  '🦄',
  'true',
  '1',
  '%',
  '_',
  '\\',
  "'",
] as const;
const ADDRESSES = [
  '192.0.2.1',
  '192.0.2.255',
  '192.0.3.1',
  '::ffff:192.0.2.1',
  '::FFFF:c000:0201',
  '2001:db8::1',
  '2001:DB8:0:0:0:0:0:1',
  '2001:db8:1::',
  '::',
  '::1',
  '1::',
  '1:2:3:4:5:6:1.2.3.4',
  '0.0.0.0',
  '192.0.2.01',
  '192.0.2',
  '::ffff:192.0.2.01',
  '1::2::3',
  ':1:2:3:4:5:6:7',
  '12345::',
  'fe80::1%eth0',
  '',
] as const;
const NETWORKS = [
  '192.0.2.0/24',
  '192.0.2.1',
  '192.0.2.0/31',
  '0.0.0.0/0',
  '192.0.2.1/32',
  '2001:db8::/32',
  '2001:db8::1',
  '::/0',
  '2001:db8:2::/47',
  '::/128',
] as const;

const text = fc.oneof(
  { weight: 4, arbitrary: fc.constantFrom(...TEXTS) },
  // What PostgreSQL can hold, which is what arrives over HTTP.
  { weight: 1, arbitrary: fc.string({ unit: 'grapheme', maxLength: 4 }).filter((each) => !each.includes('\0')) },
);
const number = fc.oneof(
  { weight: 4, arbitrary: fc.integer({ min: -2, max: 11 }) },
  { weight: 1, arbitrary: fc.constantFrom(0.5, -0.1, 1e21, 2 ** 53, 86_399_999, 86_400_000, 345_600_000) },
);
const address = fc.constantFrom(...ADDRESSES);
const scalar = fc.oneof(text, number, fc.boolean(), address);

// The same few again and again, so that a condition finds what a request says.
const property = fc.oneof(
  { weight: 4, arbitrary: fc.constantFrom('context.a', 'subject.a', 'resource.owner') },
  {
    weight: 1,
    arbitrary: fc
      .tuple(fc.constantFrom('subject', 'resource', 'action', 'context'), fc.constantFrom(...NAMES))
      .map((pair) => pair.join('.')),
  },
  {
    weight: 3,
    arbitrary: fc.constantFrom(
      'subject.type',
      'subject.id',
      'action.name',
      'resource.type',
      'resource.id',
      'resource.place',
      'resource.projectId',
      'resource.environmentId',
      'context.now',
    ),
  },
);

const oneType = fc.oneof(
  fc.array(text, { minLength: 1, maxLength: 3 }),
  fc.array(number, { minLength: 1, maxLength: 3 }),
  fc.array(fc.boolean(), { minLength: 1, maxLength: 2 }),
);

const CLOCK = ['00:00', '00:01', '09:30', '23:59'] as const;
const hours = fc
  .record({
    days: fc.uniqueArray(fc.integer({ min: 1, max: 7 }), { minLength: 1, maxLength: 7 }),
    from: fc.constantFrom(...CLOCK),
    until: fc.constantFrom(...CLOCK, '24:00'),
  })
  .map(({ days, from, until }) => ({
    days: days.sort((left, right) => left - right),
    ...(until > from ? { from, until } : { from, until: '24:00' }),
  }));

const pattern = fc
  .array(fc.constantFrom('a', 'b', 'prod', '*', '-', '%', '_', '\\'), { minLength: 1, maxLength: 6 })
  .map((parts) => parts.join(''));

const comparison = fc.oneof(
  fc.record({ operator: fc.constant('equals'), value: scalar }),
  fc.record({ operator: fc.constant('in'), value: oneType }),
  fc.record({ operator: fc.constant('contains'), value: scalar }),
  fc.record({ operator: fc.constant('like'), value: pattern }),
  fc.record({
    operator: fc.constant('inNetwork'),
    value: fc.array(fc.constantFrom(...NETWORKS), { minLength: 1, maxLength: 2 }),
  }),
  fc.record({ operator: fc.constantFrom('atLeast', 'atMost', 'moreThan', 'lessThan'), value: number }),
  fc.record({ operator: fc.constant('equalsProperty'), value: property }),
  fc.record({ operator: fc.constant('duringUtc'), value: hours }),
);

const test: fc.Arbitrary<ConditionTest> = fc
  .tuple(property, comparison)
  .map(([name, rest]) => ({ property: name, ...rest }));

const combined = (inner: fc.Arbitrary<Condition>): fc.Arbitrary<Condition> =>
  fc.oneof(
    { weight: 3, arbitrary: test },
    { weight: 1, arbitrary: fc.record({ all: fc.array(inner, { minLength: 1, maxLength: 3 }) }) },
    { weight: 1, arbitrary: fc.record({ any: fc.array(inner, { minLength: 1, maxLength: 3 }) }) },
    { weight: 1, arbitrary: fc.record({ not: inner }) },
  );

/** Conditions as readCondition lets them through. */
export const randomCondition: fc.Arbitrary<Condition> = combined(combined(test));

const odd = fc.constantFrom<unknown>(null, {}, { a: 'a' }, [], [[]], [null], Number.NaN, 'x'.repeat(1_025), undefined);

const value = fc.oneof(
  { weight: 8, arbitrary: scalar },
  { weight: 2, arbitrary: fc.array(scalar, { maxLength: 3 }) },
  { weight: 1, arbitrary: odd },
);

const properties = fc
  .array(fc.tuple(fc.constantFrom('a', 'a', 'owner', ...NAMES, 'id', 'type', 'now', '__proto__'), value), {
    minLength: 1,
    maxLength: 4,
  })
  .map((pairs) => Object.fromEntries(pairs) as Readonly<Record<string, unknown>>);

/** What callers say: also odd types, and names that are ours or a prototype's. */
export const randomGiven: fc.Arbitrary<GivenProperties> = fc.record(
  { subject: properties, resource: properties, action: properties, context: properties },
  { requiredKeys: [] },
);
