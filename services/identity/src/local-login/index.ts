/**
 * Local login: a password, for the break-glass Owner who must get in when no identity provider does, and for small teams.
 *
 * Owns: the password hash, its check, which passwords are good enough, what an organisation asks of local accounts.
 * Does not own: accounts, sessions, second factors (factors/), the flow (login/), counting failures (throttle/).
 * @see NIST SP 800-63B-4 §3.1.1, OWASP ASVS 5.0 §6.2
 */
export { hashNewPassword } from './accept-password.ts';
export { findLocalAccount, listLocalAccounts } from './find-local-account.ts';
export { isOutdatedHash, MIN_PASSWORD_LENGTH, rehashPassword, verifyPassword } from './password.ts';
export { ThreadedPasswordJudge, type PasswordJudge } from './password-judge.ts';
export { readLocalRules, writeLocalRules, type LocalRules } from './rules-store.ts';
export { findPassword, putPasswordHash, upgradePasswordHash, type LocalCandidate } from './store.ts';
