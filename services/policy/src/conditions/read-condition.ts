/**
 * Reads a condition that somebody sent or the database holds: everything about it is checked, and what comes out is in
 * canonical form (known keys in a known order). What is refused is named with the place where it is.
 */
import {
  ENTITIES,
  MAX_CONDITION_CHARS,
  MAX_CONDITION_DEPTH,
  MAX_CONDITION_TESTS,
  MAX_LIST_ITEMS,
  MAX_VALUE_CHARS,
  MAX_WILDCARDS,
  OPERATORS,
  canonicalText,
  type Condition,
  type ConditionTest,
  type Operator,
  type Scalar,
  type UtcHours,
} from './condition.ts';
import { readNetwork } from './network.ts';

/** What is wrong with a condition, and where. */
export interface ConditionProblem {
  readonly path: readonly (string | number)[];
  readonly code: string;
  readonly detail: string;
}

export type ReadCondition =
  | { readonly ok: true; readonly condition: Condition }
  | { readonly ok: false; readonly problem: ConditionProblem };

class Refused {
  readonly problem: ConditionProblem;

  constructor(path: readonly (string | number)[], code: string, detail: string) {
    this.problem = { path, code, detail };
  }
}

type Path = readonly (string | number)[];

const refuse = (path: Path, code: string, detail: string): never => {
  // Caught where reading began: the shortest way out of a recursion.
  // oxlint-disable-next-line typescript/only-throw-error -- never leaves this module
  throw new Refused(path, code, detail);
};

const isRecord = (value: unknown): value is Readonly<Record<string, unknown>> =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

const isText = (value: unknown): value is string =>
  typeof value === 'string' && value.length <= MAX_VALUE_CHARS && value.isWellFormed() && !value.includes('\0');

const isScalar = (value: unknown): value is Scalar =>
  isText(value) || typeof value === 'boolean' || (typeof value === 'number' && Number.isFinite(value));

const NAME = /^[A-Za-z][A-Za-z0-9_.-]{0,63}$/;

/** `entity.name`; the name is one key, dots in it included. */
export const isPropertyName = (value: unknown): value is string => {
  if (typeof value !== 'string') return false;
  const dot = value.indexOf('.');
  return (ENTITIES as readonly string[]).includes(value.slice(0, dot)) && NAME.test(value.slice(dot + 1));
};

const listOf = (value: unknown, path: Path): readonly unknown[] =>
  Array.isArray(value) && value.length > 0 && value.length <= MAX_LIST_ITEMS
    ? (value as readonly unknown[])
    : refuse(path, 'INVALID_LIST', `A list of 1 to ${String(MAX_LIST_ITEMS)} values is expected.`);

const scalar = (value: unknown, path: Path): Scalar =>
  isScalar(value)
    ? value
    : refuse(path, 'INVALID_VALUE', `A text of at most ${String(MAX_VALUE_CHARS)} characters, a number or a boolean.`);

const scalars = (value: unknown, path: Path): readonly Scalar[] => {
  const found = listOf(value, path).map((each, at) => scalar(each, [...path, at]));
  if (new Set(found.map((each) => typeof each)).size > 1)
    refuse(path, 'MIXED_TYPES', 'All values of a list are of one type.');
  return found;
};

const pattern = (value: unknown, path: Path): string => {
  if (!isText(value) || value === '') return refuse(path, 'INVALID_PATTERN', 'A text with * for any characters.');
  if (value.split('*').length - 1 > MAX_WILDCARDS)
    refuse(path, 'TOO_MANY_WILDCARDS', `A pattern has at most ${String(MAX_WILDCARDS)} wildcards.`);
  return value;
};

const networks = (value: unknown, path: Path): readonly string[] =>
  listOf(value, path).map((each, at) =>
    typeof each === 'string' && readNetwork(each) !== null
      ? each
      : refuse([...path, at], 'INVALID_NETWORK', 'An address or a network such as 192.0.2.0/24 or 2001:db8::/32.'),
  );

const number = (value: unknown, path: Path): number =>
  typeof value === 'number' && Number.isFinite(value) ? value : refuse(path, 'INVALID_VALUE', 'A number is expected.');

const propertyName = (value: unknown, path: Path): string =>
  isPropertyName(value)
    ? value
    : refuse(path, 'INVALID_PROPERTY', 'subject., resource., action. or context. and a name of letters and digits.');

const CLOCK = /^(?:[01]\d|2[0-3]):[0-5]\d$/;

