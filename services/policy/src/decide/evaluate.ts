/**
 * The decision itself, on the index alone: does some grant allow, does none deny? Standing and freshness are decided
 * before this is asked (check.ts).
 */
import {
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
      readonly grant: CompiledGrant;
      /** ms since 1970 at which this answer may change by itself; infinite when only a new policy can change it. */
      readonly untilMs: number;
    }
  | { readonly kind: 'denied'; readonly grant: CompiledGrant | undefined }
  | { readonly kind: 'too-early' | 'too-late'; readonly grant: CompiledGrant }
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
  /** The next moment at which a denial begins. */
  readonly nextMs: number;
}

const findDenial = (cells: readonly Cell[], bit: BitPosition, nowMs: number): Denial => {
  let nextMs = Number.POSITIVE_INFINITY;
  for (const cell of cells) {
    if (hasBit(cell.deny, bit)) return { found: true, grant: grantWith(cell, 'deny', bit), nextMs };
    for (const grant of cell.timed) {
      if (grant.row.effect !== 'deny' || !hasBit(grant.permits, bit) || nowMs >= endsAt(grant)) continue;
      if (nowMs >= startsAt(grant)) return { found: true, grant, nextMs };
      nextMs = Math.min(nextMs, startsAt(grant));
    }
  }
  return { found: false, grant: undefined, nextMs };
};

const isAlive = (grant: CompiledGrant, nowMs: number): boolean => nowMs >= startsAt(grant) && nowMs < endsAt(grant);

const longest = (grants: readonly CompiledGrant[]): CompiledGrant | undefined =>
  grants.reduce<CompiledGrant | undefined>(
    (best, grant) => (best === undefined || endsAt(grant) > endsAt(best) ? grant : best),
    undefined,
  );

const findTimedAllowance = (cells: readonly Cell[], bit: BitPosition, nowMs: number): Verdict => {
  const allowing = cells.flatMap(({ timed }) =>
    timed.filter(({ row, permits }) => row.effect === 'allow' && hasBit(permits, bit)),
  );
  const best = longest(allowing.filter((grant) => isAlive(grant, nowMs)));
  if (best !== undefined) return { kind: 'allowed', grant: best, untilMs: endsAt(best) };
  const [missed] = allowing;
  if (missed === undefined) return NO_GRANT;
  return { kind: nowMs < startsAt(missed) ? 'too-early' : 'too-late', grant: missed };
};

const findAllowance = (cells: readonly Cell[], bit: BitPosition, nowMs: number): Verdict => {
  for (const cell of cells) {
    if (!hasBit(cell.allow, bit)) continue;
    const grant = grantWith(cell, 'allow', bit);
    if (grant !== undefined) return { kind: 'allowed', grant, untilMs: Number.POSITIVE_INFINITY };
  }
  return findTimedAllowance(cells, bit, nowMs);
};

/** One question to the index. */
export interface Question {
  readonly actor: Actor;
  /** Number of the permission in the catalogue. */
  readonly permission: number;
  readonly target: Target;
  /** Wall time, ms since 1970. */
  readonly nowMs: number;
}

/** Decides from the index: deny grants first, then allowing ones, each only within its time. */
export const evaluate = (index: OrganizationIndex, { actor, permission, target, nowMs }: Question): Verdict => {
  const bit = bitOf(permission, target.place);
  const cells = cellsOf(index, actor, target);
  const denial = findDenial(cells, bit, nowMs);
  if (denial.found) return { kind: 'denied', grant: denial.grant };
  const verdict = findAllowance(cells, bit, nowMs);
  return verdict.kind === 'allowed' ? { ...verdict, untilMs: Math.min(verdict.untilMs, denial.nextMs) } : verdict;
};
