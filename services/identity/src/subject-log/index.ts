/**
 * The subject log: who is active, in which epoch, in which groups, in gap-free commit order, and everybody who
 * follows it.
 *
 * Owns: positions and entries, the feed with its leases, the barrier that makes a committed end of access known to be
 * in force, and its receipts. Does not own: what changes an account (accounts/, groups/ append through here).
 * @see revocation.md §4, §6, §7, §8
 */
export { appendArrivals, appendSubjectChange, type SubjectChange } from './append.ts';
export type { Barrier, Settlement } from './barrier.ts';
export type { GroupState, LogEntry, SubjectState } from './entry.ts';
export { createSubjectFeed, type SubjectFeed } from './feed.ts';
export { insertPendingReceipt } from './receipt-store.ts';
export { settleAndRecord, settleEarlier } from './receipts.ts';
export { subjectFeedService } from './rpc.ts';
export { insertHead, type Arrival } from './store.ts';
