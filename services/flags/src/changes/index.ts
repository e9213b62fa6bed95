/**
 * Changing flags: the only way there is.
 *
 * Owns: change sets, their hash, reviews, the apply routine and the routes that write (and show) flags. Does not own: who
 * may do what (policy, asked for every touched environment) nor what a flag is (flags, targeting). Everything is a change
 * set; where nothing demands a review it is applied at once by the same routine. The database holds the last word: it
 * computes the hash, counts the approvals and writes.
 */
export { changeRoutes } from './change-routes.ts';
export { flagRoutes } from './flag-routes.ts';
export type { ChangeDependencies } from './submit-change.ts';
