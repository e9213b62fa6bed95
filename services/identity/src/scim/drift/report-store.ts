import { isUniqueViolation, type ReadTx, type WriteTx } from '@sallyport/storage';

import type { JsonValue } from '../protocol/json.ts';
import type { DriftReport, DriftState, Finding, FindingKind } from './report.ts';

interface ReportRow {
  readonly org_id: string;
  readonly id: string;
  readonly connection_id: string;
  readonly state: DriftState;
  readonly compares_groups: boolean;
  readonly created_at: Date;
  readonly created_by: string;
  readonly updated_at: Date;
  readonly completed_at: Date | null;
  readonly failure: string | null;
  readonly users: string;
  readonly groups: string;
  readonly members: string;
  readonly unreadable: string;
  readonly findings: string;
}

const COLUMNS = `org_id, id, connection_id, state, compares_groups, created_at, created_by, updated_at, completed_at,
  failure, users, groups, members, unreadable, findings`;

const toReport = (row: ReportRow): DriftReport => ({
  orgId: row.org_id,
  id: row.id,
  connectionId: row.connection_id,
  state: row.state,
  comparesGroups: row.compares_groups,
  createdAt: row.created_at,
  createdBy: row.created_by,
  updatedAt: row.updated_at,
  completedAt: row.completed_at,
  failure: row.failure,
  received: {
    users: Number(row.users),
    groups: Number(row.groups),
    members: Number(row.members),
    unreadable: Number(row.unreadable),
  },
  findings: Number(row.findings),
});

export interface NewReport {
  readonly orgId: string;
  readonly id: string;
  readonly connectionId: string;
  readonly comparesGroups: boolean;
  readonly createdBy: string;
  readonly at: Date;
}

/** Fails with a unique violation while another one of the connection is under way: {@link isRunningElsewhere}. */
export const insertReport = async (tx: WriteTx, report: NewReport): Promise<void> => {
  await tx.query(
    `INSERT INTO drift_report (org_id, id, connection_id, state, compares_groups, created_at, created_by, updated_at)
     VALUES ($1, $2, $3, 'receiving', $4, $5, $6, $5)`,
    [report.orgId, report.id, report.connectionId, report.comparesGroups, report.at, report.createdBy],
  );
};

/** Whether an insert failed on a report of the same connection that is being made. */
export const isRunningElsewhere = (error: unknown): boolean => isUniqueViolation(error, 'drift_report_running');

/** Gives up what nobody has worked on since; what was uploaded goes. */
export const failAbandoned = async (
  tx: WriteTx,
  key: { readonly orgId: string; readonly connectionId: string; readonly before: Date; readonly at: Date },
): Promise<void> => {
  const rows = await tx.query<{ id: string }>(
    `UPDATE drift_report SET state = 'failed', failure = 'INTERRUPTED', updated_at = $4, completed_at = $4
      WHERE org_id = $1 AND connection_id = $2 AND state IN ('receiving', 'comparing') AND updated_at < $3
      RETURNING id`,
    [key.orgId, key.connectionId, key.before, key.at],
  );
  for (const { id } of rows) await deleteStaged(tx, key.orgId, id);
};

/** Removes all but the newest of a connection, with their findings. */
export const deleteOldReports = async (
  tx: WriteTx,
  key: { readonly orgId: string; readonly connectionId: string; readonly keep: number },
): Promise<void> => {
  await tx.query(
    `DELETE FROM drift_report WHERE org_id = $1 AND id IN (
       SELECT id FROM drift_report WHERE org_id = $1 AND connection_id = $2 ORDER BY id DESC OFFSET $3)`,
    [key.orgId, key.connectionId, key.keep],
  );
};

