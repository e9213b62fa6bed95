import { AppError } from '@sallyport/errors';

import type { AttributeDefinition, ResourceDefinition } from './attribute.ts';
import { isArray, isObject, type Document, type JsonValue } from './json.ts';
import { resolvePath } from './path.ts';

/** Which attributes an answer carries beside those that are always returned. */
export interface Selection {
  readonly kind: 'all' | 'only' | 'without';
  /** Key of the document (attribute or extension) → its named parts, or null for the whole. */
  readonly names: ReadonlyMap<string, ReadonlySet<string> | null>;
}

const MAX_NAMES = 100;

const addName = (names: Map<string, Set<string> | null>, key: string, part: string | undefined): void => {
  const parts = names.get(key);
  if (part === undefined || parts === null) names.set(key, null);
  else if (parts === undefined) names.set(key, new Set([part]));
  else parts.add(part);
};

const readNames = (resource: ResourceDefinition, list: string): Selection['names'] => {
  const names = new Map<string, Set<string> | null>();
  for (const path of list.split(',').slice(0, MAX_NAMES)) {
    const target = resolveQuietly(resource, path);
    if (target === undefined) continue;
    if (target.attribute === undefined) addName(names, target.extension.id, undefined);
    else if (target.extension === undefined) addName(names, target.attribute.name, target.sub?.name);
    else addName(names, target.extension.id, target.attribute.name);
  }
  return names;
};

/** A name that is not in the schema selects nothing; it cannot do harm in a read. */
const resolveQuietly = (resource: ResourceDefinition, path: string) => {
  try {
    return resolvePath(resource, path);
  } catch {
    return undefined;
  }
};

/** @throws INVALID_VALUE when both are given (RFC 7644 §3.9) */
export const readSelection = (
  resource: ResourceDefinition,
  { attributes, excludedAttributes }: { attributes?: string | undefined; excludedAttributes?: string | undefined },
): Selection => {
  if (attributes !== undefined && excludedAttributes !== undefined)
    throw new AppError('INVALID_VALUE', 'attributes and excludedAttributes exclude each other.');
  if (attributes !== undefined) return { kind: 'only', names: readNames(resource, attributes) };
  if (excludedAttributes !== undefined) return { kind: 'without', names: readNames(resource, excludedAttributes) };
  return { kind: 'all', names: new Map() };
};

/** Whether an answer will carry the attribute: what is not wanted is not read from the database either. */
export const isSelected = ({ kind, names }: Selection, name: string): boolean => {
  if (kind === 'all') return true;
  return kind === 'only' ? names.has(name) : names.get(name) !== null;
};

const pickParts = (value: JsonValue, keep: (key: string) => boolean): JsonValue => {
  if (isArray(value)) return value.map((item) => pickParts(item, keep));
  if (!isObject(value)) return value;
  return Object.fromEntries(Object.entries(value).filter(([key]) => keep(key)));
};

const alwaysReturned = (attributes: readonly AttributeDefinition[]): ReadonlySet<string> =>
  new Set(attributes.filter(({ returned }) => returned === 'always').map(({ name }) => name));

/** The document with the selected attributes; those always returned stay whatever was asked (RFC 7643 §7). */
export const select = (
  { kind, names }: Selection,
  document: Document,
  attributes: readonly AttributeDefinition[],
): Document => {
  if (kind === 'all') return document;
  const always = alwaysReturned(attributes);
  return Object.fromEntries(
    Object.entries(document).flatMap(([key, value]): [string, JsonValue][] => {
      const parts = names.get(key);
      if (always.has(key)) return [[key, value]];
      if (parts === undefined) return kind === 'only' ? [] : [[key, value]];
      if (parts === null) return kind === 'only' ? [[key, value]] : [];
      return [[key, pickParts(value, (part) => parts.has(part) === (kind === 'only'))]];
    }),
  );
};
