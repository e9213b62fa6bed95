import { AppError } from '@sallyport/errors';

import { findAttribute } from './attribute.ts';
import { GROUP } from './group-schema.ts';
import { isArray, isObject, type JsonValue } from './json.ts';

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

/**
 * The identifiers in a list of members, each once. Everything but `value` is derived by us: `$ref`, `display`.
 *
 * @throws INVALID_VALUE for anything that is not a list of users; TOO_MANY above `max`
 */
export const readMemberIds = (value: JsonValue, max: number): string[] => {
  if (value === null) return [];
  const items = isArray(value) ? value : [value];
  if (items.length > max) throw new AppError('TOO_MANY', `A request names at most ${String(max)} members.`);
  const ids = new Set<string>();
  for (const item of items) ids.add(readMemberId(item));
  return [...ids];
};
