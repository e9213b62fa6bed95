import type { AuditContext } from '@sallyport/audit';
import { AppError } from '@sallyport/errors';
import { isWellFormedSecret, secretHash } from '@sallyport/storage';

import { awaitEffective, closeAccess, findAccount, type Account } from '../accounts/index.ts';
import type { IdentityContext } from '../context.ts';
import { enrolledFactors, hasSecondFactor, notifyOwner, verifyFactor } from '../factors/index.ts';
import { hashNewPassword, putPasswordHash, readLocalRules } from '../local-login/index.ts';
import type { LoginOrigin } from '../login/index.ts';
import { countedAttempt, resetRules } from '../throttle/index.ts';
import { RESET_PREFIX } from './ask-reset.ts';
import { findOpenReset, useReset, type PasswordReset } from './store.ts';

export interface ResetAnswer {
  /** The secret of the mail. */
  readonly token: string;
  readonly password: string;
  /** Of an authenticator app, or a recovery code; demanded of whoever has a second factor. */
  readonly code: string;
  readonly origin: LoginOrigin;
}

const refused = (): AppError =>
  new AppError('LOGIN_REFUSED', 'This link does not work: it was used, or is too old. Ask for a new one.');

/**
 * Sets a new password with the secret of a mail. Who can read somebody's mail has one factor, not two: a second one that
 * is set up has to be shown as well, by the break-glass Owner too. Everything the account holds is void afterwards, and
 * nobody is signed in.
 *
 * 1. Counted per address. 2. The secret, joined with account and epoch. 3. The password is judged, then the second
 * factor, before the secret is used up: a typo costs nothing but an attempt. 4. One transaction: used up, password set,
 * security event through the one door, owner told. 5. Answered when it is in force everywhere.
 *
 * @throws LOGIN_REFUSED, SECOND_FACTOR_REQUIRED, INVALID_VALUE (the password), RATE_LIMITED, UNAVAILABLE
 */
export const finishReset = async (context: IdentityContext, answer: ResetAnswer): Promise<void> => {
  const attempt = await countedAttempt(context, resetRules(answer.origin.ip ?? '')); // 1
  const { reset, account } = await findReset(context, answer.token); // 2
  const auditContext: AuditContext = {
    orgId: reset.orgId,
    actor: { type: 'user', id: reset.accountId, via: `password-reset:${reset.id}` },
    ...answer.origin,
  };
  const words = [account.userName, account.displayName];
  const passwordHash = await hashNewPassword(context.passwordJudge, answer.password, words); // 3
  await demandFactor(context, reset, answer.code, auditContext);
  const { value: closed } = await context.audit.mutate(auditContext, async (tx) => {
    const { orgId, accountId, id } = reset;
    const rules = await readLocalRules(tx, orgId);
    if (!rules.localAccountsEnabled && !account.breakGlass) throw refused();
    const at = context.clock.now();
    // The door locks the account; whoever came first has raised the epoch, or used the secret up.
    const done = await closeAccess(tx, context, {
      accountIds: [accountId],
      by: 'security-event',
      cause: 'password.reset',
    });
    const isCurrent = done.subjects[0]?.epoch === reset.epochAtIssue + 1n;
    if (!isCurrent || !(await useReset(tx, { orgId, id, at }))) throw refused(); // 4
    await putPasswordHash(tx, { orgId, accountId, passwordHash, at });
    tx.record({ action: 'password.reset', target: { type: 'account', id: accountId }, after: { resetId: id } });
    await notifyOwner(tx, context, account, 'Your password was reset. You have been signed out everywhere.');
    return done;
  });
  await attempt.succeeded();
  context.mail.wake();
  await awaitEffective(context, auditContext, closed, [reset.accountId]); // 5
};

const findReset = async (
  { db, clock }: IdentityContext,
  token: string,
): Promise<{ readonly reset: PasswordReset; readonly account: Account }> => {
  if (!isWellFormedSecret(RESET_PREFIX, token)) throw refused();
  const found = await db.readAcrossOrganizations('a reset names no organisation', async (tx) => {
    const reset = await findOpenReset(tx, { tokenHash: secretHash(token), now: clock.now() });
    if (reset === null) return null;
    const account = await findAccount(tx, reset.orgId, reset.accountId);
    return account === undefined ? null : { reset, account };
  });
  if (found === null) throw refused();
  return found;
};

const demandFactor = async (
  context: IdentityContext,
  reset: PasswordReset,
  code: string,
  auditContext: AuditContext,
): Promise<void> => {
  const enrolled = await context.db.read(reset.orgId, async (tx) => await enrolledFactors(tx, reset));
  if (!hasSecondFactor(enrolled)) return;
  const demand = (): AppError =>
    new AppError(
      'SECOND_FACTOR_REQUIRED',
      'Your account has a second factor: its code, or a recovery code, is needed.',
    );
  if (code.trim() === '') throw demand();
  const owner = { orgId: reset.orgId, accountId: reset.accountId, epoch: reset.epochAtIssue };
  const verified = await verifyFactor(context, owner, { kind: 'code', code }, auditContext);
  if (!verified.ok) throw demand();
};
