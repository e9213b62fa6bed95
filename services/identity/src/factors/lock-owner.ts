import { AppError } from '@sallyport/errors';
import type { WriteTx } from '@sallyport/storage';

import { lockAccounts, type Account } from '../accounts/index.ts';
import { readLocalRules, type LocalRules } from '../local-login/index.ts';
import { enrolledFactors } from './enrolled-factors.ts';
import { hasSecondFactor, type FactorOwner } from './factor.ts';

/** An account whose factors change, and what its organisation asks; neither changes before the transaction ends. */
export interface LockedOwner {
  readonly account: Account;
  readonly rules: LocalRules;
}

/**
 * Locks the account whose factors change, so that two changes never pass each other's checks, and nothing is enrolled
 * for somebody whose access has ended since the request began. The organisation is locked first, as everywhere.
 * @throws LOGIN_REFUSED when the account is closed or its epoch has moved on
 */
export const lockOwner = async (tx: WriteTx, owner: FactorOwner): Promise<LockedOwner> => {
  const rules = await readLocalRules(tx, owner.orgId);
  const [account] = await lockAccounts(tx, owner.orgId, [owner.accountId]);
  if (account === undefined || account.status !== 'active' || account.epoch !== owner.epoch)
    throw new AppError('LOGIN_REFUSED', 'This sign-in has ended. Sign in again.');
  return { account, rules };
};

/**
 * How far whoever enrols has come: `signed-in`, with all factors there are; or `password-only`, who may set up a first
 * factor and nothing beside one that is there: a password alone must not get around a second factor.
 */
export type EnrolledBy = 'signed-in' | 'password-only';

/** @throws LOGIN_REFUSED */
export const assertMayEnrol = async (tx: WriteTx, owner: FactorOwner, by: EnrolledBy): Promise<void> => {
  if (by === 'password-only' && hasSecondFactor(await enrolledFactors(tx, owner)))
    throw new AppError('LOGIN_REFUSED', 'A second factor is set up already. Sign in with it.');
};
