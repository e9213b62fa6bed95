/**
 * What stands between the slices and the outside: certificates, deciding about our own API, recording denials.
 *
 * Owns: those three. Does not own: any permission a route needs (each route names its own).
 */
export { decideLocally, recordDenied } from './authorize.ts';
export { REVISION_HEADER, sayRevision } from './say-revision.ts';
