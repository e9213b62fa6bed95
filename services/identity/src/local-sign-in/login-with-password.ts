import type { AuditContext } from '@sallyport/audit';
import { AppError, isAppError } from '@sallyport/errors';
import { newId } from '@sallyport/storage';

import { foldCase } from '../accounts/index.ts';
import type { IdentityContext } from '../context.ts';
import { enrolledFactors, hasSecondFactor, verifyFactor } from '../factors/index.ts';
import {
  findLocalAccount,
  isOutdatedHash,
  readLocalRules,
  rehashPassword,
  upgradePasswordHash,
  verifyPassword,
  type LocalCandidate,
} from '../local-login/index.ts';
import type { Browser, LoginOrigin, ReplacedSession } from '../login/index.ts';
import type { OpenedSession } from '../sessions/index.ts';
import { countedAttempt, passwordRules } from '../throttle/index.ts';
import { insertHalfLogin, type HalfLogin } from './half-login-store.ts';
import { openLocalSession, refuseLocally } from './open-local-session.ts';
import { startRefusalFloor } from './refusal-floor.ts';

/** ms a second factor may take; also a limit for setting a first one up. */
const HALF_LOGIN_MS = 10 * 60_000;

export interface PasswordLogin {
  readonly email: string;
  readonly password: string;
  /** Slug; needed only where the same address is local in several organisations. */
  readonly organization: string | null;
  readonly origin: LoginOrigin;
  readonly replaces: ReplacedSession | null;
  /** Where a second factor comes from when one is due: from the next page of this browser, or with the request itself. */
  readonly next:
    | { readonly by: 'page'; readonly browser: Browser; readonly returnTo: string }
    | { readonly by: 'request'; readonly code: string | null };
}

export type PasswordOutcome =
  | { readonly step: 'done'; readonly session: OpenedSession }
  | { readonly step: 'second-factor' | 'enrol'; readonly halfLoginId: string };

/**
 * Signs in with a password, up to where a second factor is due. Unknown name, wrong password, closed account, ambiguous
 * name, local accounts switched off and a wrong code beside the password are one answer, after the same time
 * (ASVS 6.3.8).
 *
 * @throws LOGIN_REFUSED, RATE_LIMITED; SECOND_FACTOR_REQUIRED when it had to come with the request and did not
 */
export const loginWithPassword = async (context: IdentityContext, login: PasswordLogin): Promise<PasswordOutcome> => {
  const floor = startRefusalFloor(context.clock);
  try {
    return await attemptLogin(context, login);
  } catch (error) {
    if (isAppError(error) && error.code === 'LOGIN_REFUSED') {
      await floor();
      throw new AppError('LOGIN_REFUSED', 'The sign-in details are not right.');
    }
    throw error;
  }
};

const attemptLogin = async (context: IdentityContext, login: PasswordLogin): Promise<PasswordOutcome> => {
  const userNameKey = foldCase(login.email.trim());
  const attempt = await countedAttempt(context, passwordRules(userNameKey, login.origin.ip ?? ''));
  const account = await findLocalAccount(context.db, { userNameKey, organization: login.organization });
  const isRight = await verifyPassword(login.password, account?.passwordHash ?? null, context.passwordJudge);
  if (account === null) throw refuseLocally('ACCOUNT_INACTIVE');
  if (!isRight) {
    await recordRefusal(context, account, login.origin, 'PASSWORD_WRONG');
    throw refuseLocally('ACCOUNT_INACTIVE');
  }
  await attempt.succeeded();
  const passwordHash = await upgraded(context, account, login.password);
  try {
    return await afterPassword(context, login, { ...account, passwordHash });
  } catch (error) {
    const reason = isAppError(error) && error.code === 'LOGIN_REFUSED' ? error.metadata['reason'] : undefined;
    if (typeof reason === 'string') await recordRefusal(context, account, login.origin, reason);
    throw error;
  }
};

