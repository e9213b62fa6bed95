import type { AuditContext, AuditedTx } from '@sallyport/audit';
import { AppError } from '@sallyport/errors';

import type { Account } from '../accounts/index.ts';
import type { IdentityContext } from '../context.ts';
import { findPassword } from '../local-login/index.ts';
import { enrolledFactors } from './enrolled-factors.ts';
import { hasSecondFactor, type EnrolledFactors, type FactorOwner } from './factor.ts';
import { lockOwner, type LockedOwner } from './lock-owner.ts';
import { notifyOwner } from './notify-owner.ts';
import { deletePasskeys, renamePasskey } from './passkey-store.ts';
import { issueRecoveryCodes } from './recovery.ts';
import { deleteRecoveryCodes } from './recovery-code-store.ts';
import { deleteTotp } from './totp-store.ts';

const noSuch = (what: string): AppError => new AppError('NOT_FOUND', `There is no such ${what}.`);

/**
 * A local account is never left without what its organisation demands, nor without any way in. Recovery codes go with
 * the last factor they stand in for.
 */
const settleRest = async (tx: AuditedTx, { account, rules }: LockedOwner): Promise<void> => {
  const owner = { orgId: account.orgId, accountId: account.id };
  const left: EnrolledFactors = await enrolledFactors(tx, owner);
  if (hasSecondFactor(left)) return;
  if (account.connectionId === null && rules.secondFactorRequired)
    throw new AppError('CONFLICT', 'Your organisation requires a second factor: set up another one first.');
  await deleteRecoveryCodes(tx, owner);
};

const assertWayIn = async (tx: AuditedTx, account: Account): Promise<void> => {
  if (account.connectionId !== null) return;
  const left = await enrolledFactors(tx, { orgId: account.orgId, accountId: account.id });
  const password = await findPassword(tx, account.orgId, account.id);
  if (password === null && left.passkeys.length === 0)
    throw new AppError('CONFLICT', 'This is the only way you sign in: add another passkey or a password first.');
};

/** Removes one's authenticator app. @throws NOT_FOUND, CONFLICT, LOGIN_REFUSED */
export const removeTotp = async (
  context: IdentityContext,
  owner: FactorOwner,
  auditContext: AuditContext,
): Promise<void> => {
  await context.audit.mutate(auditContext, async (tx) => {
    const locked = await lockOwner(tx, owner);
    if (!(await deleteTotp(tx, owner))) throw noSuch('authenticator app');
    await settleRest(tx, locked);
    tx.record({ action: 'totp.removed', target: { type: 'account', id: owner.accountId }, before: {} });
    await notifyOwner(tx, context, locked.account, 'The authenticator app was removed from your account.');
  });
  context.mail.wake();
};

/** Removes one of one's passkeys. @throws NOT_FOUND, CONFLICT, LOGIN_REFUSED */
export const removePasskey = async (
  context: IdentityContext,
  owner: FactorOwner,
  id: string,
  auditContext: AuditContext,
): Promise<void> => {
  await context.audit.mutate(auditContext, async (tx) => {
    const locked = await lockOwner(tx, owner);
    const [gone] = await deletePasskeys(tx, { ...owner, id });
    if (gone === undefined) throw noSuch('passkey');
    await assertWayIn(tx, locked.account);
    await settleRest(tx, locked);
    const before = { accountId: owner.accountId, name: gone.name };
    tx.record({ action: 'passkey.removed', target: { type: 'passkey', id }, before });
    await notifyOwner(tx, context, locked.account, `A passkey was removed from your account: ${gone.name}`);
  });
  context.mail.wake();
};

/** @throws NOT_FOUND, LOGIN_REFUSED */
export const nameMyPasskey = async (
  context: IdentityContext,
  owner: FactorOwner,
  { id, name }: { readonly id: string; readonly name: string },
  auditContext: AuditContext,
): Promise<void> => {
  await context.audit.mutate(auditContext, async (tx) => {
    await lockOwner(tx, owner);
    const before = await renamePasskey(tx, { ...owner, id }, name);
    if (before === undefined) throw noSuch('passkey');
    tx.record({
      action: 'passkey.renamed',
      target: { type: 'passkey', id },
      before: { name: before },
      after: { name },
    });
  });
};

/** New recovery codes, to be shown once. @throws CONFLICT when there is no factor they could stand in for */
export const renewRecoveryCodes = async (
  context: IdentityContext,
  owner: FactorOwner,
  auditContext: AuditContext,
): Promise<readonly string[]> => {
  const { value } = await context.audit.mutate(auditContext, async (tx) => {
    const { account } = await lockOwner(tx, owner);
    if (!hasSecondFactor(await enrolledFactors(tx, owner)))
      throw new AppError('CONFLICT', 'Set up an authenticator app or a passkey first.');
    await notifyOwner(tx, context, account, 'New recovery codes were made for your account; the old ones are void.');
    return await issueRecoveryCodes(tx, owner, context.clock.now());
  });
  context.mail.wake();
  return value;
};