const isWeekday = (value: unknown): value is number =>
  typeof value === 'number' && Number.isInteger(value) && value >= 1 && value <= 7;

const hours = (value: unknown, path: Path): UtcHours => {
  if (!isRecord(value)) return refuse(path, 'INVALID_HOURS', 'days, from and until are expected.');
  onlyKeys(value, ['days', 'from', 'until'], path);
  const days = listOf(value['days'], [...path, 'days']).map((day, at) =>
    isWeekday(day) ? day : refuse([...path, 'days', at], 'INVALID_DAY', 'Days are numbers from 1 (Monday) to 7.'),
  );
  const { from, until } = value;
  if (typeof from !== 'string' || !CLOCK.test(from)) return refuse([...path, 'from'], 'INVALID_TIME', 'HH:MM in UTC.');
  if (typeof until !== 'string' || !(CLOCK.test(until) || until === '24:00') || until <= from)
    return refuse([...path, 'until'], 'INVALID_TIME', 'HH:MM in UTC after from, or 24:00.');
  return { days: [...new Set(days)].sort((left, right) => left - right), from, until };
};

const VALUE_READERS: Readonly<Record<Operator, (value: unknown, path: Path) => ConditionTest['value']>> = {
  equals: scalar,
  in: scalars,
  contains: scalar,
  like: pattern,
  inNetwork: networks,
  atLeast: number,
  atMost: number,
  moreThan: number,
  lessThan: number,
  equalsProperty: propertyName,
  duringUtc: hours,
};

const onlyKeys = (value: Readonly<Record<string, unknown>>, known: readonly string[], path: Path): void => {
  const unknown = Object.keys(value).find((key) => !known.includes(key));
  if (unknown !== undefined) refuse([...path, unknown], 'UNKNOWN_FIELD', 'A condition has no such field.');
};

const readTest = (value: Readonly<Record<string, unknown>>, path: Path): ConditionTest => {
  onlyKeys(value, ['property', 'operator', 'value'], path);
  const property = propertyName(value['property'], [...path, 'property']);
  const operator = OPERATORS.find((each) => each === value['operator']);
  if (operator === undefined)
    return refuse([...path, 'operator'], 'UNKNOWN_OPERATOR', `One of ${OPERATORS.join(', ')}.`);
  return { property, operator, value: VALUE_READERS[operator](value['value'], [...path, 'value']) };
};

interface Progress {
  tests: number;
}

const readMembers = (value: unknown, path: Path, progress: Progress): readonly Condition[] =>
  Array.isArray(value) && value.length > 0 && value.length <= MAX_CONDITION_TESTS
    ? value.map((each: unknown, at) => readNode(each, [...path, at], progress))
    : refuse(path, 'INVALID_LIST', `1 to ${String(MAX_CONDITION_TESTS)} conditions are expected.`);

const readNode = (value: unknown, path: Path, progress: Progress): Condition => {
  if (!isRecord(value)) return refuse(path, 'NOT_A_CONDITION', 'An object with all, any, not or property is expected.');
  // The path holds a key for every level, and a number for the members of a list.
  const depth = path.filter((step) => typeof step === 'string').length;
  if (depth > MAX_CONDITION_DEPTH)
    return refuse(path, 'TOO_DEEP', `At most ${String(MAX_CONDITION_DEPTH)} levels of all, any and not.`);
  for (const key of ['all', 'any', 'not'] as const) {
    if (!Object.hasOwn(value, key)) continue;
    onlyKeys(value, [key], path);
    if (key === 'not') return { not: readNode(value[key], [...path, key], progress) };
    const members = readMembers(value[key], [...path, key], progress);
    return key === 'all' ? { all: members } : { any: members };
  }
  progress.tests += 1;
  if (progress.tests > MAX_CONDITION_TESTS)
    return refuse(path, 'TOO_MANY_TESTS', `At most ${String(MAX_CONDITION_TESTS)} tests.`);
  return readTest(value, path);
};

/** Reads a condition; never throws. */
export const readCondition = (value: unknown): ReadCondition => {
  try {
    const condition = readNode(value, [], { tests: 0 });
    if (canonicalText(condition).length > MAX_CONDITION_CHARS)
      refuse([], 'TOO_LARGE', `At most ${String(MAX_CONDITION_CHARS)} characters.`);
    return { ok: true, condition };
  } catch (error) {
    if (error instanceof Refused) return { ok: false, problem: error.problem };
    throw error;
  }
};
