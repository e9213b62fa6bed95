/**
 * Signing in and out, whatever the protocol.
 *
 * Owns: the pages, where somebody signs in (home realm), logins under way and what ties them to a browser, which
 * account an identity provider's word is for, throttling, the session at the end. Does not own: what a SAML or OIDC
 * message proves (saml/, oidc/), passwords (local-login/), sessions (sessions/).
 */
export { accountRuleSchema, type AccountRule } from './account-rule.ts';
export { authorizedBy, authorizedLater, fence, type Authorized, type LateAuthorized } from './authorized.ts';
export { browserForLogin, derivedSecret, findBrowser, loginCookie, type Browser } from './browser.ts';
export { completeLogin, recordRefusedLogin, type CompletedLogin, type LoginOrigin } from './complete-login.ts';
export { composeKey, type AccountRefusal, type ExternalLogin } from './external-login.ts';
export { findLoginConnection, listDomains, replaceDomains, type LoginConnection } from './identity-store.ts';
export { loginStartOf, startQuery, type LoginStart } from './login-start.ts';
export { goOnPage, refusedPage, signInPage, type SignInNotice } from './pages.ts';
export {
  consumeAssertion,
  consumePendingLogin,
  findPendingLogin,
  findPendingTest,
  insertPendingLogin,
  type PendingLogin,
  type ReplacedSession,
} from './pending-store.ts';
export { replacedSession } from './replaced-session.ts';
export { safeReturnTo } from './return-to.ts';
export { domainRoutes } from './domain-routes.ts';
export { verifyDomain, type VerifyDomain } from './verify-domain.ts';
export { loginRoutes, originOf } from './routes.ts';
export { settleReplaced } from './settle-replaced.ts';
export { stepUpRoutes } from './step-up-routes.ts';
export { startSweeping, type Sweep } from './sweep.ts';
export { countedAttempt, federatedRules, startRules } from '../throttle/index.ts';
export { endOutlivedSessions } from './end-outlived-sessions.ts';
export { recordTest, type TestedLogin } from './record-test.ts';
export { tracePage } from './trace-page.ts';
export { listTraces, type StoredTrace } from './trace-store.ts';
