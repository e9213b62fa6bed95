import { AppError } from '@sallyport/errors';
import { grpcService, unary, type GrpcService } from '@sallyport/grpc';
import {
  DecisionServiceService,
  Decision as WireDecision,
  type CheckRequest,
  type CheckResponse,
} from '@sallyport/proto/policy/v1';
import { isIdentifier } from '@sallyport/subject-feed';

import type { DecisionPoint } from './check.ts';
import type { Decision } from './decision.ts';

const ASKERS = ['identity', 'flags', 'operator'] as const;
/** Decided in one go on the event loop: 0.2 ms for the largest batch. */
const MAX_CHECKS = 1_000;

const toResponse = (decision: Decision): CheckResponse => ({
  decision: decision.allowed ? WireDecision.DECISION_ALLOW : WireDecision.DECISION_DENY,
  reason: decision.reason,
  explanation: decision.explanation,
  matchedGrant: decision.matchedGrant ?? '',
  matchedRole: decision.matchedRole ?? '',
  policyRevision: decision.policyRevision,
  standingPosition: decision.standingPosition,
  grantsRevision: decision.grantsRevision,
  validForMs: decision.validForMs,
});

const check = async (point: DecisionPoint, request: CheckRequest): Promise<CheckResponse> => {
  const { orgId, subject, action, resource, context, actionProperties } = request;
  // Without a resource there is no telling where; the organisation would be a guess.
  if (subject === undefined || resource === undefined)
    return toResponse(point.refuse(isIdentifier(orgId) ? orgId : '', 'INVALID_REQUEST'));
  const { type, id, projectId, environmentId } = resource;
  const given = {
    subject: subject.properties,
    resource: resource.properties,
    action: actionProperties,
    context,
  };
  return toResponse(
    await point.ask({ orgId, subject, action, projectId, environmentId, resource: { type, id }, given }),
  );
};

/** DecisionService over gRPC. A denial is an answer; only a question that cannot be read as one is an error. */
export const decisionService = (point: DecisionPoint): GrpcService =>
  grpcService(DecisionServiceService, {
    check: { allow: ASKERS, handler: unary(async (request) => await check(point, request)) },
    checkMany: {
      allow: ASKERS,
      handler: unary(async ({ checks }) => {
        if (checks.length > MAX_CHECKS)
          throw new AppError('TOO_MANY', `At most ${String(MAX_CHECKS)} questions can be asked at once.`);
        const results: CheckResponse[] = [];
        // One after the other: what the first brings into memory is there for all.
        for (const request of checks) results.push(await check(point, request));
        return { results };
      }),
    },
  });
