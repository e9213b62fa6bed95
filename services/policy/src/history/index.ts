/**
 * Time travel: what decided at any moment that is kept, and the decision it makes.
 *
 * Owns: reading history, replaying decisions, forgetting what is past its retention. Does not own: writing history
 * (triggers of the database, migration 0015), what a decision is (decide/).
 */
export { replay, type PolicyRevision, type Replay, type ReplayQuestion } from './replay.ts';
export { keepHistoryInBounds, prune } from './retention.ts';
export { historyRoutes, type HistoryDependencies } from './routes.ts';
