/**
 * What a subject holds throughout a scope, and what a grant would give there. Both as permission sets, so that "nobody
 * grants more than they hold" is a subset test over everything a later decision could ever be asked.
 */
import { coversCondition, type Condition } from '../conditions/index.ts';
import {
  PERMISSION_NAMES,
  PLACES,
  bitOf,
  emptyPermissionSet,
  hasBit,
  permissionNumber,
  permissionSetOf,
  type Cell,
  type CompiledGrant,
  type GrantRow,
  type OrganizationIndex,
  type PermissionSet,
  type Place,
  type SubjectCells,
} from '../model/index.ts';
import type { Population } from './population.ts';

/** Where a grant applies. Both null: the organisation. */
export interface GrantScope {
  readonly projectId: string | null;
  readonly environmentId: string | null;
}

/** For asking policy: the ids that are there, nothing for those that are not. */
export const toScope = ({ projectId, environmentId }: GrantScope) => ({
  ...(projectId === null ? {} : { projectId }),
  ...(environmentId === null ? {} : { environmentId }),
});

/** When it applies, ms since 1970; open ends are infinite. */
export interface Period {
  readonly fromMs: number;
  readonly untilMs: number;
}

/** A subject with the groups it is in. */
export interface Holder {
  readonly type: 'user' | 'service_account';
  readonly id: string;
  readonly groupIds: readonly string[];
  /** Permissions the credential is limited to; empty: the grants alone count. */
  readonly limitedTo: readonly string[];
  /** The people behind a machine: what is theirs is its own. Absent: none. */
  readonly behind?: readonly Pick<Holder, 'id' | 'groupIds'>[];
}

/** Who acts, with a credential limited to what. */
export interface Acts {
  readonly type: Holder['type'];
  readonly subjectId: string;
  readonly scopes: readonly string[];
  readonly sponsorIds?: readonly string[];
}

/** Who acts, and who is behind it, with the groups they are in now. */
export const holderOf = (
  { find }: Pick<Population, 'find'>,
  { type, subjectId, scopes: limitedTo, sponsorIds = [] }: Acts,
): Holder => {
  const known = (id: string) => ({ id, groupIds: find(id)?.groupIds ?? [] });
  return { type, ...known(subjectId), limitedTo, behind: sponsorIds.map(known) };
};

const FOR_EVER: Period = { fromMs: Number.NEGATIVE_INFINITY, untilMs: Number.POSITIVE_INFINITY };

const periodOf = ({ row }: CompiledGrant): Period => ({
  fromMs: row.validFromMs ?? FOR_EVER.fromMs,
  untilMs: row.validUntilMs ?? FOR_EVER.untilMs,
});

const covers = (outer: Period, inner: Period): boolean =>
  outer.fromMs <= inner.fromMs && outer.untilMs >= inner.untilMs;
const overlaps = (one: Period, other: Period): boolean => one.fromMs < other.untilMs && other.fromMs < one.untilMs;

const add = (target: PermissionSet, source: PermissionSet): void => {
  for (const [index, word] of source.entries()) target[index] = (target[index] ?? 0) | word;
};

/** The places that lie within a scope. */
const placesWithin = (index: OrganizationIndex, scope: GrantScope): readonly Place[] => {
  if (scope.environmentId !== null) {
    const tier = index.environments.get(scope.environmentId)?.tier;
    return tier === undefined ? [] : [tier];
  }
  return scope.projectId === null ? PLACES : PLACES.filter((place) => place !== 'organization');
};

/** What a grant of this role gives within its scope, narrowed as the grant is. */
export const givenBy = (
  index: OrganizationIndex,
  { roleKey, ...scope }: Pick<GrantRow, 'roleKey' | 'projectId' | 'environmentId' | 'tier' | 'resourceType'>,
): PermissionSet => {
  const role = index.roles.get(roleKey);
  const given = emptyPermissionSet();
  if (role === undefined) return given;
  const all = permissionSetOf(role, scope);
  for (const place of placesWithin(index, scope)) {
    for (const name of role.permissions[place]) {
      const bit = bitOf(permissionNumber(name), place);
      if (hasBit(all, bit)) given[bit.word] = (given[bit.word] ?? 0) | bit.mask;
    }
  }
  return given;
};

