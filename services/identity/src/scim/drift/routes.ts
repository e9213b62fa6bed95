import { AppError } from '@sallyport/errors';
import { decodeCursor, encodeCursor, listOf, listQuery, route, type Route } from '@sallyport/http';
import type { ReadTx } from '@sallyport/storage';
import { z } from 'zod';

import { findConnection } from '../../connections/index.ts';
import type { IdentityContext } from '../../context.ts';
import { makeReport } from './make-report.ts';
import { countFindings, findReport, listFindings, listReports } from './report-store.ts';
import { ABANDONED_AFTER_MS, DRIFT_STATES, FINDING_KINDS, type DriftReport, type Finding } from './report.ts';
import { UPLOAD_TYPES, uploadOf } from './upload.ts';

const BASE = '/api/identity/v1/connections/:connectionId/drift-reports';
const MINUTE_MS = 60_000;

const params = z.object({ connectionId: z.uuid() });
const reportParams = params.extend({ reportId: z.uuid() });

const reportSchema = z.object({
  id: z.string(),
  connectionId: z.string(),
  state: z.enum(DRIFT_STATES),
  comparesGroups: z.boolean(),
  createdAt: z.string(),
  createdBy: z.string(),
  updatedAt: z.string(),
  completedAt: z.string().nullable(),
  failure: z.string().nullable(),
  received: z.object({ users: z.number(), groups: z.number(), members: z.number(), unreadable: z.number() }),
  findings: z.number(),
});

const findingSchema = z.object({
  number: z.number(),
  kind: z.enum(FINDING_KINDS),
  resourceId: z.string().nullable(),
  name: z.string(),
  externalId: z.string().nullable(),
  attribute: z.string().nullable(),
  memberId: z.string().nullable(),
  memberName: z.string().nullable(),
  here: z.unknown().optional(),
  there: z.unknown().optional(),
});

/** A report whose process ended tells so, also before anybody has written it down. */
const render = (report: DriftReport, now: Date): z.output<typeof reportSchema> => {
  const { orgId: _org, createdAt, updatedAt, completedAt, received, ...rest } = report;
  const isUnderWay = report.state === 'receiving' || report.state === 'comparing';
  const isAbandoned = isUnderWay && now.getTime() - updatedAt.getTime() > ABANDONED_AFTER_MS;
  return {
    ...rest,
    ...(isAbandoned ? ({ state: 'failed', failure: 'INTERRUPTED' } as const) : {}),
    received: { ...received },
    createdAt: createdAt.toISOString(),
    updatedAt: updatedAt.toISOString(),
    completedAt: completedAt?.toISOString() ?? null,
  };
};

const renderFinding = ({ here, there, ...finding }: Finding, withValues: boolean): z.output<typeof findingSchema> =>
  withValues ? { ...finding, here, there } : finding;

const requireReport = async (
  tx: ReadTx,
  key: { readonly orgId: string; readonly connectionId: string; readonly id: string },
): Promise<DriftReport> => {
  const report = await findReport(tx, key);
  if (report === undefined) throw new AppError('NOT_FOUND', 'There is no such report.');
  return report;
};

const createRoute = (service: IdentityContext): Route =>
  route({
    method: 'POST',
    path: BASE,
    permission: 'connection:manage',
    surface: 'api',
    summary:
      'Compares a read-back of the identity provider with what is held here; changes nothing. The body is ' +
      'application/x-ndjson, one {"user": …} or {"group": …} a line, or a small JSON document {"users", "groups"}. ' +
      'Answered when everything is received; the report says when it is complete.',
    params,
    query: z.object({ compare: z.enum(['everything', 'users']).default('everything') }),
    responses: { 202: reportSchema, 400: null, 409: null, 413: null, 415: null },
    streamed: true,
    contentTypes: UPLOAD_TYPES,
    deadlineMs: 10 * MINUTE_MS,
    handler: async ({ params: { connectionId }, query: { compare }, context, ctx }) => {
      const upload = uploadOf(ctx.req);
      const { report } = await makeReport(service, context.auditContext(), context.decision, {
        connectionId,
        comparesGroups: compare === 'everything',
        upload,
      });
      const location = `${BASE.replace(':connectionId', connectionId)}/${report.id}`;
      const { orgId } = report;
      const now = await service.db.read(orgId, (tx) => requireReport(tx, { orgId, connectionId, id: report.id }));
      return { status: 202, body: render(now, service.clock.now()), headers: { location } };
    },
  });

