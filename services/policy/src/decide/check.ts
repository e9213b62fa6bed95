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
 * Owns: order and reasons. Does not own: what is said (explanations.ts), the index (model/), standing and leases
 * (subjects/, knowledge.ts).
 */
import type { Clock } from '@sallyport/storage';
import { isIdentifier, type StandingView, type SubjectStanding } from '@sallyport/subject-feed';
import type { Metrics } from '@sallyport/telemetry';

import { permissionNumber, type OrganizationIndex } from '../model/index.ts';

import { counterOf } from './count.ts';
import type { Decision, DecisionRequest, Reason } from './decision.ts';
import { holdsOutlived } from './outlived.ts';
import { NO_REFERENCE, type ReferenceEngine } from './engine.ts';
import { evaluate, type Question, type Target, type Verdict } from './evaluate.ts';
import { PLAIN, explain, grantOf, type Answer } from './explanations.ts';
import { NO_OBSERVER, type DecisionObserver, type Refused } from './observer.ts';

/** One reading of the clock, for a whole decision. */
export interface Moment {
  readonly monotonicMs: number;
  /** ms since 1970. */
  readonly wallMs: number;
}

/** What is known of an organisation right now, and for how long it may be used. */
export interface Known {
  readonly index: OrganizationIndex | undefined;
  readonly standing: Pick<StandingView, 'position' | 'subjects'> | undefined;
  /** ms for which standing may be used; 0 = not at all. */
  readonly standingMs: number;
  /** ms for which grants may be used; 0 = not at all. */
  readonly grantsMs: number;
}

export interface DecisionKnowledge {
  look(orgId: string, moment: Moment): Known;
  /** Brings the organisation's index into memory, if it is to be had. Absent: everything always is. */
  ensure?(orgId: string): Promise<void>;
}

const MAX_DESCRIPTION_CHARS = 1_024;

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

/** The parts that are not looked up by name. */
const isTyped = ({ subject, resource, projectId }: DecisionRequest): boolean =>
  typeof subject.epoch === 'bigint' &&
  subject.epoch >= 0n &&
  typeof projectId === 'string' &&
  (resource === undefined || isDescription(resource));

/** Empty, or bounded text: nothing but conditions looks at it. */
const isDescription = ({ type, id }: { readonly type: string; readonly id: string }): boolean =>
  isDescribing(type) && isDescribing(id);
const isDescribing = (text: unknown): boolean => typeof text === 'string' && text.length <= MAX_DESCRIPTION_CHARS;

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

/** Told when somebody is refused because roles of an earlier life are still there. */
export type OnOutlived = (orgId: string, subjectId: string) => void;

export interface DecisionPointOptions {
  readonly knowledge: DecisionKnowledge;
  readonly clock: Clock;
  /** Absent: nothing is counted. */
  readonly metrics?: Metrics;
  readonly onOutlived?: OnOutlived;
  readonly reference?: ReferenceEngine;
  /** Absent: nobody keeps a record. */
  readonly observer?: DecisionObserver;
}

export class DecisionPoint {
  readonly #knowledge: DecisionKnowledge;
  readonly #clock: Clock;
  readonly #count: (reason: Reason) => void;
  readonly #onOutlived: OnOutlived;
  readonly #reference: ReferenceEngine;
  readonly #observer: DecisionObserver;

  constructor({ knowledge, clock, metrics, onOutlived, reference, observer }: DecisionPointOptions) {
    this.#observer = observer ?? NO_OBSERVER;
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
    const { index } = this.#knowledge.look(orgId, this.#moment());
    if (index !== undefined && !this.#reference.decides(index)) return null;
    return this.#prepare(orgId, subject.id);
  }

  async #prepare(orgId: string, subjectId: string): Promise<void> {
    if (!isIdentifier(orgId)) return;
    await this.#knowledge.ensure?.(orgId);
    const known = this.#knowledge.look(orgId, this.#moment());
    const standing = isIdentifier(subjectId) ? known.standing?.subjects.get(subjectId) : undefined;
    const { index } = known;
    if (index === undefined || standing === undefined || !this.#reference.decides(index)) return;
    const { type, groupIds } = standing;
    await this.#reference.prepare(index, { type, id: subjectId, groupIds });
  }

  /** Decides. Never throws for anything a caller can send: what cannot be decided is denied with its reason. */
  decide(request: DecisionRequest): Decision {
    const moment = this.#moment();
    const known = this.#knowledge.look(request.orgId, moment);
    return this.#answered(request, known, this.#answer(request, known, moment), moment);
  }

  /**
   * {@link DecisionPoint.decide} for questions that are asked together, each judged by itself, as of one moment: clocks,
   * leases and what is known of an organisation are looked at once. For one turn of the event loop only, in which nothing
   * of that changes. Null when something has to be prepared first.
   */
  sitting(): (request: DecisionRequest) => Decision | null {
    const moment = this.#moment();
    let orgId: string | undefined;
    let known: Known | undefined;
    return (request) => {
      if (known === undefined || request.orgId !== orgId) {
        orgId = request.orgId;
        known = this.#knowledge.look(orgId, moment);
      }
      if (known.index === undefined || this.#reference.decides(known.index)) return null;
      return this.#answered(request, known, this.#answer(request, known, moment), moment);
    };
  }

  /**
   * A denial for a question that could not be put together, because it names something we cannot find. Knowledge that
   * is too old to be used comes first: what cannot be found may only be unknown yet.
   *
   * @param asked what is known of the question, for the record
   */
  refuse(orgId: string, reason: Exclude<Reason, 'GRANTED'>, asked?: Omit<Refused, 'orgId'>): Decision {
    const moment = this.#moment();
    const known = this.#knowledge.look(orgId, moment);
    const answer = PLAIN[reason === 'INVALID_REQUEST' ? reason : (staleness(known) ?? reason)];
    return this.#answered({ ...asked, orgId }, known, answer, moment);
  }

  #moment(): Moment {
    return { monotonicMs: this.#clock.monotonicMs(), wallMs: this.#clock.now().getTime() };
  }

  #answer(request: DecisionRequest, known: Known, moment: Moment): Answer {
    const looked = lookUp(request, known);
    const refusal = refusalOf(request, known, looked);
    if (refusal !== null) return PLAIN[refusal];
    const { standing, target, permission } = looked;
    const { index } = known;
    // Never so after refusalOf.
    if (index === undefined || standing === undefined || typeof target === 'string') return PLAIN.INVALID_REQUEST;
    if (holdsOutlived(index, request.subject.id, standing)) {
      this.#onOutlived(request.orgId, request.subject.id);
      return PLAIN.GRANTS_STALE;
    }
    return this.#evaluate(request, { index, standing, target, permission, nowMs: moment.wallMs });
  }

  #evaluate({ subject, resource, given }: DecisionRequest, found: Found): Answer {
    const { index, standing, target, permission, nowMs } = found;
    const actor = { type: standing.type, id: subject.id, groupIds: standing.groupIds };
    const question = { actor, permission, target, nowMs, resource, given };
    const verdict = this.#verdict(index, question);
    return verdict === null ? PLAIN.GRANTS_STALE : explain(index, verdict, permission, target.place);
  }

