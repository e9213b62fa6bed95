import { AppError, isAppError } from '@sallyport/errors';
import type { GrpcClient } from '@sallyport/grpc';
import {
  CheckManyRequest,
  CheckRequest,
  Decision as Verdict,
  type CheckResponse,
  type DecisionServiceService,
} from '@sallyport/proto/policy/v1';

import { monotonicMs as processMonotonicMs } from './clock.ts';

/** Who is decided about. Usually a Principal; a subject alone when something is re-checked later (epoch 0). */
export interface DecisionSubject {
  readonly orgId: string;
  readonly subjectId: string;
  readonly type: 'user' | 'service_account';
  /** Epoch of the credential shown; 0 when there is none. */
  readonly epoch: bigint;
  /** Permissions the credential is limited to; absent or empty: only the subject's grants limit it. */
  readonly scopes?: readonly string[];
  /** How it signed in, for conditions of grants; absent: not known. */
  readonly acr?: string;
  readonly amr?: readonly string[];
}

/** What is acted on, and where it lies. Neither project nor environment: organisation level. */
export interface DecisionResource {
  readonly type: string;
  readonly id: string;
  readonly projectId?: string;
  readonly environmentId?: string;
  readonly properties?: Readonly<Record<string, unknown>>;
}

export interface DecisionRequest {
  readonly principal: DecisionSubject;
  /** A permission of the catalogue, for example `flag:toggle`. */
  readonly action: string;
  readonly resource: DecisionResource;
  readonly context?: Readonly<Record<string, unknown>>;
  readonly requestId: string;
  /** Aborting it gives up waiting: CANCELLED. */
  readonly signal?: AbortSignal;
}

/** The answer of policy. A denial is an answer, not an error. */
export interface Decision {
  readonly allowed: boolean;
  /** Stable code: GRANTED, NO_GRANT, SUBJECT_REVOKED, STANDING_STALE, … or our own CREDENTIAL_SCOPE. */
  readonly reason: string;
  /** One sentence that may be shown to the subject. */
  readonly explanation: string;
  /** The grant that decided; null without one. */
  readonly matchedGrant: string | null;
  readonly matchedRole: string | null;
  /** `<org>@s<standing position>.g<grants revision>`; empty when policy was not asked. */
  readonly policyRevision: string;
  readonly standingPosition: bigint;
  readonly grantsRevision: bigint;
  /** ms the answer may be acted upon, counted from `decidedAtMonotonicMs`. */
  readonly validForMs: number;
  /** When the question was sent, on the monotonic clock of this process (`performance.now()`). */
  readonly decidedAtMonotonicMs: number;
}

export interface DecisionClient {
  /**
   * Asks policy, every time: nothing is kept. Whatever is not a clear answer in time is an error, so a mutation that
   * awaits it fails closed.
   *
   * @throws DECISION_UNAVAILABLE when policy cannot be reached, is late, cannot decide or answers nonsense;
   *   CANCELLED when the signal aborted
   */
  check(request: DecisionRequest): Promise<Decision>;
  /** The answers in the order of the requests, decided against one state of policy; all or none. Same errors. */
  checkMany(requests: readonly DecisionRequest[]): Promise<readonly Decision[]>;
}

export interface DecisionClientOptions {
  /** A client of policy; its owner closes it. */
  readonly grpc: GrpcClient<DecisionServiceService>;
  /** ms; default and maximum 300. */
  readonly deadlineMs?: number;
  /** Milliseconds that never go back; default: those of this process. */
  readonly monotonicMs?: () => number;
}

const DEADLINE_MS = 300;

const unavailable = (cause: unknown): AppError =>
  new AppError('DECISION_UNAVAILABLE', 'No authorisation decision could be obtained.', { cause });

const nonsense = (problem: string): AppError => unavailable(new AppError('INTERNAL', problem));

const required = (decision: Decision | undefined): Decision => {
  if (decision === undefined) throw nonsense('policy left a question unanswered');
  return decision;
};

const propertiesOf = ({ acr, amr }: DecisionSubject): { properties?: Record<string, unknown> } =>
  acr === undefined && amr === undefined
    ? {}
    : { properties: { ...(acr === undefined ? {} : { acr }), ...(amr === undefined ? {} : { amr: [...amr] }) } };

