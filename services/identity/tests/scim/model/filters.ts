import fc from 'fast-check';

import { word } from './user-operations.ts';
import { ENTERPRISE, EXACT, isObject, type Json } from './vocabulary.ts';

/** A filter as a tree: what it means does not have to be read from its text. */
export type Filter =
  | { readonly is: 'and' | 'or'; readonly left: Filter; readonly right: Filter }
  | { readonly is: 'not'; readonly inner: Filter }
  | { readonly is: 'pr'; readonly path: Path }
  | { readonly is: 'test'; readonly path: Path; readonly op: Op; readonly value: string | boolean | null }
  /** Of one element: `emails[…]`, perhaps with a test of a part of it behind. */
  | { readonly is: 'some'; readonly list: string; readonly inner: Filter };

type Op = 'eq' | 'ne' | 'co' | 'sw' | 'ew' | 'gt' | 'ge' | 'lt' | 'le';

interface Path {
  /** As in the document: `['emails', 'value']`. */
  readonly keys: readonly string[];
  readonly text: string;
}

const path = (keys: readonly string[]): Path => {
  const [first = '', ...rest] = keys;
  return { keys, text: first === ENTERPRISE ? `${ENTERPRISE}:${rest.join('.')}` : keys.join('.') };
};

const isBoolean = ({ keys }: Path): boolean => keys.at(-1) === 'active' || keys.at(-1) === 'primary';

/** Every value a path leads to; an absent "primary" is false (RFC 7643 §2.4). */
const valuesAt = (value: Json | undefined, [key, ...rest]: readonly string[]): Json[] => {
  if (Array.isArray(value)) return value.flatMap((item) => valuesAt(item, key === undefined ? [] : [key, ...rest]));
  if (key === undefined) return value === undefined || value === null || value === '' ? [] : [value];
  if (!isObject(value)) return [];
  return key === 'primary' && rest.length === 0 ? [value[key] ?? false] : valuesAt(value[key], rest);
};

const codePoints = (text: string): number[] => [...text].map((letter) => letter.codePointAt(0) ?? 0);

const order = (left: string, right: string): number => {
  const [a, b] = [codePoints(left), codePoints(right)];
  const at = a.findIndex((point, index) => point !== b[index]);
  if (at === -1) return a.length - b.length;
  return (a[at] ?? 0) - (b[at] ?? -1);
};

const TESTS: Readonly<Record<Op, (value: string, wanted: string) => boolean>> = {
  eq: (value, wanted) => value === wanted,
  ne: (value, wanted) => value !== wanted,
  co: (value, wanted) => value.includes(wanted),
  sw: (value, wanted) => value.startsWith(wanted),
  ew: (value, wanted) => value.endsWith(wanted),
  gt: (value, wanted) => order(value, wanted) > 0,
  ge: (value, wanted) => order(value, wanted) >= 0,
  lt: (value, wanted) => order(value, wanted) < 0,
  le: (value, wanted) => order(value, wanted) <= 0,
};

const explicitly = (value: Json | undefined, [key = '', ...rest]: readonly string[]): boolean => {
  if (Array.isArray(value)) return value.some((item) => explicitly(item, [key, ...rest]));
  if (!isObject(value)) return false;
  return rest.length === 0 ? value[key] !== undefined : explicitly(value[key], rest);
};

/** Whether there is a value; a "primary" that is only implied is none. */
const isPresent = (doc: Json, { keys }: Path): boolean =>
  keys.at(-1) === 'primary' ? explicitly(doc, keys) : valuesAt(doc, keys).length > 0;

/** What has no value is different from every value; `null` is "no value" (the sheet's decided cases). */
const holdsTest = (doc: Json, { path: at, op, value }: Extract<Filter, { is: 'test' }>, prefix: string): boolean => {
  if (value === null) return (op === 'eq') !== isPresent(doc, at);
  const values = valuesAt(doc, at.keys);
  if (values.length === 0) return op === 'ne';
  const fold = (text: string): string =>
    EXACT.has([prefix, ...at.keys].filter(Boolean).join('.')) ? text : text.toLowerCase();
  return values.some((one) => {
    if (typeof value === 'boolean') return (one === value) === (op === 'eq');
    return typeof one === 'string' && TESTS[op](fold(one), fold(value));
  });
};