/** The scope itself and those around it: an allowance there reaches all of the scope. */
const cellsAround = (cells: SubjectCells, { projectId, environmentId }: GrantScope): readonly (Cell | undefined)[] => [
  cells.organization,
  projectId === null ? undefined : cells.projects.get(projectId),
  environmentId === null ? undefined : cells.environments.get(environmentId),
];

/** Everything inside the scope: a denial there makes a hole in it. */
const cellsInside = (
  index: OrganizationIndex,
  cells: SubjectCells,
  { projectId, environmentId }: GrantScope,
): readonly (Cell | undefined)[] => {
  if (environmentId !== null) return [];
  if (projectId === null) return [...cells.projects.values(), ...cells.environments.values()];
  return [...cells.environments]
    .filter(([id]) => index.environments.get(id)?.projectId === projectId)
    .map(([, cell]) => cell);
};

const grantsOf = (cells: readonly (Cell | undefined)[], effect: 'allow' | 'deny'): readonly CompiledGrant[] =>
  cells.flatMap((cell) =>
    cell === undefined ? [] : [...cell.lasting, ...cell.limited].filter(({ row }) => row.effect === effect),
  );

/** Where, when and on which condition something is given. */
export interface Extent {
  readonly scope: GrantScope;
  readonly period: Period;
  /** Null: none. */
  readonly condition: Condition | null;
}

const reaches = (grant: CompiledGrant, { period, condition }: Extent): boolean =>
  covers(periodOf(grant), period) && coversCondition(grant.condition?.condition ?? null, condition);

/**
 * What the holder is allowed everywhere within the scope, during the whole period and whenever the condition is met:
 * allowances that cover all three, less every denial that touches scope and period (on whatever condition).
 */
export const heldBy = (index: OrganizationIndex, holder: Holder, extent: Extent): PermissionSet => {
  const { scope, period } = extent;
  const subjects = [
    index.subjects[holder.type].get(holder.id),
    ...holder.groupIds.map((groupId) => index.subjects.group.get(groupId)),
  ].filter((cells) => cells !== undefined);
  const held = emptyPermissionSet();
  const taken = emptyPermissionSet();
  for (const cells of subjects) {
    const around = cellsAround(cells, scope);
    for (const grant of grantsOf(around, 'allow')) if (reaches(grant, extent)) add(held, grant.permits);
    for (const grant of grantsOf([...around, ...cellsInside(index, cells, scope)], 'deny'))
      if (overlaps(periodOf(grant), period)) add(taken, grant.permits);
  }
  const limit = limitOf(holder.limitedTo);
  return held.map((word, at) => word & ~(taken[at] ?? 0) & (limit[at] ?? 0));
};

/** What a credential limited to these names can pass on. */
const limitOf = (names: readonly string[]): PermissionSet => {
  const limit = emptyPermissionSet();
  if (names.length === 0) return limit.fill(0xffff_ffff);
  for (const number of names.map(permissionNumber).filter((each) => each >= 0)) {
    for (const place of PLACES) {
      const bit = bitOf(number, place);
      limit[bit.word] = (limit[bit.word] ?? 0) | bit.mask;
    }
  }
  return limit;
};

/** What is in a set, as "permission at place". */
export const permissionsIn = (set: PermissionSet): readonly string[] =>
  PLACES.flatMap((place) =>
    PERMISSION_NAMES.filter((_, number) => hasBit(set, bitOf(number, place))).map((name) => `${name} at ${place}`),
  );

/** The first thing in `wanted` that is not in `held`, as "permission at place"; null when there is none. */
export const firstMissing = (wanted: PermissionSet, held: PermissionSet): string | null =>
  permissionsIn(wanted.map((word, at) => word & ~(held[at] ?? 0)))[0] ?? null;
