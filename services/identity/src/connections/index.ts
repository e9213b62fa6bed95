/**
 * Connections: the IdPs of an organisation.
 *
 * Owns: the connection, its SCIM facet and tokens, and carrying "disabled" or "removed" through to every account.
 * Does not own: the SAML and OIDC facets (saml/, oidc/), what a directory request may do (scim/).
 */
export { carryThroughUnfinished } from './carry-through.ts';
export type { Authorized } from './change-connection.ts';
export { SCIM_PROFILES, SCIM_TOKEN_PREFIX, type Connection, type ScimFacet, type ScimProfile } from './connection.ts';
export { connectionRoutes } from './routes.ts';
export { findPresentedToken, touchScimToken, type PresentedScimToken } from './scim-token-store.ts';
export { findConnection, findConnectionAnywhere, listConnections, lockConnection } from './store.ts';
