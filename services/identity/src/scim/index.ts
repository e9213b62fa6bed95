/**
 * SCIM 2.0: how a directory (Okta, Entra ID) keeps the accounts and groups of its connection.
 *
 * Owns: the schema, the dialects, filters, the PATCH pipeline, SCIM's shapes and errors. Does not own: accounts, groups
 * and the one door, which it calls; tokens (connections/).
 * @see RFC 7643, RFC 7644, facts: docs/adr
 */
export { driftRoutes } from './drift/index.ts';
export { renderScimError } from './errors.ts';
export { ScimLimits } from './limits/index.ts';
export { scimRoutes } from './routes.ts';
export { ExchangeLog, exchangeRoutes } from './traces/index.ts';
