/**
 * Local login: a password, for the break-glass Owner who must get in when no identity provider does.
 *
 * Owns: the password hash and its check. Does not own: accounts, sessions, throttling of failures (login/).
 */
export { findLocalAccount } from './find-local-account.ts';
export { hashPassword, verifyPassword } from './password.ts';
export { putPasswordHash } from './store.ts';
