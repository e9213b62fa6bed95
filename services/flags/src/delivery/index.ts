/**
 * Answering applications: environment keys, the configuration in memory, OFREP.
 *
 * Owns: keys (issued, revoked, checked), the in-memory state of each environment and how it stays current. Does not own:
 * what is configured (changes) or what it means (targeting). Keeps serving the last known good configuration when the
 * database or policy is away; nothing here asks policy. OFREP 0.3, RFC 9110 §13.1.2.
 */
export { keyRoutes, type KeyRouteDependencies } from './key-routes.ts';
export { type Delivery, startDelivery } from './keep-current.ts';
export { renderOfrepError } from './ofrep.ts';
export { ofrepRoutes } from './ofrep-routes.ts';
