import { setTimeout as sleep } from 'node:timers/promises';

import { AppError } from '@sallyport/errors';

import { foldCase } from '../accounts/index.ts';
import type { IdentityContext } from '../context.ts';
import { findLocalAccount, verifyPassword } from '../local-login/index.ts';
import { openSession, type OpenedSession } from '../sessions/index.ts';
import type { LoginOrigin } from './complete-login.ts';
import type { ReplacedSession } from './pending-store.ts';
import { countedAttempt, passwordRules } from '../throttle/index.ts';

export interface LocalLogin {
  readonly email: string;
  readonly password: string;
  /** Slug; needed only where the same address is local in several organisations. */
  readonly organization: string | null;
  readonly origin: LoginOrigin;
  readonly replaces: ReplacedSession | null;
}

/** A refusal takes at least this long, so that what happens for a known name only (its entry) does not show in the time. */
const REFUSAL_FLOOR_MS = 250;

/**
 * Signs in with a password. Unknown name, wrong password, closed account and ambiguous name are one answer, after the
 * same time (ASVS 6.3.8).
 * @throws LOGIN_REFUSED, RATE_LIMITED
 */
export const loginWithPassword = async (context: IdentityContext, login: LocalLogin): Promise<OpenedSession> => {
  const startedAtMs = context.clock.monotonicMs();
  const session = await attemptLogin(context, login);
  if (session !== null) return session;
  await sleep(Math.max(0, REFUSAL_FLOOR_MS - (context.clock.monotonicMs() - startedAtMs)));
  throw new AppError('LOGIN_REFUSED', 'The sign-in details are not right.');
};

const attemptLogin = async (context: IdentityContext, login: LocalLogin): Promise<OpenedSession | null> => {
  const userNameKey = foldCase(login.email.trim());
  const attempt = await countedAttempt(context, passwordRules(userNameKey, login.origin.ip ?? ''));
  const account = await findLocalAccount(context.db, { userNameKey, organization: login.organization });
  const isRight = await verifyPassword(login.password, account?.passwordHash ?? null, context.passwordJudge);
  if (account === null) return null;
  const actor = {
    type: isRight ? 'user' : 'anonymous',
    id: isRight ? account.accountId : 'anonymous',
    via: 'password',
  } as const;
  const auditContext = { orgId: account.orgId, actor, ...login.origin };
  if (!isRight) {
    const target = { type: 'account', id: account.accountId };
    await context.audit.recordDenied(auditContext, { action: 'login.refused', target, reason: 'PASSWORD_WRONG' });
    return null;
  }
  const { value } = await context.audit.mutate(auditContext, async (tx) => {
    const now = context.clock.now();
    return await openSession(tx, {
      accountId: account.accountId,
      connectionId: null,
      method: 'password',
      acr: null,
      amr: ['pwd'],
      authenticatedAt: now,
      idpSessionEndsAtMs: null,
      idpSubjectKey: null,
      idpSession: null,
      replaces: login.replaces?.orgId === account.orgId ? login.replaces : null,
      now,
    });
  });
  await attempt.succeeded();
  return value;
};
