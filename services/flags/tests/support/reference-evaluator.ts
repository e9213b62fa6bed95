import { type CompilableFlag, type Condition, type Rollout, type Rule } from '../../src/targeting/index.ts';
import type { JsonValue } from '../../src/vocabulary/index.ts';

/** What a flag answers, written straight from the documentation of the rule model: no JsonLogic, no library. */
export type ReferenceAnswer =
  | { readonly kind: 'value'; readonly variant: string; readonly value: JsonValue; readonly matched: boolean }
  | { readonly kind: 'none' }
  | { readonly kind: 'disabled' }
  | { readonly kind: 'targeting-key-missing' };

type Context = Readonly<Record<string, JsonValue>>;

const attributeOf = (context: Context, name: string): string | number | boolean | undefined => {
  if (!Object.hasOwn(context, name)) return undefined;
  const value = context[name];
  if (name === 'targetingKey' && (typeof value !== 'string' || value === '')) return undefined;
  return typeof value === 'string' || typeof value === 'number' || typeof value === 'boolean' ? value : undefined;
};

interface Version {
  readonly core: readonly number[];
  readonly pre: readonly string[];
}

// Semantic Versioning §2 and §9, with what flagd tolerates of an attribute: a leading v, and MAJOR or MAJOR.MINOR.
const parseVersion = (text: string): Version | undefined => {
  const bare = text.replace(/^[vV]/, '');
  if (/^\d+(\.\d+)?$/.test(bare)) {
    const [major = 0, minor = 0] = bare.split('.').map(Number);
    return { core: [major, minor, 0], pre: [] };
  }
  const match = /^(0|[1-9]\d*)\.(0|[1-9]\d*)\.(0|[1-9]\d*)(?:-([0-9A-Za-z.-]+))?$/.exec(bare);
  if (match === null) return undefined;
  const pre = match[4] === undefined ? [] : match[4].split('.');
  if (pre.some((part) => part === '' || /^0\d+$/.test(part))) return undefined;
  return { core: [Number(match[1]), Number(match[2]), Number(match[3])], pre };
};

const comparePart = (left: string, right: string): number => {
  const [isLeftNumber, isRightNumber] = [/^\d+$/.test(left), /^\d+$/.test(right)];
  if (isLeftNumber && isRightNumber) return Number(left) - Number(right);
  if (isLeftNumber !== isRightNumber) return isLeftNumber ? -1 : 1;
  return left < right ? -1 : left > right ? 1 : 0;
};

const compareVersions = (left: Version, right: Version): number => {
  for (const [index, part] of left.core.entries()) {
    const difference = part - (right.core[index] ?? 0);
    if (difference !== 0) return difference;
  }
  if (left.pre.length === 0 || right.pre.length === 0) return right.pre.length - left.pre.length;
  for (let index = 0; index < Math.max(left.pre.length, right.pre.length); index += 1) {
    const [a, b] = [left.pre[index], right.pre[index]];
    if (a === undefined || b === undefined) return a === undefined ? -1 : 1;
    const difference = comparePart(a, b);
    if (difference !== 0) return difference;
  }
  return 0;
};

const semVerHolds = (actual: string, comparison: string, wanted: string): boolean => {
  const [left, right] = [parseVersion(actual), parseVersion(wanted)];
  if (left === undefined || right === undefined) return false;
  const order = compareVersions(left, right);
  const sameMajor = left.core[0] === right.core[0];
  const table: Record<string, boolean> = {
    '=': order === 0,
    '!=': order !== 0,
    '<': order < 0,
    '<=': order <= 0,
    '>': order > 0,
    '>=': order >= 0,
    '^': sameMajor,
    '~': sameMajor && left.core[1] === right.core[1],
  };
  return table[comparison] ?? false;
};

type Scalar = string | number | boolean;
type ConditionWith<Operator, Candidate = Condition> = Candidate extends { operator: infer Known }
  ? Operator extends Known
    ? Candidate
    : never
  : never;
type Test<Operator> = (actual: Scalar, condition: ConditionWith<Operator>) => boolean;

