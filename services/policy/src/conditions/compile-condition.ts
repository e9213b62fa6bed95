/** A condition → a function that decides it, made once per stored condition. Three values: met, not met, undecided. */
import { accessorOf, type Attributes } from './attributes.ts';
import {
  isTest,
  testsOf,
  type Condition,
  type ConditionTest,
  type Operator,
  type Scalar,
  type UtcHours,
} from './condition.ts';
import { isWithin, readAddress, readNetwork } from './network.ts';

/** 1 met, 0 not met, -1 undecided: a property is missing or of another type. */
export type Trit = 1 | 0 | -1;
type Evaluator = (attributes: Attributes) => Trit;
type Value = Scalar | readonly Scalar[];
type Comparison = (value: Value, attributes: Attributes) => Trit;

const MINUTE_MS = 60_000;
const DAY_MINUTES = 24 * 60;
/** Beyond this there are no dates. */
const MAX_MOMENT_MS = 8_640_000_000_000_000;

/** A condition ready to be decided. */
export interface CompiledCondition {
  readonly condition: Condition;
  /** True when a grant of this effect applies: undecided counts for a denial, and not for an allowance. */
  holds(attributes: Attributes, effect: 'allow' | 'deny'): boolean;
  /** ms since 1970 at which the answer may change by the mere passing of time; infinite when it does not. */
  changesAt(nowMs: number): number;
}

const trit = (isMet: boolean): Trit => (isMet ? 1 : 0);

const whenNumber =
  (decide: (value: number) => boolean): Comparison =>
  (value) =>
    typeof value === 'number' ? trit(decide(value)) : -1;

const like = (pattern: string): Comparison => {
  const [first = '', ...others] = pattern.split('*');
  const last = others.pop();
  if (last === undefined) return (value) => (typeof value === 'string' ? trit(value === first) : -1);
  // Each part is taken at its leftmost place: with nothing but * to choose, an earlier end is never worse.
  const isLike = (text: string): boolean => {
    if (text.length < first.length + last.length || !text.startsWith(first) || !text.endsWith(last)) return false;
    let at = first.length;
    for (const part of others) {
      const found = text.indexOf(part, at);
      if (found < 0) return false;
      at = found + part.length;
    }
    return at <= text.length - last.length;
  };
  return (value) => (typeof value === 'string' ? trit(isLike(value)) : -1);
};

const inNetwork = (texts: readonly string[]): Comparison => {
  const networks = texts.map(readNetwork).filter((network) => network !== null);
  return (value) => {
    const address = typeof value === 'string' ? readAddress(value) : null;
    if (address === null) return -1;
    for (const network of networks) if (isWithin(address, network)) return 1;
    return 0;
  };
};

const minutesOf = (clock: string): number => Number(clock.slice(0, 2)) * 60 + Number(clock.slice(3));

const duringUtc = ({ days, from, until }: UtcHours): Comparison => {
  const [fromMinute, untilMinute] = [minutesOf(from), minutesOf(until)];
  return (value) => {
    if (typeof value !== 'number' || Math.abs(value) > MAX_MOMENT_MS) return -1;
    const minutes = Math.floor(value / MINUTE_MS);
    const day = Math.floor(minutes / DAY_MINUTES);
    const minute = minutes - day * DAY_MINUTES;
    // 1970-01-01 was a Thursday, day 4.
    const weekday = ((((day + 3) % 7) + 7) % 7) + 1;
    return trit(minute >= fromMinute && minute < untilMinute && days.includes(weekday));
  };
};

const inList = (values: readonly Scalar[]): Comparison => {
  const set: ReadonlySet<unknown> = new Set(values);
  const type = typeof values[0];
  return (given) => (typeof given === type ? trit(set.has(given)) : -1);
};

const equalsProperty = (property: string): Comparison => {
  const other = accessorOf(property);
  return (given, attributes) => {
    const wanted = other(attributes);
    if (wanted === undefined || typeof given === 'object' || typeof wanted !== typeof given) return -1;
    return trit(given === wanted);
  };
};

