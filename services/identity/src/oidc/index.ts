/**
 * OpenID Connect relying party: sign-in at a company's identity provider.
 *
 * Owns: code flow with PKCE, state and nonce bound to one browser and one pending login, the check of issuer and
 * id_token, logout by the identity provider (back channel), the facet of a connection. Does not own: which account a login is for, sessions (login/, sessions/), our
 * own provider (provider/).
 * @see OpenID Connect Core 1.0, Discovery 1.0, Back-Channel Logout 1.0; RFC 7636, 9207, 9700
 */
export { oidcAdminRoutes } from './admin-routes.ts';
export { createRelyingParty, type RelyingParty } from './relying-party.ts';
export { oidcRoutes } from './routes.ts';
export { findOidcFacet } from './facet-store.ts';
export { startOidcLogin } from './login.ts';