/** Ends a report, or moves it on to comparing. */
export const setState = async (
  tx: WriteTx,
  report: Pick<DriftReport, 'orgId' | 'id'>,
  next: { readonly state: DriftState; readonly failure?: string; readonly at: Date },
): Promise<void> => {
  await tx.query(
    `UPDATE drift_report SET state = $3, failure = $4, updated_at = $5,
       completed_at = CASE WHEN $3 IN ('complete', 'failed') THEN $5::timestamptz END,
       findings = (SELECT count(*) FROM drift_finding f WHERE f.org_id = $1 AND f.report_id = $2)
      WHERE org_id = $1 AND id = $2`,
    [report.orgId, report.id, next.state, next.failure ?? null, next.at],
  );
};

/** What was uploaded is of no use once it is compared. */
export const deleteStaged = async (tx: WriteTx, orgId: string, reportId: string): Promise<void> => {
  for (const table of ['drift_user', 'drift_group', 'drift_member'])
    await tx.query(`DELETE FROM ${table} WHERE org_id = $1 AND report_id = $2`, [orgId, reportId]);
};

export interface ReportKey {
  readonly orgId: string;
  readonly connectionId: string;
  readonly id: string;
}

export const findReport = async (tx: ReadTx, key: ReportKey): Promise<DriftReport | undefined> => {
  const [row] = await tx.query<ReportRow>(
    `SELECT ${COLUMNS} FROM drift_report WHERE org_id = $1 AND connection_id = $2 AND id = $3`,
    [key.orgId, key.connectionId, key.id],
  );
  return row === undefined ? undefined : toReport(row);
};

/** Newest first. */
export const listReports = async (
  tx: ReadTx,
  key: Omit<ReportKey, 'id'>,
  page: { readonly before?: string; readonly limit: number },
): Promise<DriftReport[]> => {
  const rows = await tx.query<ReportRow>(
    `SELECT ${COLUMNS} FROM drift_report
      WHERE org_id = $1 AND connection_id = $2 AND ($3::uuid IS NULL OR id < $3) ORDER BY id DESC LIMIT $4`,
    [key.orgId, key.connectionId, page.before ?? null, page.limit],
  );
  return rows.map(toReport);
};

/** How many findings there are of each kind. */
export const countFindings = async (
  tx: ReadTx,
  orgId: string,
  reportId: string,
): Promise<Partial<Record<FindingKind, number>>> => {
  const rows = await tx.query<{ kind: FindingKind; count: string }>(
    'SELECT kind, count(*) FROM drift_finding WHERE org_id = $1 AND report_id = $2 GROUP BY kind',
    [orgId, reportId],
  );
  return Object.fromEntries(rows.map(({ kind, count }) => [kind, Number(count)]));
};

interface FindingRow {
  readonly number: string;
  readonly kind: FindingKind;
  readonly resource_id: string | null;
  readonly name: string;
  readonly external_id: string | null;
  readonly attribute: string | null;
  readonly member_id: string | null;
  readonly member_name: string | null;
  readonly here: JsonValue;
  readonly there: JsonValue;
}

/** In the order of the report. */
export const listFindings = async (
  tx: ReadTx,
  report: Pick<DriftReport, 'orgId' | 'id'>,
  page: { readonly after: number; readonly kind?: FindingKind; readonly limit: number },
): Promise<Finding[]> => {
  const rows = await tx.query<FindingRow>(
    `SELECT number, kind, resource_id, name, external_id, attribute, member_id, member_name, here, there
       FROM drift_finding WHERE org_id = $1 AND report_id = $2 AND number > $3 AND ($4::text IS NULL OR kind = $4)
      ORDER BY number LIMIT $5`,
    [report.orgId, report.id, page.after, page.kind ?? null, page.limit],
  );
  return rows.map((row) => ({
    number: Number(row.number),
    kind: row.kind,
    resourceId: row.resource_id,
    name: row.name,
    externalId: row.external_id,
    attribute: row.attribute,
    memberId: row.member_id,
    memberName: row.member_name,
    here: row.here,
    there: row.there,
  }));
};
