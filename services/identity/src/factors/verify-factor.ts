import type { AuditContext, AuditLog } from '@sallyport/audit';
import type { Keyring } from '@sallyport/keyring';
import type { Clock, Database } from '@sallyport/storage';

import { countedAttempt, factorRules } from '../throttle/index.ts';
import { passkeyAmr, type Amr } from './assurance.ts';
import type { ChallengeBinding } from './challenges.ts';
import { MAX_TOTP_FAILURES, type FactorOwner } from './factor.ts';
import { verifyPasskey, type VerifiedPasskey } from './verify-passkey.ts';
import { readRecoveryCode, recoveryCodeHash } from './recovery-codes.ts';
import { useRecoveryCode } from './recovery-code-store.ts';
import { openTotpSecret } from './totp-secret.ts';
import { countTotpFailure, findTotp, useTotpStep } from './totp-store.ts';
import { matchingStep, readTotpCode } from './totp.ts';
import type { AssertionAnswer, WebauthnRefusal } from './webauthn.ts';

/** What somebody shows. A code is an authenticator app's or a recovery code: their forms tell them apart. */
export type FactorProof =
  | { readonly kind: 'code'; readonly code: string }
  | { readonly kind: 'passkey'; readonly answer: AssertionAnswer; readonly binding: ChallengeBinding };

/** Why a proof proves nothing; for the record. Whoever showed it is told that it was not right. */
export type FactorRefusal =
  | WebauthnRefusal
  | 'CODE_MALFORMED'
  | 'CODE_WRONG'
  | 'CODE_USED'
  | 'TOTP_LOCKED'
  | 'NOT_ENROLLED'
  | 'PASSKEY_UNKNOWN';

export type VerifiedFactor =
  | { readonly ok: true; readonly amr: Amr }
  | { readonly ok: false; readonly reason: FactorRefusal };

export interface FactorDependencies {
  readonly db: Database;
  readonly audit: AuditLog;
  readonly keyring: Keyring;
  readonly clock: Clock;
  readonly config: { readonly publicOrigin: string };
}

const refused = (reason: FactorRefusal): VerifiedFactor => ({ ok: false, reason });

/**
 * Checks a second factor of an account whose owner has shown another one before (a password, a session): for finishing a
 * login and for step-up. The proof is used up whatever becomes of the caller's work.
 *
 * 1. The attempt is counted, per account and address and per account, before anything is looked at. 2. The proof is
 * checked and used up in one statement, so that of two who show it at once one is taken. 3. A refusal is recorded; so
 * is the use of a recovery code. Throttled attempts are not, which bounds what can be written.
 *
 * Neither the account's status nor its epoch is looked at: `openSession` does, in the transaction that uses the result.
 *
 * @param context who shows it and from where
 * @throws RATE_LIMITED
 */
export const verifyFactor = async (
  dependencies: FactorDependencies,
  owner: FactorOwner,
  proof: FactorProof,
  context: AuditContext,
): Promise<VerifiedFactor> => {
  const attempt = await countedAttempt(dependencies, factorRules(owner.accountId, context.ip ?? '')); // 1
  const verified =
    proof.kind === 'passkey'
      ? toFactor(await verifyPasskey(dependencies, proof.answer, proof.binding, owner))
      : await verifyCode(dependencies, owner, proof.code, context); // 2
  if (verified.ok) {
    await attempt.succeeded();
    return verified;
  }
  await dependencies.audit.recordDenied(context, {
    action: 'factor.refused',
    target: { type: 'account', id: owner.accountId },
    reason: verified.reason,
    after: { kind: proof.kind },
  }); // 3
  return verified;
};

const toFactor = (verified: VerifiedPasskey): VerifiedFactor =>
  verified.ok ? { ok: true, amr: passkeyAmr(verified.passkey) } : verified;

const verifyCode = async (
  dependencies: FactorDependencies,
  owner: FactorOwner,
  typed: string,
  context: AuditContext,
): Promise<VerifiedFactor> => {
  const code = readTotpCode(typed);
  if (code !== null) return await verifyTotp(dependencies, owner, code);
  const recoveryCode = readRecoveryCode(typed);
  return recoveryCode === null
    ? refused('CODE_MALFORMED')
    : await verifyRecoveryCode(dependencies, owner, recoveryCode, context);
};

const verifyTotp = async (
  { db, keyring, clock }: FactorDependencies,
  owner: FactorOwner,
  code: string,
): Promise<VerifiedFactor> =>
  await db.unauditedWrite(owner.orgId, 'a code of an authenticator app works once', async (tx) => {
    const totp = await findTotp(tx, owner);
    if (totp === null || totp.confirmedAt === null) return refused('NOT_ENROLLED');
    if (totp.failures >= MAX_TOTP_FAILURES) return refused('TOTP_LOCKED');
    const secret = openTotpSecret(keyring, owner, totp.secretSealed);
    const now = clock.now();
    const step = matchingStep(secret, code, now, totp.lastStep);
    if (step !== null && (await useTotpStep(tx, owner, step, now))) return { ok: true, amr: ['otp', 'mfa'] };
    await countTotpFailure(tx, owner);
    return refused(matchingStep(secret, code, now, -1n) === null ? 'CODE_WRONG' : 'CODE_USED');
  });

const verifyRecoveryCode = async (
  { audit, clock }: FactorDependencies,
  owner: FactorOwner,
  code: string,
  context: AuditContext,
): Promise<VerifiedFactor> => {
  const { value: isUsed } = await audit.mutate(context, async (tx) => {
    const found = await useRecoveryCode(tx, owner, recoveryCodeHash(owner.accountId, code), clock.now());
    if (found) tx.record({ action: 'recovery-code.used', target: { type: 'account', id: owner.accountId }, after: {} });
    else tx.unchanged();
    return found;
  });
  return isUsed ? { ok: true, amr: ['otp', 'mfa'] } : refused('CODE_WRONG');
};
