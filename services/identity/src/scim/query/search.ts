import type { ReadTx } from '@sallyport/storage';

import type { IdentityContext } from '../../context.ts';
import type { ScimCaller } from '../caller.ts';
import { DIALECTS } from '../profiles/index.ts';
import type { ResourceDefinition } from '../protocol/attribute.ts';
import { parseFilter, printFilter, resolveFilter, type Filter } from '../protocol/filter/index.ts';
import { openCursor, sealCursor, type CursorBinding } from './cursor.ts';
import type { MakeLayout } from './layout.ts';
import { canonicalOrder, requireSortable, type SortOrder } from './order.ts';
import type { SearchRequest } from './search-request.ts';
import { countRows, findRows, type FoundRow, type SearchScope, type Window } from './search-store.ts';

/** A type of resource that can be searched. */
export interface Searchable {
  readonly definition: ResourceDefinition;
  readonly layout: MakeLayout;
}

/** One page of a search: keys in the order asked for. */
export interface SearchPage {
  /** Undefined on later pages of a walk by cursor, where it would be counted again for nothing. */
  readonly total: number | undefined;
  readonly rows: readonly FoundRow[];
  /** Undefined in a walk by cursor. */
  readonly startIndex: number | undefined;
  readonly nextCursor: string | undefined;
  readonly previousCursor: string | undefined;
}

export interface SearchInput {
  readonly request: SearchRequest;
  readonly types: readonly Searchable[];
  /** What scanning for it may take; default {@link MAX_SEARCH_MS}. */
  readonly maxMs?: number;
}

const SECOND_MS = 1_000;
/** What a query of a directory may take in the database. */
export const MAX_SEARCH_MS = 5 * SECOND_MS;

interface Plan {
  readonly scope: SearchScope;
  readonly sort: SortOrder | undefined;
  readonly binding: CursorBinding;
  readonly maxMs: number;
}

const planOf = ({ config }: IdentityContext, caller: ScimCaller, input: SearchInput): Plan => {
  const { request, types, maxMs = MAX_SEARCH_MS } = input;
  const options = { allowBareWords: DIALECTS[caller.profile].bareWordFilters };
  const resources = types.map(({ definition }) => definition);
  const filter: Filter | undefined = request.filter === undefined ? undefined : parseFilter(request.filter, options);
  const sort = request.sortBy === undefined ? undefined : { by: request.sortBy, descending: request.descending };
  if (sort !== undefined) requireSortable(resources, sort.by);
  const { orgId, connectionId } = caller;
  const searched = types.map(({ definition, layout }) => ({
    layout,
    filter:
      filter === undefined
        ? undefined
        : resolveFilter(definition, filter, {
            ...options,
            others: resources.filter((resource) => resource !== definition),
          }),
  }));
  const query = JSON.stringify([
    resources.map(({ name }) => name),
    filter === undefined ? null : printFilter(filter),
    canonicalOrder(resources, sort),
  ]);
  return {
    scope: { orgId, connectionId, origin: config.publicOrigin, types: searched },
    sort,
    binding: { orgId, connectionId, query },
    maxMs,
  };
};

const byIndex = async (tx: ReadTx, { scope, sort, maxMs }: Plan, request: SearchRequest): Promise<SearchPage> => {
  const { startIndex, count } = request;
  const offset = startIndex - 1;
  const window: Window = { sort, after: undefined, backward: false, offset, limit: count };
  const rows = count === 0 ? [] : await findRows(tx, scope, window, maxMs);
  // A page that is not full is the last one, so the number of all is known.
  const isKnown = rows.length < count && (rows.length > 0 || offset === 0);
  const total = isKnown ? offset + rows.length : await countRows(tx, scope, maxMs);
  return { total, rows, startIndex, nextCursor: undefined, previousCursor: undefined };
};

const byCursor = async (
  service: IdentityContext,
  tx: ReadTx,
  { scope, sort, binding, maxMs }: Plan,
  { cursor = '', count }: SearchRequest,
): Promise<SearchPage> => {
  const at = cursor === '' ? undefined : openCursor(service, binding, cursor);
  const total = at === undefined ? await countRows(tx, scope, maxMs) : undefined;
  if (count === 0) return { total, rows: [], startIndex: undefined, nextCursor: undefined, previousCursor: undefined };
  const backward = at?.backward ?? false;
  const found = await findRows(tx, scope, { sort, after: at, backward, offset: 0, limit: count + 1 }, maxMs);
  const hasMore = found.length > count;
  const page = found.slice(0, count);
  const rows = backward ? page.toReversed() : page;
  const hasNext = backward || hasMore;
  const hasPrevious = backward ? hasMore : at !== undefined;
  const seal = (row: FoundRow | undefined, goesBack: boolean): string | undefined =>
    row === undefined ? undefined : sealCursor(service, binding, { key: row.key, id: row.id, backward: goesBack });
  return {
    total,
    rows,
    startIndex: undefined,
    nextCursor: hasNext ? seal(rows.at(-1), false) : undefined,
    previousCursor: hasPrevious ? seal(rows[0], true) : undefined,
  };
};

/**
 * Finds one page of a connection's resources. Both ways of paging go through one total order; a walk by cursor goes on
 * behind the last row it has seen, so nobody who is there throughout is missed, whoever comes and goes meanwhile.
 *
 * @throws INVALID_FILTER, INVALID_VALUE, INVALID_CURSOR, EXPIRED_CURSOR; TOO_MANY when looking takes too long
 * @see RFC 7644 §3.4.2, RFC 9865
 */
export const searchResources = async (
  service: IdentityContext,
  caller: ScimCaller,
  input: SearchInput,
): Promise<SearchPage> => {
  const plan = planOf(service, caller, input);
  const { request } = input;
  return await service.db.read(caller.orgId, (tx) =>
    request.cursor === undefined ? byIndex(tx, plan, request) : byCursor(service, tx, plan, request),
  );
};
