/**
 * The decision log: what was decided, when, for whom (masked), why and from which policy.
 *
 * Owns: what is recorded and what is sampled, masking, the bounded queue and its writer, gap records, retention, reading
 * it over HTTP and gRPC. Does not own: decisions (decide/), the audit log of what was changed (packages/audit).
 */
export { DecisionLog, type DecisionLogOptions } from './decision-log.ts';
export { decisionLogRoutes, type DecisionLogRouteDependencies } from './routes.ts';
export { decisionLogService } from './rpc.ts';
