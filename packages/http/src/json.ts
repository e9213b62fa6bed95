import { AppError } from '@sallyport/errors';

/** Deeper nesting is refused: no message of ours needs it, and every later walk may recurse safely. */
export const MAX_JSON_DEPTH = 64;

const POLLUTING_KEYS: ReadonlySet<string> = new Set(['__proto__', 'constructor', 'prototype']);

export interface JsonRules {
  /** Refuse `constructor` and `prototype` as keys too; `__proto__` is refused everywhere. */
  readonly refusePollutingKeys: boolean;
}

const malformed = (detail: string, cause?: unknown): AppError => new AppError('MALFORMED_JSON', detail, { cause });

/** @throws MALFORMED_JSON when the bytes are not UTF-8 (RFC 8259 §8.1). */
export const decodeUtf8 = (bytes: Uint8Array): string => {
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes);
  } catch (cause) {
    throw malformed('The body is not valid UTF-8.', cause);
  }
};

const escapePointer = (key: string): string => key.replaceAll('~', '~0').replaceAll('/', '~1');

/**
 * Parses a body nobody has vouched for.
 *
 * Guaranteed of the result: nested at most {@link MAX_JSON_DEPTH} deep; no object names a key twice (parsers disagree
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
  checkStructure(text);
  checkContent(value, rules);
  return value;
};

const OPEN_OBJECT = 0x7b;
const OPEN_ARRAY = 0x5b;
const CLOSE_OBJECT = 0x7d;
const CLOSE_ARRAY = 0x5d;
const COMMA = 0x2c;
const QUOTE = 0x22;
const BACKSLASH = 0x5c;

/** The keys of an open object; null for an open array. */
type Level = Set<string> | null;

/** Walks text that is known to be JSON: depth and repeated keys, which the parsed value no longer shows. */
const checkStructure = (text: string): void => {
  const levels: Level[] = [];
  let expectsKey = false;
  for (let at = 0; at < text.length; at++) {
    const char = text.charCodeAt(at);
    if (char === QUOTE) {
      const end = endOfString(text, at);
      if (expectsKey) rememberKey(levels.at(-1) ?? null, text.slice(at, end + 1));
      expectsKey = false;
      at = end;
    } else if (char === OPEN_OBJECT || char === OPEN_ARRAY) {
      expectsKey = char === OPEN_OBJECT;
      openLevel(levels, expectsKey);
    } else if (char === CLOSE_OBJECT || char === CLOSE_ARRAY) {
      levels.pop();
    } else if (char === COMMA) {
      expectsKey = (levels.at(-1) ?? null) !== null;
    }
  }
};

const openLevel = (levels: Level[], isObject: boolean): void => {
  if (levels.push(isObject ? new Set() : null) > MAX_JSON_DEPTH)
    throw new AppError('INVALID_REQUEST', `The body is nested deeper than ${MAX_JSON_DEPTH} levels.`);
};

/** Index of the closing quote of the string that opens at `start`. */
const endOfString = (text: string, start: number): number => {
  let at = start + 1;
  while (text.charCodeAt(at) !== QUOTE) at += text.charCodeAt(at) === BACKSLASH ? 2 : 1;
  return at;
};

const rememberKey = (keys: Set<string> | null, literal: string): void => {
  if (keys === null) return;
  const key = literal.includes('\\') ? (JSON.parse(literal) as string) : literal.slice(1, -1);
  if (keys.has(key)) throw new AppError('INVALID_REQUEST', 'An object names the same key twice.');
  keys.add(key);
};

const refuse = (pointer: string, code: string, detail: string): AppError =>
  new AppError('INVALID_REQUEST', detail, { fields: [{ pointer, code, detail }] });

/** Keys and strings of the parsed value; recursion is bounded by {@link MAX_JSON_DEPTH}. */
const checkContent = (value: unknown, rules: JsonRules, pointer = ''): void => {
  if (typeof value === 'string') checkText(value, pointer);
  else if (Array.isArray(value))
    for (const [index, item] of value.entries()) checkContent(item, rules, `${pointer}/${String(index)}`);
  else if (typeof value === 'object' && value !== null)
    for (const [key, item] of Object.entries(value)) {
      checkKey(key, rules, pointer);
      checkContent(item, rules, `${pointer}/${escapePointer(key)}`);
    }
};

const checkKey = (key: string, rules: JsonRules, pointer: string): void => {
  if (key === '__proto__' || (rules.refusePollutingKeys && POLLUTING_KEYS.has(key)))
    throw refuse(pointer, 'FORBIDDEN_KEY', 'A key named like an object internal is not accepted.');
  checkText(key, pointer);
};

/** Refuses text PostgreSQL could not store: U+0000 and lone surrogates. */
export const checkText = (text: string, pointer: string): void => {
  if (!text.isWellFormed() || text.includes('\0'))
    throw refuse(pointer, 'INVALID_TEXT', 'Text must be valid Unicode without U+0000.');
};
