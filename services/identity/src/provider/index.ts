/**
 * The OpenID Provider for the product's own applications: oidc-provider on PostgreSQL.
 *
 * Owns: its settings, the artifacts (sessions, grants, codes, tokens) and the condition under which they can be read,
 * the applications and their admin API. Does not own: how people sign in (login/), the browser session every artifact
 * hangs on (sessions/).
 * @see OpenID Connect Core 1.0, Discovery 1.0, RP-Initiated Logout 1.0, Back-Channel Logout 1.0; RFC 7009, 7636, 7662
 */
export { clientRoutes } from './client-routes.ts';
export { interactionRoutes } from './interaction-routes.ts';
export { createOpenIdProvider, type OpenIdProvider } from './provider.ts';
export { recordSignOut } from './record-sign-out.ts';
export { signingKeysSchema, type SigningKey } from './signing-keys.ts';
export { findScimCredential, isOpaqueToken, resolveAccessToken } from './resolve-access-token.ts';
export { sweepArtifacts } from './sweep.ts';
export { voidProviderArtifacts } from './void-artifacts.ts';
export { carryOver } from './session-store.ts';
