import type { AuditContext } from '@sallyport/audit';
import { isMailAddress } from '@sallyport/mail';
import { newId, newSecret, secretHash } from '@sallyport/storage';

import { foldCase, lockAccounts } from '../accounts/index.ts';
import type { IdentityContext } from '../context.ts';
import { listLocalAccounts, readLocalRules, type LocalCandidate } from '../local-login/index.ts';
import { startRefusalFloor } from '../local-sign-in/index.ts';
import type { LoginOrigin } from '../login/index.ts';
import { enqueueMail } from '../mail/index.ts';
import { countedAttempt, resetRules } from '../throttle/index.ts';
import { countResetsSince, insertReset } from './store.ts';

/** What every secret of a reset begins with. */
export const RESET_PREFIX = 'sp_rst_';
const MINUTE_MS = 60_000;
export const RESET_LIFE_MS = 30 * MINUTE_MS;
/** Mails one account is sent within an hour; more are asked for in vain, and nobody is told. */
const MAX_PER_HOUR = 3;
/** Organisations in which one address may be local. */
const MAX_ACCOUNTS = 5;

export interface ResetRequest {
  readonly email: string;
  readonly origin: LoginOrigin;
}

/**
 * Sends whoever owns this address a link to a new password, if it is that of a local account. What happened shows in
 * nothing: not in the answer, not in its time, not in a limit (ASVS 6.3.8). Mail that fails is tried again later.
 *
 * @throws RATE_LIMITED for too many requests of one address (of the network)
 */
export const askForReset = async (context: IdentityContext, { email, origin }: ResetRequest): Promise<void> => {
  await countedAttempt(context, resetRules(origin.ip ?? ''));
  const floor = startRefusalFloor(context.clock);
  try {
    await sendResets(context, email, origin);
  } catch (error) {
    // Told, it would say that there was somebody to send mail to.
    context.logger.error({ err: error }, 'a password reset could not be sent');
  }
  await floor();
};

const sendResets = async (context: IdentityContext, email: string, origin: LoginOrigin): Promise<void> => {
  const name = { userNameKey: foldCase(email.trim()), organization: null };
  const accounts = await listLocalAccounts(context.db, name, MAX_ACCOUNTS);
  if (accounts.length === 0) return;
  if (!context.mail.isConfigured) {
    context.logger.warn({}, 'a password reset was asked for, but mail is not set up');
    return;
  }
  for (const account of accounts) await sendReset(context, account, origin);
  context.mail.wake();
};

const sendReset = async (context: IdentityContext, account: LocalCandidate, origin: LoginOrigin): Promise<void> => {
  const { orgId, accountId, epoch, breakGlass, userName, orgName } = account;
  if (!isMailAddress(userName)) return;
  const auditContext: AuditContext = { orgId, actor: { type: 'anonymous', id: 'anonymous', via: 'login' }, ...origin };
  const { clock, config } = context;
  await context.audit.mutate(auditContext, async (tx) => {
    const createdAt = clock.now();
    const rules = await readLocalRules(tx, orgId);
    await lockAccounts(tx, orgId, [accountId]); // Of requests at the same time, each counts those before it.
    const since = new Date(createdAt.getTime() - 60 * MINUTE_MS);
    const isOff = !rules.localAccountsEnabled && !breakGlass;
    if (isOff || (await countResetsSince(tx, { orgId, accountId, since })) >= MAX_PER_HOUR) {
      tx.unchanged();
      return;
    }
    const token = newSecret(RESET_PREFIX);
    const id = newId();
    const expiresAt = new Date(createdAt.getTime() + RESET_LIFE_MS);
    const tokenHash = secretHash(token);
    await insertReset(tx, { orgId, id, accountId, epochAtIssue: epoch, tokenHash, createdAt, expiresAt });
    const text = mailText(config.publicOrigin, { token, orgName });
    const message = { to: userName, subject: 'A new password for Sallyport', text };
    await enqueueMail(tx, context, { orgId, kind: 'password-reset', message, expiresAt });
    tx.record({
      action: 'password.reset-requested',
      target: { type: 'account', id: accountId },
      after: { resetId: id, expiresAt: expiresAt.toISOString() },
    });
  });
};

const mailText = (
  publicOrigin: string,
  { token, orgName }: { readonly token: string; readonly orgName: string },
): string =>
  `Somebody, probably you, asked for a new password for your account at the Sallyport of ${orgName}.

Open this to choose one:

${publicOrigin}/login/reset#${token}

If the link does not open, go to ${publicOrigin}/login/reset and paste this code:

${token}

It works once, for half an hour. If you did not ask for it, ignore it: your password stays as it is.`;
