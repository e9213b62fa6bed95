import type { AuditedTx } from '@sallyport/audit';
import { AppError } from '@sallyport/errors';
import type { Clock } from '@sallyport/storage';

import { appendSubjectChange } from '../subject-log/index.ts';
import { auditStanding, statusOf, type Account } from './account.ts';
import { lockAccounts, updateStanding } from './store.ts';

export interface OpenRequest {
  readonly accountIds: readonly string[];
  /** Whose switch is thrown back; the account is active only when no other one is thrown. */
  readonly by: 'directory' | 'admin' | 'connection';
  readonly cause: string;
  readonly reason?: string;
}

const isClosedBy = (account: Account, by: OpenRequest['by']): boolean => {
  if (account.status === 'deleted') return false;
  if (by === 'directory') return !account.directoryActive;
  return by === 'admin' ? account.adminHold : account.connectionHold;
};

/**
 * Throws a switch back within the caller's transaction. Nothing that was issued before works again: the epoch stays
 * where the closing raised it. Idempotent; tombstones stay tombstones.
 *
 * @throws NOT_FOUND when an account is not of this organisation
 */
export const openAccess = async (
  tx: AuditedTx,
  { clock }: { readonly clock: Pick<Clock, 'now'> },
  request: OpenRequest,
): Promise<readonly Account[]> => {
  const ids = [...new Set(request.accountIds)];
  const locked = await lockAccounts(tx, tx.orgId, ids);
  if (locked.length < ids.length) throw new AppError('NOT_FOUND', 'There is no such account.');
  const opened: Account[] = [];
  for (const account of locked.filter((candidate) => isClosedBy(candidate, request.by))) {
    const switches = {
      directoryActive: request.by === 'directory' ? true : account.directoryActive,
      adminHold: request.by === 'admin' ? false : account.adminHold,
      connectionHold: request.by === 'connection' ? false : account.connectionHold,
    };
    const standing = { ...switches, status: statusOf(switches), raiseEpoch: false, at: clock.now() };
    const after = await updateStanding(tx, account, standing);
    opened.push(after);
    tx.record({
      action: 'account.reactivated',
      target: { type: 'account', id: account.id, version: after.version.toString() },
      before: auditStanding(account),
      after: { ...auditStanding(after), cause: request.cause },
      ...(request.reason === undefined ? {} : { reason: request.reason }),
    });
  }
  if (opened.length === 0) tx.unchanged();
  else appendSubjectChange(tx, { cause: 'account.reactivated', subjectIds: opened.map(({ id }) => id) });
  return opened;
};
