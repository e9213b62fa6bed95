/**
 * The decision itself, on the index alone: does some grant allow, does none deny? Standing and freshness are decided
 * before this is asked (check.ts).
 */
import type { Attributes, GivenProperties } from '../conditions/index.ts';
import {
  PERMISSION_NAMES,
  bitOf,
  hasBit,
  type BitPosition,
  type Cell,
  type CompiledGrant,
  type OrganizationIndex,
  type Place,
  type SubjectCells,
} from '../model/index.ts';

/** Who acts: the subject with the groups it is in. */
export interface Actor {
  readonly type: 'user' | 'service_account';
  readonly id: string;
  readonly groupIds: readonly string[];
}

/** Where it acts; the ids are those of the scope registry. */
export interface Target {
  readonly place: Place;
  readonly projectId: string | null;
  readonly environmentId: string | null;
}

export type Verdict =
  | {
      readonly kind: 'allowed';
      /** The grant that allows; undefined when Casbin decided, which does not say. */
      readonly grant: CompiledGrant | undefined;
      /** ms since 1970 at which this answer may change by itself; infinite when only a new policy can change it. */
      readonly untilMs: number;
    }
  | { readonly kind: 'denied'; readonly grant: CompiledGrant | undefined }
  | { readonly kind: 'too-early' | 'too-late' | 'condition-unmet'; readonly grant: CompiledGrant }
  | { readonly kind: 'no-grant' };

const NO_GRANT: Verdict = Object.freeze({ kind: 'no-grant' });

/** Most specific scope first, so that the grant named in the answer is the nearest one. */
const eachCell = (cells: SubjectCells | undefined, target: Target, found: Cell[]): void => {
  if (cells === undefined) return;
  const atEnvironment = target.environmentId === null ? undefined : cells.environments.get(target.environmentId);
  if (atEnvironment !== undefined) found.push(atEnvironment);
  const atProject = target.projectId === null ? undefined : cells.projects.get(target.projectId);
  if (atProject !== undefined) found.push(atProject);
  if (cells.organization !== undefined) found.push(cells.organization);
};

/** The cells that can matter: the subject's own, then those of its groups. */
const cellsOf = (index: OrganizationIndex, actor: Actor, target: Target): readonly Cell[] => {
  const found: Cell[] = [];
  eachCell(index.subjects[actor.type].get(actor.id), target, found);
  for (const groupId of actor.groupIds) eachCell(index.subjects.group.get(groupId), target, found);
  return found;
};

const grantWith = (cell: Cell, effect: 'allow' | 'deny', bit: BitPosition): CompiledGrant | undefined =>
  cell.lasting.find(({ row, permits }) => row.effect === effect && hasBit(permits, bit));

const startsAt = ({ row }: CompiledGrant): number => row.validFromMs ?? Number.NEGATIVE_INFINITY;
const endsAt = ({ row }: CompiledGrant): number => row.validUntilMs ?? Number.POSITIVE_INFINITY;

interface Denial {
  readonly found: boolean;
  readonly grant: CompiledGrant | undefined;
  /** The next moment at which a denial may begin. */
  readonly nextMs: number;
}

const findDenial = (cells: readonly Cell[], bit: BitPosition, asked: Asked): Denial => {
  let nextMs = Number.POSITIVE_INFINITY;
  for (const cell of cells) {
    if (hasBit(cell.deny, bit)) return { found: true, grant: grantWith(cell, 'deny', bit), nextMs };
    for (const grant of cell.limited) {
      if (grant.row.effect !== 'deny' || !hasBit(grant.permits, bit) || asked.nowMs >= endsAt(grant)) continue;
      if (asked.nowMs < startsAt(grant)) nextMs = Math.min(nextMs, startsAt(grant));
      else if (isMet(grant, asked)) return { found: true, grant, nextMs };
      else nextMs = Math.min(nextMs, grant.condition?.changesAt(asked.nowMs) ?? nextMs);
    }
  }
  return { found: false, grant: undefined, nextMs };
};

const isAlive = (grant: CompiledGrant, nowMs: number): boolean => nowMs >= startsAt(grant) && nowMs < endsAt(grant);

const isMet = ({ condition, row }: CompiledGrant, asked: Asked): boolean =>
  condition === null || condition.holds(asked.attributes, row.effect);

/** Until when a grant that applies now surely does. */
const surelyUntil = (grant: CompiledGrant, nowMs: number): number =>
  Math.min(endsAt(grant), grant.condition?.changesAt(nowMs) ?? Number.POSITIVE_INFINITY);

