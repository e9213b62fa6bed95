import type { ReadTx } from '@sallyport/storage';

import { MAX_TOTP_FAILURES, type EnrolledFactors, type FactorOwner } from './factor.ts';
import { listPasskeys } from './passkey-store.ts';
import { countRecoveryCodes } from './recovery-code-store.ts';
import { findTotp } from './totp-store.ts';

/** What an account has set up. An authenticator app that was never confirmed is not among it. */
export const enrolledFactors = async (
  tx: ReadTx,
  owner: Pick<FactorOwner, 'orgId' | 'accountId'>,
): Promise<EnrolledFactors> => {
  const totp = await findTotp(tx, owner);
  const passkeys = await listPasskeys(tx, owner);
  return {
    totp:
      totp === null || totp.confirmedAt === null
        ? null
        : {
            confirmedAt: totp.confirmedAt,
            lastUsedAt: totp.lastUsedAt,
            isLocked: totp.failures >= MAX_TOTP_FAILURES,
          },
    passkeys: passkeys.map(({ id, name, createdAt, lastUsedAt, isSynced }) => ({
      id,
      name,
      createdAt,
      lastUsedAt,
      isSynced,
    })),
    recoveryCodesLeft: await countRecoveryCodes(tx, owner),
  };
};
