/**
 * Typed rows → Casbin's policy lines. Every name is encoded so that no id, whatever characters it holds, can be
 * mistaken for another name, a separator or a list: Casbin joins and compares texts.
 */
import { canonicalText } from '../conditions/index.ts';
import { PLACES, resourceTypeOf, type Place } from './permissions.ts';
import type { RoleDefinition } from './roles.ts';
import type { GrantRow, OrganizationRows, SubjectType } from './rows.ts';

/** One line: the section (`p`, `g`, `g2`, `g3`) and its fields. */
export interface PolicyLine {
  readonly type: 'p' | 'g' | 'g2' | 'g3';
  readonly fields: readonly string[];
}

/** Who is in which group, as the subject log says. */
export interface Membership {
  readonly type: 'user' | 'service_account';
  readonly subjectId: string;
  readonly groupIds: readonly string[];
}

type NameKind =
  | SubjectType
  | 'org'
  | 'project'
  | 'environment'
  | 'permission'
  | 'role'
  | 'place'
  | 'type'
  | 'condition';

/** What a line says that is not narrowed to one tier or one resource type; no name of ours is without a colon. */
const ANY = 'any';
/** What a line says that has no condition. */
const ALWAYS = 'always';
/** Before and after every moment of the years 0 to 9999, in the order of texts. */
const ALWAYS_WAS = '-';
const FOR_EVER = '~';
const YEAR_0_MS = -62_167_219_200_000;
const YEAR_10000_MS = 253_402_300_800_000;

/**
 * Injective text form: letters, digits and hyphens stand for themselves, every other UTF-16 unit becomes `_hhhh`.
 * The kind leads, so a user and a group of the same id stay two names.
 */
export const nameOf = (kind: NameKind, id: string): string =>
  `${kind}:${id.replaceAll(/[^A-Za-z0-9-]/g, (unit) => `_${unit.charCodeAt(0).toString(16).padStart(4, '0')}`)}`;

/**
 * A moment as a text that sorts as time does, so that every Casbin compares it, whatever its expression language makes
 * of numbers. Of a fraction of a millisecond the next whole one: no request has a moment in between.
 */
export const momentName = (ms: number): string => {
  const whole = Math.ceil(ms);
  if (whole < YEAR_0_MS) return ALWAYS_WAS;
  return whole >= YEAR_10000_MS ? FOR_EVER : new Date(whole).toISOString();
};

const scopeName = (orgId: string, projectId: string | null, environmentId: string | null): string => {
  if (environmentId !== null) return nameOf('environment', environmentId);
  return projectId === null ? nameOf('org', orgId) : nameOf('project', projectId);
};

/**
 * A role of an organisation's own by the organisation and its key, `role:<organisation>:<key>`: what one organisation
 * calls a role is nothing to another. No name of a role of everybody's has a second colon.
 */
const ownRoleName = (orgId: string, key: string): string =>
  `${nameOf('role', orgId)}:${nameOf('role', key).slice('role:'.length)}`;

const linesOf = (role: RoleDefinition, name: string): readonly PolicyLine[] =>
  PLACES.flatMap((place) =>
    role.permissions[place].map((permission): PolicyLine => ({
      type: 'g3',
      fields: [nameOf('permission', permission), name, nameOf('place', place)],
    })),
  );

/** The lines of the roles every organisation has. */
export const roleLines = (roles: readonly RoleDefinition[]): readonly PolicyLine[] =>
  roles.flatMap((role) => linesOf(role, nameOf('role', role.key)));

/** The lines of one organisation: its own roles, scopes, memberships and grants. */
export const organizationLines = (
  rows: OrganizationRows,
  memberships: readonly Membership[],
): readonly PolicyLine[] => {
  const org = nameOf('org', rows.orgId);
  const projectIds = new Set(rows.projects.map(({ projectId }) => projectId));
  const lines: PolicyLine[] = rows.projects.map(({ projectId }) => ({
    type: 'g2',
    fields: [nameOf('project', projectId), org, org],
  }));
  for (const { environmentId, projectId } of rows.environments)
    if (projectIds.has(projectId))
      lines.push({ type: 'g2', fields: [nameOf('environment', environmentId), nameOf('project', projectId), org] });
  for (const { type, subjectId, groupIds } of memberships)
    for (const groupId of groupIds)
      lines.push({ type: 'g', fields: [nameOf(type, subjectId), nameOf('group', groupId), org] });
  const own = new Map((rows.roles ?? []).map((role) => [role.key, ownRoleName(rows.orgId, role.key)]));
  for (const role of rows.roles ?? []) lines.push(...linesOf(role, ownRoleName(rows.orgId, role.key)));
  for (const grant of rows.grants) {
    const role = own.get(grant.roleKey) ?? nameOf('role', grant.roleKey);
    lines.push({ type: 'p', fields: grantFields(rows.orgId, grant, role) });
  }
  return lines;
};

const grantFields = (orgId: string, grant: GrantRow, role: string): readonly string[] => [
  nameOf('org', orgId),
  nameOf(grant.subjectType, grant.subjectId),
  role,
  scopeName(orgId, grant.projectId, grant.environmentId),
  grant.tier === undefined ? ANY : nameOf('place', grant.tier),
  grant.resourceType === undefined ? ANY : nameOf('type', grant.resourceType),
  grant.validFromMs === null ? ALWAYS_WAS : momentName(grant.validFromMs),
  grant.validUntilMs === null ? FOR_EVER : momentName(grant.validUntilMs),
  grant.condition === undefined ? ALWAYS : nameOf('condition', canonicalText(grant.condition)),
  grant.effect,
];

/** A request in Casbin's terms, in the order of the request definition. */
export interface RequestTerms {
  readonly orgId: string;
  readonly subjectType: 'user' | 'service_account';
  readonly subjectId: string;
  readonly action: string;
  readonly place: Place;
  readonly projectId: string | null;
  readonly environmentId: string | null;
  /** Within the years 0 to 9999. */
  readonly nowMs: number;
  /** See attributesText; absent: none. */
  readonly attributes?: string;
}

export const requestValues = (terms: RequestTerms): readonly string[] => [
  nameOf('org', terms.orgId),
  nameOf(terms.subjectType, terms.subjectId),
  nameOf('permission', terms.action),
  nameOf('type', resourceTypeOf(terms.action)),
  nameOf('place', terms.place),
  scopeName(terms.orgId, terms.projectId, terms.environmentId),
  momentName(terms.nowMs),
  terms.attributes ?? '{}',
];