const afterPassword = async (
  context: IdentityContext,
  login: PasswordLogin,
  account: LocalCandidate,
): Promise<PasswordOutcome> => {
  const { rules, enrolled } = await context.db.unauditedWrite(
    account.orgId,
    'held, nothing is written',
    async (tx) => ({
      rules: await readLocalRules(tx, account.orgId),
      enrolled: await enrolledFactors(tx, account),
    }),
  );
  if (!rules.localAccountsEnabled && !account.breakGlass) throw refuseLocally('LOCAL_LOGIN_OFF');
  const hasFactor = hasSecondFactor(enrolled);
  if (!hasFactor && !rules.secondFactorRequired) return await opened(context, login, account, ['pwd']);
  const { next } = login;
  if (next.by === 'page') return await begunHalf(context, login, account, hasFactor);
  if (!hasFactor || next.code === null)
    throw new AppError(
      'SECOND_FACTOR_REQUIRED',
      hasFactor
        ? 'A code of a second factor is required.'
        : 'Sign in with a browser first, and set up a second factor.',
    );
  const proof = { kind: 'code', code: next.code } as const;
  const verified = await verifyFactor(context, account, proof, contextOf(account, login.origin));
  if (!verified.ok) throw new AppError('LOGIN_REFUSED', 'The sign-in details are not right.');
  return await opened(context, login, account, ['pwd', ...verified.amr]);
};

const contextOf = (account: LocalCandidate, origin: LoginOrigin): AuditContext => ({
  orgId: account.orgId,
  actor: { type: 'user', id: account.accountId, via: 'password' },
  ...origin,
});

const opened = async (
  context: IdentityContext,
  login: PasswordLogin,
  account: LocalCandidate,
  amr: readonly string[],
): Promise<PasswordOutcome> => {
  const { accountId, breakGlass, epoch, passwordHash } = account;
  const { value: session } = await context.audit.mutate(contextOf(account, login.origin), async (tx) => {
    const proof = { accountId, breakGlass, epoch, passwordHash, amr, replaces: login.replaces };
    return await openLocalSession(tx, context, { ...proof, method: 'password' });
  });
  return { step: 'done', session };
};

const begunHalf = async (
  { db, clock }: IdentityContext,
  { next, replaces }: PasswordLogin,
  account: LocalCandidate,
  hasFactor: boolean,
): Promise<PasswordOutcome> => {
  if (next.by !== 'page') throw new AppError('INTERNAL', 'A half-finished sign-in belongs to a browser.');
  const createdAt = clock.now();
  const half: Omit<HalfLogin, 'breakGlass'> = {
    orgId: account.orgId,
    id: newId(),
    accountId: account.accountId,
    epochAtIssue: account.epoch,
    browserHash: next.browser.hash,
    returnTo: next.returnTo,
    replaces,
    createdAt,
    expiresAt: new Date(createdAt.getTime() + HALF_LOGIN_MS),
  };
  await db.unauditedWrite(account.orgId, 'a sign-in under way', async (tx) => {
    await insertHalfLogin(tx, half);
  });
  return { step: hasFactor ? 'second-factor' : 'enrol', halfLoginId: half.id };
};

/** The hash the password has now: one of an older kind or cost is exchanged. */
const upgraded = async (
  { db }: IdentityContext,
  { orgId, accountId, passwordHash }: LocalCandidate,
  password: string,
): Promise<string | null> => {
  if (passwordHash === null || !isOutdatedHash(passwordHash)) return passwordHash;
  const to = await rehashPassword(password);
  await db.unauditedWrite(orgId, 'a better hash of an unchanged password', async (tx) => {
    await upgradePasswordHash(tx, { orgId, accountId, from: passwordHash, to });
  });
  return to;
};

const recordRefusal = async (
  context: IdentityContext,
  account: LocalCandidate,
  origin: LoginOrigin,
  reason: string,
): Promise<void> => {
  const actor = { type: 'anonymous', id: 'anonymous', via: 'password' } as const;
  const target = { type: 'account', id: account.accountId };
  await context.audit.recordDenied(
    { orgId: account.orgId, actor, ...origin },
    { action: 'login.refused', target, reason },
  );
};
