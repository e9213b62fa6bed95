import type { AuditContext } from '@sallyport/audit';
import { AppError } from '@sallyport/errors';

import type { IdentityContext } from '../context.ts';
import { countedAttempt, factorRules } from '../throttle/index.ts';
import type { FactorOwner } from './factor.ts';
import { assertMayEnrol, lockOwner, type EnrolledBy } from './lock-owner.ts';
import { notifyOwner } from './notify-owner.ts';
import { qrSvg } from './qr.ts';
import { firstRecoveryCodes } from './recovery.ts';
import { openTotpSecret, sealTotpSecret } from './totp-secret.ts';
import { confirmTotp, findTotp, putPendingTotp } from './totp-store.ts';
import { base32, matchingStep, newTotpSecret, otpauthUri, readTotpCode } from './totp.ts';

/** ms to confirm a new authenticator app in. */
const ENROLMENT_MS = 15 * 60_000;
const ISSUER = 'Sallyport';

/** What an authenticator app is given, once. */
export interface TotpEnrolment {
  /** Base32, for typing. */
  readonly secret: string;
  readonly uri: string;
  /** Inline SVG of the URI. */
  readonly qr: string;
}

/** What is shown once, after a first factor was enrolled; null when there are codes from before. */
export interface Enrolled {
  readonly recoveryCodes: readonly string[] | null;
}

/**
 * Begins to set up an authenticator app. It proves nothing until it is confirmed; beginning again forgets the secret
 * before.
 * @throws CONFLICT when one is set up already; LOGIN_REFUSED when the account was closed meanwhile
 */
export const startTotp = async (
  { db, keyring, clock }: IdentityContext,
  owner: FactorOwner,
  by: EnrolledBy,
): Promise<TotpEnrolment> => {
  const secret = newTotpSecret();
  // Not audited: nothing counts yet. What counts is the confirmation.
  const userName = await db.unauditedWrite(owner.orgId, 'an authenticator app that is not confirmed', async (tx) => {
    const { account } = await lockOwner(tx, owner);
    await assertMayEnrol(tx, owner, by);
    const pending = { secretSealed: sealTotpSecret(keyring, owner, secret), at: clock.now() };
    if (!(await putPendingTotp(tx, owner, pending)))
      throw new AppError('CONFLICT', 'An authenticator app is set up already. Remove it first.');
    return account.userName;
  });
  const uri = otpauthUri(secret, { issuer: ISSUER, account: userName });
  return { secret: base32(secret), uri, qr: qrSvg(uri, 'QR code for an authenticator app') };
};

const refuse = (): never => {
  throw new AppError('INVALID_VALUE', 'This code is not right. Take the one the app shows now.', {
    fields: [{ pointer: '/code', code: 'wrong' }],
  });
};

/**
 * Makes an authenticator app count, with a code it shows; the code is used up. Guesses count like those of a sign-in.
 * @throws INVALID_VALUE (wrong code), CONFLICT (nothing begun, in this epoch and time), RATE_LIMITED, LOGIN_REFUSED
 */
export const finishTotp = async (
  context: IdentityContext,
  owner: FactorOwner,
  request: { readonly code: string; readonly by: EnrolledBy },
  auditContext: AuditContext,
): Promise<Enrolled> => {
  const { audit, clock, keyring } = context;
  const attempt = await countedAttempt(context, factorRules(owner.accountId, auditContext.ip ?? ''));
  const code = readTotpCode(request.code) ?? refuse();
  const { value } = await audit.mutate(auditContext, async (tx): Promise<Enrolled> => {
    const { account } = await lockOwner(tx, owner);
    await assertMayEnrol(tx, owner, request.by);
    const now = clock.now();
    const pending = await findTotp(tx, owner);
    const isBegun =
      pending !== null &&
      pending.confirmedAt === null &&
      pending.epochAtIssue === owner.epoch &&
      now.getTime() - pending.createdAt.getTime() <= ENROLMENT_MS;
    if (!isBegun) throw new AppError('CONFLICT', 'Setting up the app took too long. Begin again.');
    const step = matchingStep(openTotpSecret(keyring, owner, pending.secretSealed), code, now, -1n) ?? refuse();
    await confirmTotp(tx, owner, step, now);
    tx.record({ action: 'totp.enrolled', target: { type: 'account', id: owner.accountId }, after: {} });
    await notifyOwner(tx, context, account, 'An authenticator app was set up for your account.');
    return { recoveryCodes: await firstRecoveryCodes(tx, owner, now) };
  });
  await attempt.succeeded();
  context.mail.wake();
  return value;
};
