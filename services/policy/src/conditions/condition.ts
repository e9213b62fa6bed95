/** Operators a condition may use. A closed set: a new one is a new meaning, in the index, in Casbin and in SQL. */
export const OPERATORS = [
  'equals',
  'in',
  'contains',
  'like',
  'inNetwork',
  'atLeast',
  'atMost',
  'moreThan',
  'lessThan',
  'equalsProperty',
  'duringUtc',
] as const;
export type Operator = (typeof OPERATORS)[number];

/** What a property can be compared with; nothing is ever converted from one to another. */
export type Scalar = string | number | boolean;

/** Weekdays (ISO 8601: Monday is 1) and the part of the day, in UTC; `until` is exclusive and may be `24:00`. */
export interface UtcHours {
  readonly days: readonly number[];
  readonly from: string;
  readonly until: string;
}

/** One comparison of a property of the request with a stored value. */
export interface ConditionTest {
  /** `subject.…`, `resource.…`, `action.…` or `context.…`. */
  readonly property: string;
  readonly operator: Operator;
  readonly value: Scalar | readonly Scalar[] | UtcHours;
}

/**
 * When a grant applies. A test whose property is missing or of another type is undecided; `all`, `any` and `not` carry
 * that through (Kleene's three values). Undecided is "not met" for a grant that allows and "met" for one that denies.
 */
export type Condition =
  | { readonly all: readonly Condition[] }
  | { readonly any: readonly Condition[] }
  | { readonly not: Condition }
  | ConditionTest;

export const ENTITIES = ['subject', 'resource', 'action', 'context'] as const;
export type Entity = (typeof ENTITIES)[number];

/** Properties every request has; what a caller sends under the same name is not looked at. */
export const OWN_PROPERTIES = [
  'subject.type',
  'subject.id',
  'action.name',
  'resource.type',
  'resource.id',
  'resource.place',
  'resource.projectId',
  'resource.environmentId',
  'context.now',
] as const;

/** Deepest nesting of all, any and not. */
export const MAX_CONDITION_DEPTH = 4;
export const MAX_CONDITION_TESTS = 16;
export const MAX_LIST_ITEMS = 64;
/** Longest stored text. */
export const MAX_VALUE_CHARS = 256;
export const MAX_WILDCARDS = 8;
/** Longest condition, as canonical text. */
export const MAX_CONDITION_CHARS = 4_096;
/** Longest text a request may send as a property; a longer one is as good as missing. */
export const MAX_PROPERTY_CHARS = 1_024;

export const isTest = (condition: Condition): condition is ConditionTest => 'property' in condition;

/** Two conditions with the same canonical text are the same condition. */
export const canonicalText = (condition: Condition): string => JSON.stringify(condition);

/** The tests of a condition, in order. */
export const testsOf = (condition: Condition): readonly ConditionTest[] => {
  if (isTest(condition)) return [condition];
  if ('not' in condition) return testsOf(condition.not);
  return ('all' in condition ? condition.all : condition.any).flatMap(testsOf);
};

/** The properties a condition looks at, each once. */
export const propertiesOf = (condition: Condition): readonly string[] => [
  ...new Set(
    testsOf(condition).flatMap(({ property, operator, value }) =>
      operator === 'equalsProperty' ? [property, value as string] : [property],
    ),
  ),
];

/** What must hold all together: the members of `all`, however nested, or the condition itself. */
const conjunctsOf = (condition: Condition): readonly Condition[] =>
  'all' in condition ? condition.all.flatMap(conjunctsOf) : [condition];

const dependsOnSubject = (condition: Condition): boolean =>
  propertiesOf(condition).some((property) => property.startsWith('subject.'));

/**
 * True when somebody who holds a role on the condition `held` (null: on none) gives nothing beyond it by giving the
 * role on the condition `given`: every part of `held` is a part of `given` too. A part that looks at the subject means
 * something else for another subject ("its owner" is not the giver any more), so it can not be passed on.
 */
export const coversCondition = (held: Condition | null, given: Condition | null): boolean => {
  if (held === null) return true;
  if (given === null) return false;
  const parts = new Set(conjunctsOf(given).map(canonicalText));
  return conjunctsOf(held).every((part) => !dependsOnSubject(part) && parts.has(canonicalText(part)));
};
