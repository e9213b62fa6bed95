/**
 * Outbound requests to addresses that others configure.
 *
 * Owns: the guard against server-side request forgery. Does not own: what is fetched and how it is trusted.
 * @see OWASP ASVS 5.0 §1.3.6 (server-side request forgery)
 */
export { createGuardedFetch, type GuardedFetch, type OutboundOptions, type OutboundRequest } from './guarded-fetch.ts';
