/**
 * Why a decision comes out as it does. The decision itself is asked for, as anybody's is; then the same index, in the
 * same turn of the event loop, is looked through for the grant behind it and, for a denial, for what came nearest.
 */
import type { Clock } from '@sallyport/storage';

import {
  findTarget,
  type Actor,
  type Decision,
  type DecisionKnowledge,
  type DecisionPoint,
  type DecisionRequest,
  type Question,
  type Reason,
} from '../decide/index.ts';
import { permissionNumber, type CompiledGrant, type OrganizationIndex } from '../model/index.ts';
import type { Cause, Explanation, GrantPath } from './explanation.ts';
import { grantsOf, nearestMiss, sufficientRoles, unmetOf } from './nearest-miss.ts';
import { adminTextOf, subjectTextOf } from './texts.ts';

export interface ExplainOptions {
  readonly decisions: DecisionPoint;
  readonly knowledge: DecisionKnowledge;
  readonly clock: Clock;
}

/** Explains one decision. Never throws for anything a caller can send. */
export type Explain = (request: DecisionRequest) => Promise<Explanation>;

/** Denials after all of the question was understood: the policy itself said no. */
const BY_POLICY: ReadonlySet<Reason> = new Set<Reason>([
  'GRANTED',
  'EXPLICIT_DENY',
  'NO_GRANT',
  'GRANT_EXPIRED',
  'GRANT_NOT_YET_VALID',
  'CONDITION_NOT_MET',
]);
/** Of these, what another role could lift. */
const LIFTABLE: ReadonlySet<Reason> = new Set<Reason>([
  'NO_GRANT',
  'GRANT_EXPIRED',
  'GRANT_NOT_YET_VALID',
  'CONDITION_NOT_MET',
]);

const pathOf = ({ row }: CompiledGrant): GrantPath => ({
  grantId: row.grantId,
  effect: row.effect,
  role: row.roleKey,
  heldBy: { type: row.subjectType, id: row.subjectId },
  level: row.environmentId !== null ? 'environment' : row.projectId !== null ? 'project' : 'organization',
  projectId: row.projectId,
  environmentId: row.environmentId,
  tier: row.tier ?? null,
  resourceType: row.resourceType ?? null,
  validFromMs: row.validFromMs,
  validUntilMs: row.validUntilMs,
});

const withoutGrounds = (decision: Decision): Explanation => {
  const told = { decision, cause: decision.reason, grant: null, unmet: [], sufficientRoles: [] };
  return {
    decision,
    cause: decision.reason,
    grant: null,
    unmetProperties: [],
    sufficientRoles: [],
    adminText: adminTextOf(told),
    subjectText: subjectTextOf(told),
  };
};

interface Nearest {
  readonly cause: Cause;
  readonly grant: CompiledGrant | undefined;
}

/** The grant the decision names; where it names none, what came nearest. */
const nearestOf = (index: OrganizationIndex, question: Question, { action }: DecisionRequest, decision: Decision) => {
  const { matchedGrant, reason } = decision;
  if (matchedGrant !== null) {
    const grant = grantsOf(index, question.actor).find(({ row }) => row.grantId === matchedGrant);
    return { cause: reason, grant } satisfies Nearest;
  }
  const miss = reason === 'NO_GRANT' ? nearestMiss(index, question, action) : null;
  return { cause: miss?.cause ?? reason, grant: miss?.grant } satisfies Nearest;
};

const explained = (index: OrganizationIndex, question: Question, request: DecisionRequest, decision: Decision) => {
  const { cause, grant } = nearestOf(index, question, request, decision);
  const path = grant === undefined ? null : pathOf(grant);
  const unmet = cause === 'CONDITION_NOT_MET' && grant !== undefined ? unmetOf(grant, question) : null;
  const roles = LIFTABLE.has(decision.reason) ? sufficientRoles(index, request.action, question.target) : [];
  const told = { decision, cause, grant: path, unmet: unmet?.parts ?? [], sufficientRoles: roles };
  return {
    decision,
    cause,
    grant: path,
    unmetProperties: unmet?.properties ?? [],
    sufficientRoles: roles,
    adminText: adminTextOf(told),
    subjectText: subjectTextOf(told),
  } satisfies Explanation;
};

/** Explanations from the knowledge decisions are made from. */
export const createExplain =
  ({ decisions, knowledge, clock }: ExplainOptions): Explain =>
  async (request) => {
    const waiting = decisions.prepare(request);
    if (waiting !== null) await waiting;
    const decision = decisions.decide(request);
    // In the same turn: this is the very knowledge that was just decided by.
    const nowMs = clock.now().getTime();
    const { index, standing } = knowledge.look(request.orgId, { monotonicMs: clock.monotonicMs(), wallMs: nowMs });
    const found = standing?.subjects.get(request.subject.id);
    if (index === undefined || found === undefined || !BY_POLICY.has(decision.reason)) return withoutGrounds(decision);
    const target = findTarget(index, request.projectId, request.environmentId);
    if (typeof target === 'string') return withoutGrounds(decision);
    const actor: Actor = { type: found.type, id: request.subject.id, groupIds: found.groupIds };
    const { resource, given, action } = request;
    const question: Question = { actor, permission: permissionNumber(action), target, nowMs, resource, given };
    return explained(index, question, request, decision);
  };
