import type { AuditedTx } from '@sallyport/audit';

import { closeAccess, type Account, type Closed } from '../accounts/index.ts';
import type { IdentityContext } from '../context.ts';
import { enrolledFactors } from './enrolled-factors.ts';
import { notifyOwner } from './notify-owner.ts';
import { deletePasskeys } from './passkey-store.ts';
import { deleteRecoveryCodes } from './recovery-code-store.ts';
import { deleteTotp } from './totp-store.ts';

/**
 * Takes every second factor from an account, in the caller's transaction: its owner lost them, or somebody else has
 * them. A security event: what the account holds is void, everywhere. The password stays; nobody sees or chooses one.
 * Hand the answer to `awaitEffective`.
 */
export const resetFactors = async (
  tx: AuditedTx,
  context: IdentityContext,
  account: Account,
  reason: string | undefined,
): Promise<Closed> => {
  const key = { orgId: account.orgId, accountId: account.id };
  // Closing locks the account first: nobody enrols anything beside us.
  const closed = await closeAccess(tx, context, {
    accountIds: [account.id],
    by: 'security-event',
    cause: 'factors.reset',
    ...(reason === undefined ? {} : { reason }),
  });
  const before = await enrolledFactors(tx, key);
  await deleteTotp(tx, key);
  await deletePasskeys(tx, { ...key, id: null });
  await deleteRecoveryCodes(tx, key);
  tx.record({
    action: 'factors.reset',
    target: { type: 'account', id: account.id },
    before: {
      totp: before.totp !== null,
      passkeys: before.passkeys.map(({ id, name }) => ({ id, name })),
      recoveryCodesLeft: before.recoveryCodesLeft,
    },
    after: { totp: false, passkeys: [], recoveryCodesLeft: 0 },
    ...(reason === undefined ? {} : { reason }),
  });
  await notifyOwner(tx, context, account, 'An administrator reset the second factors of your account.');
  return closed;
};
