/**
 * What every agreement between two people rests on: the hash of what was agreed to, that those who agreed are still
 * who they were, and carrying out what has become due while nobody asked.
 *
 * Owns: those three. Does not own: any agreement (access-requests/, reviews/, proposals/).
 */
export { contentHash, type Content } from './content-hash.ts';
export { findGivers, type Givers } from './store.ts';
export { DueWork, type DueTask } from './due-work.ts';
export {
  assertSomebodyElse,
  callerOf,
  stands,
  standsAtCommit,
  type Acting,
  type StandingKnowledge,
} from './standing.ts';
