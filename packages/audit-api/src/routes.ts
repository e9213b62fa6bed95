import type { AuditFilter, AuditLog } from '@sallyport/audit';
import { AppError } from '@sallyport/errors';
import { decodeCursor, encodeCursor, route, type RequestContext, type Route } from '@sallyport/http';
import { z } from 'zod';

const DEFAULT_LIMIT = 50;
const MAX_LIMIT = 500;

const index = z
  .string()
  .regex(/^(0|[1-9][0-9]{0,17})$/, 'an index of the log')
  .transform((text) => BigInt(text));

const listQuery = z.strictObject({
  limit: z.coerce.number().int().min(1).max(MAX_LIMIT).default(DEFAULT_LIMIT),
  cursor: z.string().optional(),
  order: z.enum(['newest-first', 'oldest-first']).default('newest-first'),
  action: z.string().max(100).optional(),
  actorId: z.string().max(200).optional(),
  targetType: z.string().max(100).optional(),
  targetId: z.string().max(200).optional(),
  outcome: z.enum(['success', 'denied', 'failed']).optional(),
  requestId: z.string().max(200).optional(),
  since: z.iso.datetime({ offset: true }).optional(),
  until: z.iso.datetime({ offset: true }).optional(),
});

const exportQuery = z.strictObject({
  /** Entries after this index; absent: from the beginning. */
  after: index.optional(),
  /** Entries before this index; absent: all there are when the export begins. */
  until: index.optional(),
});

const record = z.object({
  origin: z.string(),
  index: z.string(),
  leafHash: z.string(),
  leaf: z.string(),
  entry: z.record(z.string(), z.unknown()),
  openings: z.array(z.object({ number: z.number(), field: z.string(), salt: z.string(), value: z.string() })),
});

const page = z.object({ items: z.array(record), nextCursor: z.string().nullable() });

// The order is part of the cursor: a page of one order says nothing about the other.
const cursorShape = z.strictObject({ order: z.enum(['newest-first', 'oldest-first']), after: z.string() });

const positionOf = (cursor: string | undefined, order: string): bigint | undefined => {
  if (cursor === undefined) return undefined;
  const position = decodeCursor(cursorShape, cursor);
  const after = index.safeParse(position.after);
  if (position.order !== order || !after.success) {
    throw new AppError('INVALID_CURSOR', 'The cursor belongs to another list.');
  }
  return after.data;
};

const organizationOf = (context: RequestContext): string => {
  if (context.principal === null) throw new AppError('UNAUTHENTICATED', 'Sign in to read the audit log.');
  return context.principal.orgId;
};

const filterOf = (query: z.output<typeof listQuery>): AuditFilter => {
  const { cursor, since, until, ...equalities } = query;
  const after = positionOf(cursor, query.order);
  return {
    ...Object.fromEntries(Object.entries(equalities).filter(([, value]) => value !== undefined)),
    order: query.order,
    // One more than asked for says whether there is a next page.
    limit: query.limit + 1,
    ...(after === undefined ? {} : { after }),
    ...(since === undefined ? {} : { since: new Date(since) }),
    ...(until === undefined ? {} : { until: new Date(until) }),
  };
};

const listRoute = (audit: AuditLog, basePath: string): Route =>
  route({
    method: 'GET',
    path: `${basePath}/audit`,
    permission: 'audit:read',
    surface: 'api',
    summary: 'Entries of the audit log, newest first unless asked otherwise.',
    query: listQuery,
    responses: { 200: page },
    handler: async ({ query, context }) => {
      const records = await audit.list(organizationOf(context), filterOf(query));
      const items = records.slice(0, query.limit);
      const last = records.length > query.limit ? items.at(-1) : undefined;
      const nextCursor = last === undefined ? null : encodeCursor({ order: query.order, after: last.index });
      return { status: 200, body: { items, nextCursor } };
    },
  });

const exportRoute = (audit: AuditLog, basePath: string): Route =>
  route({
    method: 'GET',
    path: `${basePath}/audit/export`,
    permission: 'audit:export',
    surface: 'api',
    summary: 'The audit log as JSON Lines in index order, with the exact leaf of every entry.',
    query: exportQuery,
    responses: { 200: null },
    deadlineMs: 10 * 60_000,
    handler: async ({ query, context }) => {
      const range = {
        ...(query.after === undefined ? {} : { after: query.after }),
        ...(query.until === undefined ? {} : { until: query.until }),
      };
      const orgId = organizationOf(context);
      // Asked before the first byte is sent, so that a missing log is an error and not an empty file.
      const size = await audit.size(orgId);
      return {
        status: 200,
        body: audit.exportLines(orgId, { until: size, ...range }),
        headers: {
          'content-type': 'application/jsonl; charset=utf-8',
          'content-disposition': 'attachment; filename="audit.jsonl"',
        },
      };
    },
  });

/** `GET <basePath>/audit` and `GET <basePath>/audit/export` of one service. */
export const auditRoutes = (audit: AuditLog, basePath: string): Route[] => [
  listRoute(audit, basePath),
  exportRoute(audit, basePath),
];
