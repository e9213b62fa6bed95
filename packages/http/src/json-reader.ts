import { AppError } from '@sallyport/errors';

import { malformed, pointerOf, refusePollutingKey, refuseText, isStorable, type JsonRules } from './json.ts';
import { MAX_JSON_DEPTH, MAX_JSON_KEYS, refuseDepth, refuseKeys, refuseRepeatedKey } from './json-structure.ts';

/** A group of 100,000 members has half of it; 16 MiB of brackets would take half a gigabyte. */
const MAX_VALUES = 1_000_000;

/** One text or number; what is longer could not be read within one turn. */
const MAX_TOKEN_LENGTH = 1024 * 1024;

const QUOTE = 0x22;
const COMMA = 0x2c;
const COLON = 0x3a;
const OPEN_ARRAY = 0x5b;
const CLOSE_ARRAY = 0x5d;
const OPEN_OBJECT = 0x7b;
const CLOSE_OBJECT = 0x7d;

const NUMBER = /-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?/y;
const WORDS: readonly (readonly [word: string, value: boolean | null])[] = [
  ['true', true],
  ['false', false],
  ['null', null],
];
// eslint-disable-next-line no-control-regex -- RFC 8259 §7: these must be escaped
const CONTROL = /[\u0000-\u001f]/;

interface OpenArray {
  readonly items: unknown[];
}

interface OpenObject {
  readonly members: Record<string, unknown>;
  keys: number;
  key: string;
}

type Open = OpenArray | OpenObject;

/** What may come next. */
type Expected = 'value' | 'value or ]' | 'key or }' | 'key' | ', or close' | 'end';

/**
 * Reads JSON a few tokens at a time, without recursion (RFC 8259).
 *
 * @throws MALFORMED_JSON, INVALID_REQUEST
 */
export class JsonReader {
  readonly #text: string;
  readonly #rules: JsonRules;
  readonly #open: Open[] = [];
  #at = 0;
  #values = 0;
  #expected: Expected = 'value';
  #value: unknown;

  constructor(text: string, rules: JsonRules) {
    this.#text = text;
    this.#rules = rules;
  }

  /** The whole value, once {@link read} has answered true. */
  get value(): unknown {
    return this.#value;
  }

  /** Reads up to so many tokens; true at the end of the text. */
  read(tokens: number): boolean {
    for (let count = 0; count < tokens; count += 1) {
      const char = this.#skipSpace();
      if (this.#expected === 'end') {
        if (!Number.isNaN(char)) throw this.#malformed();
        return true;
      }
      this.#token(char);
    }
    return false;
  }