/** The nearest miss: a grant out of its time before one whose condition is not met. */
const missOf = (grant: CompiledGrant, nowMs: number): Verdict => {
  if (nowMs < startsAt(grant)) return { kind: 'too-early', grant };
  return { kind: nowMs >= endsAt(grant) ? 'too-late' : 'condition-unmet', grant };
};

const nearerMiss = (missed: CompiledGrant | undefined, grant: CompiledGrant, nowMs: number): CompiledGrant =>
  missed === undefined || (isAlive(missed, nowMs) && !isAlive(grant, nowMs)) ? grant : missed;

const MISSED = Number.NEGATIVE_INFINITY;

const findLimitedAllowance = (cells: readonly Cell[], bit: BitPosition, asked: Asked): Verdict => {
  const { nowMs } = asked;
  let best: CompiledGrant | undefined;
  let bestUntilMs = MISSED;
  let missed: CompiledGrant | undefined;
  for (const cell of cells) {
    for (const grant of cell.limited) {
      if (grant.row.effect !== 'allow' || !hasBit(grant.permits, bit)) continue;
      const untilMs = isAlive(grant, nowMs) && isMet(grant, asked) ? surelyUntil(grant, nowMs) : MISSED;
      if (untilMs === MISSED) missed = nearerMiss(missed, grant, nowMs);
      else if (untilMs > bestUntilMs) {
        best = grant;
        bestUntilMs = untilMs;
      }
    }
  }
  if (best !== undefined) return { kind: 'allowed', grant: best, untilMs: bestUntilMs };
  return missed === undefined ? NO_GRANT : missOf(missed, nowMs);
};

const findAllowance = (cells: readonly Cell[], bit: BitPosition, asked: Asked): Verdict => {
  for (const cell of cells) {
    if (!hasBit(cell.allow, bit)) continue;
    const grant = grantWith(cell, 'allow', bit);
    if (grant !== undefined) return { kind: 'allowed', grant, untilMs: Number.POSITIVE_INFINITY };
  }
  return findLimitedAllowance(cells, bit, asked);
};

/** One question to the index. */
export interface Question {
  readonly actor: Actor;
  /** Number of the permission in the catalogue. */
  readonly permission: number;
  readonly target: Target;
  /** Wall time, ms since 1970. */
  readonly nowMs: number;
  /** What the caller says about the resource; absent: nothing. */
  readonly resource?: { readonly type: string; readonly id: string } | undefined;
  /** What the caller says otherwise, for conditions. */
  readonly given?: GivenProperties | undefined;
}

/** Everything conditions may look at, of one question. */
export const attributesOf = ({ actor, permission, target, nowMs, resource, given }: Question): Attributes => ({
  subjectType: actor.type,
  subjectId: actor.id,
  action: PERMISSION_NAMES[permission] ?? '',
  resourceType: resource?.type ?? '',
  resourceId: resource?.id ?? '',
  place: target.place,
  projectId: target.projectId,
  environmentId: target.environmentId,
  nowMs,
  given,
});

/** A question with its attributes, which most questions never need. */
class Asked {
  readonly nowMs: number;
  readonly #question: Question;
  #attributes: Attributes | null = null;

  constructor(question: Question) {
    this.nowMs = question.nowMs;
    this.#question = question;
  }

  get attributes(): Attributes {
    return (this.#attributes ??= attributesOf(this.#question));
  }
}

const isLimited = ({ limited }: Cell): boolean => limited.length > 0;

/** Where nothing is limited, nothing but the sets has a say. */
const evaluateLasting = (cells: readonly Cell[], bit: BitPosition): Verdict => {
  for (const cell of cells) if (hasBit(cell.deny, bit)) return { kind: 'denied', grant: grantWith(cell, 'deny', bit) };
  for (const cell of cells) {
    const grant = hasBit(cell.allow, bit) ? grantWith(cell, 'allow', bit) : undefined;
    if (grant !== undefined) return { kind: 'allowed', grant, untilMs: Number.POSITIVE_INFINITY };
  }
  return NO_GRANT;
};

/** Decides from the index: deny grants first, then allowing ones, each only within its time and on its condition. */
export const evaluate = (index: OrganizationIndex, question: Question): Verdict => {
  const { actor, permission, target } = question;
  const bit = bitOf(permission, target.place);
  const cells = cellsOf(index, actor, target);
  if (!cells.some(isLimited)) return evaluateLasting(cells, bit);
  const asked = new Asked(question);
  const denial = findDenial(cells, bit, asked);
  if (denial.found) return { kind: 'denied', grant: denial.grant };
  const verdict = findAllowance(cells, bit, asked);
  if (verdict.kind !== 'allowed' || denial.nextMs >= verdict.untilMs) return verdict;
  return { ...verdict, untilMs: denial.nextMs };
};