const toCheckRequest = ({ principal, action, resource, context, requestId }: DecisionRequest): CheckRequest =>
  CheckRequest.fromPartial({
    orgId: principal.orgId,
    subject: { type: principal.type, id: principal.subjectId, epoch: principal.epoch, ...propertiesOf(principal) },
    action,
    resource: {
      type: resource.type,
      id: resource.id,
      projectId: resource.projectId ?? '',
      environmentId: resource.environmentId ?? '',
      ...(resource.properties === undefined ? {} : { properties: resource.properties }),
    },
    ...(context === undefined ? {} : { context }),
    requestId,
  });

/** A credential limited to scopes grants nothing outside them, whoever holds it: policy need not be asked. */
const refusedByScope = ({ principal, action }: DecisionRequest, nowMs: number): Decision | null => {
  const { scopes = [] } = principal;
  if (scopes.length === 0 || scopes.includes(action)) return null;
  return {
    allowed: false,
    reason: 'CREDENTIAL_SCOPE',
    explanation: 'The credential is not issued for this permission.',
    matchedGrant: null,
    matchedRole: null,
    policyRevision: '',
    standingPosition: 0n,
    grantsRevision: 0n,
    validForMs: 0,
    decidedAtMonotonicMs: nowMs,
  };
};

/** Anything but an explicit ALLOW or DENY with a reason is no decision, and so is an ALLOW that is too old on arrival. */
const toDecision = (response: CheckResponse, sentAtMs: number, nowMs: number): Decision => {
  const isAllow = response.decision === Verdict.DECISION_ALLOW;
  if (!isAllow && response.decision !== Verdict.DECISION_DENY) throw nonsense('policy answered without a decision');
  if (response.reason === '') throw nonsense('policy answered without a reason');
  if (isAllow && nowMs - sentAtMs >= response.validForMs) throw nonsense('the decision expired on its way');
  return {
    allowed: isAllow,
    reason: response.reason,
    explanation: response.explanation,
    matchedGrant: response.matchedGrant === '' ? null : response.matchedGrant,
    matchedRole: response.matchedRole === '' ? null : response.matchedRole,
    policyRevision: response.policyRevision,
    standingPosition: response.standingPosition,
    grantsRevision: response.grantsRevision,
    validForMs: response.validForMs,
    decidedAtMonotonicMs: sentAtMs,
  };
};

/** What a question that was not answered means: we gave it up, or there is no decision. */
const failureOf = (error: unknown, signal: AbortSignal | undefined): AppError => {
  if (isAppError(error) && (error.code === 'DECISION_UNAVAILABLE' || signal?.aborted === true)) return error;
  return unavailable(error);
};

/** A client that asks policy for decisions. Keep one per process; it holds no state besides the connection. */
export const createDecisionClient = ({
  grpc,
  deadlineMs = DEADLINE_MS,
  monotonicMs = processMonotonicMs,
}: DecisionClientOptions): DecisionClient => {
  const optionsOf = (request: DecisionRequest) => ({
    deadlineMs: Math.min(deadlineMs, DEADLINE_MS),
    requestId: request.requestId,
    ...(request.signal === undefined ? {} : { signal: request.signal }),
  });

  const check = async (request: DecisionRequest): Promise<Decision> => {
    const sentAtMs = monotonicMs();
    const refused = refusedByScope(request, sentAtMs);
    if (refused !== null) return refused;
    try {
      const response = await grpc.unary('check', toCheckRequest(request), optionsOf(request));
      return toDecision(response, sentAtMs, monotonicMs());
    } catch (error) {
      throw failureOf(error, request.signal);
    }
  };

  const checkMany = async (requests: readonly DecisionRequest[]): Promise<readonly Decision[]> => {
    const sentAtMs = monotonicMs();
    const refused = requests.map((request) => refusedByScope(request, sentAtMs));
    const asked = requests.filter((_, index) => refused[index] === null);
    const [first] = asked;
    if (first === undefined) return refused.filter((decision) => decision !== null);
    try {
      const message = CheckManyRequest.fromPartial({ checks: asked.map(toCheckRequest) });
      const { results } = await grpc.unary('checkMany', message, optionsOf(first));
      if (results.length !== asked.length) throw nonsense('policy answered another number of questions');
      const nowMs = monotonicMs();
      const answers = results.map((result) => toDecision(result, sentAtMs, nowMs)).values();
      return refused.map((decision) => decision ?? required(answers.next().value));
    } catch (error) {
      throw failureOf(error, first.signal);
    }
  };

  return { check, checkMany };
};
