/**
 * Who is who, and whether they still are: a replica of identity's subject log, for every service that decides or
 * commits by it.
 *
 * Owns: the memory of standing, the lease under which it may be used, following the feed, and the guard that keeps a
 * commit and the end of somebody's access from passing each other. Does not own: accounts and groups (identity), what
 * they may do (policy), copies that survive a restart.
 */
export { type CommitGuard, type GuardedSubject, type Release } from './commit-guard.ts';
export { followSubjects, type FollowOptions, type Following } from './follow.ts';
export { isIdentifier, MAX_ID_CHARS } from './identifier.ts';
export { Lease, type Reading } from './lease.ts';
export { digestOf, type AppliedStep } from './replica.ts';
export {
  Standing,
  type GroupChange,
  type StandingState,
  type StandingView,
  type SubjectChange,
  type SubjectStanding,
} from './standing.ts';
