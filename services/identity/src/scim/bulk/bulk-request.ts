import { AppError } from '@sallyport/errors';

import { isArray, isObject, type JsonObject, type JsonValue } from '../protocol/json.ts';
import { MAX_BULK_OPERATIONS } from './limits.ts';

export const BULK_REQUEST_SCHEMA = 'urn:ietf:params:scim:api:messages:2.0:BulkRequest';

export type BulkMethod = 'POST' | 'PUT' | 'PATCH' | 'DELETE';

/** One operation that can be tried. */
export interface BulkCall {
  readonly method: BulkMethod;
  readonly endpoint: '/Users' | '/Groups';
  /** Of the resource, or `bulkId:…`; empty for POST. */
  readonly id: string;
  /** As `If-Match`; empty when there is none. */
  readonly ifMatch: string;
  /** Undefined for DELETE. */
  readonly data: JsonObject | undefined;
}

/** One operation of a request, in its place; what cannot be tried is answered with its error. */
export interface BulkOperation {
  /** As sent, for the answer. */
  readonly method: string;
  readonly bulkId: string | undefined;
  readonly call: BulkCall | AppError;
}

export interface BulkRequest {
  readonly operations: readonly BulkOperation[];
  /** After so many errors nothing more is tried; Infinity when the request does not say. */
  readonly failOnErrors: number;
}

const invalidSyntax = (detail: string): AppError => new AppError('INVALID_SYNTAX', detail);

const MAX_BULK_ID_LENGTH = 256;
const PATH = /^(\/Users|\/Groups)(?:\/([^/?#]{1,300}))?$/;
const METHODS: ReadonlyMap<string, BulkMethod> = new Map([
  ['POST', 'POST'],
  ['PUT', 'PUT'],
  ['PATCH', 'PATCH'],
  ['DELETE', 'DELETE'],
]);

/** The parts of an object by their names in lower case, each at most once and none unknown. */
const partsOf = (raw: JsonObject, names: ReadonlySet<string>, what: string): ReadonlyMap<string, JsonValue> => {
  const parts = new Map<string, JsonValue>();
  for (const [key, value] of Object.entries(raw)) {
    const name = key.toLowerCase();
    if (!names.has(name)) throw invalidSyntax(`${what} has no part "${key.slice(0, 100)}".`);
    if (parts.has(name)) throw invalidSyntax(`${what} names its ${name} twice.`);
    parts.set(name, value);
  }
  return parts;
};

const textOf = (value: JsonValue | undefined): string | undefined => (typeof value === 'string' ? value : undefined);

const readTarget = (method: BulkMethod, path: JsonValue | undefined): Pick<BulkCall, 'endpoint' | 'id'> => {
  const match = PATH.exec(textOf(path) ?? '');
  const endpoint = match?.[1];
  if (endpoint !== '/Users' && endpoint !== '/Groups')
    throw invalidSyntax('path must be /Users or /Groups, or one resource of them.');
  const id = match?.[2] ?? '';
  if ((method === 'POST') !== (id === ''))
    throw invalidSyntax(method === 'POST' ? 'POST goes to /Users or /Groups.' : `${method} goes to one resource.`);
  return { endpoint, id };
};

const readData = (method: BulkMethod, data: JsonValue | undefined): JsonObject | undefined => {
  if (method === 'DELETE') {
    if (data !== undefined && data !== null) throw invalidSyntax('DELETE has no data.');
    return undefined;
  }
  if (!isObject(data)) throw invalidSyntax(`${method} needs data, an object.`);
  return data;
};

const readVersion = (method: BulkMethod, version: JsonValue | undefined): string => {
  if (version === undefined || version === null) return '';
  if (typeof version !== 'string' || version === '') throw invalidSyntax('version must be an entity tag.');
  if (method === 'POST') throw invalidSyntax('What is being created has no version yet.');
  return version;
};

const OPERATION_PARTS: ReadonlySet<string> = new Set(['method', 'bulkid', 'version', 'path', 'data']);

const readCall = (parts: ReadonlyMap<string, JsonValue>): BulkCall => {
  const method = METHODS.get(textOf(parts.get('method'))?.toUpperCase() ?? '');
  if (method === undefined) throw invalidSyntax('method must be POST, PUT, PATCH or DELETE.');
  if (method === 'POST' && parts.get('bulkid') === undefined) throw invalidSyntax('POST needs a bulkId.');
  return {
    method,
    ...readTarget(method, parts.get('path')),
    ifMatch: readVersion(method, parts.get('version')),
    data: readData(method, parts.get('data')),
  };
};

const readBulkId = (value: JsonValue | undefined): string | undefined => {
  if (value === undefined || value === null) return undefined;
  if (typeof value !== 'string' || value === '' || value.length > MAX_BULK_ID_LENGTH)
    throw invalidSyntax(`bulkId must be a string of 1 to ${String(MAX_BULK_ID_LENGTH)} characters.`);
  return value;
};

const readOperation = (raw: JsonValue): BulkOperation => {
  if (!isObject(raw)) throw invalidSyntax('An operation must be an object.');
  const parts = partsOf(raw, OPERATION_PARTS, 'An operation');
  const about = { method: (textOf(parts.get('method')) ?? '').slice(0, 10), bulkId: readBulkId(parts.get('bulkid')) };
  try {
    return { ...about, call: readCall(parts) };
  } catch (error) {
    if (error instanceof AppError) return { ...about, call: error };
    throw error;
  }
};

const readFailOnErrors = (value: JsonValue | undefined): number => {
  if (value === undefined || value === null) return Number.POSITIVE_INFINITY;
  if (typeof value !== 'number' || !Number.isSafeInteger(value) || value < 1)
    throw invalidSyntax('failOnErrors must be a whole number from 1.');
  return value;
};

const requireDistinct = (operations: readonly BulkOperation[]): void => {
  const seen = new Set<string>();
  for (const { bulkId } of operations) {
    if (bulkId === undefined) continue;
    if (seen.has(bulkId)) throw invalidSyntax(`The bulkId "${bulkId.slice(0, 100)}" is given twice.`);
    seen.add(bulkId);
  }
};

const REQUEST_PARTS: ReadonlySet<string> = new Set(['schemas', 'failonerrors', 'operations']);

/**
 * Reads the body of a Bulk request. What is wrong with the envelope refuses all of it; what is wrong with one operation
 * is the answer to that operation.
 *
 * @throws INVALID_SYNTAX; PAYLOAD_TOO_LARGE above the number of operations
 * @see RFC 7644 §3.7
 */
export const readBulkRequest = (body: unknown): BulkRequest => {
  if (!isObject(body)) throw invalidSyntax('The body must be a JSON object.');
  const parts = partsOf(body, REQUEST_PARTS, 'A Bulk request');
  const schemas = parts.get('schemas');
  if (!isArray(schemas) || !schemas.some((urn) => textOf(urn)?.toLowerCase() === BULK_REQUEST_SCHEMA.toLowerCase()))
    throw invalidSyntax(`schemas must contain ${BULK_REQUEST_SCHEMA}.`);
  const raw = parts.get('operations');
  if (!isArray(raw) || raw.length === 0) throw invalidSyntax('Operations must be a list that is not empty.');
  if (raw.length > MAX_BULK_OPERATIONS)
    throw new AppError('PAYLOAD_TOO_LARGE', `A Bulk request has at most ${String(MAX_BULK_OPERATIONS)} operations.`);
  const failOnErrors = readFailOnErrors(parts.get('failonerrors'));
  const operations = raw.map(readOperation);
  requireDistinct(operations);
  return { operations, failOnErrors };
};
