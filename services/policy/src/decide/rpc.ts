import { setImmediate } from 'node:timers/promises';

import { AppError } from '@sallyport/errors';
import { grpcService, unary, type GrpcService, type ServerCall } from '@sallyport/grpc';
import {
  DecisionServiceService,
  CheckManyRequest,
  CheckRequest,
  Decision as WireDecision,
  type CheckResponse,
} from '@sallyport/proto/policy/v1';
import { deserializer } from '@sallyport/proto/deserializer';
import type { Clock } from '@sallyport/storage';
import { isIdentifier } from '@sallyport/subject-feed';

import { AnswerBytes } from './answer-bytes.ts';
import type { GivenProperties } from '../conditions/index.ts';
import type { DecisionPoint } from './check.ts';
import type { Decision, DecisionRequest } from './decision.ts';
import type { Freshness, NotFresh } from './freshness.ts';
import type { Asker } from './observer.ts';
import { checkStream, type CheckOne } from './stream-rpc.ts';

const ASKERS = ['identity', 'flags', 'operator'] as const;
const MAX_CHECKS = 1_000;
/** A batch is decided in one go, from one state of the policy, unless it takes longer than others should wait. */
const MAX_HELD_MS = 20;
/** Questions between two looks at the clock. */
const CHECKS_PER_LOOK = 32;

/** What the service answers from. */
export interface DecisionServiceDependencies {
  readonly point: DecisionPoint;
  readonly freshness: Freshness;
  readonly clock: Clock;
}

/** A decision as it goes over the wire. */
export const toCheckResponse = (decision: Decision): CheckResponse => ({
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

/** What is asked together: within one call, and decided as of one moment. */
interface Sitting {
  readonly call: ServerCall;
  readonly decide: ReturnType<DecisionPoint['sitting']>;
  /** The service that asks, for the request the call belongs to. */
  readonly asker: Asker;
}

const sit = ({ point }: DecisionServiceDependencies, call: ServerCall): Sitting => ({
  call,
  decide: point.sitting(),
  asker: { kind: 'service', id: call.peer, requestId: call.requestId },
});

/** The service that asks, and the request it asks for: the question's own, else that of the call. */
const askerOf = ({ requestId }: CheckRequest, { asker }: Sitting): Asker =>
  requestId === '' ? asker : { ...asker, requestId };

const NOTHING_GIVEN: GivenProperties = Object.freeze({
  subject: undefined,
  resource: undefined,
  action: undefined,
  context: undefined,
});

const givenIn = ({ subject, resource, actionProperties: action, context }: CheckRequest): GivenProperties =>
  (subject?.properties ?? resource?.properties ?? action ?? context) === undefined
    ? NOTHING_GIVEN
    : { subject: subject?.properties, resource: resource?.properties, action, context };

/** The question a message asks; null when it says not whom or not what it is about. */
const questionOf = (request: CheckRequest, sitting: Sitting): DecisionRequest | null => {
  const { orgId, subject, action, resource } = request;
  // Without a resource there is no telling where; the organisation would be a guess.
  if (subject === undefined || resource === undefined) return null;
  const { projectId, environmentId } = resource;
  const asker = askerOf(request, sitting);
  return { orgId, subject, action, projectId, environmentId, resource, given: givenIn(request), asker };
};

const refuse = (
  { point }: DecisionServiceDependencies,
  request: CheckRequest,
  sitting: Sitting,
  reason: NotFresh = 'INVALID_REQUEST',
): CheckResponse => {
  const { orgId, action, subject, resource } = request;
  const where = resource === undefined ? {} : { projectId: resource.projectId, environmentId: resource.environmentId };
  const whom = subject === undefined ? {} : { subject };
  const asked = { action, ...whom, ...where, asker: askerOf(request, sitting) };
  return toCheckResponse(point.refuse(isIdentifier(orgId) ? orgId : '', reason, asked));
};

/** Decides once what the revision names is known; a denial when that takes too long. */
const checkAtLeast = async (
  dependencies: DecisionServiceDependencies,
  request: CheckRequest,
  question: DecisionRequest,
  sitting: Sitting,
): Promise<CheckResponse> => {
  const { point, freshness } = dependencies;
  const reason = await freshness(request.orgId, request.atLeastAsFresh ?? '', sitting.call);
  return reason === null ? toCheckResponse(await point.ask(question)) : refuse(dependencies, request, sitting, reason);
};

/** Decides at once where everything is in memory, which is nearly always; a promise only where it is not. */
const check = (
  dependencies: DecisionServiceDependencies,
  request: CheckRequest,
  sitting: Sitting,
): CheckResponse | Promise<CheckResponse> => {
  const question = questionOf(request, sitting);
  if (question === null) return refuse(dependencies, request, sitting);
  if (request.atLeastAsFresh !== undefined && request.atLeastAsFresh !== '')
    return checkAtLeast(dependencies, request, question, sitting);
  const decision = sitting.decide(question);
  return decision === null ? dependencies.point.ask(question).then(toCheckResponse) : toCheckResponse(decision);
};

const checkMany = async (
  dependencies: DecisionServiceDependencies,
  { checks, atLeastAsFresh }: CheckManyRequest,
  call: ServerCall,
): Promise<CheckResponse[]> => {
  if (checks.length > MAX_CHECKS)
    throw new AppError('TOO_MANY', `At most ${String(MAX_CHECKS)} questions can be asked at once.`);
  const results: CheckResponse[] = [];
  let heldSince = call.remainingMs();
  let sitting = sit(dependencies, call);
  // One after the other: what the first brings into memory is there for all.
  for (const asked of checks) {
    const request =
      atLeastAsFresh === undefined ? asked : { ...asked, atLeastAsFresh: asked.atLeastAsFresh ?? atLeastAsFresh };
    if (results.length % CHECKS_PER_LOOK === 0 && results.length > 0) {
      if (heldSince - call.remainingMs() > MAX_HELD_MS) {
        await setImmediate();
        heldSince = call.remainingMs();
      }
      sitting = sit(dependencies, call);
    }
    const answer = check(dependencies, request, sitting);
    if (answer instanceof Promise) {
      results.push(await answer);
      sitting = sit(dependencies, call);
    } else results.push(answer);
  }
  return results;
};

const { check: checkMethod, checkMany: checkManyMethod } = DecisionServiceService;

const answers = new AnswerBytes();

const DEFINITION = {
  ...DecisionServiceService,
  check: {
    ...checkMethod,
    requestDeserialize: deserializer(CheckRequest),
    responseSerialize: answers.one,
  },
  checkMany: {
    ...checkManyMethod,
    requestDeserialize: deserializer(CheckManyRequest),
    responseSerialize: answers.many,
  },
};

/** DecisionService over gRPC. A denial is an answer; only a question that cannot be read as one is an error. */
export const decisionService = (dependencies: DecisionServiceDependencies): GrpcService => {
  const answer: CheckOne = (request, call) => check(dependencies, request, sit(dependencies, call));
  return grpcService(DEFINITION, {
    check: { allow: ASKERS, handler: unary(answer) },
    checkMany: {
      allow: ASKERS,
      handler: unary(async (request, call) => ({ results: await checkMany(dependencies, request, call) })),
    },
    checkStream: { allow: ASKERS, handler: checkStream(answer, () => dependencies.clock.monotonicMs()) },
  });
};
