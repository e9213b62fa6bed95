import { AppError } from '@sallyport/errors';

import type { Dialect } from '../profiles/index.ts';
import { isArray, isObject, type JsonValue } from './json.ts';

export const PATCH_SCHEMA = 'urn:ietf:params:scim:api:messages:2.0:PatchOp';
export const MAX_OPERATIONS = 1_000;

export type Op = 'add' | 'replace' | 'remove';

const OPS: ReadonlyMap<string, Op> = new Map([
  ['add', 'add'],
  ['replace', 'replace'],
  ['remove', 'remove'],
]);

const invalidSyntax = (detail: string): AppError => new AppError('INVALID_SYNTAX', detail);
const noSchema = (): AppError => invalidSyntax(`schemas must contain ${PATCH_SCHEMA}.`);

export interface PatchOperation {
  readonly op: Op;
  readonly path: string | undefined;
  /** Undefined when the operation has none; null is a value. */
  readonly value: JsonValue | undefined;
}

const FIELDS: ReadonlySet<string> = new Set(['op', 'path', 'value']);

const readFields = (raw: JsonValue): ReadonlyMap<string, JsonValue> => {
  if (!isObject(raw)) throw invalidSyntax('An operation must be an object.');
  const fields = new Map<string, JsonValue>();
  for (const [key, value] of Object.entries(raw)) {
    const name = key.toLowerCase();
    if (!FIELDS.has(name)) throw invalidSyntax(`An operation has no part "${key.slice(0, 100)}".`);
    if (fields.has(name)) throw invalidSyntax(`An operation names its ${name} twice.`);
    fields.set(name, value);
  }
  return fields;
};

const readPath = (path: JsonValue | undefined): string | undefined => {
  if (path === undefined) return undefined;
  if (typeof path !== 'string' || path.trim() === '')
    throw new AppError('INVALID_PATH', 'path must be a string that is not empty.');
  return path;
};

const readOperation = (raw: JsonValue, { opInAnyCase }: Dialect): PatchOperation => {
  const fields = readFields(raw);
  const word = fields.get('op');
  const op = typeof word === 'string' ? OPS.get(opInAnyCase ? word.toLowerCase() : word) : undefined;
  if (op === undefined) throw invalidSyntax('op must be add, replace or remove.');
  return { op, path: readPath(fields.get('path')), value: fields.get('value') };
};

/** @throws INVALID_SYNTAX unless `schemas` is a list with the URN of a PATCH in it */
const requirePatchSchema = (value: JsonValue): void => {
  const isNamed =
    isArray(value) && value.some((urn) => typeof urn === 'string' && urn.toLowerCase() === PATCH_SCHEMA.toLowerCase());
  if (!isNamed) throw noSchema();
};

const readEnvelope = (body: unknown, { patchWithoutSchemas }: Dialect): readonly JsonValue[] => {
  if (!isObject(body)) throw invalidSyntax('The body must be a JSON object.');
  let operations: JsonValue | undefined;
  let isNamed = false;
  for (const [key, value] of Object.entries(body)) {
    const name = key.toLowerCase();
    if (name === 'schemas') {
      requirePatchSchema(value);
      isNamed = true;
    } else if (name === 'operations' && operations === undefined) operations = value;
    else throw invalidSyntax(`A PATCH request has no part "${key.slice(0, 100)}".`);
  }
  if (!isNamed && !patchWithoutSchemas) throw noSchema();
  if (!isArray(operations) || operations.length === 0)
    throw invalidSyntax('Operations must be a list that is not empty.');
  if (operations.length > MAX_OPERATIONS)
    throw new AppError('TOO_MANY', `A request has at most ${String(MAX_OPERATIONS)} operations.`);
  return operations;
};

/**
 * The operations of a PATCH request; keys and `op` in any case, nothing unknown beside them.
 *
 * @throws INVALID_SYNTAX, INVALID_PATH, TOO_MANY
 * @see RFC 7644 §3.5.2
 */
export const readPatchRequest = (body: unknown, dialect: Dialect): readonly PatchOperation[] =>
  readEnvelope(body, dialect).map((raw) => readOperation(raw, dialect));
