import type { AuditContext } from '@sallyport/audit';
import { AppError, isAppError } from '@sallyport/errors';

import { findAccount } from '../accounts/index.ts';
import type { IdentityContext } from '../context.ts';
import { passkeyAmr, signInBinding, verifyPasskey, type AssertionAnswer } from '../factors/index.ts';
import type { Browser, LoginOrigin, ReplacedSession } from '../login/index.ts';
import type { OpenedSession } from '../sessions/index.ts';
import { countedAttempt, passkeyRules } from '../throttle/index.ts';
import { openLocalSession } from './open-local-session.ts';

export interface PasskeyLogin {
  readonly answer: AssertionAnswer;
  /** The browser the challenge was made for. */
  readonly browser: Browser | null;
  readonly origin: LoginOrigin;
  readonly replaces: ReplacedSession | null;
}

const refused = (): AppError => new AppError('LOGIN_REFUSED', 'This passkey was not accepted.');

/**
 * Signs in with a passkey alone: it is two factors by itself, because the authenticator has verified its user. Whose it
 * is, it says itself; only local accounts sign in like this, nobody gets around their identity provider.
 *
 * @throws LOGIN_REFUSED, RATE_LIMITED
 */
export const loginWithPasskey = async (context: IdentityContext, login: PasskeyLogin): Promise<OpenedSession> => {
  const attempt = await countedAttempt(context, passkeyRules(login.origin.ip ?? ''));
  if (login.browser === null) throw refused();
  const verified = await verifyPasskey(context, login.answer, signInBinding(login.browser.secret), null);
  const { passkey } = verified;
  // Whose refusal it is can be told only when the signature was right; anything else is noise of nobody.
  if (passkey === null) throw refused();
  const { orgId, accountId } = passkey;
  const auditContext: AuditContext = {
    orgId,
    actor: { type: 'user', id: accountId, via: `passkey:${passkey.id}` },
    ...login.origin,
  };
  const refuse = async (reason: string): Promise<never> => {
    const target = { type: 'account', id: accountId };
    await context.audit.recordDenied(auditContext, { action: 'login.refused', target, reason });
    throw refused();
  };
  if (!verified.ok) return await refuse(verified.reason);
  const account = await context.db.read(orgId, async (tx) => await findAccount(tx, orgId, accountId));
  if (account === undefined) return await refuse('ACCOUNT_INACTIVE');
  try {
    const { value: session } = await context.audit.mutate(auditContext, async (tx) => {
      return await openLocalSession(tx, context, {
        accountId,
        breakGlass: account.breakGlass,
        epoch: null,
        method: 'passkey',
        amr: passkeyAmr(passkey),
        passwordHash: null,
        replaces: login.replaces,
      });
    });
    await attempt.succeeded();
    return session;
  } catch (error) {
    const reason = isAppError(error) && error.code === 'LOGIN_REFUSED' ? error.metadata['reason'] : undefined;
    if (typeof reason === 'string') return await refuse(reason);
    throw error;
  }
};
