import { AppError } from '@sallyport/errors';
import type { ReadTx, WriteTx } from '@sallyport/storage';

import { SUBJECT_LOG_CHANNEL, type GroupState, type LogEntry, type SubjectState } from './entry.ts';

interface StoredSubject extends Omit<SubjectState, 'epoch'> {
  /** Decimal: JSON numbers end at 2^53. */
  readonly epoch: string;
}

interface SubjectRow {
  readonly id: string;
  readonly kind: SubjectState['type'];
  readonly status: string;
  readonly epoch: string;
  readonly group_ids: string[];
}

const toSubject = (row: SubjectRow): SubjectState => ({
  subjectId: row.id,
  type: row.kind,
  active: row.status === 'active',
  epoch: BigInt(row.epoch),
  groupIds: row.group_ids,
  deleted: row.status === 'deleted',
});

/** The head of a new organisation's log, created with it: even the first append finds a row to lock. */
export const insertHead = async (tx: WriteTx, orgId: string): Promise<void> => {
  await tx.query('INSERT INTO subject_log_head (org_id) VALUES ($1)', [orgId]);
};

/**
 * Takes `count` positions and with them the lock that every append of the organisation waits for until COMMIT or
 * ROLLBACK; a rollback gives them back. Answers the first.
 */
export const takePositions = async (tx: WriteTx, orgId: string, count: number): Promise<bigint> => {
  const [row] = await tx.query<{ position: string }>(
    'UPDATE subject_log_head SET position = position + $2 WHERE org_id = $1 RETURNING position',
    [orgId, count],
  );
  if (row === undefined) throw new AppError('INTERNAL', 'The organisation has no subject log.');
  return BigInt(row.position) - BigInt(count) + 1n;
};

/** What the subjects are now. Read it after {@link takePositions}: under that lock nobody else can change it. */
export const readSubjects = async (tx: ReadTx, orgId: string, ids: readonly string[]): Promise<SubjectState[]> => {
  const rows = await tx.query<SubjectRow>(
    `SELECT a.id, a.kind, a.status, a.epoch,
            coalesce((SELECT array_agg(m.group_id ORDER BY m.group_id) FROM group_member m
                       WHERE m.org_id = a.org_id AND m.account_id = a.id), '{}') AS group_ids
       FROM account a WHERE a.org_id = $1 AND a.id = ANY($2::uuid[]) ORDER BY a.id`,
    [orgId, ids],
  );
  return rows.map(toSubject);
};

export interface NewEntry extends Omit<LogEntry, 'committedAt'> {}

export const insertEntry = async (tx: WriteTx, entry: NewEntry): Promise<void> => {
  const subjects = entry.subjects.map((subject): StoredSubject => ({ ...subject, epoch: subject.epoch.toString() }));
  await tx.query(
    `INSERT INTO subject_log (org_id, position, cause, subjects, groups, request_id)
     VALUES ($1, $2, $3, $4::jsonb, $5::jsonb, $6)`,
    [entry.orgId, entry.position, entry.cause, JSON.stringify(subjects), JSON.stringify(entry.groups), entry.requestId],
  );
};

/** Wakes the feeds when (and only if) the transaction commits. */
export const announce = async (tx: WriteTx): Promise<void> => {
  await tx.query('SELECT pg_notify($1, $2)', [SUBJECT_LOG_CHANNEL, '']);
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
    subjects: row.subjects.map((subject) => ({ ...subject, epoch: BigInt(subject.epoch) })),
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
         SELECT a.org_id, a.id, a.kind, a.status, a.epoch,
                coalesce((SELECT array_agg(m.group_id ORDER BY m.group_id) FROM group_member m
                           WHERE m.org_id = a.org_id AND m.account_id = a.id), '{}') AS group_ids,
                NULL::uuid AS group_id, NULL::text AS display_name
           FROM account a WHERE a.org_id = $1
         UNION ALL
         SELECT g.org_id, NULL, NULL, NULL, NULL, NULL, g.id, g.display_name FROM directory_group g WHERE g.org_id = $1
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
