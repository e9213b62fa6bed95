import { setImmediate as nextTurn } from 'node:timers/promises';

import { AppError } from '@sallyport/errors';

import { findAttribute } from './attribute.ts';
import { GROUP } from './group-schema.ts';
import { isArray, isObject, type JsonValue } from './json.ts';
import { MAX_OPERATIONS } from './patch-request.ts';

/** One change to the members of a group, in the order of the request; `clear` removes everybody. */
export type MemberStep =
  | { readonly kind: 'add' | 'remove' | 'replace'; readonly ids: readonly string[] }
  | { readonly kind: 'clear' };

/** Members a group may be created with or have put in place in one request. */
export const MAX_GROUP_MEMBERS = 100_000;

const MAX_ID_LENGTH = 256;
const memberAttributes = findAttribute(GROUP.core.attributes, 'members')?.subAttributes ?? [];

const invalid = (detail: string): AppError =>
  new AppError('INVALID_VALUE', detail, { fields: [{ pointer: '/members', code: 'INVALID_VALUE' }] });

const readId = (value: JsonValue): string => {
  if (typeof value !== 'string' || value === '' || value.length > MAX_ID_LENGTH)
    throw invalid('The value of a member must be the identifier of a user.');
  return value;
};

/** Okta may leave the type out; a group inside a group is refused, not dropped. */
const requireUserType = (value: JsonValue): void => {
  if (value !== null && (typeof value !== 'string' || value.toLowerCase() !== 'user'))
    throw invalid('Only users can be members.');
};

const readMemberId = (item: JsonValue): string => {
  if (!isObject(item)) throw invalid('A member must be an object with a value.');
  let id: string | undefined;
  // Up to 100,000 of them in one go: the usual spelling is not looked up.
  for (const key of Object.keys(item)) {
    const name = key === 'value' ? key : findAttribute(memberAttributes, key)?.name;
    if (name === undefined) throw invalid(`A member has no part "${key.slice(0, 100)}".`);
    if (name === 'type') requireUserType(item[key] ?? null);
    if (name !== 'value') continue;
    if (id !== undefined) throw invalid('A member must have one value.');
    id = readId(item[key] ?? null);
  }
  if (id === undefined) throw invalid('A member must have one value.');
  return id;
};

/** Lists of bodies being served that have been read in turns. */
const readInTurns = new WeakMap<readonly JsonValue[], readonly string[]>();

/**
 * The identifiers in a list of members, each once. Everything but `value` is derived by us: `$ref`, `display`.
 *
 * @throws INVALID_VALUE for anything that is not a list of users; TOO_MANY above `max`
 */
export const readMemberIds = (value: JsonValue, max: number): readonly string[] => {
  if (value === null) return [];
  const items = isArray(value) ? value : [value];
  if (items.length > max) throw new AppError('TOO_MANY', `A request names at most ${String(max)} members.`);
  const known = readInTurns.get(items);
  if (known !== undefined) return known;
  const ids = new Set<string>();
  for (const item of items) ids.add(readMemberId(item));
  return [...ids];
};

/** Lists below this length are read in one go: it takes a few milliseconds. */
const MEMBERS_PER_TURN = 2_000;

const isMembers = (name: JsonValue | undefined): boolean =>
  typeof name === 'string' && name.toLowerCase().endsWith('members');

/** Where the members may be in a body that nobody has looked at yet: in the resource, or in the operations of a PATCH. */
const listsIn = (body: unknown): readonly (readonly JsonValue[])[] => {
  if (!isObject(body)) return [];
  return Object.entries(body).flatMap(([key, value]) => {
    if (isMembers(key) && isArray(value)) return [value];
    if (key.toLowerCase() !== 'operations' || !isArray(value)) return [];
    return value.slice(0, MAX_OPERATIONS).flatMap((operation) => {
      const { path = null, value: operand = null } = isObject(operation) ? operation : {};
      return isMembers(path) && isArray(operand) ? [operand] : listsIn(operand);
    });
  });
};

/**
 * Reads the long lists of members of a body a few thousand at a time, so that {@link readMemberIds} has them at once.
 *
 * @throws INVALID_VALUE
 */
export const readMembersAhead = async (body: unknown): Promise<void> => {
  for (const items of listsIn(body)) {
    if (items.length <= MEMBERS_PER_TURN || items.length > MAX_GROUP_MEMBERS) continue;
    const ids = new Set<string>();
    for (const [index, item] of items.entries()) {
      if (index % MEMBERS_PER_TURN === 0) await nextTurn();
      ids.add(readMemberId(item));
    }
    readInTurns.set(items, [...ids]);
  }
};