  #verdict(index: OrganizationIndex, question: Question): Verdict | null {
    if (this.#reference.decides(index)) return this.#reference.verdict(index, question);
    const verdict = evaluate(index, question);
    this.#reference.observe(index, question, verdict);
    return verdict;
  }

  #answered(request: Refused, known: Known, answer: Answer, { monotonicMs, wallMs }: Moment): Decision {
    const { reason, explanation, verdict, place } = answer;
    const standingPosition = known.standing?.position ?? 0n;
    const grant = grantOf(verdict);
    this.#count(reason);
    const untilMs = verdict?.kind === 'allowed' ? verdict.untilMs - wallMs : 0;
    const decision: Decision = {
      allowed: reason === 'GRANTED',
      reason,
      explanation,
      matchedGrant: grant?.grantId ?? null,
      matchedRole: grant?.roleKey ?? null,
      standingPosition,
      grantsRevision: known.index?.revision ?? 0n,
      policyRevision: revisionOf(request.orgId, known.index, standingPosition),
      validForMs: Math.max(0, Math.floor(Math.min(known.standingMs, known.grantsMs, untilMs))),
    };
    this.#observer.decided(request, decision, { index: known.index, place, monotonicMs, wallMs });
    return decision;
  }
}

/** Everything a decision rests on, once all of it is found. */
interface Found {
  readonly index: OrganizationIndex;
  readonly standing: SubjectStanding;
  readonly target: Target;
  readonly permission: number;
  readonly nowMs: number;
}

/** What the names of a question stand for; in place of a target why there is none. */
interface LookedUp {
  readonly permission: number;
  readonly standing: SubjectStanding | undefined;
  readonly target: Target | Reason;
}

const lookUp = (request: DecisionRequest, { index, standing }: Known): LookedUp => ({
  permission: permissionNumber(request.action),
  standing: standing?.subjects.get(request.subject.id),
  target: index === undefined ? 'UNKNOWN_ORGANIZATION' : findTarget(index, request.projectId, request.environmentId),
});

/** The first of steps 1 to 4 that refuses. (Roles of an earlier life come between 3 and 4, and are looked at later.) */
const refusalOf = (
  request: DecisionRequest,
  known: Known,
  { permission, standing, target }: LookedUp,
): Reason | null => {
  // What was found by its name is well formed; only when something was not, the question is looked at closely.
  const isFound = permission >= 0 && standing !== undefined && typeof target !== 'string';
  if (!(isFound && isTyped(request)) && !isWellFormed(request)) return 'INVALID_REQUEST';
  if (permission < 0) return 'UNKNOWN_ACTION';
  const stale = staleness(known);
  if (stale !== null) return stale;
  if (known.index === undefined) return 'UNKNOWN_ORGANIZATION';
  return standingProblem(request, standing) ?? (typeof target === 'string' ? target : null);
};

// Less than one whole millisecond could not be told to anybody.
const staleness = ({ standingMs, grantsMs }: Known): 'STANDING_STALE' | 'GRANTS_STALE' | null => {
  if (standingMs < 1) return 'STANDING_STALE';
  return grantsMs < 1 ? 'GRANTS_STALE' : null;
};

interface Label {
  readonly position: bigint;
  readonly text: string;
}

/** The revision as text changes with the log and the index only: made once for each. */
const labels = new WeakMap<OrganizationIndex, Label>();

const revisionOf = (orgId: string, index: OrganizationIndex | undefined, position: bigint): string => {
  const label = index === undefined ? undefined : labels.get(index);
  if (label?.position === position) return label.text;
  // What is not an id is not repeated.
  const name = isIdentifier(orgId) ? orgId : '';
  const text = `${name}@s${String(position)}.g${String(index?.revision ?? 0n)}`;
  if (index !== undefined) labels.set(index, { position, text });
  return text;
};
