/**
 * The typed rows a policy consists of, and the reader that turns database rows into them. A row that makes no sense
 * is named, never guessed at: what becomes of it is decided in compile.ts.
 */
import { isIdentifier } from '@sallyport/subject-feed';

import { readCondition, type Condition } from '../conditions/index.ts';
import { PERMISSIONS, PLACES, RESOURCE_TYPES, isPermission } from './permissions.ts';
import { SCOPE_LEVELS, permissionsPerPlace, type RoleDefinition } from './roles.ts';

export const SUBJECT_TYPES = ['user', 'group', 'service_account'] as const;
export type SubjectType = (typeof SUBJECT_TYPES)[number];

export type Effect = 'allow' | 'deny';
export type Tier = 'non-production' | 'production';

/** One grant: a role, given to (or taken from) a subject, within a scope, for a time. */
export interface GrantRow {
  readonly grantId: string;
  readonly subjectType: SubjectType;
  readonly subjectId: string;
  readonly roleKey: string;
  /** Both null: the organisation. */
  readonly projectId: string | null;
  readonly environmentId: string | null;
  readonly effect: Effect;
  /** Only in environments of this tier; absent: everywhere within the scope. */
  readonly tier?: Tier;
  /** Only the permissions of the role that act on this type; absent: all of them. */
  readonly resourceType?: string;
  /** Absent: always. */
  readonly condition?: Condition;
  /** ms since 1970, inclusive; null: always was. */
  readonly validFromMs: number | null;
  /** ms since 1970, exclusive; null: until it is taken away. */
  readonly validUntilMs: number | null;
  /** The subject's epoch when it was given; absent: not noted, so older than any. */
  readonly subjectEpoch?: number;
}

export interface ProjectRow {
  readonly projectId: string;
  readonly key: string;
}

export interface EnvironmentRow {
  readonly environmentId: string;
  readonly projectId: string;
  readonly key: string;
  readonly tier: Tier;
}

/** Roles nobody may hold together, anywhere in the organisation. */
export interface SeparationRule {
  readonly ruleId: string;
  readonly name: string;
  /** At least two. */
  readonly roleKeys: readonly string[];
}

/** What decides for an organisation: the compiled index, or Casbin after the two were seen to differ. */
export type Engine = 'index' | 'casbin';

/** Everything that decides within one organisation, at one revision. Deleted scopes are left out. */
export interface OrganizationRows {
  readonly orgId: string;
  readonly slug: string;
  readonly revision: bigint;
  readonly grants: readonly GrantRow[];
  readonly projects: readonly ProjectRow[];
  readonly environments: readonly EnvironmentRow[];
  /** Roles of its own; absent: none. */
  readonly roles?: readonly RoleDefinition[];
  /** Absent: none. */
  readonly separations?: readonly SeparationRule[];
  /** Absent: the index. */
  readonly engine?: Engine;
}

/** A row that could not be read. `denies` when it may have been a denial: leaving it out could allow too much. */
export interface PoisonRow {
  readonly table: 'grant' | 'project' | 'environment' | 'role' | 'separation-rule';
  readonly id: string;
  readonly problem: string;
  readonly denies: boolean;
}

type Raw = Readonly<Record<string, unknown>>;

const isMoment = (value: unknown): value is number | null =>
  value === null || (typeof value === 'number' && Number.isSafeInteger(Math.trunc(value)));

const optionalId = (value: unknown): value is string | null => value === null || isIdentifier(value);

const memberOf = <T extends string>(values: readonly T[], value: unknown): value is T =>
  (values as readonly unknown[]).includes(value);

const idOf = (value: unknown): string => (isIdentifier(value) ? value : '(unreadable)');

const TIERS: readonly Tier[] = ['non-production', 'production'];

const optionalOf = <T extends string>(values: readonly T[], value: unknown): value is T | null =>
  value === null || memberOf(values, value);

const NOT_NARROWED: Pick<GrantRow, 'tier' | 'resourceType' | 'condition'> = Object.freeze({});

const isNarrowed = (raw: Raw): boolean => (raw['tier'] ?? raw['resourceType'] ?? raw['condition'] ?? null) !== null;

/** What narrows a grant: all of it, or null when a part of it makes no sense. */
const readNarrowing = (raw: Raw): Pick<GrantRow, 'tier' | 'resourceType' | 'condition'> | null => {
  const { tier = null, resourceType = null, condition = null } = raw;
  if (!optionalOf(TIERS, tier) || !optionalOf(RESOURCE_TYPES, resourceType)) return null;
  const narrowed = { ...(tier === null ? {} : { tier }), ...(resourceType === null ? {} : { resourceType }) };
  if (condition === null) return narrowed;
  const read = readCondition(condition);
  return read.ok ? { ...narrowed, condition: read.condition } : null;
};

/** What each field must be; the first that is not is the problem. */
const GRANT_CHECKS: readonly (readonly [problem: string, holds: (raw: Raw) => boolean])[] = [
  ['grant id', ({ grantId }) => isIdentifier(grantId)],
  ['subject type', ({ subjectType }) => memberOf(SUBJECT_TYPES, subjectType)],
  ['subject id', ({ subjectId }) => isIdentifier(subjectId)],
  ['role', ({ roleKey }) => isIdentifier(roleKey)],
  ['scope', ({ projectId, environmentId }) => optionalId(projectId) && optionalId(environmentId)],
  ['environment without project', ({ projectId, environmentId }) => environmentId === null || projectId !== null],
  ['effect', ({ effect }) => effect === 'allow' || effect === 'deny'],
  ['validity', ({ validFromMs, validUntilMs }) => isMoment(validFromMs) && isMoment(validUntilMs)],
  ['epoch', ({ subjectEpoch = 0 }) => typeof subjectEpoch === 'number' && subjectEpoch >= 0],
];

