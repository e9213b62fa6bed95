import { AppError } from '@sallyport/errors';
import type { WriteTx } from '@sallyport/storage';

import { lockAccounts, type Account } from '../accounts/index.ts';
import type { FactorOwner } from './factor.ts';

/**
 * Locks the account whose factors change, so that two changes never pass each other's checks, and nothing is enrolled
 * for somebody whose access has ended since the request began.
 * @throws LOGIN_REFUSED when the account is closed or its epoch has moved on
 */
export const lockOwner = async (tx: WriteTx, owner: FactorOwner): Promise<Account> => {
  const [account] = await lockAccounts(tx, owner.orgId, [owner.accountId]);
  if (account === undefined || account.status !== 'active' || account.epoch !== owner.epoch)
    throw new AppError('LOGIN_REFUSED', 'This sign-in has ended. Sign in again.');
  return account;
};