/** Whether a document meets a filter. @see RFC 7644 §3.4.2.2 */
export const holds = (doc: Json, filter: Filter, prefix = ''): boolean => {
  switch (filter.is) {
    case 'and':
      return holds(doc, filter.left, prefix) && holds(doc, filter.right, prefix);
    case 'or':
      return holds(doc, filter.left, prefix) || holds(doc, filter.right, prefix);
    case 'not':
      return !holds(doc, filter.inner, prefix);
    case 'pr':
      return isPresent(doc, filter.path);
    case 'test':
      return holdsTest(doc, filter, prefix);
    case 'some':
    default: {
      const list = isObject(doc) ? doc[filter.list] : undefined;
      return Array.isArray(list) && list.some((element) => holds(element, filter.inner, filter.list));
    }
  }
};

/** Only the parentheses that are needed, so that precedence is tried. */
export const render = (filter: Filter): string => {
  switch (filter.is) {
    case 'and':
      return [filter.left, filter.right]
        .map((side) => (side.is === 'or' ? `(${render(side)})` : render(side)))
        .join(' and ');
    case 'or':
      return `${render(filter.left)} or ${render(filter.right)}`;
    case 'not':
      return `not (${render(filter.inner)})`;
    case 'pr':
      return `${filter.path.text} pr`;
    case 'test':
      return `${filter.path.text} ${filter.op} ${JSON.stringify(filter.value)}`;
    case 'some':
    default:
      return `${filter.list}[${render(filter.inner)}]`;
  }
};

const USER_PATHS: readonly Path[] = [
  ['userName'],
  ['displayName'],
  ['title'],
  ['externalId'],
  ['active'],
  ['profileUrl'],
  ['name', 'familyName'],
  ['emails', 'value'],
  ['emails', 'type'],
  ['emails', 'display'],
  ['emails', 'primary'],
  ['addresses', 'country'],
  ['photos', 'value'],
  [ENTERPRISE, 'department'],
  [ENTERPRISE, 'manager', 'value'],
].map(path);
const GROUP_PATHS: readonly Path[] = [['displayName'], ['externalId']].map(path);
const ELEMENT_PATHS: readonly Path[] = [['value'], ['type'], ['display'], ['primary']].map(path);

const wanted = fc.oneof(
  word,
  fc.constantFrom(
    'ann@example.org',
    'BOB',
    'example',
    'e',
    'e1',
    'E1',
    'v1@x',
    'V1@X',
    'work',
    'HOME',
    'm1',
    'NO',
    'One',
    '%',
    '_',
    '\\',
  ),
);

const comparison = (paths: readonly Path[]): fc.Arbitrary<Filter> =>
  fc.constantFrom(...paths).chain((at): fc.Arbitrary<Filter> => {
    const present = fc.constant<Filter>({ is: 'pr', path: at });
    const equality = fc.constantFrom<Op>('eq', 'ne');
    const nothing = equality.map((op): Filter => ({ is: 'test', path: at, op, value: null }));
    const test = isBoolean(at)
      ? fc.tuple(equality, fc.boolean()).map(([op, value]): Filter => ({ is: 'test', path: at, op, value }))
      : fc
          .tuple(fc.constantFrom<Op>('eq', 'eq', 'ne', 'co', 'sw', 'ew', 'gt', 'ge', 'lt', 'le'), wanted)
          .map(([op, value]): Filter => ({ is: 'test', path: at, op, value }));
    return fc.oneof(
      { weight: 6, arbitrary: test },
      { weight: 1, arbitrary: present },
      { weight: 1, arbitrary: nothing },
    );
  });

const joined = (leaf: fc.Arbitrary<Filter>, maxDepth: number): fc.Arbitrary<Filter> =>
  fc.letrec<{ filter: Filter }>((tie) => ({
    filter: fc.oneof(
      { maxDepth, depthSize: 'small' },
      { weight: 3, arbitrary: leaf },
      {
        weight: 2,
        arbitrary: fc
          .tuple(fc.constantFrom('and' as const, 'or' as const), tie('filter'), tie('filter'))
          .map(([is, left, right]): Filter => ({ is, left, right })),
      },
      { weight: 1, arbitrary: tie('filter').map((inner): Filter => ({ is: 'not', inner })) },
    ),
  })).filter;

const element: fc.Arbitrary<Filter> = fc
  .tuple(fc.constantFrom('emails', 'phoneNumbers', 'roles'), joined(comparison(ELEMENT_PATHS), 2))
  .map(([list, inner]): Filter => ({ is: 'some', list, inner }));

export const userFilter = joined(
  fc.oneof({ weight: 4, arbitrary: comparison(USER_PATHS) }, { weight: 1, arbitrary: element }),
  3,
);
export const groupFilter = joined(comparison(GROUP_PATHS), 3);
