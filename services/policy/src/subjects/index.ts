/**
 * Who is who, and whether they still are: a replica of identity's subject log.
 *
 * Owns: the memory of standing, the lease under which it may be used, following the feed, and what is written down so
 * that a restart resumes. Does not own: accounts and groups themselves (identity), what they may do (grants/, decide/).
 */
export { identityFeed, type FeedSource, type ReadSnapshot } from './feed-source.ts';
export { SubjectFeed, type SubjectFeedOptions } from './feed.ts';
export { Lease, type Reading } from './lease.ts';
export { Standing, type StandingState, type SubjectStanding } from './standing.ts';
export { StandingWriter } from './writer.ts';
