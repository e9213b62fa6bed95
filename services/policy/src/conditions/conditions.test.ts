import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { stripTypeScriptTypes } from 'node:module';

import { computingMs } from '@sallyport/testing';
import fc from 'fast-check';

import { randomCondition, randomGiven } from '../../tests/support/random-condition.ts';
import { nameOf } from '../model/lines.ts';
import {
  attributesText,
  canonicalText,
  compileCondition,
  coversCondition,
  met,
  readCondition,
  type Attributes,
  type Condition,
  type GivenProperties,
} from './index.ts';

const ATTRIBUTES: Attributes = {
  subjectType: 'user',
  subjectId: 'alice',
  action: 'flag:toggle',
  resourceType: 'flag',
  resourceId: 'checkout',
  place: 'production',
  projectId: 'shop',
  environmentId: 'live',
  // A Thursday, 09:30.
  nowMs: 9.5 * 3_600_000,
  given: undefined,
};

const encode = (condition: Condition): string => nameOf('condition', canonicalText(condition));

const both = (condition: Condition, given?: GivenProperties, changes: Partial<Attributes> = {}): string => {
  const attributes = { ...ATTRIBUTES, ...changes, given };
  const compiled = compileCondition(condition);
  const answers = (['allow', 'deny'] as const).map((effect) => {
    const holds = compiled.holds(attributes, effect);
    assert.equal(met(attributesText(attributes), encode(condition), effect), holds, canonicalText(condition));
    return holds;
  });
  return answers[0] === answers[1] ? (answers[0] === true ? 'met' : 'not met') : 'undecided';
};

const context = (value: unknown): GivenProperties => ({ context: { x: value } });
const test = (operator: string, value: unknown, property = 'context.x'): Condition => {
  const read = readCondition({ property, operator, value });
  assert.ok(read.ok, JSON.stringify(read));
  return read.condition;
};

