import type { AuditedTx } from '@sallyport/audit';
import type { Clock } from '@sallyport/storage';

import type { Account, Profile } from './account.ts';
import { auditAttributeChange } from './audit-view.ts';
import { refuseClash } from './create-account.ts';
import { claimNewNames } from './names.ts';
import { updateAttributes } from './store.ts';

export interface AccountUpdate {
  readonly userName: string;
  readonly externalId: string | null;
  readonly profile: Profile;
}

/**
 * Writes the attributes of a locked account and answers what the database holds now. Its standing is not touched, so
 * the subject log is not told.
 *
 * @throws ALREADY_EXISTS when the user name or the external id is taken, or a new name is that of somebody who does not
 *   come from the same connection
 */
export const updateAccount = async (
  tx: AuditedTx,
  { clock }: { readonly clock: Pick<Clock, 'now'> },
  account: Account,
  update: AccountUpdate,
): Promise<Account> => {
  await claimNewNames(tx, account, update);
  const after = await updateAttributes(tx, account, { ...update, at: clock.now() }).catch(refuseClash);
  tx.record({
    action: 'account.updated',
    target: { type: 'account', id: account.id, version: after.version.toString() },
    ...auditAttributeChange(account, after),
  });
  return after;
};
