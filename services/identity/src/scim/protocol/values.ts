import { AppError } from '@sallyport/errors';

import { foldCase, hasUnseen, hasUnseenInName } from '../../accounts/index.ts';
import type { Dialect } from '../profiles/index.ts';
import { findAttribute, type AttributeDefinition } from './attribute.ts';
import { isArray, isObject, type Document, type JsonValue } from './json.ts';

export const MAX_STRING_LENGTH = 1_024;
/** Photographs and certificates as data: URLs are longer; nothing else is. */
export const MAX_REFERENCE_LENGTH = 8 * 1024;
export const MAX_ELEMENTS = 200;
/** What is looked up by its value is in an index, whose entries PostgreSQL keeps below 2,704 bytes. */
const MAX_KEY_BYTES = 2_000;

const invalid = (name: string, why: string): AppError =>
  new AppError('INVALID_VALUE', `${name} ${why}.`, { fields: [{ pointer: `/${name}`, code: 'INVALID_VALUE' }] });

const readBoolean = (name: string, value: JsonValue, { stringBooleans }: Dialect): boolean => {
  if (typeof value === 'boolean') return value;
  // Entra sends "True" and "False"; anything else must never be read as "still active".
  const word = stringBooleans && typeof value === 'string' ? value.toLowerCase() : '';
  if (word === 'true') return true;
  if (word === 'false') return false;
  throw invalid(name, 'must be true or false');
};

/** Unique within the service or the connection, or looked up across it. */
const isKey = ({ uniqueness }: AttributeDefinition, name: string): boolean =>
  uniqueness !== 'none' || name === 'externalId' || name === 'emails.value';

/** What people are told apart by on a screen. */
const SHOWN: ReadonlySet<string> = new Set(['userName', 'displayName', 'emails.value', 'name.formatted']);
const SIGNED_IN_WITH: ReadonlySet<string> = new Set(['userName', 'emails.value']);

/** Browsers leave out blanks and control characters before they look for the scheme. */
const RUNS_CODE = /^(?:javascript|vbscript|data(?!:image\/)):/i;
// oxlint-disable-next-line no-control-regex -- these are the characters browsers leave out
const LEFT_OUT = /[\u0000-\u0020]/g;

/** @throws INVALID_VALUE for a text that looks like another one, or like nothing, or that a browser would run */
const requireHonest = ({ type, required }: AttributeDefinition, name: string, value: string): void => {
  if (required && value.trim() === '') throw invalid(name, 'is blank');
  if (SHOWN.has(name) && (SIGNED_IN_WITH.has(name) ? hasUnseenInName(value) : hasUnseen(value)))
    throw invalid(name, 'contains characters that cannot be seen');
  if (type === 'reference' && RUNS_CODE.test(value.replaceAll(LEFT_OUT, '')))
    throw invalid(name, 'is an address that would run code');
};

const readText = (attribute: AttributeDefinition, name: string, value: JsonValue): string => {
  if (typeof value !== 'string') throw invalid(name, 'must be a string');
  const limit =
    attribute.type === 'reference' || attribute.type === 'binary' ? MAX_REFERENCE_LENGTH : MAX_STRING_LENGTH;
  if (value.length > limit) throw invalid(name, `is longer than ${String(limit)} characters`);
  // Folding makes some letters many.
  if (isKey(attribute, name) && Math.max(Buffer.byteLength(value), Buffer.byteLength(foldCase(value))) > MAX_KEY_BYTES)
    throw invalid(name, `is longer than ${String(MAX_KEY_BYTES)} bytes`);
  requireHonest(attribute, name, value);
  return value;
};

/** Entra writes a manager as the bare identifier. */
const isBareValue = (attribute: AttributeDefinition, value: JsonValue): value is string =>
  typeof value === 'string' &&
  !attribute.multiValued &&
  findAttribute(attribute.subAttributes ?? [], 'value') !== undefined;

