/**
 * What stood between a subject and what it asked for, by the grants it has: pure, on the index alone.
 */
import { compileCondition, propertiesOf, type Condition } from '../conditions/index.ts';
import { attributesOf, type Actor, type Question, type Target } from '../decide/index.ts';
import {
  PLACES,
  bitOf,
  hasBit,
  type Cell,
  type CompiledGrant,
  type OrganizationIndex,
  type RoleDefinition,
  type ScopeLevel,
  type SubjectCells,
} from '../model/index.ts';

/**
 * A grant that allows what was asked, but not here: not in environments of this tier, not on this type, not in this
 * scope.
 */
export type Miss = 'WRONG_TIER' | 'WRONG_TYPE' | 'WRONG_SCOPE';

export interface NearestMiss {
  readonly cause: Miss;
  readonly grant: CompiledGrant;
}

/** A role that would do, and the narrowest scope it can be given at for that. */
export interface SufficientRole {
  readonly role: string;
  readonly level: ScopeLevel;
  readonly projectId: string | null;
  readonly environmentId: string | null;
}

const grantsIn = (cells: SubjectCells | undefined): readonly CompiledGrant[] => {
  if (cells === undefined) return [];
  const all: (Cell | undefined)[] = [cells.organization, ...cells.projects.values(), ...cells.environments.values()];
  return all.flatMap((cell) => (cell === undefined ? [] : [...cell.lasting, ...cell.limited]));
};

/** All grants that reach the subject: its own first, then those of its groups. */
export const grantsOf = (index: OrganizationIndex, { type, id, groupIds }: Actor): readonly CompiledGrant[] => [
  ...grantsIn(index.subjects[type].get(id)),
  ...groupIds.flatMap((groupId) => grantsIn(index.subjects.group.get(groupId))),
];

/** True when the target lies within the scope of the grant. */
const reaches = ({ row }: CompiledGrant, target: Target): boolean => {
  if (row.environmentId !== null) return row.environmentId === target.environmentId;
  return row.projectId === null || row.projectId === target.projectId;
};

const isAlive = ({ row }: CompiledGrant, nowMs: number): boolean =>
  (row.validFromMs === null || nowMs >= row.validFromMs) && (row.validUntilMs === null || nowMs < row.validUntilMs);

const permitsSomewhere = ({ permits }: CompiledGrant, permission: number): boolean =>
  PLACES.some((place) => hasBit(permits, bitOf(permission, place)));

const MISSES: readonly Miss[] = ['WRONG_TIER', 'WRONG_TYPE', 'WRONG_SCOPE'];

const missOf = (
  index: OrganizationIndex,
  grant: CompiledGrant,
  { permission, action, target }: { readonly permission: number; readonly action: string; readonly target: Target },
): Miss | null => {
  const isHere = hasBit(grant.permits, bitOf(permission, target.place));
  if (!reaches(grant, target)) return isHere ? 'WRONG_SCOPE' : null;
  if (permitsSomewhere(grant, permission)) return 'WRONG_TIER';
  const { resourceType, roleKey } = grant.row;
  const role = index.roles.get(roleKey);
  const isOfRole = role?.permissions[target.place].includes(action) === true;
  return resourceType !== undefined && isOfRole ? 'WRONG_TYPE' : null;
};

/**
 * The nearest of the grants that are in force and give what was asked elsewhere; null when there is none. To be asked
 * only where no grant allows and none that does so here was missed by its time or its condition.
 */
export const nearestMiss = (index: OrganizationIndex, question: Question, action: string): NearestMiss | null => {
  const { actor, permission, target, nowMs } = question;
  let nearest: NearestMiss | null = null;
  for (const grant of grantsOf(index, actor)) {
    if (grant.row.effect !== 'allow' || !isAlive(grant, nowMs)) continue;
    const cause = missOf(index, grant, { permission, action, target });
    if (cause === null) continue;
    if (nearest === null || MISSES.indexOf(cause) < MISSES.indexOf(nearest.cause)) nearest = { cause, grant };
  }
  return nearest;
};

/** The parts of a condition that all have to be met and are not; undecided is not met. */
const unmetParts = (condition: Condition, question: Question): readonly Condition[] => {
  if ('all' in condition) return condition.all.flatMap((part) => unmetParts(part, question));
  return compileCondition(condition).holds(attributesOf(question), 'allow') ? [] : [condition];
};

/** What of a grant's condition is not met: the parts as they are stored, and the properties they look at. */
export const unmetOf = (
  { condition }: CompiledGrant,
  question: Question,
): { readonly parts: readonly Condition[]; readonly properties: readonly string[] } => {
  const parts = condition === null ? [] : unmetParts(condition.condition, question);
  return { parts, properties: [...new Set(parts.flatMap(propertiesOf))] };
};

const MAX_ROLES = 8;

const sizeOf = ({ permissions }: RoleDefinition): number =>
  PLACES.reduce((sum, place) => sum + permissions[place].length, 0);

/** The narrowest scope around the target at which the role can be given; null when there is none. */
const narrowest = ({ key, levels }: RoleDefinition, { projectId, environmentId }: Target): SufficientRole | null => {
  if (environmentId !== null && levels.includes('environment'))
    return { role: key, level: 'environment', projectId, environmentId };
  if (projectId !== null && levels.includes('project'))
    return { role: key, level: 'project', projectId, environmentId: null };
  return levels.includes('organization')
    ? { role: key, level: 'organization', projectId: null, environmentId: null }
    : null;
};

/** Roles that would do, those that permit least first. */
export const sufficientRoles = (index: OrganizationIndex, action: string, target: Target): readonly SufficientRole[] =>
  [...index.roles.values()]
    .filter(({ permissions }) => permissions[target.place].includes(action))
    .sort((left, right) => sizeOf(left) - sizeOf(right) || (left.key < right.key ? -1 : 1))
    .map((role) => narrowest(role, target))
    .filter((found) => found !== null)
    .slice(0, MAX_ROLES);
