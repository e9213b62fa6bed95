import type { AuditContext } from '@sallyport/audit';
import { AppError, isAppError } from '@sallyport/errors';

import type { IdentityContext } from '../context.ts';
import {
  accountBinding,
  finishPasskey,
  finishTotp,
  passkeyAmr,
  verifyFactor,
  type Amr,
  type AssertionAnswer,
  type ChallengeBinding,
  type Enrolled,
  type FactorOwner,
  type RegistrationAnswer,
} from '../factors/index.ts';
import type { Browser, LoginOrigin } from '../login/index.ts';
import type { OpenedSession } from '../sessions/index.ts';
import { consumeHalfLogin, findHalfLogin, type HalfLogin } from './half-login-store.ts';
import { openLocalSession, refuseLocally } from './open-local-session.ts';

/** Where a half-finished sign-in goes on. */
export interface HalfRequest {
  readonly id: string;
  readonly browser: Browser | null;
  readonly origin: LoginOrigin;
}

const expired = (): AppError => new AppError('LOGIN_REFUSED', 'This sign-in took too long. Start again.');

/** The half-finished sign-in of this browser. @throws LOGIN_REFUSED when there is none that still counts */
export const getHalfLogin = async (
  { db, clock }: IdentityContext,
  { id, browser }: Pick<HalfRequest, 'id' | 'browser'>,
): Promise<HalfLogin> => {
  if (browser === null) throw expired();
  const half = await db.readAcrossOrganizations('who signs in has not said where', async (tx) => {
    return await findHalfLogin(tx, { id, browserHash: browser.hash, now: clock.now() });
  });
  if (half === null) throw expired();
  return half;
};

/** Whose factors finish it: the account, in the epoch it had when the sign-in began. */
export const ownerOfHalf = ({ orgId, accountId, epochAtIssue }: HalfLogin): FactorOwner => ({
  orgId,
  accountId,
  epoch: epochAtIssue,
});

/** What passkey ceremonies of a half-finished sign-in are bound to, beside its account: itself and its browser. */
export const anchorOfHalf = (half: HalfLogin, { secret }: Browser): string => `half-login:${half.id}:${secret}`;

/** What the challenge of a passkey that finishes it is bound to. */
export const verifyBinding = (half: HalfLogin, browser: Browser): ChallengeBinding =>
  accountBinding('verify', ownerOfHalf(half), anchorOfHalf(half, browser));

const contextOf = (half: HalfLogin, origin: LoginOrigin): AuditContext => ({
  orgId: half.orgId,
  actor: { type: 'user', id: half.accountId, via: `half-login:${half.id}` },
  ...origin,
});

/** A sign-in that is complete. */
export interface FinishedLogin {
  readonly session: OpenedSession;
  readonly returnTo: string;
}

/**
 * Finishes with a second factor. A wrong one leaves the half-finished sign-in as it is; the attempts are counted.
 * @throws LOGIN_REFUSED, RATE_LIMITED
 */
export const finishWithFactor = async (
  context: IdentityContext,
  request: HalfRequest,
  shown: { readonly code: string } | { readonly answer: AssertionAnswer },
): Promise<FinishedLogin> => {
  const half = await getHalfLogin(context, request);
  const browser = request.browser ?? raise();
  const proof =
    'code' in shown
      ? ({ kind: 'code', code: shown.code } as const)
      : ({ kind: 'passkey', answer: shown.answer, binding: verifyBinding(half, browser) } as const);
  const verified = await verifyFactor(context, ownerOfHalf(half), proof, contextOf(half, request.origin));
  if (!verified.ok) throw new AppError('LOGIN_REFUSED', 'That was not right. Try again.');
  return await finish(context, half, request.origin, ['pwd', ...verified.amr]);
};

const raise = (): never => {
  throw expired();
};

export interface FinishedEnrolment extends FinishedLogin {
  readonly recoveryCodes: readonly string[];
}

/**
 * Sets up the first factor of somebody whose organisation demands one, and finishes the sign-in with it.
 * @throws LOGIN_REFUSED when there is a factor already; INVALID_VALUE, CONFLICT, RATE_LIMITED
 */
export const finishWithEnrolment = async (
  context: IdentityContext,
  request: HalfRequest,
  shown: { readonly code: string } | { readonly answer: RegistrationAnswer; readonly name: string },
): Promise<FinishedEnrolment> => {
  const half = await getHalfLogin(context, request);
  const browser = request.browser ?? raise();
  const [owner, auditContext] = [ownerOfHalf(half), contextOf(half, request.origin)];
  const by = 'password-only';
  let enrolled: Enrolled;
  let amr: Amr = ['otp', 'mfa'];
  if ('code' in shown) enrolled = await finishTotp(context, owner, { code: shown.code, by }, auditContext);
  else {
    const added = await finishPasskey(
      context,
      owner,
      { ...shown, by, anchor: anchorOfHalf(half, browser) },
      auditContext,
    );
    enrolled = added;
    amr = passkeyAmr(added.passkey);
  }
  const finished = await finish(context, half, request.origin, ['pwd', ...amr]);
  return { ...finished, recoveryCodes: enrolled.recoveryCodes ?? [] };
};

const finish = async (
  context: IdentityContext,
  half: HalfLogin,
  origin: LoginOrigin,
  amr: readonly string[],
): Promise<FinishedLogin> => {
  const auditContext = contextOf(half, origin);
  try {
    const { value: session } = await context.audit.mutate(auditContext, async (tx) => {
      if (!(await consumeHalfLogin(tx, half, context.clock.now()))) throw refuseLocally('ALREADY_USED');
      return await openLocalSession(tx, context, {
        accountId: half.accountId,
        breakGlass: half.breakGlass,
        epoch: half.epochAtIssue,
        method: 'password',
        amr,
        // A password changed meanwhile has ended the half-finished sign-in with the epoch, or was its owner's doing.
        passwordHash: null,
        replaces: half.replaces,
      });
    });
    return { session, returnTo: half.returnTo };
  } catch (error) {
    const reason = isAppError(error) && error.code === 'LOGIN_REFUSED' ? error.metadata['reason'] : undefined;
    if (typeof reason !== 'string') throw error;
    const target = { type: 'account', id: half.accountId };
    await context.audit.recordDenied(auditContext, { action: 'login.refused', target, reason });
    throw expired();
  }
};
