import { setImmediate as turn } from 'node:timers/promises';

import type { AuditContext } from '@sallyport/audit';
import { AppError, isAppError } from '@sallyport/errors';
import type { GrantedDecision } from '@sallyport/http';
import { newId } from '@sallyport/storage';

import { findConnection } from '../../connections/index.ts';
import type { IdentityContext } from '../../context.ts';
import { compareUploaded } from './compare-store.ts';
import type { UploadedGroup, UploadedLine, UploadedMember, UploadedUser } from './read-line.ts';
import {
  deleteOldReports,
  deleteStaged,
  failAbandoned,
  findReport,
  insertReport,
  isRunningElsewhere,
  setState,
} from './report-store.ts';
import { ABANDONED_AFTER_MS, KEPT_REPORTS, type DriftReport } from './report.ts';
import {
  insertUnreadable,
  stageGroups,
  stageMembers,
  stageUsers,
  updateCounts,
  type Unreadable,
} from './staging-store.ts';

/** Items, and members, that are held before they are written. */
const BATCH_ITEMS = 1_000;
const BATCH_MEMBERS = 5_000;
/** Items after which others get a turn: what is buffered already would be read in one go. */
const ITEMS_PER_TURN = 100;
/** Lines that are named; more are only counted. */
const MAX_UNREADABLE_FINDINGS = 1_000;

const REASON = 'drift report';

/** What is read but not written yet, and how much was read altogether. */
class Batch {
  readonly counts = { users: 0, groups: 0, members: 0, unreadable: 0 };
  users: (UploadedUser & { readonly line: number })[] = [];
  groups: UploadedGroup[] = [];
  members: (UploadedMember & { readonly groupKey: string })[] = [];
  unreadable: Unreadable[] = [];
  #line = 0;

