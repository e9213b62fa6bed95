/**
 * Limits of `/scim/v2`: what one directory, or one address, may ask of this process without holding up the others.
 *
 * Owns: rates, turns and what is remembered for counting. Decides nothing about who may do what: every credential is
 * looked up anew (scim/caller.ts).
 */
export { OncePer } from './once-per.ts';
export { ScimLimits, urgencyOf, type KnownCredential, type ScimLimitSettings } from './limits.ts';
