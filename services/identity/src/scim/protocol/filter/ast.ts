/** The comparison operators that take a value (RFC 7644 §3.4.2.2, table 3). */
export const OPERATORS = ['eq', 'ne', 'co', 'sw', 'ew', 'gt', 'ge', 'lt', 'le'] as const;

export type Operator = (typeof OPERATORS)[number];

/**
 * A literal as written. A number keeps its text: 1 and 1.0 are told apart as strings, and no digit is lost. A bare
 * word has become a string when the parser may take it for one.
 */
export type Literal =
  | { readonly kind: 'string'; readonly value: string }
  | { readonly kind: 'number'; readonly text: string }
  | { readonly kind: 'boolean'; readonly value: boolean }
  | { readonly kind: 'null' };

/** `name`, `urn:…:name.sub`, `name[filter]`, `name[filter].sub`; names as written, not yet looked up in a schema. */
export interface FilterPath {
  readonly name: string;
  /** The filter in brackets. */
  readonly elements: Filter | undefined;
  /** What follows the brackets; a sub-attribute of a path without brackets is part of its name. */
  readonly sub: string | undefined;
}

/** A filter as written: immutable, not yet looked up in a schema. */
export type Filter =
  /** At least two operands. */
  | { readonly kind: 'and' | 'or'; readonly operands: readonly Filter[] }
  | { readonly kind: 'not'; readonly operand: Filter }
  | { readonly kind: 'present'; readonly path: FilterPath }
  /** `name[filter]` alone: some element meets the filter. */
  | { readonly kind: 'some'; readonly path: FilterPath }
  | {
      readonly kind: 'compare';
      readonly path: FilterPath;
      readonly operator: Operator;
      readonly value: Literal;
    };
