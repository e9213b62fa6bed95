/**
 * Connections: the IdPs of an organisation.
 *
 * Owns: the connection, its SCIM facet, the credentials of its directory, and carrying "disabled" or "removed" through to every account.
 * Does not own: the SAML and OIDC facets (saml/, oidc/), what a directory request may do (scim/).
 */
export { carryThroughUnfinished } from './carry-through.ts';
export type { Authorized } from './change-connection.ts';
export {
  SCIM_PROFILES,
  SCIM_TOKEN_PREFIX,
  type Connection,
  type PresentedCredential,
  type ScimCredentialClass,
  type ScimFacet,
  type ScimProfile,
} from './connection.ts';
export { isAllowedAddress } from './network.ts';
export { connectionRoutes } from './routes.ts';
export { findScimClientAnywhere, touchScimClient, type AuthenticatingScimClient } from './scim-client-store.ts';
export { SCIM_CLIENT_PREFIX } from './scim-client.ts';
export { findPresentedToken, touchScimToken } from './scim-token-store.ts';
export { startExpiryWarnings } from './warn-expiring.ts';
export { findConnection, listConnections, lockConnection } from './store.ts';
