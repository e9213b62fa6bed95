import type { AuditedTx, AuditReceipt } from '@sallyport/audit';
import type { WriteTx } from '@sallyport/storage';

import { MAX_STATES_PER_ENTRY, type GroupState } from './entry.ts';
import { announce, insertEntry, readSubjects, takePositions } from './store.ts';

export interface SubjectChange {
  /** For people: what happened, as the audit action says it. */
  readonly cause: string;
  /** Whose standing or membership changed; their resulting states are read by the append itself. */
  readonly subjectIds: readonly string[];
  readonly groups?: readonly GroupState[];
}

const pages = <T>(items: readonly T[]): T[][] => {
  const result: T[][] = [];
  for (let at = 0; at < items.length; at += MAX_STATES_PER_ENTRY)
    result.push(items.slice(at, at + MAX_STATES_PER_ENTRY));
  return result;
};

/**
 * Appends a change at the next gap-free positions of the organisation, as the last statements of the transaction
 * (after the audit entries), and announces it. `onAppended` runs there too, with the last position taken and the
 * transaction's audit receipts.
 *
 * The head's row lock comes first and the states are read under it: every writer of standing or membership appends
 * here before it commits, so what is read is the state at that position, whoever else is writing. Lock order of a
 * transaction: accounts, groups, memberships, audit head, subject-log head.
 */
export const appendSubjectChange = (
  tx: AuditedTx,
  change: SubjectChange,
  onAppended?: (tx: WriteTx, position: bigint, receipts: readonly AuditReceipt[]) => Promise<void>,
): void => {
  const { orgId } = tx;
  const { requestId } = tx.audit;
  tx.last(async (last, receipts) => {
    const subjectPages = pages([...new Set(change.subjectIds)]);
    const groupPages = pages(change.groups ?? []);
    const count = Math.max(subjectPages.length, groupPages.length, 1);
    const first = await takePositions(last, orgId, count);
    for (let at = 0; at < count; at += 1) {
      const ids = subjectPages[at] ?? [];
      await insertEntry(last, {
        orgId,
        position: first + BigInt(at),
        cause: change.cause,
        subjects: ids.length === 0 ? [] : await readSubjects(last, orgId, ids),
        groups: groupPages[at] ?? [],
        requestId,
      });
    }
    await announce(last);
    await onAppended?.(last, first + BigInt(count) - 1n, receipts);
  });
};
