/**
 * Profiles: which documented request shapes a directory may send.
 *
 * Owns: the dialects as data. Does not own: reading requests (protocol/ asks the dialect), the setting of a connection
 * (connections/).
 * @see docs/scim.md
 */
export { DIALECTS, type Dialect } from './dialect.ts';
