/**
 * Decisions.
 *
 * Owns: the order of checks, the reasons and explanations. Does not own: what is known (knowledge comes in through
 * DecisionKnowledge), how a question arrives (rpc.ts for gRPC, authzen/ for HTTP).
 */
export { adminProperties } from './admin-properties.ts';
export { NO_OBSERVER, type Asker, type DecisionObserver, type Made, type Refused } from './observer.ts';
export { NO_REFERENCE, type ReferenceEngine } from './engine.ts';
export { DecisionPoint, findTarget, type DecisionKnowledge, type DecisionPointOptions } from './check.ts';
export { REASONS, type Decision, type DecisionRequest, type Reason } from './decision.ts';
export { checkRoutes } from './routes.ts';
export { decisionService, toCheckResponse, type DecisionServiceDependencies } from './rpc.ts';
export {
  createCurrentRevision,
  createFreshness,
  type CurrentRevision,
  type Freshness,
  type NotFresh,
} from './freshness.ts';
export { holdsOutlived } from './outlived.ts';
export { attributesOf, evaluate, type Actor, type Question, type Target, type Verdict } from './evaluate.ts';
