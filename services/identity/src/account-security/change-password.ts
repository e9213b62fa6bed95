import type { AuditContext, AuditedTx } from '@sallyport/audit';
import { AppError } from '@sallyport/errors';

import { closeSession, foldCase, lockAccounts, type Account } from '../accounts/index.ts';
import type { IdentityContext } from '../context.ts';
import { notifyOwner, type FactorOwner } from '../factors/index.ts';
import { findPassword, hashNewPassword, putPasswordHash, verifyPassword } from '../local-login/index.ts';
import { endHalfLogins } from '../local-sign-in/index.ts';
import { endResets } from '../password-reset/index.ts';
import { listUnendedSessions } from '../sessions/index.ts';
import { countedAttempt, passwordRules } from '../throttle/index.ts';

export interface PasswordChange {
  readonly current: string;
  readonly next: string;
  /** The session it is asked for in: the only one that stays. */
  readonly sessionId: string;
}

const wrong = (): AppError =>
  new AppError('INVALID_VALUE', 'This is not your password.', { fields: [{ pointer: '/current', code: 'wrong' }] });

/** What an attacker would guess a password from. */
const contextWords = ({ userName, displayName }: Account): string[] => [userName, displayName];

/**
 * Changes one's own password: the current one has to be right, guesses at it count like those of a sign-in. All other
 * sessions of the account end, sign-ins under way and links to a new password; tokens stay, they never knew the password.
 *
 * @throws INVALID_VALUE (the current one wrong, the next one not good enough), RATE_LIMITED, CONFLICT when the account
 *   has no password, LOGIN_REFUSED when it was closed meanwhile, UNAVAILABLE
 */
export const changePassword = async (
  context: IdentityContext,
  owner: FactorOwner,
  change: PasswordChange,
  auditContext: AuditContext,
): Promise<void> => {
  const { orgId, accountId } = owner;
  const { account, password } = await context.db.unauditedWrite(orgId, 'held, nothing is written', async (tx) => ({
    account: await locked(tx, owner),
    password: await findPassword(tx, orgId, accountId),
  }));
  if (password === null) throw new AppError('CONFLICT', 'This account has no password. Ask for a reset to set one.');
  const attempt = await countedAttempt(context, passwordRules(foldCase(account.userName), auditContext.ip ?? ''));
  if (!(await verifyPassword(change.current, password.hash, context.passwordJudge))) {
    const target = { type: 'account', id: accountId };
    await context.audit.recordDenied(auditContext, {
      action: 'password.change-refused',
      target,
      reason: 'PASSWORD_WRONG',
    });
    throw wrong();
  }
  await attempt.succeeded();
  const passwordHash = await hashNewPassword(context.passwordJudge, change.next, contextWords(account));
  await context.audit.mutate(auditContext, async (tx) => {
    await locked(tx, owner);
    if ((await findPassword(tx, orgId, accountId))?.hash !== password.hash) throw wrong();
    const at = context.clock.now();
    await putPasswordHash(tx, { orgId, accountId, passwordHash, at });
    await endHalfLogins(tx, owner);
    await endResets(tx, { orgId, accountId, at });
    const ended = await endOtherSessions(tx, context, owner, change.sessionId);
    tx.record({
      action: 'password.changed',
      target: { type: 'account', id: accountId },
      after: { sessionsEnded: ended },
    });
    await notifyOwner(tx, context, account, 'Your password was changed.');
  });
  context.mail.wake();
};

const locked = async (tx: Parameters<typeof lockAccounts>[0], owner: FactorOwner): Promise<Account> => {
  const [account] = await lockAccounts(tx, owner.orgId, [owner.accountId]);
  if (account === undefined || account.status !== 'active' || account.epoch !== owner.epoch)
    throw new AppError('LOGIN_REFUSED', 'This sign-in has ended. Sign in again.');
  return account;
};

const endOtherSessions = async (
  tx: AuditedTx,
  context: IdentityContext,
  { orgId, accountId }: FactorOwner,
  sessionId: string,
): Promise<number> => {
  const sessions = await listUnendedSessions(tx, orgId, accountId);
  const others = sessions.filter((id) => id !== sessionId);
  for (const id of others)
    await closeSession(tx, context, { subjectId: accountId, sessionId: id, cause: 'password.changed' });
  return others.length;
};
