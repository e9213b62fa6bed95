import { AppError } from '@sallyport/errors';

/** Deeper nesting is refused: no message of ours needs it, and every later walk may recurse safely. */
export const MAX_JSON_DEPTH = 64;

/** More keys in one object are refused: no message of ours has so many, and a later walk is done within one turn. */
export const MAX_JSON_KEYS = 10_000;

const OPEN_OBJECT = 0x7b;
const OPEN_ARRAY = 0x5b;
const CLOSE_OBJECT = 0x7d;
const CLOSE_ARRAY = 0x5d;
const COMMA = 0x2c;
const QUOTE = 0x22;
const BACKSLASH = 0x5c;

/** INVALID_REQUEST for a body that is nested too deep. */
export const refuseDepth = (): AppError =>
  new AppError('INVALID_REQUEST', `The body is nested deeper than ${String(MAX_JSON_DEPTH)} levels.`);

/** INVALID_REQUEST for an object that names a key twice. */
export const refuseRepeatedKey = (): AppError => new AppError('INVALID_REQUEST', 'An object names the same key twice.');

/** INVALID_REQUEST for an object with too many keys. */
export const refuseKeys = (): AppError =>
  new AppError('INVALID_REQUEST', `An object has more than ${String(MAX_JSON_KEYS)} keys.`);

/** The keys of the objects that are open, by depth. One key needs no set, and most small objects are many. */
class OpenLevels {
  #depth = 0;
  readonly #isObject: boolean[] = [];
  readonly #first: (string | undefined)[] = [];
  readonly #keys: (Set<string> | undefined)[] = [];

  get isInObject(): boolean {
    return this.#depth > 0 && this.#isObject[this.#depth] === true;
  }

  open(isObject: boolean): void {
    this.#depth += 1;
    if (this.#depth > MAX_JSON_DEPTH) throw refuseDepth();
    this.#isObject[this.#depth] = isObject;
    this.#first[this.#depth] = undefined;
    this.#keys[this.#depth] = undefined;
  }

  close(): void {
    this.#depth -= 1;
  }

  add(key: string): void {
    const first = this.#first[this.#depth];
    if (first === undefined) {
      this.#first[this.#depth] = key;
      return;
    }
    const keys = (this.#keys[this.#depth] ??= new Set([first]));
    const before = keys.size;
    if (keys.add(key).size === before) throw refuseRepeatedKey();
    if (before >= MAX_JSON_KEYS) throw refuseKeys();
  }
}

/**
 * Walks text that is known to be JSON for what the parsed value no longer shows: depth and repeated keys.
 *
 * `onKey` sees every key, unescaped. Linear in the text and without recursion.
 *
 * @throws INVALID_REQUEST
 */
export const checkStructure = (text: string, onKey: (key: string) => void): void => {
  const levels = new OpenLevels();
  let expectsKey = false;
  for (let at = 0; at < text.length; at++) {
    const char = text.charCodeAt(at);
    if (char === QUOTE) {
      const end = endOfString(text, at);
      if (expectsKey) {
        const key = keyOf(text, at, end);
        levels.add(key);
        onKey(key);
      }
      expectsKey = false;
      at = end;
    } else if (char === OPEN_OBJECT || char === OPEN_ARRAY) {
      expectsKey = char === OPEN_OBJECT;
      levels.open(expectsKey);
    } else if (char === CLOSE_OBJECT || char === CLOSE_ARRAY) {
      levels.close();
    } else if (char === COMMA) {
      expectsKey = levels.isInObject;
    }
  }
};

/** Index of the closing quote of the string that opens at `start`. */
const endOfString = (text: string, start: number): number => {
  let at = start + 1;
  for (let char = text.charCodeAt(at); char !== QUOTE; char = text.charCodeAt(at)) at += char === BACKSLASH ? 2 : 1;
  return at;
};

const keyOf = (text: string, start: number, end: number): string => {
  const key = text.slice(start + 1, end);
  return key.includes('\\') ? (JSON.parse(text.slice(start, end + 1)) as string) : key;
};
