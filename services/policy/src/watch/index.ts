/**
 * The changes of a policy as a stream.
 *
 * Owns: what is told of a change, resuming, heartbeats. Does not own: the log of changes (the database writes it, see the
 * migrations), the transport (query/).
 */
export { createWatch, type Told, type Watch, type WatchOptions } from './watch.ts';
export { type ChangedGrant } from './store.ts';
