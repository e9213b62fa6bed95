import { isArray, isObject, type JsonObject, type JsonValue } from '../protocol/json.ts';
import { ENTERPRISE_USER_SCHEMA } from '../protocol/user-schema.ts';
import type { BulkCall } from './bulk-request.ts';

/** Gives the identifier a bulkId stands for. */
type Resolve = (bulkId: string) => string;

const REFERENCE = /^bulkId:(.+)$/s;
/** The attributes that name other resources, as keys. */
const KEY = /(?:^|[:.])(?:members|manager)(?:\.value)?$/i;
/** The same as the path of a PATCH operation. */
const PATH = /(?:^|:)(?:members|manager)(?:\[.*\])?(?:\.value)?$/is;
/** `members[value eq "bulkId:…"]` */
const FILTERED = /^(.*\bmembers\[\s*value\s+eq\s+")bulkId:([^"\\]+)("\s*\])$/is;

const resolveText = (text: string, resolve: Resolve): string => {
  const bulkId = REFERENCE.exec(text)?.[1];
  return bulkId === undefined ? text : resolve(bulkId);
};

/** Only where a reference can stand: a display name that begins with "bulkId:" is a display name. */
const resolveIn = (value: JsonValue, isReference: boolean, resolve: Resolve): JsonValue => {
  if (typeof value === 'string') return isReference ? resolveText(value, resolve) : value;
  if (isArray(value)) return value.map((item) => resolveIn(item, isReference, resolve));
  if (!isObject(value)) return value;
  return Object.fromEntries(
    Object.entries(value).map(([key, item]) => [
      key,
      resolveIn(item, KEY.test(key) || (isReference && key.toLowerCase() === 'value'), resolve),
    ]),
  );
};

const resolvePatchOperation = (operation: JsonValue, resolve: Resolve): JsonValue => {
  if (!isObject(operation)) return operation;
  const path = Object.entries(operation).find(([key]) => key.toLowerCase() === 'path')?.[1];
  const isReference = typeof path === 'string' && PATH.test(path);
  return Object.fromEntries(
    Object.entries(operation).map(([key, item]) => {
      const name = key.toLowerCase();
      if (name === 'value') return [key, resolveIn(item, isReference, resolve)];
      if (name !== 'path' || typeof item !== 'string') return [key, item];
      const [, before = '', bulkId, after = ''] = FILTERED.exec(item) ?? [];
      return [key, bulkId === undefined ? item : `${before}${resolve(bulkId)}${after}`];
    }),
  );
};

const resolveData = ({ method, data }: BulkCall, resolve: Resolve): JsonObject | undefined => {
  if (data === undefined) return undefined;
  if (method !== 'PATCH') return resolveIn(data, false, resolve) as JsonObject;
  return Object.fromEntries(
    Object.entries(data).map(([key, item]) => [
      key,
      key.toLowerCase() === 'operations' && isArray(item)
        ? item.map((operation) => resolvePatchOperation(operation, resolve))
        : item,
    ]),
  );
};

/**
 * The call with every `bulkId:…` in its path, its paths and its references replaced by what it stands for. The input
 * is left as it is.
 *
 * @throws what `resolve` throws
 * @see RFC 7644 §3.7.2
 */
export const resolveReferences = (call: BulkCall, resolve: Resolve): BulkCall => ({
  ...call,
  id: resolveText(call.id, resolve),
  data: resolveData(call, resolve),
});

/** The bulkIds a call refers to. */
export const referencesOf = (call: BulkCall): ReadonlySet<string> => {
  const found = new Set<string>();
  resolveReferences(call, (bulkId) => {
    found.add(bulkId);
    return bulkId;
  });
  return found;
};

/** A user to be created without its manager, who is created later. */
export interface WithoutManager {
  readonly call: BulkCall;
  readonly manager: JsonValue;
}

const isExtension = (key: string): boolean => key.toLowerCase() === ENTERPRISE_USER_SCHEMA.toLowerCase();

/** Takes the manager out of a user that is to be created; undefined when the call names no manager. */
export const withoutManager = (call: BulkCall): WithoutManager | undefined => {
  if (call.method !== 'POST' || call.endpoint !== '/Users' || call.data === undefined) return undefined;
  const extension = Object.entries(call.data).find(([key]) => isExtension(key));
  if (extension === undefined || !isObject(extension[1])) return undefined;
  const entries = Object.entries(extension[1]);
  const [manager, ...more] = entries.filter(([key]) => key.toLowerCase() === 'manager');
  if (manager === undefined || more.length > 0) return undefined;
  const rest = Object.fromEntries(entries.filter(([key]) => key.toLowerCase() !== 'manager'));
  return { call: { ...call, data: { ...call.data, [extension[0]]: rest } }, manager: manager[1] };
};
