import { AppError } from '@sallyport/errors';

import { COMMON_ATTRIBUTES, findAttribute, type AttributeDefinition, type ResourceDefinition } from './attribute.ts';
import { isArray, isObject, type Document, type JsonValue } from './json.ts';
import { findNamed, splitSchema } from './names.ts';

/** Names below one place of a document; null: all of it. */
type Names = ReadonlyMap<string, Names | null>;

/** Which attributes an answer carries beside those that are always returned. */
export interface Selection {
  readonly kind: 'all' | 'only' | 'without';
  /** Key of the document (attribute or extension) → its named parts, or null for the whole. */
  readonly names: Names;
}

const MAX_NAMES = 100;

type Building = Map<string, Building | null>;

const addPlace = (names: Building, [key, ...rest]: readonly string[]): void => {
  if (key === undefined) return;
  const below = names.get(key);
  if (rest.length === 0 || below === null) {
    names.set(key, null);
    return;
  }
  const parts: Building = below ?? new Map();
  names.set(key, parts);
  addPlace(parts, rest);
};

/** Where a name leads in a document; a schema's URN alone leads to everything it has. */
const placesOf = (resource: ResourceDefinition, text: string): readonly (readonly string[])[] => {
  const { schema, rest } = splitSchema(resource, text);
  if (rest === '' && schema !== undefined)
    return schema === resource.core ? resource.core.attributes.map(({ name }) => [name]) : [[schema.id]];
  const named = findNamed(resource, text);
  if (named === undefined) return [];
  const { extension, attribute, sub } = named;
  const place = [attribute.name, ...(sub === undefined ? [] : [sub.name])];
  return [extension === undefined ? place : [extension.id, ...place]];
};

/** A name that is not in the schema selects nothing; it cannot do harm in a read. */
const readNames = (resource: ResourceDefinition, list: string): Names => {
  const names: Building = new Map();
  for (const text of list.split(',').slice(0, MAX_NAMES))
    for (const place of placesOf(resource, text.trim())) addPlace(names, place);
  return names;
};

const isGiven = (list: string | undefined): list is string => list !== undefined && list.trim() !== '';

/** @throws INVALID_VALUE when both are given (RFC 7644 §3.9) */
export const readSelection = (
  resource: ResourceDefinition,
  { attributes, excludedAttributes }: { attributes?: string | undefined; excludedAttributes?: string | undefined },
): Selection => {
  if (isGiven(attributes) && isGiven(excludedAttributes))
    throw new AppError('INVALID_VALUE', 'attributes and excludedAttributes exclude each other.');
  if (isGiven(attributes)) return { kind: 'only', names: readNames(resource, attributes) };
  if (isGiven(excludedAttributes)) return { kind: 'without', names: readNames(resource, excludedAttributes) };
  return { kind: 'all', names: new Map() };
};

/** Whether an answer will carry the attribute: what is not wanted is not read from the database either. */
export const isSelected = ({ kind, names }: Selection, name: string): boolean => {
  if (kind === 'all') return true;
  return kind === 'only' ? names.has(name) : names.get(name) !== null;
};

const definitionsOf = (resource: ResourceDefinition): readonly AttributeDefinition[] => [
  ...resource.core.attributes,
  ...COMMON_ATTRIBUTES,
];

const isEmpty = (value: JsonValue): boolean =>
  typeof value === 'object' && value !== null && Object.keys(value).length === 0;

const pickParts = (value: JsonValue, kind: 'only' | 'without', names: Names): JsonValue => {
  if (isArray(value)) return value.map((item) => pickParts(item, kind, names)).filter((item) => !isEmpty(item));
  if (!isObject(value)) return value;
  return Object.fromEntries(
    Object.entries(value).flatMap(([key, item]): [string, JsonValue][] => {
      const picked = pick(item, kind, names.get(key));
      return picked === undefined ? [] : [[key, picked]];
    }),
  );
};

/** What becomes of a value: dropped, kept whole, or kept in part. */
const pick = (value: JsonValue, kind: 'only' | 'without', names: Names | null | undefined): JsonValue | undefined => {
  if (names === undefined) return kind === 'only' ? undefined : value;
  if (names === null) return kind === 'only' ? value : undefined;
  const parts = pickParts(value, kind, names);
  return isEmpty(parts) ? undefined : parts;
};

/**
 * The document with the selected attributes: those always returned stay whatever was asked, those returned on request
 * come only when they are named.
 *
 * @see RFC 7643 §7, RFC 7644 §3.9
 */
export const select = (resource: ResourceDefinition, { kind, names }: Selection, document: Document): Document => {
  const definitions = definitionsOf(resource);
  return Object.fromEntries(
    Object.entries(document).flatMap(([key, value]): [string, JsonValue][] => {
      const returned = findAttribute(definitions, key)?.returned ?? 'default';
      if (returned === 'always') return [[key, value]];
      const isHidden = returned === 'never' || (returned === 'request' && (kind !== 'only' || !names.has(key)));
      const picked = isHidden ? undefined : kind === 'all' ? value : pick(value, kind, names.get(key));
      return picked === undefined ? [] : [[key, picked]];
    }),
  );
};