/** Reads a grant; see {@link PoisonRow} for what is returned instead when a field makes no sense. */
export const readGrant = (raw: Raw): GrantRow | PoisonRow => {
  const { grantId, subjectType, subjectId, roleKey, projectId, environmentId, effect, validFromMs, validUntilMs } = raw;
  const narrowing = isNarrowed(raw) ? readNarrowing(raw) : NOT_NARROWED;
  const failed = GRANT_CHECKS.find(([, holds]) => !holds(raw));
  const problem = failed?.[0] ?? (narrowing === null ? 'tier, resource type or condition' : undefined);
  if (problem !== undefined) return { table: 'grant', id: idOf(grantId), problem, denies: effect !== 'allow' };
  const row = {
    grantId,
    // The constants of this file, not the texts that were read: comparing them looks at nothing else in memory.
    subjectType: SUBJECT_TYPES.find((each) => each === subjectType),
    subjectId,
    roleKey,
    projectId,
    environmentId,
    effect: effect === 'allow' ? 'allow' : 'deny',
    validFromMs,
    validUntilMs,
    subjectEpoch: raw['subjectEpoch'],
  } as GrantRow;
  if (narrowing === NOT_NARROWED && raw['subjectEpoch'] !== undefined) return row;
  // Absent is not undefined.
  const { subjectEpoch, ...rest } = row;
  return { ...rest, ...narrowing, ...(subjectEpoch === undefined ? {} : { subjectEpoch }) };
};

/** Reads a project. Leaving one out only denies, so it never counts as a denial that got lost. */
export const readProject = ({ projectId, key }: Raw): ProjectRow | PoisonRow =>
  isIdentifier(projectId) && isIdentifier(key)
    ? { projectId, key }
    : { table: 'project', id: idOf(projectId), problem: 'id or key', denies: false };

/** Reads an environment. An unknown tier leaves the environment unknown, which denies. */
export const readEnvironment = ({ environmentId, projectId, key, tier }: Raw): EnvironmentRow | PoisonRow =>
  isIdentifier(environmentId) &&
  isIdentifier(projectId) &&
  isIdentifier(key) &&
  (tier === 'non-production' || tier === 'production')
    ? { environmentId, projectId, key, tier: tier === 'production' ? 'production' : 'non-production' }
    : { table: 'environment', id: idOf(environmentId), problem: 'id, key or tier', denies: false };

/** What a key of a role looks like; the built-in ones do too. */
export const ROLE_KEY = /^[a-z][a-z0-9_-]{1,62}$/;

/** True when the permission means something at the place. */
export const isPermissionAt = (place: unknown, permission: unknown): boolean =>
  memberOf(PLACES, place) &&
  typeof permission === 'string' &&
  isPermission(permission) &&
  PERMISSIONS[permission].places.includes(place);

const isText = (value: unknown): value is string => typeof value === 'string';
const isListOf = (value: unknown, holds: (each: unknown) => boolean): value is readonly unknown[] =>
  Array.isArray(value) && value.every(holds);

const ROLE_CHECKS: readonly (readonly [problem: string, holds: (raw: Raw) => boolean])[] = [
  ['role key', ({ roleKey }) => isText(roleKey) && ROLE_KEY.test(roleKey)],
  ['name or description', ({ name, description }) => isText(name) && name !== '' && isText(description)],
  ['levels', ({ levels }) => isListOf(levels, (each) => memberOf(SCOPE_LEVELS, each)) && levels.length > 0],
  [
    'permission',
    ({ permissions }) =>
      isListOf(permissions, (pair) => Array.isArray(pair) && pair.length === 2 && isPermissionAt(pair[0], pair[1])),
  ],
];

/**
 * Reads a role of the organisation's own. One that is not readable as a whole is left out as a whole, and with it what
 * is given of it: half of a role is not what somebody made. When a denial is given of it, that grant is what holds up
 * the organisation.
 */
export const readRole = (raw: Raw): RoleDefinition | PoisonRow => {
  const { roleKey, name, description, levels, permissions } = raw;
  const failed = ROLE_CHECKS.find(([, holds]) => !holds(raw));
  if (failed !== undefined) return { table: 'role', id: idOf(roleKey), problem: failed[0], denies: false };
  return Object.freeze({
    key: roleKey as string,
    name: name as string,
    description: description as string,
    levels: SCOPE_LEVELS.filter((level) => (levels as readonly unknown[]).includes(level)),
    permissions: permissionsPerPlace(permissions as readonly (readonly [string, string])[]),
  });
};

/**
 * Reads a separation rule. It decides nothing, so leaving it out opens nothing by itself; but nothing is changed while
 * one cannot be read (grants/change-grants.ts).
 */
export const readSeparation = ({ ruleId, name, roleKeys }: Raw): SeparationRule | PoisonRow =>
  isIdentifier(ruleId) && isText(name) && isListOf(roleKeys, isIdentifier) && roleKeys.length > 1
    ? { ruleId, name, roleKeys: roleKeys as readonly string[] }
    : { table: 'separation-rule', id: idOf(ruleId), problem: 'name or roles', denies: false };

export const isPoison = (row: object): row is PoisonRow => 'problem' in row;
