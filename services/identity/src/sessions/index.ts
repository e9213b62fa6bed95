/**
 * Browser sessions: opaque, server-side, hashed at rest.
 *
 * Owns: their rows, their limits (per organisation, at most one hour idle and 24
 * hours in all, capped by the identity provider's session), step-up, the
 * cookie, listing and ending one's own. Does not own: how somebody proves who they are (saml/, oidc/, local-login/),
 * the door that ends all of an account's (accounts/).
 * @see RFC 6265 §4.1 (cookies), OWASP ASVS 5.0 §7, NIST SP 800-63B-4 §7
 */
export { sessionAdminRoutes } from './admin-routes.ts';
export { clearedSessionCookie, cookieOf, sessionCookie } from './cookie.ts';
export { openSession, type OpenedSession, type OpenSession } from './open-session.ts';
export { resolveSession, type ResolvedSession } from './resolve-session.ts';
export { sessionRoutes } from './routes.ts';
export { sessionOfRequest } from './session-of-request.ts';
export { settingsRoutes } from './settings-routes.ts';
export { findSettings } from './settings-store.ts';
export { isMultiFactor, stepUpDueOfToken, type Proof } from './step-up.ts';
export { principalOf, type InactiveReason, type LoginMethod, type Session, type SessionStanding } from './session.ts';
export { listUnendedSessions, lockAccountForIssue, type LockedAccount } from './store.ts';
export { voidSessions } from './void-sessions.ts';