type Stored = ConditionTest['value'];

/** The values are as readCondition lets them through. */
const COMPARISONS: Readonly<Record<Operator, (value: Stored) => Comparison>> = {
  equals: (value) => (given) => (typeof given === typeof value ? trit(given === value) : -1),
  in: (value) => inList(value as readonly Scalar[]),
  contains: (value) => (given) => (Array.isArray(given) ? trit(given.includes(value)) : -1),
  like: (value) => like(value as string),
  inNetwork: (value) => inNetwork(value as readonly string[]),
  atLeast: (value) => whenNumber((given) => given >= Number(value)),
  atMost: (value) => whenNumber((given) => given <= Number(value)),
  moreThan: (value) => whenNumber((given) => given > Number(value)),
  lessThan: (value) => whenNumber((given) => given < Number(value)),
  equalsProperty: (value) => equalsProperty(value as string),
  duringUtc: (value) => duringUtc(value as UtcHours),
};

const testOf = (test: ConditionTest): Evaluator => {
  const read = accessorOf(test.property);
  const compare = COMPARISONS[test.operator](test.value);
  return (attributes) => {
    const value = read(attributes);
    return value === undefined ? -1 : compare(value, attributes);
  };
};

/** `stop` decides at once; otherwise one undecided member leaves the whole undecided. */
const combine = (members: readonly Evaluator[], stop: 0 | 1): Evaluator => {
  const otherwise: Trit = stop === 1 ? 0 : 1;
  return (attributes) => {
    let result: Trit = otherwise;
    for (const member of members) {
      const value = member(attributes);
      if (value === stop) return stop;
      if (value === -1) result = -1;
    }
    return result;
  };
};

const evaluatorOf = (condition: Condition): Evaluator => {
  if (isTest(condition)) return testOf(condition);
  if ('all' in condition) return combine(condition.all.map(evaluatorOf), 0);
  if ('any' in condition) return combine(condition.any.map(evaluatorOf), 1);
  const inner = evaluatorOf(condition.not);
  return (attributes) => {
    const value = inner(attributes);
    return value === -1 ? -1 : value === 1 ? 0 : 1;
  };
};

const CLOCK = 'context.now';

const isClock = ({ property, operator, value }: ConditionTest): boolean =>
  property === CLOCK || (operator === 'equalsProperty' && value === CLOCK);

/** Whole milliseconds at which a comparison of the clock with these numbers may turn. */
const turnsOf = ({ value }: ConditionTest): readonly number[] =>
  (Array.isArray(value) ? (value as readonly Scalar[]) : [value])
    .filter((each) => typeof each === 'number')
    .flatMap((each) => [Math.ceil(each), Math.floor(each) + 1]);

/** The next moment at which a test of the clock may turn: hours at full minutes, comparisons at their numbers. */
const clockOf = (condition: Condition): ((nowMs: number) => number) => {
  const tests = testsOf(condition).filter(isClock);
  const isByMinute = tests.some(({ operator }) => operator === 'duringUtc');
  const isAnyMoment = tests.some(({ operator }) => operator === 'equalsProperty');
  const turns = tests.flatMap(turnsOf).sort((left, right) => left - right);
  return (nowMs) => {
    if (isAnyMoment) return nowMs + 1;
    const turn = turns.find((each) => each > nowMs) ?? Number.POSITIVE_INFINITY;
    return isByMinute ? Math.min(turn, (Math.floor(nowMs / MINUTE_MS) + 1) * MINUTE_MS) : turn;
  };
};

/** Makes a condition ready; the condition has been read by readCondition. */
export const compileCondition = (condition: Condition): CompiledCondition => {
  const evaluate = evaluatorOf(condition);
  return {
    condition,
    holds: (attributes, effect) => {
      const value = evaluate(attributes);
      return value === 1 || (value === -1 && effect === 'deny');
    },
    changesAt: clockOf(condition),
  };
};
