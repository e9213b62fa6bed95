import { AppError, type FieldError } from '@sallyport/errors';
import type { z } from 'zod';

type Part = 'body' | 'query' | 'params';

const MAX_FIELD_ERRORS = 50;
const MAX_DETAIL_CHARS = 200;

const PART_NAMES: Readonly<Record<Part, string>> = { body: 'body', query: 'query', params: 'path' };

const escapePointer = (key: PropertyKey): string => String(key).replaceAll('~', '~0').replaceAll('/', '~1');

/** `/a/0/b` into the body, `?name` for the query, `:name` for the path. */
const pointerOf = (part: Part, path: readonly PropertyKey[]): string => {
  if (part === 'body') return path.map((key) => `/${escapePointer(key)}`).join('');
  return `${part === 'query' ? '?' : ':'}${path.map(String).join('.')}`;
};

const codeOf = (issue: z.core.$ZodIssue): string =>
  issue.code === 'custom' && typeof issue.params?.['code'] === 'string'
    ? issue.params['code']
    : issue.code.toUpperCase();

const fieldErrors = (part: Part, issue: z.core.$ZodIssue): FieldError[] => {
  if (issue.code === 'unrecognized_keys')
    return issue.keys.map((key) => ({ pointer: pointerOf(part, [...issue.path, key]), code: 'UNKNOWN_FIELD' }));
  return [
    { pointer: pointerOf(part, issue.path), code: codeOf(issue), detail: issue.message.slice(0, MAX_DETAIL_CHARS) },
  ];
};

/**
 * Parses with the schema of the route.
 *
 * @throws INVALID_REQUEST with one entry per offending field (at most 50)
 */
export const validate = async (part: Part, schema: z.ZodType, value: unknown): Promise<unknown> => {
  const result = await schema.safeParseAsync(value);
  if (result.success) return result.data;
  throw new AppError('INVALID_REQUEST', `The ${PART_NAMES[part]} is not valid.`, {
    fields: result.error.issues.flatMap((issue) => fieldErrors(part, issue)).slice(0, MAX_FIELD_ERRORS),
  });
};
