/**
 * The one way a decision is made, from memory alone and without awaiting anything, in this order (first that applies):
 *
 * 1. inputs valid            INVALID_REQUEST, UNKNOWN_ACTION
 * 2. knowledge fresh         STANDING_STALE, GRANTS_STALE
 * 3. subject standing, epoch UNKNOWN_ORGANIZATION, SUBJECT_UNKNOWN, SUBJECT_REVOKED; brought back a moment ago while
 *    roles of an earlier life are being ended: GRANTS_STALE
 * 4. scope known             UNKNOWN_PROJECT, UNKNOWN_ENVIRONMENT
 * 5. a grant denies          EXPLICIT_DENY
 * 6. a grant allows, in time GRANTED, GRANT_EXPIRED, GRANT_NOT_YET_VALID, CONDITION_NOT_MET, NO_GRANT
 *    and on its condition
 *
 * Owns: order, reasons, explanations. Does not own: the index (model/), standing and leases (subjects/, knowledge.ts).
 */
import type { Clock } from '@sallyport/storage';
import { isIdentifier, type SubjectStanding } from '@sallyport/subject-feed';
import type { Metrics } from '@sallyport/telemetry';

import { propertiesOf as conditionProperties, type Condition } from '../conditions/index.ts';
import {
  findRole,
  isPermission,
  permissionNumber,
  type GrantRow,
  type OrganizationIndex,
  type Permission,
  type Place,
} from '../model/index.ts';

import { REASONS, type Decision, type DecisionRequest, type Reason } from './decision.ts';
import { holdsOutlived } from './outlived.ts';
import { NO_REFERENCE, type ReferenceEngine } from './engine.ts';
import { evaluate, type Question, type Target, type Verdict } from './evaluate.ts';

/** What is known right now, and for how long it may be used. */
export interface DecisionKnowledge {
  /** ms for which standing may be used for this organisation; 0 = not at all. */
  standingForMs(orgId: string): number;
  /** ms for which grants may be used for this organisation; 0 = not at all. */
  grantsForMs(orgId: string): number;
  standingPosition(orgId: string): bigint;
  subject(orgId: string, subjectId: string): SubjectStanding | undefined;
  organization(orgId: string): OrganizationIndex | undefined;
  /** Brings the organisation's index into memory, if it is to be had. Absent: everything always is. */
  ensure?(orgId: string): Promise<void>;
}

const MAX_DESCRIPTION_CHARS = 1_024;

interface Answer {
  readonly reason: Reason;
  readonly explanation?: string;
  readonly verdict?: Verdict;
}

const PLACE_NAMES: Readonly<Record<Place, string>> = {
  organization: 'the organisation',
  project: 'the project',
  'non-production': 'a non-production environment',
  production: 'a production environment',
};

/** The id fields may be empty only where that has a meaning. */
const isWellFormed = (request: DecisionRequest): boolean =>
  isIdentifier(request.orgId) &&
  (request.subject.type === 'user' || request.subject.type === 'service_account') &&
  isIdentifier(request.subject.id) &&
  typeof request.subject.epoch === 'bigint' &&
  request.subject.epoch >= 0n &&
  isIdentifier(request.action) &&
  [request.projectId, request.environmentId].every((id) => id === '' || isIdentifier(id)) &&
  (request.resource === undefined || isDescription(request.resource));

/** Empty, or bounded text: nothing but conditions looks at it. */
const isDescription = ({ type, id }: { readonly type: string; readonly id: string }): boolean =>
  [type, id].every((text) => typeof text === 'string' && text.length <= MAX_DESCRIPTION_CHARS);

/** The place of a request, from the scope registry alone: nothing the caller says about a tier is looked at. */
export const findTarget = (index: OrganizationIndex, projectId: string, environmentId: string): Target | Reason => {
  if (environmentId !== '') {
    const environment = index.environments.get(environmentId);
    if (environment === undefined || (projectId !== '' && environment.projectId !== projectId))
      return 'UNKNOWN_ENVIRONMENT';
    return { place: environment.tier, projectId: environment.projectId, environmentId };
  }
  if (projectId === '') return { place: 'organization', projectId: null, environmentId: null };
  if (!index.projects.has(projectId)) return 'UNKNOWN_PROJECT';
  return { place: 'project', projectId, environmentId: null };
};

