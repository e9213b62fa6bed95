/**
 * Typed rows → Casbin's policy lines. Every name is encoded so that no id, whatever characters it holds, can be
 * mistaken for another name, a separator or a list: Casbin joins and compares texts.
 */
import { PLACES, type Place } from './permissions.ts';
import type { RoleDefinition } from './roles.ts';
import type { OrganizationRows, SubjectType } from './rows.ts';

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

type NameKind = SubjectType | 'org' | 'project' | 'environment' | 'permission' | 'role' | 'place';

/** Bounds of an unlimited grant in ms: every moment JavaScript can express lies between them. */
const ALWAYS_WAS = String(-8_640_000_000_000_000);
const FOR_EVER = String(8_640_000_000_000_001);

/**
 * Injective text form: letters, digits and hyphens stand for themselves, every other UTF-16 unit becomes `_hhhh`.
 * The kind leads, so a user and a group of the same id stay two names.
 */
export const nameOf = (kind: NameKind, id: string): string =>
  `${kind}:${id.replaceAll(/[^A-Za-z0-9-]/g, (unit) => `_${unit.charCodeAt(0).toString(16).padStart(4, '0')}`)}`;

const scopeName = (orgId: string, projectId: string | null, environmentId: string | null): string => {
  if (environmentId !== null) return nameOf('environment', environmentId);
  return projectId === null ? nameOf('org', orgId) : nameOf('project', projectId);
};

/** The lines of all roles; they are the same for every organisation. */
export const roleLines = (roles: readonly RoleDefinition[]): readonly PolicyLine[] =>
  roles.flatMap((role) =>
    PLACES.flatMap((place) =>
      role.permissions[place].map((permission): PolicyLine => ({
        type: 'g3',
        fields: [nameOf('permission', permission), nameOf('role', role.key), nameOf('place', place)],
      })),
    ),
  );

/** The lines of one organisation: scopes, memberships and grants. */
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
  for (const grant of rows.grants)
    lines.push({
      type: 'p',
      fields: [
        org,
        nameOf(grant.subjectType, grant.subjectId),
        nameOf('role', grant.roleKey),
        scopeName(rows.orgId, grant.projectId, grant.environmentId),
        grant.validFromMs === null ? ALWAYS_WAS : String(grant.validFromMs),
        grant.validUntilMs === null ? FOR_EVER : String(grant.validUntilMs),
        grant.effect,
      ],
    });
  return lines;
};

/** A request in Casbin's terms, in the order of the request definition. */
export interface RequestTerms {
  readonly orgId: string;
  readonly subjectType: 'user' | 'service_account';
  readonly subjectId: string;
  readonly action: string;
  readonly place: Place;
  readonly projectId: string | null;
  readonly environmentId: string | null;
  readonly nowMs: number;
}

export const requestValues = (terms: RequestTerms): readonly (string | number)[] => [
  nameOf('org', terms.orgId),
  nameOf(terms.subjectType, terms.subjectId),
  nameOf('permission', terms.action),
  nameOf('place', terms.place),
  scopeName(terms.orgId, terms.projectId, terms.environmentId),
  terms.nowMs,
];