const readComplex = (
  attribute: AttributeDefinition,
  name: string,
  value: JsonValue,
  dialect: Dialect,
): Document | undefined => {
  if (dialect.bareManager && isBareValue(attribute, value)) return { value: readText(attribute, name, value) };
  if (!isObject(value)) throw invalid(name, 'must be an object');
  const document: Document = {};
  for (const [key, item] of Object.entries(value)) {
    const sub = findAttribute(attribute.subAttributes ?? [], key);
    if (sub === undefined) throw invalid(name, `has no part "${key.slice(0, 100)}"`);
    if (Object.hasOwn(document, sub.name)) throw invalid(`${name}.${sub.name}`, 'is given twice');
    // A part nobody may write is dropped: directories send back what they read from us.
    const read = sub.mutability === 'readOnly' ? undefined : readSingle(sub, `${name}.${sub.name}`, item, dialect);
    if (read !== undefined) document[sub.name] = read;
  }
  return Object.keys(document).length === 0 ? undefined : document;
};

/** One value of an attribute (one element, if it is a list); undefined means unassigned (RFC 7643 §2.5). */
const readSingle = (
  attribute: AttributeDefinition,
  name: string,
  value: JsonValue,
  dialect: Dialect,
): JsonValue | undefined => {
  // Never unassigned: whoever is not said to be inactive would be taken for active.
  if (attribute.type === 'boolean') return readBoolean(name, value, dialect);
  if (value === '' && !dialect.emptyStringClears) throw invalid(name, 'is empty; null unassigns it');
  if (value === null || value === '') return undefined;
  return attribute.type === 'complex' ? readComplex(attribute, name, value, dialect) : readText(attribute, name, value);
};

/** Parts that say what kind of value an element is, and what it is shown as. */
const KINDS: ReadonlySet<string> = new Set(['type', 'primary', 'display']);

/** An element that says nothing but what kind of value it would be is no value. */
export const isMeaningful = (element: JsonValue): boolean =>
  !isObject(element) || Object.keys(element).some((key) => !KINDS.has(key.toLowerCase()));

/** @throws INVALID_VALUE when two elements are primary (RFC 7643 §2.4) */
export const requireOnePrimary = (name: string, elements: readonly JsonValue[]): void => {
  if (elements.filter((element) => isObject(element) && element['primary'] === true).length > 1)
    throw invalid(name, 'has more than one primary value');
};

/**
 * The elements of a multi-valued attribute; a single object stands for a list of one. An entry whose value is null is
 * left out: directories send those for what they know nothing of.
 *
 * @throws INVALID_VALUE, TOO_MANY
 */
export const readElements = (
  attribute: AttributeDefinition,
  name: string,
  value: JsonValue,
  dialect: Dialect,
): JsonValue[] => {
  const isNothing = value === null || (value === '' && dialect.emptyStringClears);
  const items = isArray(value) ? value : isNothing ? [] : [value];
  if (items.length > MAX_ELEMENTS)
    throw new AppError('TOO_MANY', `${name} has more than ${String(MAX_ELEMENTS)} values.`);
  const elements: JsonValue[] = [];
  for (const item of items) {
    const element = readSingle(attribute, name, item, dialect);
    if (element !== undefined && isMeaningful(element)) elements.push(element);
    // A value that is given as null is no value; one that is not given at all is a mistake.
    else if (!isObject(item) || !isMeaningful(item)) throw invalid(name, 'has an entry without a value');
  }
  requireOnePrimary(name, elements);
  return elements;
};

/**
 * Reads a value for an attribute: names in their canonical spelling, booleans as booleans, `null`, `[]` and, where the
 * dialect says so, `""` as undefined (unassigned).
 *
 * @throws INVALID_VALUE when it does not fit the declaration; TOO_MANY
 */
export const readValue = (
  attribute: AttributeDefinition,
  name: string,
  value: JsonValue,
  dialect: Dialect,
): JsonValue | undefined => {
  if (!attribute.multiValued) return readSingle(attribute, name, value, dialect);
  const elements = readElements(attribute, name, value, dialect);
  return elements.length === 0 ? undefined : elements;
};
