/**
 * Decisions in the process of whoever asks: the parts the service itself is made of, without its edges. For benchmarks
 * and for enforcement points that follow policy themselves.
 */
export { DecisionPoint, NO_REFERENCE, type Decision, type DecisionRequest } from './decide/index.ts';
export { GrantKnowledge, type GrantSource } from './grants/index.ts';
export { combinedKnowledge } from './knowledge.ts';
export { BUILT_IN_ROLES, PERMISSION_NAMES, indexBytes, referenceEnforcer } from './model/index.ts';
export { inTurns } from './turns/index.ts';
export { compareInTurns, policyAfterSteps, type ProposedChange } from './what-if/index.ts';