  #token(char: number): void {
    const expected = this.#expected;
    if (expected === 'key' || expected === 'key or }') {
      if (char === QUOTE) this.#key();
      else if (expected === 'key or }' && char === CLOSE_OBJECT) this.#close();
      else throw this.#malformed();
    } else if (expected === ', or close') this.#afterValue(char);
    else if (expected === 'value or ]' && char === CLOSE_ARRAY) this.#close();
    else this.#startValue(char);
  }

  #startValue(char: number): void {
    if (char === QUOTE) this.#put(this.#string(() => this.#path()));
    else if (char === OPEN_OBJECT) this.#enter({ members: {}, keys: 0, key: '' }, 'key or }');
    else if (char === OPEN_ARRAY) this.#enter({ items: [] }, 'value or ]');
    else this.#put(this.#word() ?? this.#number());
  }

  #afterValue(char: number): void {
    const inner = this.#open.at(-1);
    const isArray = inner !== undefined && 'items' in inner;
    if (char === COMMA) {
      this.#at += 1;
      this.#expected = isArray ? 'value' : 'key';
    } else if (char === (isArray ? CLOSE_ARRAY : CLOSE_OBJECT)) this.#close();
    else throw this.#malformed();
  }

  #enter(container: Open, expected: Expected): void {
    this.#at += 1;
    if (this.#open.length === MAX_JSON_DEPTH) throw refuseDepth();
    this.#open.push(container);
    this.#expected = expected;
  }

  #close(): void {
    this.#at += 1;
    const closed = this.#open.pop();
    if (closed !== undefined) this.#put({ value: 'items' in closed ? closed.items : closed.members });
  }

  #put({ value }: { readonly value: unknown }): void {
    this.#values += 1;
    if (this.#values > MAX_VALUES)
      throw new AppError('INVALID_REQUEST', `The body has more than ${String(MAX_VALUES)} values.`);
    const inner = this.#open.at(-1);
    if (inner === undefined) {
      this.#value = value;
      this.#expected = 'end';
      return;
    }
    if ('items' in inner) inner.items.push(value);
    else inner.members[inner.key] = value;
    this.#expected = ', or close';
  }

  #key(): void {
    const inner = this.#open.at(-1);
    // A key is told by the object it is in.
    const path = () => this.#path().slice(0, -1);
    const { value: key } = this.#string(path);
    if (inner === undefined || 'items' in inner || this.#skipSpace() !== COLON) throw this.#malformed();
    this.#at += 1;
    refusePollutingKey(key, this.#rules, path);
    if (Object.hasOwn(inner.members, key)) throw refuseRepeatedKey();
    inner.keys += 1;
    if (inner.keys > MAX_JSON_KEYS) throw refuseKeys();
    inner.key = key;
    this.#expected = 'value';
  }

  /** Where the value being read stands. */
  #path(): (string | number)[] {
    return this.#open.map((open) => ('items' in open ? open.items.length : open.key));
  }

  #string(path: () => (string | number)[]): { readonly value: string } {
    const text = this.#text;
    const start = this.#at + 1;
    let end = text.indexOf('"', start);
    if (end < 0) throw this.#malformed();
    let raw = this.#within(start, end);
    if (raw.includes('\\')) {
      end = this.#endOfEscaped(start);
      raw = this.#unescape(this.#within(start, end));
      if (!isStorable(raw)) throw refuseText(pointerOf(path()));
    } else if (CONTROL.test(raw)) throw this.#malformed();
    this.#at = end + 1;
    return { value: raw };
  }

  /** Index of the closing quote of a text with escapes. */
  #endOfEscaped(start: number): number {
    const text = this.#text;
    for (let at = start; at < start + 6 * MAX_TOKEN_LENGTH; at += 1) {
      const char = text[at];
      if (char === '"') return at;
      if (char === '\\') at += 1;
      if (char === undefined) throw this.#malformed();
    }
    throw this.#tooLong();
  }

  #unescape(raw: string): string {
    try {
      return JSON.parse(`"${raw}"`) as string;
    } catch (cause) {
      throw this.#malformed(cause);
    }
  }

  #within(start: number, end: number): string {
    if (end - start > MAX_TOKEN_LENGTH) throw this.#tooLong();
    return this.#text.slice(start, end);
  }

  #word(): { readonly value: boolean | null } | undefined {
    const found = WORDS.find(([word]) => this.#text.startsWith(word, this.#at));
    if (found === undefined) return undefined;
    this.#at += found[0].length;
    return { value: found[1] };
  }

  #number(): { readonly value: number } {
    NUMBER.lastIndex = this.#at;
    const [digits] = NUMBER.exec(this.#text) ?? [];
    if (digits === undefined) throw this.#malformed();
    if (digits.length > MAX_TOKEN_LENGTH) throw this.#tooLong();
    this.#at += digits.length;
    return { value: Number(digits) };
  }

  /** The next character that is not white space; NaN at the end. */
  #skipSpace(): number {
    const text = this.#text;
    for (;;) {
      const char = text.charCodeAt(this.#at);
      if (char !== 0x20 && char !== 0x0a && char !== 0x0d && char !== 0x09) return char;
      this.#at += 1;
    }
  }

  #malformed(cause?: unknown): AppError {
    return malformed('The body is not valid JSON.', cause);
  }

  #tooLong(): AppError {
    return new AppError('INVALID_REQUEST', 'A text or number in the body is too long.');
  }
}
