import type { JsonValue } from '../vocabulary/index.ts';
import { type Condition, type Rollout, type Rule, TARGETING_KEY } from './rule.ts';

type Logic = JsonValue;

/** One flag in the format of flagd's definition schema (flags.json, targeting.json). */
export interface FlagdFlag {
  readonly state: 'ENABLED' | 'DISABLED';
  readonly variants: Readonly<Record<string, JsonValue>>;
  /** Absent: what no rule decides is left to the default in the application's code. */
  readonly defaultVariant?: string;
  readonly targeting?: Logic;
}

export interface CompilableFlag {
  readonly key: string;
  readonly variants: Readonly<Record<string, JsonValue>>;
  readonly state: 'ENABLED' | 'DISABLED';
  readonly rules: readonly Rule[];
  readonly defaultVariant: string | null;
}

/**
 * What a rollout by `targetingKey` answers for a context without one: it is no variant (the name is refused there), so
 * every flagd engine reports an error instead of putting all nameless callers into one bucket.
 */
export const TARGETING_KEY_MISSING_VARIANT = '$targetingKeyMissing';

const read = (attribute: string): Logic => ({ var: attribute });

// JsonLogic has no type test. `cat` turns everything into text, so only text equals its own `cat`; the leading ''
// keeps it binary, for the unary form of the engine throws on null.
const isText = (attribute: string): Logic => ({ '===': [{ cat: ['', read(attribute)] }, read(attribute)] });
const isPresent = (attribute: string): Logic => ({ '!==': [read(attribute), null] });
const isNumber = (attribute: string): Logic[] => [
  isPresent(attribute),
  { '!==': [{ cat: ['', read(attribute)] }, read(attribute)] },
  { '!': [{ in: [read(attribute), [true, false]] }] },
];

const all = (tests: readonly Logic[]): Logic => (tests.length === 1 ? (tests[0] as Logic) : { and: [...tests] });

const COMPARISON = {
  less_than: '<',
  less_than_or_equal: '<=',
  greater_than: '>',
  greater_than_or_equal: '>=',
} as const;

type ConditionOf<Operator extends Condition['operator']> = Extract<Condition, { operator: Operator }>;

const compileMembership = (condition: ConditionOf<'in' | 'not_in'>): Logic[] => {
  const isListed: Logic = { in: [read(condition.attribute), condition.values] };
  return condition.operator === 'in' ? [isListed] : [isPresent(condition.attribute), { '!': [isListed] }];
};

const compileEquality = ({ attribute, operator, value }: ConditionOf<'equals' | 'not_equals'>): Logic[] =>
  operator === 'equals'
    ? [{ '===': [read(attribute), value] }]
    : [isPresent(attribute), { '!==': [read(attribute), value] }];

const compileTextTest = ({
  attribute,
  operator,
  value,
}: ConditionOf<'contains' | 'starts_with' | 'ends_with'>): Logic[] =>
  operator === 'contains'
    ? [isText(attribute), { in: [value, read(attribute)] }]
    : [{ [operator]: [read(attribute), value] }];

type Comparison = ConditionOf<keyof typeof COMPARISON>;

const isComparison = (condition: Condition): condition is Comparison => Object.hasOwn(COMPARISON, condition.operator);

const compileComparison = ({ attribute, operator, value }: Comparison): Logic[] => [
  ...isNumber(attribute),
  { [COMPARISON[operator]]: [read(attribute), value] },
];

const compileCondition = (condition: Condition): Logic[] => {
  const { attribute } = condition;
  if (isComparison(condition)) return compileComparison(condition);
  switch (condition.operator) {
    case 'equals':
    case 'not_equals':
      return compileEquality(condition);
    case 'in':
    case 'not_in':
      return compileMembership(condition);
    case 'contains':
    case 'starts_with':
    case 'ends_with':
      return compileTextTest(condition);
    case 'sem_ver':
      return [isText(attribute), { sem_ver: [read(attribute), condition.comparison, condition.value] }];
    case 'exists':
      return [isPresent(attribute)];
    case 'not_exists':
    default:
      return [{ '===': [read(attribute), null] }];
  }
};

// The bucketing key is spelt out: flagd's implicit one depends on where in a tree of flags it is evaluated.
const compileRollout = (flagKey: string, { bucketBy, buckets }: Rollout): Logic => {
  const fractional: Logic = {
    fractional: [{ cat: [flagKey, read(bucketBy)] }, ...buckets.map(({ variant, weight }) => [variant, weight])],
  };
  return bucketBy === TARGETING_KEY
    ? { if: [{ '!!': [read(TARGETING_KEY)] }, fractional, TARGETING_KEY_MISSING_VARIANT] }
    : fractional;
};

const compileRule = (flagKey: string, { when, serve }: Rule): [test: Logic, result: Logic] => {
  const tests = when.flatMap(compileCondition);
  if ('variant' in serve) return [tests.length === 0 ? true : all(tests), serve.variant];
  // Nobody can be put into a bucket by an attribute they do not have: the rule does not hold for them.
  if (serve.rollout.bucketBy !== TARGETING_KEY) tests.push(isPresent(serve.rollout.bucketBy));
  return [tests.length === 0 ? true : all(tests), compileRollout(flagKey, serve.rollout)];
};

/** Ordered rules as one chained `if` whose last branch, null, means the default variant. */
export const compileTargeting = (flagKey: string, rules: readonly Rule[]): Logic | undefined =>
  rules.length === 0 ? undefined : { if: [...rules.flatMap((rule) => compileRule(flagKey, rule)), null] };

/** Compiles a flag as it stands in one environment. Pure; the result shares no structure that may change. */
export const compileFlag = (flag: CompilableFlag): FlagdFlag => {
  const targeting = compileTargeting(flag.key, flag.rules);
  return {
    state: flag.state,
    variants: flag.variants,
    ...(flag.defaultVariant === null ? {} : { defaultVariant: flag.defaultVariant }),
    ...(targeting === undefined ? {} : { targeting }),
  };
};

/** True when some context needs a targeting key to be answered. */
export const needsTargetingKey = (rules: readonly Rule[]): boolean =>
  rules.some(({ serve }) => 'rollout' in serve && serve.rollout.bucketBy === TARGETING_KEY);