describe('conditions', () => {
  it('compare without converting: another type is undecided, and so is a missing property', () => {
    assert.equal(both(test('equals', '1'), context('1')), 'met');
    assert.equal(both(test('equals', '1'), context('2')), 'not met');
    for (const value of [1, true, ['1'], { x: '1' }, null, undefined])
      assert.equal(both(test('equals', '1'), context(value)), 'undecided', JSON.stringify(value));
    assert.equal(both(test('equals', '1')), 'undecided');
    assert.equal(both(test('equals', 0), context(-0)), 'met');
    assert.equal(both(test('atLeast', 3), context('4')), 'undecided');
    assert.equal(both(test('in', ['a', 'b']), context('b')), 'met');
    assert.equal(both(test('in', ['a', 'b']), context(['a'])), 'undecided');
    assert.equal(both(test('contains', 'hwk', 'subject.amr'), { subject: { amr: ['pwd', 'hwk'] } }), 'met');
    assert.equal(both(test('contains', 'hwk', 'subject.amr'), { subject: { amr: 'hwk' } }), 'undecided');
  });

  it('compare numbers at their bounds', () => {
    const outcomes = (operator: string): string[] => [2, 3, 4].map((value) => both(test(operator, 3), context(value)));
    assert.deepEqual(outcomes('atLeast'), ['not met', 'met', 'met']);
    assert.deepEqual(outcomes('moreThan'), ['not met', 'not met', 'met']);
    assert.deepEqual(outcomes('atMost'), ['met', 'met', 'not met']);
    assert.deepEqual(outcomes('lessThan'), ['met', 'not met', 'not met']);
    assert.equal(both(test('atLeast', 3), context(Number.NaN)), 'undecided');
  });

  it('carry what is undecided through all, any and not', () => {
    const [yes, no, unknown] = [test('equals', 1), test('equals', 2), test('equals', 'x')] as const;
    const given = context(1);
    const outcomes: readonly (readonly [Condition, string])[] = [
      [{ all: [yes, unknown] }, 'undecided'],
      [{ all: [no, unknown] }, 'not met'],
      [{ all: [yes, yes] }, 'met'],
      [{ any: [yes, unknown] }, 'met'],
      [{ any: [no, unknown] }, 'undecided'],
      [{ any: [no, no] }, 'not met'],
      [{ not: unknown }, 'undecided'],
      [{ not: yes }, 'not met'],
      [{ not: { all: [no, unknown] } }, 'met'],
    ];
    for (const [condition, outcome] of outcomes)
      assert.equal(both(condition, given), outcome, canonicalText(condition));
  });

  it('match patterns with * for anything and nothing else special, in time bounded by the text', () => {
    const cases: readonly (readonly [pattern: string, text: string, outcome: string])[] = [
      ['prod-*', 'prod-eu', 'met'],
      ['prod-*', 'prod-', 'met'],
      ['prod-*', 'PROD-eu', 'not met'],
      ['prod-*', 'development-prod-eu', 'not met'],
      ['*', '', 'met'],
      ['a*a', 'a', 'not met'],
      ['a*b*c', 'a1b2b3c', 'met'],
      ['a*b*c', 'acb', 'not met'],
      ['a.c', 'abc', 'not met'],
      ['%', 'x', 'not met'],
      ['[a]?', 'a', 'not met'],
    ];
    for (const [pattern, text, outcome] of cases)
      assert.equal(both(test('like', pattern), context(text)), outcome, pattern);
    const tookMs = computingMs(() => {
      assert.equal(both(test('like', '*a*a*a*a*a*a*a*b'), context('a'.repeat(1_024))), 'not met');
    });
    assert.ok(tookMs < 1_000, String(tookMs));
  });

  it('know networks; an IPv4 address written as IPv6 is the IPv4 address', () => {
    const office = test('inNetwork', ['192.0.2.0/25', '2001:db8::/33']);
    const outcomes: Readonly<Record<string, string>> = {
      '192.0.2.127': 'met',
      '192.0.2.128': 'not met',
      '::ffff:192.0.2.1': 'met',
      '::ffff:c000:0201': 'met',
      '2001:db8:7fff::1': 'met',
      '2001:db8:8000::1': 'not met',
      '192.0.2.01': 'undecided',
      '0300.0.2.1': 'undecided',
      '192.0.2.1%eth0': 'undecided',
      '1::2::3': 'undecided',
      ' 192.0.2.1': 'undecided',
      '': 'undecided',
    };
    for (const [address, outcome] of Object.entries(outcomes))
      assert.equal(both(office, context(address)), outcome, address);
    for (const network of ['192.0.2.1/24', '192.0.2.0/33', '::ffff:192.0.2.0/120', '192.0.2', '2001:db8::/x', '/8', ''])
      assert.equal(
        readCondition({ property: 'context.x', operator: 'inNetwork', value: [network] }).ok,
        false,
        network,
      );
  });

  it('know hours and days in UTC, and until when an answer holds', () => {
    const hours = test('duringUtc', { days: [4], from: '09:00', until: '10:00' }, 'context.now');
    const hour = 3_600_000;
    assert.equal(both(hours), 'met');
    assert.equal(both(hours, undefined, { nowMs: 9 * hour }), 'met');
    assert.equal(both(hours, undefined, { nowMs: 10 * hour }), 'not met');
    assert.equal(both(hours, undefined, { nowMs: 9.5 * hour + 24 * hour }), 'not met');
    assert.equal(both(hours, undefined, { nowMs: 9.5 * hour - 7 * 24 * hour }), 'met');
    assert.equal(compileCondition(hours).changesAt(9.5 * hour + 1), 9.5 * hour + 60_000);
    assert.equal(compileCondition(test('lessThan', 500, 'context.now')).changesAt(100), 500);
    assert.equal(compileCondition(test('lessThan', 500, 'context.now')).changesAt(501), Number.POSITIVE_INFINITY);
    assert.equal(compileCondition(test('equals', 'a')).changesAt(1), Number.POSITIVE_INFINITY);
  });

  it('take what we know ourselves over what a caller says, and own names only', () => {
    const forged = { subject: { id: 'bob' }, resource: { place: 'non-production' }, context: { now: 0 } };
    assert.equal(both(test('equals', 'alice', 'subject.id'), forged), 'met');
    assert.equal(both(test('equals', 'production', 'resource.place'), forged), 'met');
    assert.equal(both(test('equals', 0, 'context.now'), forged), 'not met');
    // Not said by us either: what the caller says under our name stays hidden.
    assert.equal(both(test('equals', 'x', 'resource.id'), { resource: { id: 'x' } }, { resourceId: '' }), 'undecided');
    for (const name of ['constructor', 'toString', 'hasOwnProperty'])
      assert.equal(both(test('equals', 'x', `context.${name}`), { context: {} }), 'undecided');
    assert.equal(both(test('equalsProperty', 'subject.id', 'resource.owner'), { resource: { owner: 'alice' } }), 'met');
  });

  it('mean the same compiled and in the function Casbin gets (property)', () => {
    fc.assert(
      fc.property(
        randomCondition,
        randomGiven,
        fc.integer({ min: -5, max: 700_000_000 }),
        (condition, given, nowMs) => {
          both(condition, given, { nowMs });
        },
      ),
      { numRuns: 20_000 },
    );
  });
});

