import { OPERATORS, type Filter, type FilterPath, type Literal, type Operator } from './ast.ts';
import { invalidFilter, Lexer, type Token } from './lexer.ts';

const KIB = 1024;
export const MAX_FILTER_BYTES = 8 * KIB;
/** Parentheses and brackets inside each other. */
export const MAX_FILTER_DEPTH = 32;
/** Comparisons, value paths and negations. */
export const MAX_FILTER_NODES = 200;

export interface ParseOptions {
  /**
   * Take what is no JSON literal for a string, and `True` for `true`: Entra's documentation shows
   * `externalId eq jyoung`. Default true.
   */
  readonly allowBareWords?: boolean;
}

const OPERATOR_NAMES: ReadonlyMap<string, Operator> = new Map<string, Operator>(
  OPERATORS.map((operator) => [operator, operator]),
);
const NUMBER = /^-?(?:0|[1-9]\d{0,30})(?:\.\d{1,30})?(?:[eE][+-]?\d{1,4})?$/;
/** A name, an address, an identifier. Other quotes than JSON's are a mistake, not part of a value. */
const BARE_WORD = /^[\p{L}\p{N}][\p{L}\p{M}\p{N}._@+:/#-]*$/u;
const CONSTANTS: ReadonlyMap<string, Literal> = new Map<string, Literal>([
  ['true', Object.freeze({ kind: 'boolean', value: true })],
  ['false', Object.freeze({ kind: 'boolean', value: false })],
  ['null', Object.freeze({ kind: 'null' })],
]);

const freeze = <T extends object>(node: T): T => Object.freeze(node);

/** Recursive descent, one method per rule; recursion only where a parenthesis or bracket opens, which is bounded. */
export class FilterParser {
  readonly #lexer: Lexer;
  readonly #allowBareWords: boolean;
  #token: Token;
  #nodes = 0;

  /** @throws INVALID_FILTER when the text is too long */
  constructor(text: string, { allowBareWords = true }: ParseOptions = {}) {
    if (Buffer.byteLength(text) > MAX_FILTER_BYTES)
      throw invalidFilter(`The filter is longer than ${String(MAX_FILTER_BYTES)} bytes.`);
    this.#allowBareWords = allowBareWords;
    this.#lexer = new Lexer(text);
    this.#token = this.#lexer.next();
  }

  /** Work done so far, in characters looked at. */
  get steps(): number {
    return this.#lexer.steps;
  }

  /** The whole text as a filter. */
  filter(): Filter {
    const filter = this.#or({ depth: 0, inElements: false });
    if (this.#token.kind !== 'end') throw invalidFilter('The filter goes on where it should end.');
    return filter;
  }

  /** The whole text as a filter on the elements of a list: no brackets inside. */
  elementFilter(): Filter {
    const filter = this.#or({ depth: 1, inElements: true });
    if (this.#token.kind !== 'end') throw invalidFilter('The filter goes on where it should end.');
    return filter;
  }

  /** The whole text as a path, as PATCH has it. */
  path(): FilterPath {
    const path = this.#path({ depth: 0, inElements: false });
    if (this.#token.kind !== 'end') throw invalidFilter('The path goes on where it should end.');
    return path;
  }

  #advance(): void {
    this.#token = this.#lexer.next();
  }

  #isWord(word: string): boolean {
    return this.#token.kind === 'word' && this.#token.text.toLowerCase() === word;
  }

  #chain(kind: 'and' | 'or', operand: () => Filter): Filter {
    const first = operand();
    if (!this.#isWord(kind)) return first;
    const operands = [first];
    while (this.#isWord(kind)) {
      this.#advance();
      operands.push(operand());
    }
    return freeze({ kind, operands: freeze(operands) });
  }

  #or(place: Place): Filter {
    return this.#chain('or', () => this.#chain('and', () => this.#term(place)));
  }

  #term(place: Place): Filter {
    if (this.#token.kind === '(') return this.#group(place);
    if (!this.#isWord('not')) return this.#expression(place);
    const not = this.#token;
    this.#advance();
    if ((this.#token.kind as Token['kind']) !== '(') return this.#comparison(this.#pathAfter(not, place), place);
    this.#count();
    return freeze({ kind: 'not', operand: this.#group(place) });
  }

  #group(place: Place): Filter {
    this.#advance();
    const filter = this.#or(deeper(place));
    if (this.#token.kind !== ')') throw invalidFilter('A parenthesis is not closed.');
    this.#advance();
    return filter;
  }

  #expression(place: Place): Filter {
    return this.#comparison(this.#path(place), place);
  }

  #path(place: Place): FilterPath {
    const name = this.#token;
    if (name.kind !== 'word') throw invalidFilter('An attribute name is missing.');
    this.#advance();
    return this.#pathAfter(name, place);
  }

  /** What may follow a name: `[filter]`, and then `.sub`, without a space in between. */
  #pathAfter(name: Token, place: Place): FilterPath {
    if (this.#token.kind !== '[' || this.#token.spaced)
      return freeze({ name: name.text, elements: undefined, sub: undefined });
    if (place.inElements) throw invalidFilter('A filter in brackets has no brackets inside.');
    this.#advance();
    const elements = this.#or({ ...deeper(place), inElements: true });
    if ((this.#token.kind as Token['kind']) !== ']') throw invalidFilter('A bracket is not closed.');
    this.#advance();
    const after: Token = this.#token;
    if (after.kind !== 'word' || after.spaced) return freeze({ name: name.text, elements, sub: undefined });
    if (!after.text.startsWith('.') || after.text.length === 1)
      throw invalidFilter('Only a sub-attribute can follow a bracket.');
    this.#advance();
    return freeze({ name: name.text, elements, sub: after.text.slice(1) });
  }

  #comparison(path: FilterPath, place: Place): Filter {
    this.#count();
    const operator = this.#token.kind === 'word' ? this.#token.text.toLowerCase() : '';
    if (operator === 'pr') {
      this.#advance();
      return freeze({ kind: 'present', path });
    }
    const known = OPERATOR_NAMES.get(operator);
    if (known !== undefined) {
      this.#advance();
      return freeze({ kind: 'compare', path, operator: known, value: this.#literal() });
    }
    if (path.elements !== undefined && path.sub === undefined && !place.inElements)
      return freeze({ kind: 'some', path });
    const found = operator === '' ? '' : `; "${operator.slice(0, 100)}" is none`;
    throw invalidFilter(
      `After "${path.name.slice(0, 100)}" an operator is expected (${OPERATORS.join(', ')}, pr)${found}.`,
    );
  }

  #literal(): Literal {
    const { kind, text } = this.#token;
    if (kind !== 'word' && kind !== 'string') throw invalidFilter('A value is missing.');
    this.#advance();
    if (kind === 'string') return freeze({ kind: 'string', value: readString(text) });
    const constant = CONSTANTS.get(this.#allowBareWords ? text.toLowerCase() : text);
    if (constant !== undefined) return constant;
    if (NUMBER.test(text)) return freeze({ kind: 'number', text });
    if (!this.#allowBareWords || !BARE_WORD.test(text))
      throw invalidFilter(`"${text.slice(0, 100)}" is no JSON value: strings are quoted.`);
    return freeze({ kind: 'string', value: text });
  }

  #count(): void {
    this.#nodes += 1;
    if (this.#nodes > MAX_FILTER_NODES)
      throw invalidFilter(`The filter has more than ${String(MAX_FILTER_NODES)} comparisons.`);
  }
}

interface Place {
  readonly depth: number;
  /** Inside `[…]`. */
  readonly inElements: boolean;
}

const deeper = ({ depth, inElements }: Place): Place => {
  if (depth >= MAX_FILTER_DEPTH)
    throw invalidFilter(`The filter is nested deeper than ${String(MAX_FILTER_DEPTH)} levels.`);
  return { depth: depth + 1, inElements };
};

/** No value of ours has U+0000 or half a character in it, and PostgreSQL could not be asked for one. */
const storable = (text: string): string => {
  if (text.includes('\u0000') || !text.isWellFormed())
    throw invalidFilter('A string in the filter is not well-formed text.');
  return text;
};

const readString = (text: string): string => {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (cause) {
    throw invalidFilter('A string in the filter is not a JSON string.', cause);
  }
  return storable(String(value));
};

/**
 * Reads a filter of the full grammar: `or` binds weaker than `and`, `and` weaker than `not`. Time and memory are linear
 * in the input, which is bounded; the result is immutable.
 *
 * @throws INVALID_FILTER for everything else: a filter is never ignored
 * @see RFC 7644 §3.4.2.2, figure 1
 */
export const parseFilter = (text: string, options?: ParseOptions): Filter => new FilterParser(text, options).filter();

/**
 * Reads a path with an optional filter in brackets: `emails[type eq "work"].value`.
 *
 * @throws INVALID_FILTER
 * @see RFC 7644 §3.5.2, figure 7
 */
export const parseFilterPath = (text: string, options?: ParseOptions): FilterPath =>
  new FilterParser(text, options).path();
