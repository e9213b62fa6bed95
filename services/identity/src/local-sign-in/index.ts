/**
 * Signing in without an identity provider: a passkey alone, or a password and, where there is one or one is demanded, a
 * second factor.
 *
 * Owns: the flow, the half-finished sign-in between the two factors (a row bound to a browser and an epoch, never a
 * credential), the session at the end, its pages. Does not own: passwords (local-login/), factors (factors/), the first
 * sign-in page and who goes to an identity provider (login/).
 * @see NIST SP 800-63B-4, OWASP ASVS 5.0 §6
 */
export { endHalfLogins } from './half-login-store.ts';
export { openLocalSession, refuseLocally, type LocalProof, type LocalRefusal } from './open-local-session.ts';
export { totpForm } from './pages.ts';
export { passkeySignInRoutes } from './passkey-routes.ts';
export { startRefusalFloor } from './refusal-floor.ts';
export { localSignInRoutes } from './routes.ts';
export { sweepLocalSignIns } from './sweep.ts';
