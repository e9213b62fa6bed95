/**
 * Second factors and passkeys: what somebody has, beside what they know.
 *
 * Owns: authenticator apps (TOTP), passkeys (WebAuthn), recovery codes; enrolling, checking, removing and resetting them.
 * Does not own: passwords (local-login/), when a second factor is asked for (login/ at sign-in, sessions/ for step-up).
 * @see RFC 6238, WebAuthn Level 3, RFC 8176, NIST SP 800-63B-4, OWASP ASVS 5.0 §6.3–6.6
 */
export { ACR_MFA, ACR_PASSWORD, ACR_PHISHING_RESISTANT, acrOf, passkeyAmr, type Amr } from './assurance.ts';
export { accountBinding, newChallenge, signInBinding, type ChallengeBinding } from './challenges.ts';
export { deleteExpiredChallenges } from './challenge-store.ts';
export { enrolledFactors } from './enrolled-factors.ts';
export { finishPasskey, startPasskey, type EnrolledPasskey } from './enrol-passkey.ts';
export { finishTotp, startTotp, type Enrolled, type TotpEnrolment } from './enrol-totp.ts';
export { hasSecondFactor, type EnrolledFactors, type FactorOwner, type Passkey } from './factor.ts';
export { assertFresh, ownerOf } from './fresh-session.ts';
export type { EnrolledBy } from './lock-owner.ts';
export { mailAddressOf, notifyOwner } from './notify-owner.ts';
export { listPasskeys } from './passkey-store.ts';
export { nameMyPasskey, removePasskey, removeTotp, renewRecoveryCodes } from './remove-factor.ts';
export { resetFactors } from './reset-factors.ts';
export { verifyFactor, type FactorProof, type FactorRefusal, type VerifiedFactor } from './verify-factor.ts';
export { verifyPasskey } from './verify-passkey.ts';
export {
  assertionOptions,
  assertionSchema,
  registrationSchema,
  relyingPartyOf,
  type AssertionAnswer,
  type RegistrationAnswer,
} from './webauthn.ts';
