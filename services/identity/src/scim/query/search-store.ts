import { sqlState, type ReadTx } from '@sallyport/storage';
import { AppError } from '@sallyport/errors';

import type { ResolvedFilter } from '../protocol/filter/index.ts';
import { compileFilter } from './compile-filter.ts';
import type { MakeLayout } from './layout.ts';
import { sortKey, type SortOrder } from './order.ts';
import { Params } from './params.ts';

/** One type of resource in a search. */
export interface SearchedType {
  readonly layout: MakeLayout;
  readonly filter: ResolvedFilter | undefined;
}

/** What is searched: the resources of one connection. */
export interface SearchScope {
  readonly orgId: string;
  readonly connectionId: string;
  readonly origin: string;
  readonly types: readonly SearchedType[];
}

/** A place in an order: of a row, or where a page ends. */
export interface Position {
  readonly key: string | null;
  readonly id: string;
}

export interface FoundRow extends Position {
  readonly type: 'User' | 'Group';
}

export interface Window {
  readonly sort: SortOrder | undefined;
  /** Only rows behind this one, seen in the direction of the walk. */
  readonly after: Position | undefined;
  /** Walk from the end to the beginning. */
  readonly backward: boolean;
  readonly offset: number;
  readonly limit: number;
}

const QUERY_CANCELED = '57014';

interface Branches {
  readonly sql: string;
  /** Every branch finds its rows by an index. */
  readonly isLookUp: boolean;
}

const branchesOf = (scope: SearchScope, params: Params, sort: SortOrder | undefined): Branches => {
  const branches = scope.types.map(({ layout: makeLayout, filter }) => {
    const layout = makeLayout({ params, origin: scope.origin });
    const condition = filter === undefined ? undefined : compileFilter(layout, params, filter);
    const where = condition === undefined ? layout.scope : `${layout.scope} AND (${condition.sql})`;
    const key = sort === undefined ? 'NULL::text' : sortKey(layout, sort);
    const columns = `'${layout.resource.name}' AS type, t.id, ${key} AS key`;
    return { sql: `SELECT ${columns} FROM ${layout.table} WHERE ${where}`, isLookUp: condition?.isLookUp ?? false };
  });
  return {
    sql: branches.map(({ sql }) => sql).join(' UNION ALL '),
    isLookUp: branches.every(({ isLookUp }) => isLookUp),
  };
};

/** Behind a position: nulls come last in ascending order and first in descending order (RFC 7644 §3.4.2.3). */
const behind = (params: Params, { sort, after, backward }: Window): string => {
  if (after === undefined) return 'TRUE';
  const isBehindId = `id ${backward ? '<' : '>'} ${params.add(after.id, 'uuid')}`;
  if (sort === undefined) return isBehindId;
  const descending = sort.descending !== backward;
  if (after.key === null) return `(key IS NULL AND ${isBehindId})${descending ? ' OR key IS NOT NULL' : ''}`;
  const key = params.add(after.key, 'text');
  const sameKey = `(key COLLATE "C" = ${key} AND ${isBehindId})`;
  return descending
    ? `key COLLATE "C" < ${key} OR ${sameKey}`
    : `key COLLATE "C" > ${key} OR key IS NULL OR ${sameKey}`;
};

const orderBy = ({ sort, backward }: Window): string => {
  const id = `id ${backward ? 'DESC' : 'ASC'}`;
  if (sort === undefined) return id;
  return sort.descending === backward
    ? `key COLLATE "C" ASC NULLS LAST, ${id}`
    : `key COLLATE "C" DESC NULLS FIRST, ${id}`;
};

const bounded = async <T>(tx: ReadTx, { isLookUp }: Branches, maxMs: number, run: () => Promise<T>): Promise<T> => {
  // What an index answers needs no bound of its own.
  if (!isLookUp) await tx.query(`SELECT set_config('statement_timeout', $1, true)`, [String(maxMs)]);
  try {
    return await run();
  } catch (cause) {
    if (sqlState(cause) !== QUERY_CANCELED) throw cause;
    throw new AppError('TOO_MANY', 'Too many resources would have to be looked at for this filter; narrow it down.', {
      cause,
    });
  }
};

/**
 * The rows of one window of a search, in the order of the walk.
 *
 * @throws TOO_MANY when it takes longer than `maxMs`
 */
export const findRows = async (tx: ReadTx, scope: SearchScope, window: Window, maxMs: number): Promise<FoundRow[]> => {
  const params = new Params(scope.orgId, scope.connectionId);
  const branches = branchesOf(scope, params, window.sort);
  // A look-up is done before its rows are put in order: the planner must not walk the order and look for them on the way.
  const found = branches.isLookUp ? 'MATERIALIZED' : 'NOT MATERIALIZED';
  const sql = `WITH found AS ${found} (${branches.sql}) SELECT type, id, key FROM found WHERE ${behind(params, window)}
    ORDER BY ${orderBy(window)}
    LIMIT ${params.add(window.limit, 'bigint')} OFFSET ${params.add(window.offset, 'bigint')}`;
  return await bounded(tx, branches, maxMs, () => tx.query<FoundRow>(sql, params.values));
};

/** How many rows a search finds altogether. @throws TOO_MANY when it takes longer than `maxMs` */
export const countRows = async (tx: ReadTx, scope: SearchScope, maxMs: number): Promise<number> => {
  const params = new Params(scope.orgId, scope.connectionId);
  const branches = branchesOf(scope, params, undefined);
  const [row] = await bounded(tx, branches, maxMs, () =>
    tx.query<{ total: number }>(`SELECT count(*)::int AS total FROM (${branches.sql}) AS found`, params.values),
  );
  return row?.total ?? 0;
};