// A credential of an epoch we have not heard of was issued after what we know: our knowledge is behind, not the caller.
const standingProblem = (
  { subject }: DecisionRequest,
  standing: SubjectStanding | undefined,
): Exclude<Reason, 'GRANTED'> | null => {
  if (standing === undefined || standing.type !== subject.type) return 'SUBJECT_UNKNOWN';
  if (!standing.active) return 'SUBJECT_REVOKED';
  if (subject.epoch === 0n || subject.epoch === standing.epoch) return null;
  return subject.epoch < standing.epoch ? 'SUBJECT_REVOKED' : 'STANDING_STALE';
};

const grantOf = (verdict: Verdict | undefined): GrantRow | undefined =>
  verdict === undefined || verdict.kind === 'no-grant' ? undefined : verdict.grant?.row;

const roleName = (verdict: Verdict): string => {
  const key = grantOf(verdict)?.roleKey;
  return key === undefined ? 'A role' : (findRole(key)?.name ?? key);
};

/** Which properties it looks at: names only, what they are compared with is the administrators'. */
const propertiesOf = (condition: Condition | undefined): string =>
  condition === undefined ? '' : conditionProperties(condition).join(', ');

const explain = (verdict: Verdict, action: string, place: Place): Answer => {
  const what = `${action} in ${PLACE_NAMES[place]}`;
  switch (verdict.kind) {
    case 'allowed':
      return { reason: 'GRANTED', explanation: `${roleName(verdict)} permits ${what}.`, verdict };
    case 'denied':
      return { reason: 'EXPLICIT_DENY', explanation: `A rule forbids ${what}, whatever other roles permit.`, verdict };
    case 'too-early':
      return {
        reason: 'GRANT_NOT_YET_VALID',
        explanation: `${roleName(verdict)} permits ${what}, but not yet.`,
        verdict,
      };
    case 'too-late':
      return {
        reason: 'GRANT_EXPIRED',
        explanation: `${roleName(verdict)} permitted ${what} until it ended.`,
        verdict,
      };
    case 'condition-unmet': {
      const properties = propertiesOf(verdict.grant.row.condition);
      return {
        reason: 'CONDITION_NOT_MET',
        explanation: `${roleName(verdict)} permits ${what}, but only on a condition (${properties}).`,
        verdict,
      };
    }
    case 'no-grant':
      break;
  }
  return { reason: 'NO_GRANT', explanation: `No role you hold here permits ${what}.`, verdict };
};

/** Told when somebody is refused because roles of an earlier life are still there. */
export type OnOutlived = (orgId: string, subjectId: string) => void;

/** Counters are looked up once: a label costs as much as a decision. */
const counterOf = (metrics: Metrics | undefined): ((reason: Reason) => void) => {
  if (metrics === undefined) return () => undefined;
  const counter = metrics.counter({ name: 'decisions_total', help: 'Decisions by reason', labels: ['reason'] });
  const reasons = Object.keys(REASONS) as Reason[];
  const children = new Map(reasons.map((reason) => [reason, counter.labels(reason)]));
  return (reason) => {
    children.get(reason)?.inc();
  };
};

export interface DecisionPointOptions {
  readonly knowledge: DecisionKnowledge;
  readonly clock: Clock;
  /** Absent: nothing is counted. */
  readonly metrics?: Metrics;
  readonly onOutlived?: OnOutlived;
  readonly reference?: ReferenceEngine;
}

export class DecisionPoint {
  readonly #knowledge: DecisionKnowledge;
  readonly #clock: Clock;
  readonly #count: (reason: Reason) => void;
  readonly #onOutlived: OnOutlived;
  readonly #reference: ReferenceEngine;

  constructor({ knowledge, clock, metrics, onOutlived, reference }: DecisionPointOptions) {
    this.#onOutlived = onOutlived ?? (() => undefined);
    this.#reference = reference ?? NO_REFERENCE;
    this.#knowledge = knowledge;
    this.#clock = clock;
    this.#count = counterOf(metrics);
  }

  /** Brings into memory what the decision needs, then decides: see {@link DecisionPoint.decide}. */
  async ask(request: DecisionRequest): Promise<Decision> {
    const waiting = this.prepare(request);
    if (waiting !== null) await waiting;
    return this.decide(request);
  }