  add(item: UploadedLine): void {
    this.#line += 1;
    if (item.kind === 'user') {
      this.counts.users += 1;
      this.users.push({ ...item, line: this.#line });
    } else if (item.kind === 'group') {
      this.counts.groups += 1;
      this.counts.members += item.members.length;
      this.groups.push(item);
      for (const member of item.members) this.members.push({ ...member, groupKey: item.key });
    } else {
      this.counts.unreadable += 1;
      if (this.counts.unreadable <= MAX_UNREADABLE_FINDINGS)
        this.unreadable.push({ line: this.#line, reason: item.reason });
    }
  }

  isFull(): boolean {
    return this.users.length + this.groups.length >= BATCH_ITEMS || this.members.length >= BATCH_MEMBERS;
  }
}

const flush = async (
  { db, clock }: Pick<IdentityContext, 'db' | 'clock'>,
  report: DriftReport,
  batch: Batch,
): Promise<void> => {
  const { users, groups, members, unreadable, counts } = batch;
  [batch.users, batch.groups, batch.members, batch.unreadable] = [[], [], [], []];
  await db.unauditedWrite(report.orgId, REASON, async (tx) => {
    if (!(await updateCounts(tx, report, counts, clock.now())))
      throw new AppError('CONFLICT', 'The report was given up meanwhile.');
    if (users.length > 0) await stageUsers(tx, report, users);
    if (groups.length > 0) await stageGroups(tx, report, groups);
    for (let at = 0; at < members.length; at += BATCH_MEMBERS)
      await stageMembers(tx, report, members.slice(at, at + BATCH_MEMBERS));
    const named = Math.min(counts.unreadable, MAX_UNREADABLE_FINDINGS);
    if (unreadable.length > 0) await insertUnreadable(tx, report, unreadable, named - unreadable.length + 1);
  });
};

const receive = async (
  service: Pick<IdentityContext, 'db' | 'clock'>,
  report: DriftReport,
  upload: AsyncIterable<UploadedLine>,
): Promise<void> => {
  const batch = new Batch();
  let items = 0;
  for await (const item of upload) {
    batch.add(item);
    items += 1;
    if (items % ITEMS_PER_TURN === 0) await turn();
    if (batch.isFull()) await flush(service, report, batch);
  }
  await flush(service, report, batch);
};

const fail = async (
  { db, clock }: Pick<IdentityContext, 'db' | 'clock'>,
  report: DriftReport,
  error: unknown,
): Promise<void> => {
  const failure = isAppError(error) ? error.code : 'INTERNAL';
  await db.unauditedWrite(report.orgId, REASON, async (tx) => {
    await deleteStaged(tx, report.orgId, report.id);
    await setState(tx, report, { state: 'failed', failure, at: clock.now() });
  });
};

const compare = async ({ db, clock }: Pick<IdentityContext, 'db' | 'clock'>, report: DriftReport): Promise<void> => {
  await db.unauditedWrite(report.orgId, REASON, async (tx) => {
    await compareUploaded(tx, report);
    await deleteStaged(tx, report.orgId, report.id);
    await setState(tx, report, { state: 'complete', at: clock.now() });
  });
};

export interface DriftRequest {
  readonly connectionId: string;
  readonly comparesGroups: boolean;
  readonly upload: AsyncIterable<UploadedLine>;
}

const begin = async (
  { audit, clock }: Pick<IdentityContext, 'audit' | 'clock'>,
  context: AuditContext,
  decision: GrantedDecision | null,
  { connectionId, comparesGroups }: DriftRequest,
): Promise<DriftReport> => {
  const { orgId } = context;
  const [id, at] = [newId(), clock.now()];
  const before = new Date(at.getTime() - ABANDONED_AFTER_MS);
  const { value } = await audit
    .mutate(context, async (tx) => {
      if (decision !== null) tx.fence(decision);
      if ((await findConnection(tx, orgId, connectionId)) === undefined)
        throw new AppError('NOT_FOUND', 'There is no such connection.');
      await failAbandoned(tx, { orgId, connectionId, before, at });
      await insertReport(tx, { orgId, id, connectionId, comparesGroups, createdBy: context.actor.id, at });
      await deleteOldReports(tx, { orgId, connectionId, keep: KEPT_REPORTS });
      tx.record({ action: 'drift-report.created', target: { type: 'drift_report', id }, after: { connectionId } });
      return await findReport(tx, { orgId, connectionId, id });
    })
    .catch((error: unknown) => {
      if (!isRunningElsewhere(error)) throw error;
      throw new AppError('CONFLICT', 'Another report of this connection is under way.', { cause: error });
    });
  if (value === undefined) throw new AppError('INTERNAL', 'A report was not kept.');
  return value;
};

/**
 * Takes a read-back of an IdP and compares it with what we hold for its connection. Nothing is changed by it but the
 * report. Returns when everything is received; comparing goes on behind the answer, and the state of the report tells
 * when it is complete.
 *
 * Costs the memory of one batch, whatever the size of the upload; the comparison is set arithmetic in the database.
 *
 * @throws NOT_FOUND, CONFLICT while another report of the connection is under way, and what reading the upload throws;
 *   the report is then kept as failed
 */
export const makeReport = async (
  service: IdentityContext,
  context: AuditContext,
  decision: GrantedDecision | null,
  request: DriftRequest,
): Promise<{ readonly report: DriftReport; readonly compared: Promise<void> }> => {
  const report = await begin(service, context, decision, request);
  try {
    await receive(service, report, request.upload);
    await service.db.unauditedWrite(report.orgId, REASON, async (tx) => {
      await setState(tx, report, { state: 'comparing', at: service.clock.now() });
    });
  } catch (error) {
    await fail(service, report, error);
    throw error;
  }
  const compared = compare(service, report).catch(async (error: unknown) => {
    service.logger.error({ err: error, reportId: report.id }, 'a drift report could not be made');
    await fail(service, report, error).catch((again: unknown) => {
      // It is given up as interrupted when the next one is made.
      service.logger.error({ err: again, reportId: report.id }, 'a failed drift report could not be ended');
    });
  });
  return { report: { ...report, state: 'comparing' }, compared };
};