describe('reading a condition', () => {
  const problem = (value: unknown): string => {
    const read = readCondition(value);
    return read.ok ? 'ok' : `${read.problem.code} ${read.problem.path.join('/')}`;
  };
  const leaf = { property: 'context.x', operator: 'equals', value: 1 };

  it('names what is wrong and where', () => {
    const cases: readonly (readonly [value: unknown, problem: string])[] = [
      [null, 'NOT_A_CONDITION '],
      [[], 'NOT_A_CONDITION '],
      [{}, 'INVALID_PROPERTY property'],
      [{ all: [] }, 'INVALID_LIST all'],
      [{ all: [leaf], any: [leaf] }, 'UNKNOWN_FIELD any'],
      [{ all: [leaf, { ...leaf, operator: 'regex' }] }, 'UNKNOWN_OPERATOR all/1/operator'],
      [{ any: [{ not: { ...leaf, extra: 1 } }] }, 'UNKNOWN_FIELD any/0/not/extra'],
      [{ ...leaf, property: 'constructor.name' }, 'INVALID_PROPERTY property'],
      [{ ...leaf, property: 'context.__proto__' }, 'INVALID_PROPERTY property'],
      [{ ...leaf, property: 'context.' }, 'INVALID_PROPERTY property'],
      [{ ...leaf, value: { a: 1 } }, 'INVALID_VALUE value'],
      [{ ...leaf, value: 'x'.repeat(257) }, 'INVALID_VALUE value'],
      [{ ...leaf, value: '\ud800' }, 'INVALID_VALUE value'],
      [{ ...leaf, value: Number.POSITIVE_INFINITY }, 'INVALID_VALUE value'],
      [{ ...leaf, operator: 'in', value: [1, 'a'] }, 'MIXED_TYPES value'],
      [{ ...leaf, operator: 'in', value: Array.from({ length: 65 }, () => 1) }, 'INVALID_LIST value'],
      [{ ...leaf, operator: 'like', value: '*'.repeat(9) }, 'TOO_MANY_WILDCARDS value'],
      [{ ...leaf, operator: 'inNetwork', value: ['10.0.0.0/8', 'x'] }, 'INVALID_NETWORK value/1'],
      [{ ...leaf, operator: 'atLeast', value: '3' }, 'INVALID_VALUE value'],
      [
        { ...leaf, operator: 'duringUtc', value: { days: [8], from: '09:00', until: '10:00' } },
        'INVALID_DAY value/days/0',
      ],
      [
        { ...leaf, operator: 'duringUtc', value: { days: [1], from: '09:00', until: '09:00' } },
        'INVALID_TIME value/until',
      ],
      [{ not: { not: { not: { not: { not: leaf } } } } }, 'TOO_DEEP not/not/not/not/not'],
      [{ all: Array.from({ length: 17 }, () => leaf) }, 'INVALID_LIST all'],
      [
        { all: Array.from({ length: 5 }, () => ({ any: Array.from({ length: 4 }, () => leaf) })) },
        'TOO_MANY_TESTS all/4/any/0',
      ],
      [{ ...leaf, operator: 'in', value: Array.from({ length: 64 }, () => 'x'.repeat(256)) }, 'TOO_LARGE '],
    ];
    for (const [value, expected] of cases) assert.equal(problem(value), expected, JSON.stringify(value));
    assert.equal(problem({ not: { not: { not: { not: leaf } } } }), 'ok');
  });

  it('never throws, and reads its own canonical form again (property)', () => {
    fc.assert(
      fc.property(fc.anything({ withNullPrototype: true }), (value) => {
        readCondition(value);
      }),
    );
    fc.assert(
      fc.property(randomCondition, (condition) => {
        const read = readCondition(JSON.parse(canonicalText(condition)));
        assert.ok(read.ok, canonicalText(condition));
        assert.equal(canonicalText(read.condition), canonicalText(condition));
      }),
    );
  });
});

describe('the condition function for other programs', () => {
  it('is the one used here, without its types', () => {
    const read = (name: string): string => readFileSync(new URL(name, import.meta.url), 'utf8');
    const lines = stripTypeScriptTypes(read('met.ts')).split('\n');
    const plain = lines
      .map((line) => line.trimEnd())
      .join('\n')
      .replaceAll(/\n{3,}/g, '\n\n');
    assert.equal(read('met.mjs.txt'), plain, 'write met.mjs.txt anew from met.ts, as this test does');
  });
});

describe('what a condition covers', () => {
  it('is never more than it allows (property)', () => {
    fc.assert(
      fc.property(randomCondition, randomCondition, randomGiven, fc.boolean(), (held, other, given, isPart) => {
        const wanted: Condition = isPart ? { all: [other, held] } : other;
        if (!coversCondition(held, wanted)) return;
        const [holder, receiver] = ['alice', 'bob'].map((subjectId) => ({ ...ATTRIBUTES, subjectId, given }));
        assert.ok(holder !== undefined && receiver !== undefined);
        if (compileCondition(wanted).holds(receiver, 'allow')) assert.ok(compileCondition(held).holds(holder, 'allow'));
      }),
    );
  });
});
