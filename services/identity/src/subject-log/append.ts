import type { AuditedTx, AuditReceipt } from '@sallyport/audit';
import type { WriteTx } from '@sallyport/storage';

import { MAX_STATES_PER_ENTRY, type GroupState } from './entry.ts';
import { appendEach, appendEntries, type Arrival } from './store.ts';

export interface SubjectChange {
  /** For people: what happened, as the audit action says it. */
  readonly cause: string;
  /** Whose standing or membership changed; their resulting states are read by the append itself. */
  readonly subjectIds: readonly string[];
  readonly groups?: readonly GroupState[];
}

/** Subjects of one statement: twenty entries. More are several statements, so that no message grows without bound. */
const MAX_SUBJECTS_PER_STATEMENT = 20 * MAX_STATES_PER_ENTRY;

/**
 * Appends a change at the next gap-free positions of the organisation, as the last statements of the transaction
 * (after the audit entries), and announces it. `onAppended` runs there too, with the last position taken and the
 * transaction's audit receipts.
 *
 * The head's row lock comes first and the states are read under it: every writer of standing or membership appends
 * here before it commits, so what is read is the state at that position, whoever else is writing. Lock order of a
 * transaction: accounts, groups, memberships, audit head, subject-log head. Unless there is something to be done with
 * the position, the append travels together with COMMIT and the lock is held for no round trip.
 */
export const appendSubjectChange = (
  tx: AuditedTx,
  change: SubjectChange,
  onAppended?: (tx: WriteTx, position: bigint, receipts: readonly AuditReceipt[]) => Promise<void>,
): void => {
  const { orgId } = tx;
  const { requestId } = tx.audit;
  const { cause } = change;
  const subjectIds = [...new Set(change.subjectIds)];
  const groups = change.groups ?? [];
  if (onAppended === undefined && subjectIds.length <= MAX_SUBJECTS_PER_STATEMENT) {
    tx.atCommit(async () => {
      await appendEntries(tx, { orgId, cause, subjectIds, groups, requestId });
    });
    return;
  }
  tx.last(async (last, receipts) => {
    const first = subjectIds.slice(0, MAX_SUBJECTS_PER_STATEMENT);
    let position = await appendEntries(last, { orgId, cause, subjectIds: first, groups, requestId });
    for (let from = first.length; from < subjectIds.length; from += MAX_SUBJECTS_PER_STATEMENT) {
      const part = subjectIds.slice(from, from + MAX_SUBJECTS_PER_STATEMENT);
      position = await appendEntries(last, { orgId, cause, subjectIds: part, groups: [], requestId });
    }
    await onAppended?.(last, position, receipts);
  });
};

/** {@link appendSubjectChange} for people who came into being in requests of their own: one entry for each of them. */
export const appendArrivals = (tx: AuditedTx, cause: string, arrivals: readonly Arrival[]): void => {
  const { orgId } = tx;
  tx.atCommit(async () => {
    await appendEach(tx, { orgId, cause, arrivals });
  });
};
