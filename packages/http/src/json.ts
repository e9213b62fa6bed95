import { AppError } from '@sallyport/errors';

import { checkStructure } from './json-structure.ts';

const POLLUTING_KEYS: ReadonlySet<string> = new Set(['__proto__', 'constructor', 'prototype']);

export interface JsonRules {
  /** Refuse `constructor` and `prototype` as keys too; `__proto__` is refused everywhere. */
  readonly refusePollutingKeys: boolean;
}

/** What is not JSON. */
export const malformed = (detail: string, cause?: unknown): AppError =>
  new AppError('MALFORMED_JSON', detail, { cause });

/** @throws MALFORMED_JSON when the bytes are not UTF-8 (RFC 8259 §8.1). */
export const decodeUtf8 = (bytes: Uint8Array): string => {
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes);
  } catch (cause) {
    throw malformed('The body is not valid UTF-8.', cause);
  }
};

/** RFC 6901. */
export const pointerOf = (path: readonly (string | number)[]): string =>
  path.map((key) => `/${String(key).replaceAll('~', '~0').replaceAll('/', '~1')}`).join('');

/**
 * Parses a body nobody has vouched for.
 *
 * Guaranteed of the result: nested at most MAX_JSON_DEPTH deep; no object names a key twice (parsers disagree
 * on which one counts); no `__proto__` key (and, with the rule, no `constructor` or `prototype`); every string and key
 * is well-formed Unicode without U+0000, which is what PostgreSQL can store.
 *
 * @throws MALFORMED_JSON when it is not JSON; INVALID_REQUEST with the pointer when it is JSON we refuse
 */
export const parseJson = (text: string, rules: JsonRules): unknown => {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (cause) {
    throw malformed('The body is not valid JSON.', cause);
  }
  let needsWalk = text.includes('\\u') || !text.isWellFormed();
  checkStructure(text, (key) => {
    if (POLLUTING_KEYS.has(key)) needsWalk = true;
  });
  // Without an escape nothing unstorable can be inside, so most bodies are spared the walk that finds where it is.
  if (needsWalk) checkContent(value, rules, []);
  return value;
};

const refuse = (pointer: string, code: string, detail: string): AppError =>
  new AppError('INVALID_REQUEST', detail, { fields: [{ pointer, code, detail }] });

/** Keys and strings of the parsed value; recursion is bounded by MAX_JSON_DEPTH. */
const checkContent = (value: unknown, rules: JsonRules, path: (string | number)[]): void => {
  if (typeof value === 'string') {
    if (!isStorable(value)) throw refuseText(pointerOf(path));
  } else if (Array.isArray(value)) {
    for (let index = 0; index < value.length; index++) {
      path.push(index);
      checkContent(value[index], rules, path);
      path.pop();
    }
  } else if (typeof value === 'object' && value !== null) {
    for (const [key, item] of Object.entries(value)) {
      checkKey(key, rules, path);
      path.push(key);
      checkContent(item, rules, path);
      path.pop();
    }
  }
};

/** @throws INVALID_REQUEST for a key named like an object internal; `path` is that of the object */
export const refusePollutingKey = (key: string, rules: JsonRules, path: () => readonly (string | number)[]): void => {
  if (key === '__proto__' || (rules.refusePollutingKeys && POLLUTING_KEYS.has(key)))
    throw refuse(pointerOf(path()), 'FORBIDDEN_KEY', 'A key named like an object internal is not accepted.');
};

const checkKey = (key: string, rules: JsonRules, path: readonly (string | number)[]): void => {
  refusePollutingKey(key, rules, () => path);
  if (!isStorable(key)) throw refuseText(pointerOf(path));
};

/** What PostgreSQL can store as text. */
export const isStorable = (text: string): boolean => text.isWellFormed() && !text.includes('\0');

/** INVALID_REQUEST for text that cannot be stored. */
export const refuseText = (pointer: string): AppError =>
  refuse(pointer, 'INVALID_TEXT', 'Text must be valid Unicode without U+0000.');

/** Refuses text PostgreSQL could not store: U+0000 and lone surrogates. */
export const checkText = (text: string, pointer: string): void => {
  if (!isStorable(text)) throw refuseText(pointer);
};
