import { AppError } from '@sallyport/errors';
import { decodeCursor, encodeCursor, listOf, listQuery, route, type RequestContext, type Route } from '@sallyport/http';
import { isId, type Database } from '@sallyport/storage';
import { z } from 'zod';

import { REASONS, type Reason } from '../decide/index.ts';
import type { DecisionLog } from './decision-log.ts';
import { exportLines } from './export-lines.ts';
import { entryShape, gapShape, toBody, toGapBody } from './render.ts';
import { listEntries, listGaps, type EntryFilter } from './store.ts';

export interface DecisionLogRouteDependencies {
  readonly db: Database;
  readonly decisionLog: DecisionLog;
}

const PATH = '/api/policy/v1/decisions';
const EXPORT_DEADLINE_MS = 10 * 60_000;

const name = z.string().min(1).max(256);
const time = z.iso.datetime({ offset: true }).transform((text) => new Date(text));

const filterQuery = listQuery.extend({
  /** Id of the subject, or its pseudonym. */
  subject: name.optional(),
  action: name.optional(),
  decision: z.enum(['allow', 'deny']).optional(),
  reason: z.enum(Object.keys(REASONS) as [Reason, ...Reason[]]).optional(),
  requestId: name.optional(),
  environmentId: name.optional(),
  since: time.optional(),
  until: time.optional(),
});

const exportQuery = z.object({ since: time.optional(), until: time.optional() });
const cursorShape = z.strictObject({ before: z.string().refine(isId) });

const organizationOf = ({ principal }: RequestContext): string => {
  if (principal === null) throw new AppError('UNAUTHENTICATED', 'Sign in to read the decision log.');
  return principal.orgId;
};

const beforeOf = (cursor: string | undefined): string | undefined =>
  cursor === undefined ? undefined : decodeCursor(cursorShape, cursor).before;

/** Everybody who may read it knows the ids; the log knows the pseudonyms. */
const filterOf = (log: DecisionLog, orgId: string, query: z.output<typeof filterQuery>): EntryFilter => {
  const { subject, decision, limit: _limit, cursor: _cursor, ...equalities } = query;
  return {
    ...(Object.fromEntries(Object.entries(equalities).filter(([, value]) => value !== undefined)) as EntryFilter),
    ...(subject === undefined
      ? {}
      : { subject: subject.startsWith('~') ? subject : log.mask.pseudonym(orgId, subject) }),
    ...(decision === undefined ? {} : { allowed: decision === 'allow' }),
  };
};

const pageOf = <Row, Body>(
  rows: readonly Row[],
  limit: number,
  idOf: (row: Row) => string,
  render: (row: Row) => Body,
) => {
  const items = rows.slice(0, limit);
  const last = rows.length > limit ? items.at(-1) : undefined;
  return { items: items.map(render), nextCursor: last === undefined ? null : encodeCursor({ before: idOf(last) }) };
};

const listRoute = ({ db, decisionLog }: DecisionLogRouteDependencies): Route =>
  route({
    method: 'GET',
    path: PATH,
    permission: 'audit:read',
    surface: 'api',
    summary: 'Recorded decisions, newest first.',
    query: filterQuery,
    responses: { 200: listOf(entryShape) },
    handler: async ({ query, context }) => {
      const orgId = organizationOf(context);
      const before = beforeOf(query.cursor);
      const filter = filterOf(decisionLog, orgId, query);
      const rows = await db.readOne(
        orgId,
        async (tx) => await listEntries(tx, orgId, { ...filter, before, limit: query.limit + 1 }),
      );
      return { status: 200, body: pageOf(rows, query.limit, ({ entryId }) => entryId, toBody) };
    },
  });

const gapRoute = ({ db }: DecisionLogRouteDependencies): Route =>
  route({
    method: 'GET',
    path: `${PATH}/gaps`,
    permission: 'audit:read',
    surface: 'api',
    summary: 'Where the record of decisions is not complete, newest first.',
    query: listQuery,
    responses: { 200: listOf(gapShape) },
    handler: async ({ query: { limit, cursor }, context }) => {
      const orgId = organizationOf(context);
      const before = beforeOf(cursor);
      const rows = await db.readOne(orgId, async (tx) => await listGaps(tx, orgId, { before, limit: limit + 1 }));
      return { status: 200, body: pageOf(rows, limit, ({ gapId }) => gapId, toGapBody) };
    },
  });

const exportRoute = ({ db, decisionLog }: DecisionLogRouteDependencies): Route =>
  route({
    method: 'GET',
    path: `${PATH}/export`,
    permission: 'audit:export',
    surface: 'api',
    summary: 'Recorded decisions and gaps as JSON Lines, in the order in which they were written.',
    query: exportQuery,
    responses: { 200: null },
    deadlineMs: EXPORT_DEADLINE_MS,
    handler: async ({ query: { since, until }, context }) => {
      // What this process has decided up to now is part of it.
      await decisionLog.flush();
      return {
        status: 200,
        body: exportLines(db, organizationOf(context), { since, until }),
        headers: {
          'content-type': 'application/jsonl; charset=utf-8',
          'content-disposition': 'attachment; filename="decisions.jsonl"',
        },
      };
    },
  });

/** The decision log over HTTP. */
export const decisionLogRoutes = (dependencies: DecisionLogRouteDependencies): Route[] => [
  listRoute(dependencies),
  gapRoute(dependencies),
  exportRoute(dependencies),
];
