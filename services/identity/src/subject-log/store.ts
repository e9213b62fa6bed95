import { AppError } from '@sallyport/errors';
import { statement, type ReadTx, type WriteTx } from '@sallyport/storage';

import type { GroupState, LogEntry, SubjectState } from './entry.ts';

interface StoredSubject extends Omit<SubjectState, 'epoch' | 'removedEpoch'> {
  /** Decimal: JSON numbers end at 2^53. */
  readonly epoch: string;
  /** Absent in entries of before it was told. */
  readonly removedEpoch?: string;
}

interface SubjectRow {
  readonly id: string;
  readonly kind: SubjectState['type'];
  readonly status: string;
  readonly epoch: string;
  readonly removed_epoch: string;
  readonly group_ids: string[];
}

const removedAt = (epoch: string): { removedEpoch?: bigint } => (epoch === '0' ? {} : { removedEpoch: BigInt(epoch) });

const toSubject = (row: SubjectRow): SubjectState => ({
  subjectId: row.id,
  type: row.kind,
  active: row.status === 'active',
  epoch: BigInt(row.epoch),
  groupIds: row.group_ids,
  deleted: row.status === 'deleted',
  ...removedAt(row.removed_epoch),
});

/** The head of a new organisation's log, created with it: even the first append finds a row to lock. */
export const insertHead = async (tx: WriteTx, orgId: string): Promise<void> => {
  await tx.query('INSERT INTO subject_log_head (org_id) VALUES ($1)', [orgId]);
};

const APPEND = statement('SELECT append_subject_log($1, $2, $3::uuid[], $4::jsonb, $5) AS position');

export interface NewEntries {
  readonly orgId: string;
  readonly cause: string;
  readonly subjectIds: readonly string[];
  readonly groups: readonly GroupState[];
  readonly requestId: string;
}

/**
 * Takes positions, and with them the lock that every append of the organisation waits for until COMMIT or ROLLBACK (a
 * rollback gives them back); writes what the subjects are under that lock, when nobody else can change it; wakes the
 * feeds when (and only if) the transaction commits. Answers the last position.
 */
export const appendEntries = async (tx: WriteTx, entries: NewEntries): Promise<bigint> => {
  const { orgId, cause, subjectIds, groups, requestId } = entries;
  const [row] = await tx.query<{ position: string }>(APPEND, [
    orgId,
    cause,
    subjectIds,
    JSON.stringify(groups),
    requestId,
  ]);
  return BigInt(row?.position ?? 0);
};

const APPEND_EACH = statement('SELECT append_subject_log_each($1, $2, $3::uuid[], $4::text[])');

/** Somebody who came into being, and in which request. */
export interface Arrival {
  readonly subjectId: string;
  readonly requestId: string;
}

/** {@link appendEntries} of one entry for each subject, under one lock of the head. */
export const appendEach = async (
  tx: WriteTx,
  { orgId, cause, arrivals }: { readonly orgId: string; readonly cause: string; readonly arrivals: readonly Arrival[] },
): Promise<void> => {
  const [subjects, requests] = [arrivals.map((each) => each.subjectId), arrivals.map((each) => each.requestId)];
  await tx.query(APPEND_EACH, [orgId, cause, subjects, requests]);
};

/** Every organisation's head in one statement, and whether the server that answered takes writes. */
export const readHeads = async (tx: ReadTx): Promise<{ primary: boolean; heads: Map<string, bigint> }> => {
  const rows = await tx.query<{ primary: boolean; org_id: string | null; position: string | null }>(
    `SELECT NOT pg_is_in_recovery() AS primary, h.org_id, h.position
       FROM (SELECT 1) AS always LEFT JOIN subject_log_head h ON true`,
  );
  const heads = new Map<string, bigint>();
  for (const row of rows) if (row.org_id !== null && row.position !== null) heads.set(row.org_id, BigInt(row.position));
  return { primary: rows[0]?.primary ?? false, heads };
};

interface EntryRow {
  readonly org_id: string;
  readonly position: string;
  readonly cause: string;
  readonly subjects: StoredSubject[];
  readonly groups: GroupState[];
  readonly request_id: string;
  readonly committed_at: Date;
}

/** Entries `after < position <= until` of one organisation, in order. */
export const listEntries = async (
  tx: ReadTx,
  range: { readonly orgId: string; readonly after: bigint; readonly until: bigint },
): Promise<LogEntry[]> => {
  const rows = await tx.query<EntryRow>(
    `SELECT org_id, position, cause, subjects, groups, request_id, committed_at FROM subject_log
      WHERE org_id = $1 AND position > $2 AND position <= $3 ORDER BY position`,
    [range.orgId, range.after, range.until],
  );
  return rows.map((row) => ({
    orgId: row.org_id,
    position: BigInt(row.position),
    cause: row.cause,
    subjects: row.subjects.map(({ removedEpoch = '0', ...subject }) => ({
      ...subject,
      epoch: BigInt(subject.epoch),
      ...removedAt(removedEpoch),
    })),
    groups: row.groups,
    requestId: row.request_id,
    committedAt: row.committed_at,
  }));
};

export const readLogId = async (tx: ReadTx): Promise<string> => {
  const [row] = await tx.query<{ log_id: string }>('SELECT log_id FROM subject_log_identity');
  if (row === undefined) throw new AppError('INTERNAL', 'The subject log has no identity.');
  return row.log_id;
};

const SNAPSHOT = 'subject_snapshot';

interface SnapshotRow extends Partial<SubjectRow> {
  readonly position: string;
  readonly group_id: string | null;
  readonly display_name: string | null;
}

export interface SnapshotPage {
  readonly position: bigint;
  readonly subjects: readonly SubjectState[];
  readonly groups: readonly GroupState[];
}

/**
 * Everything of one organisation as of one position: a cursor sees the database as it was when it was opened, and
 * because an entry commits together with what it tells of, that is exactly the state at the head it reads with it.
 */
export async function* readSnapshot(tx: ReadTx, orgId: string, pageSize: number): AsyncGenerator<SnapshotPage> {
  await tx.query(
    `DECLARE ${SNAPSHOT} NO SCROLL CURSOR FOR
       SELECT h.position, s.* FROM subject_log_head h LEFT JOIN (
         SELECT a.org_id, a.id, a.kind, a.status, a.epoch, a.removed_epoch,
                coalesce((SELECT array_agg(m.group_id ORDER BY m.group_id) FROM group_member m
                           WHERE m.org_id = a.org_id AND m.account_id = a.id), '{}') AS group_ids,
                NULL::uuid AS group_id, NULL::text AS display_name
           FROM account a WHERE a.org_id = $1
         UNION ALL
         SELECT g.org_id, NULL, NULL, NULL, NULL, NULL, NULL, g.id, g.display_name FROM directory_group g WHERE g.org_id = $1
       ) s ON s.org_id = h.org_id WHERE h.org_id = $1`,
    [orgId],
  );
  for (;;) {
    const rows = await tx.query<SnapshotRow>(`FETCH ${String(pageSize)} FROM ${SNAPSHOT}`);
    const [first] = rows;
    if (first === undefined) return;
    yield {
      position: BigInt(first.position),
      subjects: rows.filter((row): row is SnapshotRow & SubjectRow => typeof row.id === 'string').map(toSubject),
      groups: rows.flatMap(({ group_id: groupId, display_name: displayName }) =>
        groupId === null || displayName === null ? [] : [{ groupId, displayName, deleted: false }],
      ),
    };
  }
}