const readRoutes = (service: IdentityContext): Route[] => [
  route({
    method: 'GET',
    path: BASE,
    permission: 'connection:read',
    surface: 'api',
    summary: 'Lists the drift reports of a connection, newest first.',
    params,
    query: listQuery,
    responses: { 200: listOf(reportSchema) },
    handler: async ({ params: { connectionId }, query: { limit, cursor }, context }) => {
      const { orgId } = context.auditContext();
      const reports = await service.db.read(orgId, async (tx) => {
        if ((await findConnection(tx, orgId, connectionId)) === undefined)
          throw new AppError('NOT_FOUND', 'There is no such connection.');
        const before = cursor === undefined ? {} : { before: decodeCursor(z.uuid(), cursor) };
        return await listReports(tx, { orgId, connectionId }, { ...before, limit: limit + 1 });
      });
      const page = reports.slice(0, limit);
      const last = reports.length > limit ? page.at(-1) : undefined;
      const items = page.map((report) => render(report, service.clock.now()));
      return { status: 200, body: { items, nextCursor: last === undefined ? null : encodeCursor(last.id) } };
    },
  }),
  route({
    method: 'GET',
    path: `${BASE}/:reportId`,
    permission: 'connection:read',
    surface: 'api',
    summary: 'Shows one drift report: how far it is, and how many findings of each kind it has.',
    params: reportParams,
    responses: { 200: reportSchema.extend({ byKind: z.record(z.string(), z.number()) }) },
    handler: async ({ params: { connectionId, reportId: id }, context }) => {
      const { orgId } = context.auditContext();
      const { report, byKind } = await service.db.read(orgId, async (tx) => ({
        report: await requireReport(tx, { orgId, connectionId, id }),
        byKind: await countFindings(tx, orgId, id),
      }));
      return { status: 200, body: { ...render(report, service.clock.now()), byKind } };
    },
  }),
];

const findingsRoute = (service: IdentityContext): Route =>
  route({
    method: 'GET',
    path: `${BASE}/:reportId/findings`,
    permission: 'connection:read',
    surface: 'api',
    summary: 'Lists the findings of a drift report. Both values of what differs (values=true) need connection:manage.',
    params: reportParams,
    query: listQuery.extend({
      kind: z.enum(FINDING_KINDS).optional(),
      values: z.enum(['true', 'false']).default('false'),
    }),
    responses: { 200: listOf(findingSchema) },
    handler: async ({ params: { connectionId, reportId: id }, query, context }) => {
      const withValues = query.values === 'true';
      if (withValues) await context.require('connection:manage');
      const { orgId } = context.auditContext();
      const { limit, cursor, kind } = query;
      const after = cursor === undefined ? 0 : decodeCursor(z.number().int().min(0), cursor);
      const findings = await service.db.read(orgId, async (tx) => {
        const report = await requireReport(tx, { orgId, connectionId, id });
        return await listFindings(tx, report, { after, limit: limit + 1, ...(kind === undefined ? {} : { kind }) });
      });
      const page = findings.slice(0, limit);
      const last = findings.length > limit ? page.at(-1) : undefined;
      const items = page.map((finding) => renderFinding(finding, withValues));
      return { status: 200, body: { items, nextCursor: last === undefined ? null : encodeCursor(last.number) } };
    },
  });

/** `/api/identity/v1/connections/:connectionId/drift-reports` */
export const driftRoutes = (service: IdentityContext): Route[] => [
  createRoute(service),
  ...readRoutes(service),
  findingsRoute(service),
];
