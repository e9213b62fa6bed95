import type { AuditedTx } from '@sallyport/audit';

import type { FactorOwner } from './factor.ts';
import { newRecoveryCodes, readRecoveryCode, recoveryCodeHash } from './recovery-codes.ts';
import { countRecoveryCodes, replaceRecoveryCodes } from './recovery-code-store.ts';

/** New codes in place of all old ones, recorded; they are in the answer and nowhere else. */
export const issueRecoveryCodes = async (tx: AuditedTx, owner: FactorOwner, at: Date): Promise<string[]> => {
  const codes = newRecoveryCodes();
  const hashes = codes.map((code) => recoveryCodeHash(owner.accountId, readRecoveryCode(code) ?? code));
  await replaceRecoveryCodes(tx, owner, hashes, at);
  tx.record({
    action: 'recovery-codes.issued',
    target: { type: 'account', id: owner.accountId },
    after: { count: codes.length },
  });
  return codes;
};

/** Codes for whoever enrolled a first factor and has none; null when there are some left. */
export const firstRecoveryCodes = async (tx: AuditedTx, owner: FactorOwner, at: Date): Promise<string[] | null> =>
  (await countRecoveryCodes(tx, owner)) === 0 ? await issueRecoveryCodes(tx, owner, at) : null;
