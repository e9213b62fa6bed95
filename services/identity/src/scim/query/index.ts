/**
 * Reading: what a list is asked for, and the rows it is answered with.
 *
 * Owns: filters, orders and cursors as SQL. Does not own: the filter language (protocol/filter), the shape of resources.
 * @see RFC 7644 §3.4.2, §3.4.3; RFC 9865
 */
export { CURSOR_LIFE_SECONDS } from './cursor.ts';
export { groupLayout } from './group-layout.ts';
export type { MakeLayout } from './layout.ts';
export { MAX_SEARCH_MS, searchResources, type Searchable, type SearchPage } from './search.ts';
export {
  DEFAULT_COUNT,
  MAX_COUNT,
  readQuery,
  readSearchBody,
  readSearchQuery,
  searchQuery,
  type SearchRequest,
} from './search-request.ts';
export type { FoundRow } from './search-store.ts';
export { userLayout } from './user-layout.ts';
