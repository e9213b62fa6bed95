/**
 * The filter language: text → {@link Filter} → (schema) → {@link ResolvedFilter} → evaluated here or compiled to SQL.
 *
 * Owns: grammar, limits, meaning. Does not own: SQL (scim/query), what a PATCH does with the elements a filter selects.
 * @see RFC 7644 §3.4.2.2
 */
export type { Filter, FilterPath, Literal, Operator } from './ast.ts';
export { matches, matchesResource } from './evaluate.ts';
export { readInstant, type Instant } from './instant.ts';
export {
  MAX_FILTER_BYTES,
  MAX_FILTER_DEPTH,
  MAX_FILTER_NODES,
  parseFilter,
  parseFilterPath,
  type ParseOptions,
} from './parse.ts';
export { printFilter, printPath } from './print.ts';
export {
  leafOf,
  parseValueFilter,
  readFilter,
  resolveElementFilter,
  resolveFilter,
  type FilterTarget,
  type Operand,
  type ResolvedFilter,
} from './resolve.ts';
