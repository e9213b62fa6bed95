/**
 * The modules of the OpenID Foundation's conformance profiles for an OpenID Provider, by their own names.
 * Source: the public conformance suite (openid-certification/conformance-suite), package
 * `net.openid.conformance.openid`: the classes OIDCCBasicTestPlan, OIDCCConfigTestPlan, OIDCCRpInitiatedLogoutTestPlan
 * and OIDCCBackchannelRpInitiatedLogoutTestPlan list the modules, and `@PublishTestModule(testName = …)` of each module
 * class names it. `oidcc-alternate-happy-flow` (OIDCCAlternateHappyFlow) has taken the place of
 * `oidcc-ensure-other-scope-order-succeeds` (OIDCEnsureOtherScopeOrderSucceeds) in newer versions; both are here.
 */

/** `oidcc-basic-certification-test-plan`, response_type code. */
export type BasicModule =
  | 'oidcc-server'
  | 'oidcc-response-type-missing'
  | 'oidcc-idtoken-signature'
  | 'oidcc-idtoken-unsigned'
  | 'oidcc-userinfo-get'
  | 'oidcc-userinfo-post-header'
  | 'oidcc-userinfo-post-body'
  | 'oidcc-ensure-request-without-nonce-succeeds-for-code-flow'
  | 'oidcc-scope-profile'
  | 'oidcc-scope-email'
  | 'oidcc-scope-address'
  | 'oidcc-scope-phone'
  | 'oidcc-scope-all'
  | 'oidcc-ensure-other-scope-order-succeeds'
  | 'oidcc-alternate-happy-flow'
  | 'oidcc-display-page'
  | 'oidcc-display-popup'
  | 'oidcc-prompt-login'
  | 'oidcc-prompt-none-not-logged-in'
  | 'oidcc-prompt-none-logged-in'
  | 'oidcc-max-age-1'
  | 'oidcc-max-age-10000'
  | 'oidcc-ensure-request-with-unknown-parameter-succeeds'
  | 'oidcc-id-token-hint'
  | 'oidcc-login-hint'
  | 'oidcc-ui-locales'
  | 'oidcc-claims-locales'
  | 'oidcc-ensure-request-with-acr-values-succeeds'
  | 'oidcc-codereuse'
  | 'oidcc-codereuse-30seconds'
  | 'oidcc-ensure-registered-redirect-uri'
  | 'oidcc-ensure-post-request-succeeds'
  | 'oidcc-server-client-secret-post'
  | 'oidcc-request-uri-unsigned-supported-correctly-or-rejected-as-unsupported'
  | 'oidcc-unsigned-request-object-supported-correctly-or-rejected-as-unsupported'
  | 'oidcc-claims-essential'
  | 'oidcc-ensure-request-object-with-redirect-uri'
  | 'oidcc-refresh-token'
  | 'oidcc-ensure-request-with-valid-pkce-succeeds';

/** `oidcc-config-certification-test-plan`. */
export type ConfigModule = 'oidcc-discovery-endpoint-verification';

/** `oidcc-rp-initiated-logout-certification-test-plan`. */
export type RpInitiatedLogoutModule =
  | 'oidcc-rp-initiated-logout-discovery-endpoint-verification'
  | 'oidcc-rp-initiated-logout'
  | 'oidcc-rp-initiated-logout-bad-post-logout-redirect-uri'
  | 'oidcc-rp-initiated-logout-modified-id-token-hint'
  | 'oidcc-rp-initiated-logout-no-id-token-hint'
  | 'oidcc-rp-initiated-logout-no-params'
  | 'oidcc-rp-initiated-logout-no-post-logout-redirect-uri'
  | 'oidcc-rp-initiated-logout-no-state'
  | 'oidcc-rp-initiated-logout-only-state'
  | 'oidcc-rp-initiated-logout-query-added-to-post-logout-redirect-uri'
  | 'oidcc-rp-initiated-logout-bad-id-token-hint';

/** `oidcc-backchannel-rp-initiated-logout-certification-test-plan`. */
export type BackchannelLogoutModule =
  | 'oidcc-backchannel-logout-discovery-endpoint-verification'
  | 'oidcc-backchannel-rp-initiated-logout';
