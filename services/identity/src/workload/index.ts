/**
 * Workload identity: service accounts that show who they are with a key of their own.
 *
 * Owns: the public keys of service accounts, their owners' API. Does not own: the token endpoint (provider/), the door
 * that ends everything of an account (accounts/), API tokens (tokens/).
 * @see RFC 7523 (private_key_jwt), RFC 6749 §4.4 (client credentials)
 */
export { findWorkloadClient, WORKLOAD_PREFIX, workloadClientId, type WorkloadClient } from './key-store.ts';
export { publicKeySet, renderKeySet } from './public-keys.ts';
export { workloadRoutes } from './routes.ts';
