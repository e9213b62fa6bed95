/**
 * What-if: what a change of policy would come to, before it is made.
 *
 * Owns: the difference of two policies (who gains and loses what, where), what the rules would refuse of a proposal, who
 * would be locked out. Does not own: the rules (grants/), making the change (grants/, roles/, policy-as-code/).
 */
export type { AccessChange, ConditionalChange } from './access.ts';
export { compareInTurns, currentIndex, type WhatIfDependencies } from './answer.ts';
export { Difference, difference, differenceSteps, type DifferenceCounts, type DifferenceEntry } from './difference.ts';
export type { Spot } from './places.ts';
export { policyAfterSteps, type ProposedChange } from './hypothetical.ts';
export { blockedBy, type Blocked } from './propose.ts';
export { whatIfRoutes } from './routes.ts';
export type { LockOut } from './lock-outs.ts';
export { answerShape, toSpotBody } from './wire.ts';