  /** Null when everything {@link DecisionPoint.decide} needs for this request is in memory already. */
  prepare({ orgId, subject }: DecisionRequest): Promise<void> | null {
    const index = this.#knowledge.organization(orgId);
    if (index !== undefined && !this.#reference.decides(index)) return null;
    return this.#prepare(orgId, subject.id);
  }

  async #prepare(orgId: string, subjectId: string): Promise<void> {
    if (!isIdentifier(orgId)) return;
    await this.#knowledge.ensure?.(orgId);
    const index = this.#knowledge.organization(orgId);
    const standing = isIdentifier(subjectId) ? this.#knowledge.subject(orgId, subjectId) : undefined;
    if (index === undefined || standing === undefined || !this.#reference.decides(index)) return;
    const { type, groupIds } = standing;
    await this.#reference.prepare(index, { type, id: subjectId, groupIds });
  }

  /** Decides. Never throws for anything a caller can send: what cannot be decided is denied with its reason. */
  decide(request: DecisionRequest): Decision {
    // What is not an id is not repeated.
    return this.#answered(isIdentifier(request.orgId) ? request.orgId : '', this.#answer(request));
  }

  /**
   * A denial for a question that could not be put together, because it names something we cannot find. Knowledge that
   * is too old to be used comes first: what cannot be found may only be unknown yet.
   */
  refuse(orgId: string, reason: Exclude<Reason, 'GRANTED'>): Decision {
    return this.#answered(orgId, { reason: reason === 'INVALID_REQUEST' ? reason : (this.#stale(orgId) ?? reason) });
  }

  #answer(request: DecisionRequest): Answer {
    if (!isWellFormed(request)) return { reason: 'INVALID_REQUEST' };
    if (!isPermission(request.action)) return { reason: 'UNKNOWN_ACTION' };
    const { orgId, subject } = request;
    const stale = this.#stale(orgId);
    if (stale !== null) return { reason: stale };
    const index = this.#knowledge.organization(orgId);
    if (index === undefined) return { reason: 'UNKNOWN_ORGANIZATION' };
    const standing = this.#knowledge.subject(orgId, subject.id);
    const problem = standingProblem(request, standing);
    if (problem !== null || standing === undefined) return { reason: problem ?? 'SUBJECT_UNKNOWN' };
    if (holdsOutlived(index, subject.id, standing)) {
      this.#onOutlived(orgId, subject.id);
      return { reason: 'GRANTS_STALE' };
    }
    return this.#evaluate(request, request.action, index, standing);
  }

  // Less than one whole millisecond could not be told to anybody.
  #stale(orgId: string): 'STANDING_STALE' | 'GRANTS_STALE' | null {
    if (this.#knowledge.standingForMs(orgId) < 1) return 'STANDING_STALE';
    return this.#knowledge.grantsForMs(orgId) < 1 ? 'GRANTS_STALE' : null;
  }

  #evaluate(request: DecisionRequest, action: Permission, index: OrganizationIndex, standing: SubjectStanding): Answer {
    const target = findTarget(index, request.projectId, request.environmentId);
    if (typeof target === 'string') return { reason: target };
    const actor = { type: standing.type, id: request.subject.id, groupIds: standing.groupIds };
    const nowMs = this.#clock.now().getTime();
    const { resource, given } = request;
    const question = {
      actor,
      permission: permissionNumber(action),
      target,
      nowMs,
      ...(resource === undefined ? {} : { resource }),
      ...(given === undefined ? {} : { given }),
    };
    const verdict = this.#verdict(index, question);
    return verdict === null ? { reason: 'GRANTS_STALE' } : explain(verdict, action, target.place);
  }

  #verdict(index: OrganizationIndex, question: Question): Verdict | null {
    if (this.#reference.decides(index)) return this.#reference.verdict(index, question);
    const verdict = evaluate(index, question);
    this.#reference.observe(index, question, verdict);
    return verdict;
  }

  #answered(orgId: string, { reason, explanation, verdict }: Answer): Decision {
    const standingPosition = this.#knowledge.standingPosition(orgId);
    const grantsRevision = this.#knowledge.organization(orgId)?.revision ?? 0n;
    const grant = grantOf(verdict);
    const allowed = reason === 'GRANTED';
    this.#count(reason);
    return {
      allowed,
      reason,
      explanation: explanation ?? REASONS[reason],
      matchedGrant: grant?.grantId ?? null,
      matchedRole: grant?.roleKey ?? null,
      standingPosition,
      grantsRevision,
      policyRevision: `${orgId}@s${String(standingPosition)}.g${String(grantsRevision)}`,
      validForMs: allowed && verdict?.kind === 'allowed' ? this.#validForMs(orgId, verdict.untilMs) : 0,
    };
  }

  #validForMs(orgId: string, untilMs: number): number {
    const left = Math.min(
      this.#knowledge.standingForMs(orgId),
      this.#knowledge.grantsForMs(orgId),
      untilMs - this.#clock.now().getTime(),
    );
    return Math.max(0, Math.floor(left));
  }
}
