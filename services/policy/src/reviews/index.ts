/**
 * Access reviews: which grants there are is frozen, and each is kept or taken back by somebody who is neither its subject
 * nor who gave it.
 *
 * Owns: reviews, their items, what becomes of the unanswered, the evidence. Does not own: the rules of taking a role back
 * (grants/).
 */
export { endDueReviews } from './end-due.ts';
export type { ReviewDependencies } from './review.ts';
export { reviewRoutes } from './routes.ts';
export { startReview } from './start-review.ts';
export { newReviewShape, toReviewInput } from './wire.ts';
