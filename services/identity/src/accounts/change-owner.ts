import type { AuditedTx } from '@sallyport/audit';
import { AppError } from '@sallyport/errors';

import { findOwnership, lockOwner, setOwner } from './owner-store.ts';

/**
 * Makes a person answer for a service account: when they leave, its tokens end.
 * @throws NOT_FOUND when there is no such service account; CONFLICT when the owner is not an active person here
 */
export const changeOwner = async (tx: AuditedTx, accountId: string, ownerId: string): Promise<void> => {
  const { orgId } = tx;
  const before = await findOwnership(tx, orgId, accountId);
  if (before === null) throw new AppError('NOT_FOUND', 'There is no such service account.');
  if (!(await lockOwner(tx, orgId, ownerId)))
    throw new AppError('CONFLICT', 'A service account is owned by an active person of the organisation.');
  if (before.ownerId === ownerId) {
    tx.unchanged();
    return;
  }
  await setOwner(tx, orgId, accountId, ownerId);
  tx.record({
    action: 'service-account.owner-changed',
    target: { type: 'account', id: accountId },
    before: { ownerId: before.ownerId },
    after: { ownerId },
  });
};

/** Who owns what a caller creates: the person, or the person behind the machine. @throws CONFLICT when there is nobody */
export const ownerOfCaller = async (
  tx: AuditedTx,
  caller: { readonly type: string; readonly id: string },
): Promise<string> => {
  if (caller.type === 'user') return caller.id;
  const ownership = await findOwnership(tx, tx.orgId, caller.id);
  if (ownership?.ownerStatus === 'active' && ownership.ownerId !== null) return ownership.ownerId;
  throw new AppError('CONFLICT', 'A service account without an owner cannot create another.');
};
