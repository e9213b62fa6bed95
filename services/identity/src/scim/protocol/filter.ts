import { AppError } from '@sallyport/errors';

/** `attributePath eq value`; the path as written, not yet resolved against a schema. */
export interface Comparison {
  readonly path: string;
  readonly value: string | number | boolean | null;
}

/** A conjunction: every comparison must hold. Never empty. */
export type Filter = readonly Comparison[];

export const MAX_FILTER_BYTES = 8 * 1024;
export const MAX_FILTER_DEPTH = 32;
export const MAX_FILTER_NODES = 200;

const invalid = (detail: string): AppError => new AppError('INVALID_FILTER', detail);

interface Token {
  readonly kind: 'word' | 'string' | '(' | ')';
  readonly text: string;
}

// Sticky and without nested quantifiers: linear in the length of the input.
const SPACE = /[ \t]*/y;
const WORD = /[^\s()"[\]]+/y;
const STRING = /"(?:[^"\\]|\\.)*"/y;

const match = (pattern: RegExp, text: string, at: number): string | undefined => {
  pattern.lastIndex = at;
  return pattern.exec(text)?.[0];
};

const tokenize = (text: string): Token[] => {
  const tokens: Token[] = [];
  let at = match(SPACE, text, 0)?.length ?? 0;
  while (at < text.length) {
    const token = tokenAt(text, at);
    tokens.push(token);
    at += token.text.length;
    at += match(SPACE, text, at)?.length ?? 0;
  }
  return tokens;
};

const tokenAt = (text: string, at: number): Token => {
  const char = text.charAt(at);
  if (char === '(' || char === ')') return { kind: char, text: char };
  const string = match(STRING, text, at);
  if (string !== undefined) return { kind: 'string', text: string };
  const word = match(WORD, text, at);
  if (word === undefined) throw invalid('The filter cannot be read.');
  return { kind: 'word', text: word };
};

/** Recursive descent over `filter = term *("and" term)`, `term = "(" filter ")" / path "eq" value`. */
class Parser {
  readonly #tokens: readonly Token[];
  readonly #comparisons: Comparison[] = [];
  #at = 0;

  constructor(tokens: readonly Token[]) {
    this.#tokens = tokens;
  }

  parse(): Filter {
    this.#conjunction(0);
    if (this.#at < this.#tokens.length) throw invalid('The filter goes on where it should end.');
    return this.#comparisons;
  }

  #conjunction(depth: number): void {
    if (depth > MAX_FILTER_DEPTH) throw invalid(`The filter is nested deeper than ${MAX_FILTER_DEPTH} levels.`);
    this.#term(depth);
    while (this.#peekWord('and')) {
      this.#at += 1;
      this.#term(depth);
    }
  }

  #term(depth: number): void {
    if (this.#tokens[this.#at]?.kind === '(') {
      this.#at += 1;
      this.#conjunction(depth + 1);
      if (this.#tokens[this.#at]?.kind !== ')') throw invalid('A parenthesis is not closed.');
      this.#at += 1;
      return;
    }
    this.#comparison();
  }

  #comparison(): void {
    const path = this.#tokens[this.#at];
    const operator = this.#tokens[this.#at + 1];
    const value = this.#tokens[this.#at + 2];
    if (path?.kind !== 'word') throw invalid('An attribute name is missing.');
    if (operator?.kind !== 'word' || operator.text.toLowerCase() !== 'eq')
      throw invalid('Only "eq", and "and" between comparisons, are supported.');
    if (value === undefined || value.kind === '(' || value.kind === ')') throw invalid('A value is missing.');
    if (this.#comparisons.length >= MAX_FILTER_NODES)
      throw invalid(`The filter has more than ${MAX_FILTER_NODES} comparisons.`);
    this.#comparisons.push({ path: path.text, value: readValue(value) });
    this.#at += 3;
  }

  #peekWord(word: string): boolean {
    const token = this.#tokens[this.#at];
    return token?.kind === 'word' && token.text.toLowerCase() === word;
  }
}

const NUMBER = /^-?(?:0|[1-9]\d{0,15})(?:\.\d{1,15})?$/;

const readValue = (token: Token): Comparison['value'] => {
  if (token.kind === 'string') {
    try {
      return JSON.parse(token.text) as string;
    } catch (cause) {
      throw new AppError('INVALID_FILTER', 'A string in the filter is not a JSON string.', { cause });
    }
  }
  switch (token.text.toLowerCase()) {
    case 'true':
      return true;
    case 'false':
      return false;
    case 'null':
      return null;
    default:
      // A bare word is a string: Entra's documentation shows `externalId eq jyoung`.
      return NUMBER.test(token.text) ? Number(token.text) : token.text;
  }
};

/**
 * Reads a filter made of `eq` comparisons joined by `and`. Time and memory are linear in the input, which is bounded.
 *
 * @throws INVALID_FILTER for everything else: a filter is never ignored
 * @see RFC 7644 §3.4.2.2
 */
export const parseFilter = (text: string): Filter => {
  if (Buffer.byteLength(text) > MAX_FILTER_BYTES) throw invalid(`The filter is longer than ${MAX_FILTER_BYTES} bytes.`);
  return new Parser(tokenize(text)).parse();
};
