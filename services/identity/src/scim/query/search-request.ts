import { AppError } from '@sallyport/errors';
import { z } from 'zod';

import { isArray, isObject, type JsonValue } from '../protocol/json.ts';

export const SEARCH_SCHEMA = 'urn:ietf:params:scim:api:messages:2.0:SearchRequest';
export const DEFAULT_COUNT = 100;
export const MAX_COUNT = 500;

const MAX_NAMES_CHARS = 4_096;
const MAX_INTEGER = 1_000_000_000;

/** Query parameters of an answer with one resource; unknown ones are ignored. */
export const readQuery = z.object({
  attributes: z.string().max(MAX_NAMES_CHARS).optional(),
  excludedAttributes: z.string().max(MAX_NAMES_CHARS).optional(),
});

/** Query parameters of a list; unknown ones are ignored. */
export const searchQuery = readQuery.extend({
  filter: z.string().optional(),
  sortBy: z.string().max(1_024).optional(),
  sortOrder: z.string().optional(),
  startIndex: z.string().optional(),
  count: z.string().optional(),
  cursor: z.string().optional(),
});

/** What a list is asked for, however it was sent. */
export interface SearchRequest {
  readonly attributes: string | undefined;
  readonly excludedAttributes: string | undefined;
  readonly filter: string | undefined;
  readonly sortBy: string | undefined;
  readonly descending: boolean;
  /** From 1. */
  readonly startIndex: number;
  readonly count: number;
  /** Empty: the first page; undefined: by index. */
  readonly cursor: string | undefined;
}

const invalidValue = (name: string, why: string): AppError =>
  new AppError('INVALID_VALUE', `${name} ${why}.`, { fields: [{ pointer: `/${name}`, code: 'INVALID_VALUE' }] });

const readSortOrder = (text: string | undefined): boolean => {
  const word = text?.toLowerCase() ?? 'ascending';
  if (word !== 'ascending' && word !== 'descending')
    throw invalidValue('sortOrder', 'must be "ascending" or "descending"');
  return word === 'descending';
};

const INTEGER = /^-?\d{1,15}$/;

const readInteger = (name: string, text: string | undefined, fallback: number): number => {
  if (text === undefined) return fallback;
  if (!INTEGER.test(text)) throw invalidValue(name, 'must be a whole number');
  return Math.min(MAX_INTEGER, Number(text));
};

/** Below 0 is 0 and too much is the maximum (RFC 7644 §3.4.2.4), except with a cursor (RFC 9865 §2.3, invalidCount). */
const readCount = (text: string | undefined, hasCursor: boolean): number => {
  if (hasCursor && text !== undefined && (!INTEGER.test(text) || Number(text) < 0))
    throw new AppError('INVALID_COUNT', 'count must be a whole number that is not negative.');
  return Math.min(MAX_COUNT, Math.max(0, readInteger('count', text, DEFAULT_COUNT)));
};

/**
 * Reads the query of a list.
 *
 * @throws INVALID_VALUE, INVALID_COUNT
 * @see RFC 7644 §3.4.2, RFC 9865 §2
 */
export const readSearchQuery = (query: z.output<typeof searchQuery>): SearchRequest => {
  const { cursor, startIndex } = query;
  if (cursor !== undefined && startIndex !== undefined)
    throw invalidValue('startIndex', 'and cursor are two ways of paging: use one');
  return {
    attributes: query.attributes,
    excludedAttributes: query.excludedAttributes,
    filter: query.filter,
    sortBy: query.sortBy,
    descending: readSortOrder(query.sortOrder),
    startIndex: Math.max(1, readInteger('startIndex', startIndex, 1)),
    count: readCount(query.count, cursor !== undefined),
    cursor,
  };
};

type Field = 'text' | 'integer' | 'names' | 'schemas';
const FIELDS: ReadonlyMap<string, { readonly name: string; readonly type: Field }> = new Map(
  (
    [
      ['schemas', 'schemas'],
      ['attributes', 'names'],
      ['excludedAttributes', 'names'],
      ['filter', 'text'],
      ['sortBy', 'text'],
      ['sortOrder', 'text'],
      ['startIndex', 'integer'],
      ['count', 'integer'],
      ['cursor', 'text'],
    ] as const
  ).map(([name, type]) => [name.toLowerCase(), { name, type }]),
);

const isNames = (value: JsonValue): value is readonly string[] =>
  isArray(value) && value.every((item) => typeof item === 'string');

const readField = ({ name, type }: { name: string; type: Field }, value: JsonValue): string | undefined => {
  if (value === null) return undefined;
  if (type === 'integer') {
    if (typeof value !== 'number' || !Number.isSafeInteger(value)) throw invalidValue(name, 'must be a whole number');
    return String(value);
  }
  if (type === 'text') {
    if (typeof value !== 'string') throw invalidValue(name, 'must be a string');
    return value;
  }
  if (!isNames(value)) throw invalidValue(name, 'must be a list of strings');
  if (type === 'schemas' && !value.some((urn) => urn.toLowerCase() === SEARCH_SCHEMA.toLowerCase()))
    throw new AppError('INVALID_SYNTAX', `schemas must contain ${SEARCH_SCHEMA}.`);
  const names = value.join(',');
  if (names.length > MAX_NAMES_CHARS) throw invalidValue(name, 'is too long');
  return names;
};

/**
 * Reads the body of a `POST /.search`: the parameters of a list, strictly.
 *
 * @throws INVALID_SYNTAX for anything that is not a SearchRequest; INVALID_VALUE, INVALID_COUNT
 * @see RFC 7644 §3.4.3
 */
export const readSearchBody = (body: unknown): SearchRequest => {
  if (!isObject(body)) throw new AppError('INVALID_SYNTAX', 'The body must be a JSON object.');
  const fields = new Map<string, string | undefined>();
  for (const [key, value] of Object.entries(body)) {
    const field = FIELDS.get(key.toLowerCase());
    if (field === undefined)
      throw new AppError('INVALID_SYNTAX', `A search request has no part "${key.slice(0, 100)}".`);
    if (fields.has(field.name)) throw new AppError('INVALID_SYNTAX', `"${field.name}" is given twice.`);
    fields.set(field.name, readField(field, value));
  }
  if (fields.get('schemas') === undefined)
    throw new AppError('INVALID_SYNTAX', `schemas must contain ${SEARCH_SCHEMA}.`);
  return readSearchQuery(Object.fromEntries(fields));
};
