import type { ReadTx, WriteTx } from '@sallyport/storage';
import type { GroupChange, StandingState, SubjectChange } from '@sallyport/subject-feed';

/** What was written down of one organisation. */
export type StoredOrganization = Omit<StandingState, 'logId'> & { readonly orgId: string };

/** What was written down: the log it belongs to (empty: none) and where each organisation stands. */
export interface StoredStanding {
  readonly logId: string;
  readonly organizations: readonly StoredOrganization[];
}

interface SubjectRow {
  readonly org_id: string;
  readonly subject_id: string;
  readonly subject_type: 'user' | 'service_account';
  readonly active: boolean;
  readonly epoch: string;
  readonly group_ids: string[];
  readonly removed_epoch: string;
}

interface GroupRow {
  readonly org_id: string;
  readonly group_id: string;
  readonly display_name: string;
}

const byOrganization = <Row extends { readonly org_id: string }, T>(
  rows: readonly Row[],
  convert: (row: Row) => T,
): ReadonlyMap<string, T[]> => {
  const found = new Map<string, T[]>();
  for (const row of rows) {
    const list = found.get(row.org_id);
    if (list === undefined) found.set(row.org_id, [convert(row)]);
    else list.push(convert(row));
  }
  return found;
};

const toSubject = (row: SubjectRow): SubjectChange => ({
  subjectId: row.subject_id,
  standing: {
    type: row.subject_type,
    active: row.active,
    epoch: BigInt(row.epoch),
    groupIds: row.group_ids,
    ...(row.removed_epoch === '0' ? {} : { removedEpoch: BigInt(row.removed_epoch) }),
  },
});

const toGroup = (row: GroupRow): GroupChange => ({ groupId: row.group_id, displayName: row.display_name });

/**
 * Reads what was written down. Cursors are read first: rows that another replica adds meanwhile are then newer than
 * the cursor, and applying their entries again changes nothing.
 */
export const readStanding = async (tx: ReadTx): Promise<StoredStanding> => {
  const [log] = await tx.query<{ log_id: string }>('SELECT log_id FROM standing_log');
  const cursors = await tx.query<{ org_id: string; position: string }>('SELECT org_id, position FROM standing_cursor');
  const subjects = byOrganization(
    await tx.query<SubjectRow>(
      'SELECT org_id, subject_id, subject_type, active, epoch, group_ids, removed_epoch FROM standing_subject',
    ),
    toSubject,
  );
  const groups = byOrganization(
    await tx.query<GroupRow>('SELECT org_id, group_id, display_name FROM standing_group'),
    toGroup,
  );
  return {
    logId: log?.log_id ?? '',
    organizations: cursors.map(({ org_id: orgId, position }) => ({
      orgId,
      position: BigInt(position),
      subjects: subjects.get(orgId) ?? [],
      groups: groups.get(orgId) ?? [],
    })),
  };
};

/** Notes which log everything written from now on belongs to. */
export const writeLogId = async (tx: WriteTx, logId: string): Promise<void> => {
  await tx.query(
    'INSERT INTO standing_log (log_id) VALUES ($1) ON CONFLICT (singleton) DO UPDATE SET log_id = excluded.log_id',
    [logId],
  );
};

export const deleteStanding = async (tx: WriteTx, orgId: string): Promise<void> => {
  await tx.query('DELETE FROM standing_subject WHERE org_id = $1', [orgId]);
  await tx.query('DELETE FROM standing_group WHERE org_id = $1', [orgId]);
  await tx.query('DELETE FROM standing_cursor WHERE org_id = $1', [orgId]);
};

/** The cursor of an organisation, locked until COMMIT; 0 when nothing was written yet. */
export const lockCursor = async (tx: WriteTx, orgId: string): Promise<bigint> => {
  await tx.query('INSERT INTO standing_cursor (org_id, position) VALUES ($1, 0) ON CONFLICT (org_id) DO NOTHING', [
    orgId,
  ]);
  const [row] = await tx.query<{ position: string }>(
    'SELECT position FROM standing_cursor WHERE org_id = $1 FOR UPDATE',
    [orgId],
  );
  return BigInt(row?.position ?? 0);
};

/** Moves the cursor forward; it never goes back (a shorter log is written anew, see {@link deleteStanding}). */
export const moveCursor = async (tx: WriteTx, orgId: string, position: bigint): Promise<void> => {
  await tx.query('UPDATE standing_cursor SET position = $2 WHERE org_id = $1 AND position < $2', [
    orgId,
    position.toString(),
  ]);
};

/**
 * Writes subjects; a row that is already newer stays. One of whom nothing is known is written as inactive, which denies
 * as well: a deleted row could be brought back by a replica that is behind.
 */
export const writeSubjects = async (
  tx: WriteTx,
  orgId: string,
  position: bigint,
  changes: readonly SubjectChange[],
): Promise<void> => {
  const rows = changes.map(({ subjectId, standing }) => ({
    subject_id: subjectId,
    subject_type: standing?.type ?? 'user',
    active: standing?.active ?? false,
    epoch: (standing?.epoch ?? 0n).toString(),
    group_ids: standing?.groupIds ?? [],
    removed_epoch: (standing?.removedEpoch ?? 0n).toString(),
  }));
  await tx.query(
    `INSERT INTO standing_subject (org_id, subject_id, subject_type, active, epoch, group_ids, position, removed_epoch)
       SELECT $1, subject_id, subject_type, active, epoch,
              ARRAY (SELECT jsonb_array_elements_text(group_ids)), $3, removed_epoch
         FROM jsonb_to_recordset($2::jsonb)
           AS r (subject_id text, subject_type text, active boolean, epoch bigint, group_ids jsonb,
                   removed_epoch bigint)
     ON CONFLICT (org_id, subject_id) DO UPDATE
       SET subject_type = excluded.subject_type, active = excluded.active, epoch = excluded.epoch,
           group_ids = excluded.group_ids, position = excluded.position, removed_epoch = excluded.removed_epoch
       WHERE standing_subject.position < excluded.position`,
    [orgId, JSON.stringify(rows), position.toString()],
  );
};

/** Writes groups; a row that is already newer stays. */
export const writeGroups = async (
  tx: WriteTx,
  orgId: string,
  position: bigint,
  changes: readonly GroupChange[],
): Promise<void> => {
  for (const { groupId, displayName } of changes) {
    if (displayName === null)
      await tx.query('DELETE FROM standing_group WHERE org_id = $1 AND group_id = $2 AND position < $3', [
        orgId,
        groupId,
        position.toString(),
      ]);
    else
      await tx.query(
        `INSERT INTO standing_group (org_id, group_id, display_name, position) VALUES ($1, $2, $3, $4)
         ON CONFLICT (org_id, group_id) DO UPDATE
           SET display_name = excluded.display_name, position = excluded.position
           WHERE standing_group.position < excluded.position`,
        [orgId, groupId, displayName, position.toString()],
      );
  }
};