const TESTS: { readonly [Operator in Condition['operator']]: Test<Operator> } = {
  exists: () => true,
  not_exists: () => false,
  equals: (actual, { value }) => actual === value,
  not_equals: (actual, { value }) => actual !== value,
  in: (actual, { values }) => values.some((value) => value === actual),
  not_in: (actual, { values }) => values.every((value) => value !== actual),
  contains: (actual, { value }) => typeof actual === 'string' && actual.includes(value),
  starts_with: (actual, { value }) => typeof actual === 'string' && actual.startsWith(value),
  ends_with: (actual, { value }) => typeof actual === 'string' && actual.endsWith(value),
  less_than: (actual, { value }) => typeof actual === 'number' && actual < value,
  less_than_or_equal: (actual, { value }) => typeof actual === 'number' && actual <= value,
  greater_than: (actual, { value }) => typeof actual === 'number' && actual > value,
  greater_than_or_equal: (actual, { value }) => typeof actual === 'number' && actual >= value,
  sem_ver: (actual, { comparison, value }) => typeof actual === 'string' && semVerHolds(actual, comparison, value),
};

const holds = (condition: Condition, context: Context): boolean => {
  const actual = attributeOf(context, condition.attribute);
  if (actual === undefined) return condition.operator === 'not_exists';
  // The table is typed per operator; looking it up by a union loses that.
  const test = TESTS[condition.operator] as (actual: Scalar, condition: Condition) => boolean;
  return test(actual, condition);
};

/** MurmurHash3 x86 32 bit, seed 0, over UTF-16 code units taken as bytes where they fit (imurmurhash does the same for ASCII). */
export const murmur3 = (text: string): number => {
  const bytes = Buffer.from(text, 'latin1');
  const rotate = (value: number, by: number): number => (value << by) | (value >>> (32 - by));
  const scramble = (block: number): number => Math.imul(rotate(Math.imul(block, 0xcc9e2d51), 15), 0x1b873593);
  let hash = 0;
  const whole = bytes.length - (bytes.length % 4);
  for (let at = 0; at < whole; at += 4) {
    hash ^= scramble(bytes.readUInt32LE(at));
    hash = (Math.imul(rotate(hash, 13), 5) + 0xe6546b64) | 0;
  }
  let tail = 0;
  for (let at = bytes.length - 1; at >= whole; at -= 1) tail = (tail << 8) | (bytes[at] ?? 0);
  if (whole < bytes.length) hash ^= scramble(tail);
  hash ^= bytes.length;
  hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b);
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35);
  return (hash ^ (hash >>> 16)) >>> 0;
};

const bucketOf = (key: string, { buckets }: Rollout): string => {
  const total = buckets.reduce((sum, { weight }) => sum + weight, 0);
  const bucket = (BigInt(murmur3(key)) * BigInt(total)) >> 32n;
  let upper = 0n;
  for (const { variant, weight } of buckets) {
    upper += BigInt(weight);
    if (bucket < upper) return variant;
  }
  throw new TypeError('A bucket lies below the total weight.');
};

const applies = (rule: Rule, context: Context): boolean => {
  if (!rule.when.every((condition) => holds(condition, context))) return false;
  if (!('rollout' in rule.serve) || rule.serve.rollout.bucketBy === 'targetingKey') return true;
  return attributeOf(context, rule.serve.rollout.bucketBy) !== undefined;
};

/** The oracle: evaluates a flag the naive way. */
export const referenceEvaluate = (flag: CompilableFlag, context: Context): ReferenceAnswer => {
  if (flag.state === 'DISABLED') return { kind: 'disabled' };
  const answer = (variant: string, matched: boolean): ReferenceAnswer => ({
    kind: 'value',
    variant,
    value: flag.variants[variant] ?? null,
    matched,
  });
  const rule = flag.rules.find((candidate) => applies(candidate, context));
  if (rule === undefined) return flag.defaultVariant === null ? { kind: 'none' } : answer(flag.defaultVariant, false);
  if ('variant' in rule.serve) return answer(rule.serve.variant, true);
  const subject = attributeOf(context, rule.serve.rollout.bucketBy);
  if (subject === undefined) return { kind: 'targeting-key-missing' };
  return answer(bucketOf(`${flag.key}${String(subject)}`, rule.serve.rollout), true);
};
