import { AppError } from '@sallyport/errors';

export const invalidFilter = (detail: string, cause?: unknown): AppError =>
  new AppError('INVALID_FILTER', detail, cause === undefined ? {} : { cause });

export interface Token {
  readonly kind: 'word' | 'string' | '(' | ')' | '[' | ']' | 'end';
  readonly text: string;
  /** Whether whitespace, or the beginning, comes before it. */
  readonly spaced: boolean;
}

const QUOTE = '"';
const PUNCTUATION: ReadonlySet<string> = new Set(['(', ')', '[', ']']);

const isSpace = (char: string): boolean => char === ' ' || char === '\t';
// Other control characters and spaces are part of nothing.
const endsWord = (char: string): boolean =>
  char <= ' ' || char === QUOTE || char === '\u007F' || PUNCTUATION.has(char) || /\s/.test(char);

/** Splits a filter into tokens on demand. Every character is looked at a bounded number of times. */
export class Lexer {
  readonly #text: string;
  #at = 0;
  #steps = 0;

  constructor(text: string) {
    this.#text = text;
  }

  /** Characters looked at so far: what "linear" is counted in. */
  get steps(): number {
    return this.#steps;
  }

  /** @throws INVALID_FILTER for a string without its end and for characters that are part of no token */
  next(): Token {
    const from = this.#at;
    while (this.#at < this.#text.length && isSpace(this.#char())) this.#at += 1;
    const spaced = this.#at > from || from === 0;
    if (this.#at >= this.#text.length) return { kind: 'end', text: '', spaced };
    const char = this.#char();
    if (char === '(' || char === ')' || char === '[' || char === ']') {
      this.#at += 1;
      return { kind: char, text: char, spaced };
    }
    return char === QUOTE ? this.#string(spaced) : this.#word(spaced);
  }

  #char(): string {
    this.#steps += 1;
    return this.#text.charAt(this.#at);
  }

  #string(spaced: boolean): Token {
    const from = this.#at;
    this.#at += 1;
    while (this.#at < this.#text.length) {
      const char = this.#char();
      this.#at += char === '\\' ? 2 : 1;
      if (char === QUOTE) return { kind: 'string', text: this.#text.slice(from, this.#at), spaced };
    }
    throw invalidFilter('A string in the filter is not closed.');
  }

  #word(spaced: boolean): Token {
    const from = this.#at;
    while (this.#at < this.#text.length && !endsWord(this.#char())) this.#at += 1;
    if (this.#at === from) throw invalidFilter('The filter contains a character that belongs nowhere.');
    return { kind: 'word', text: this.#text.slice(from, this.#at), spaced };
  }
}
