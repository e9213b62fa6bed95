import fc from 'fast-check';

import type { Membership, RequestTerms } from '../../src/model/lines.ts';
import { PERMISSION_NAMES, PLACES, type Place } from '../../src/model/permissions.ts';
import { BUILT_IN_ROLES, type RoleDefinition } from '../../src/model/roles.ts';
import { attributesText, type GivenProperties } from '../../src/conditions/index.ts';
import type { EnvironmentRow, GrantRow, OrganizationRows, ProjectRow } from '../../src/model/rows.ts';
import { randomCondition, randomGiven } from './random-condition.ts';

/** Ids that have broken somebody: separators, quotes, brackets, prototype names, look-alikes, very long ones. */
const NASTY = [
  '__proto__',
  'constructor',
  'toString',
  'hasOwnProperty',
  'a$$b',
  'a,b',
  'a::b',
  'a',
  'b',
  'c',
  'b::c',
  '"',
  "'",
  '(',
  ')',
  '[a]',
  '{"x":1}',
  'p, alice, data',
  'line\nbreak',
  'tab\t',
  '\u0000',
  'ａ',
  'á',
  'a\u0301',
  '🦄',
  '\u202e',
  '*',
  'dev*',
  'dev/../prod',
  'r.sub',
  'allow',
  'deny',
  'user:a',
  '%2F',
  '_0061',
  'casbin::default',
  'true',
  '0',
  '-1',
  'NaN',
  'x'.repeat(1024),
  ' ',
  'A',
] as const;

// A small pool, drawn twice as often, makes users, groups, projects and organisations share ids.
const id = (): fc.Arbitrary<string> =>
  fc.oneof(
    { weight: 12, arbitrary: fc.constantFrom('a', 'b') },
    { weight: 2, arbitrary: fc.constantFrom(...NASTY) },
    { weight: 1, arbitrary: fc.string({ unit: 'binary', minLength: 1, maxLength: 8 }) },
  );

const moment = fc.integer({ min: 0, max: 10 });
const window = fc.option(moment, { nil: null, freq: 2 });

// Few, so that questions and roles meet; from both ends, so that every word of the bit set is used.
const POPULAR = [...PERMISSION_NAMES.slice(0, 2), 'flag:toggle', ...PERMISSION_NAMES.slice(-2)] as const;

const permissionsAt = fc.subarray([...POPULAR], { minLength: 2 });

export const customRole: fc.Arbitrary<RoleDefinition> = fc
  .record({ key: id(), at: fc.tuple(permissionsAt, permissionsAt, permissionsAt, permissionsAt) })
  .map(({ key, at: [organization, project, nonProduction, production] }) => ({
    key,
    name: key,
    description: '',
    levels: ['organization'],
    permissions: { organization, project, 'non-production': nonProduction, production },
  }));

const uniqueBy = <T>(arbitrary: fc.Arbitrary<T>, key: (value: T) => string, maxLength: number): fc.Arbitrary<T[]> =>
  fc.uniqueArray(arbitrary, { selector: key, maxLength });

const project: fc.Arbitrary<ProjectRow> = fc.record({ projectId: id(), key: fc.constant('k') });

const environment: fc.Arbitrary<EnvironmentRow> = fc.record({
  environmentId: id(),
  projectId: id(),
  key: fc.constant('k'),
  tier: fc.constantFrom('non-production', 'production'),
});

const scope = fc.oneof(
  fc.constant({ projectId: null, environmentId: null }),
  fc.record({ projectId: id(), environmentId: fc.constant(null) }),
  fc.record({ projectId: id(), environmentId: id() }),
);

const grant = (roleKeys: readonly string[]): fc.Arbitrary<GrantRow> =>
  fc
    .record({
      subjectType: fc.constantFrom('user', 'group', 'service_account'),
      subjectId: id(),
      roleKey: fc.constantFrom(...roleKeys),
      effect: fc.oneof({ weight: 5, arbitrary: fc.constant('allow') }, { weight: 1, arbitrary: fc.constant('deny') }),
      validFromMs: window,
      validUntilMs: window,
      scope,
      narrowing: fc.record(
        {
          tier: fc.constantFrom('non-production', 'production'),
          resourceType: fc.constantFrom('flag', 'organization', 'change'),
          condition: randomCondition,
        },
        { requiredKeys: [] },
      ),
      isNarrowed: fc.boolean(),
    })
    .map(({ scope: where, narrowing, isNarrowed, ...row }) => ({
      grantId: 'g',
      ...row,
      ...where,
      ...(isNarrowed ? narrowing : {}),
    }));

const membership: fc.Arbitrary<Membership> = fc.record({
  type: fc.constantFrom('user', 'service_account'),
  subjectId: id(),
  groupIds: fc.array(id(), { maxLength: 4 }),
});

export interface RandomOrganization {
  readonly rows: OrganizationRows;
  readonly memberships: readonly Membership[];
}

/** Most organisations have project `a`. */
const withPopular = (projects: readonly ProjectRow[]): ProjectRow[] =>
  projects.length === 1
    ? [...projects]
    : [{ projectId: 'a', key: 'k' }, ...projects.filter((each) => each.projectId !== 'a')];

/** Roles of an organisation's own; ids are drawn from few, so organisations call different things the same. */
const ownRoles = (roleKeys: readonly string[]): fc.Arbitrary<readonly RoleDefinition[]> =>
  uniqueBy(customRole, (role) => role.key, 3).map((found) => found.filter(({ key }) => !roleKeys.includes(key)));

const organization = (orgId: string, everybodys: readonly string[]): fc.Arbitrary<RandomOrganization> =>
  ownRoles(everybodys).chain((own) => organizationWith(orgId, own, [...everybodys, ...own.map(({ key }) => key)]));

const organizationWith = (
  orgId: string,
  own: readonly RoleDefinition[],
  roleKeys: readonly string[],
): fc.Arbitrary<RandomOrganization> =>
  fc.record({
    memberships: uniqueBy(membership, (each) => `${each.type}/${each.subjectId}`, 6),
    rows: fc.record({
      roles: fc.constant(own),
      orgId: fc.constant(orgId),
      slug: fc.constant('slug'),
      revision: fc.constant(1n),
      grants: fc
        .array(grant(roleKeys), { minLength: 2, maxLength: 16, size: 'max' })
        .map((grants) => grants.map((each, at) => ({ ...each, grantId: `g${String(at).padStart(2, '0')}` }))),
      projects: uniqueBy(project, (each) => each.projectId, 4).map(withPopular),
      environments: uniqueBy(environment, (each) => each.environmentId, 6),
    }),
  });

export interface RandomPolicy {
  /** Those every organisation has; each organisation's own are among its rows. */
  readonly roles: readonly RoleDefinition[];
  readonly organizations: readonly RandomOrganization[];
}

const roles = uniqueBy(fc.oneof(fc.constantFrom(...BUILT_IN_ROLES), customRole), (role) => role.key, 5).filter(
  (found) => found.length > 0,
);

export const randomPolicy: fc.Arbitrary<RandomPolicy> = fc
  .tuple(roles, fc.uniqueArray(id(), { minLength: 1, maxLength: 3 }))
  .chain(([found, orgIds]) =>
    fc.record({
      roles: fc.constant(found),
      organizations: fc.tuple(
        ...orgIds.map((orgId) =>
          organization(
            orgId,
            found.map(({ key }) => key),
          ),
        ),
      ),
    }),
  );

/** A question with raw ids; the tier is looked up, never drawn. */
export interface RandomRequest {
  readonly orgIndex: number;
  readonly subjectType: 'user' | 'service_account';
  readonly subjectId: string;
  readonly action: string;
  readonly projectId: string;
  readonly environmentId: string;
  readonly nowMs: number;
  readonly resource: { readonly type: string; readonly id: string };
  readonly given: GivenProperties;
}

export const randomRequest: fc.Arbitrary<RandomRequest> = fc.record({
  orgIndex: fc.nat({ max: 2 }),
  subjectType: fc.constantFrom('user', 'service_account'),
  subjectId: id(),
  action: fc.oneof(
    { weight: 4, arbitrary: fc.constantFrom(...POPULAR) },
    { weight: 1, arbitrary: fc.constantFrom(...PERMISSION_NAMES) },
  ),
  projectId: fc.oneof(fc.constant(''), id()),
  environmentId: fc.oneof(fc.constant(''), id()),
  nowMs: moment,
  resource: fc.record({ type: fc.constantFrom('', 'flag', 'a'), id: fc.oneof(fc.constant(''), id()) }),
  given: randomGiven,
});

/** The request in Casbin's terms, from the rows alone: written apart from the service's own look-up on purpose. */
export const toTerms = (request: RandomRequest, { rows }: RandomOrganization): RequestTerms | null => {
  const where = locate(request, rows);
  if (where === null) return null;
  const { subjectType, subjectId, action, nowMs, resource, given } = request;
  const { type: resourceType, id: resourceId } = resource;
  const attributes = attributesText({
    subjectType,
    subjectId,
    action,
    nowMs,
    resourceType,
    resourceId,
    given,
    ...where,
  });
  return { orgId: rows.orgId, subjectType, subjectId, action, nowMs, attributes, ...where };
};

const locate = (
  { projectId, environmentId }: RandomRequest,
  rows: OrganizationRows,
): { place: Place; projectId: string | null; environmentId: string | null } | null => {
  const hasProject = (wanted: string): boolean => rows.projects.some((each) => each.projectId === wanted);
  if (environmentId !== '') {
    const found = rows.environments.find((each) => each.environmentId === environmentId);
    if (found === undefined || !hasProject(found.projectId)) return null;
    if (projectId !== '' && projectId !== found.projectId) return null;
    return { place: found.tier, projectId: found.projectId, environmentId };
  }
  if (projectId === '') return { place: PLACES[0], projectId: null, environmentId: null };
  return hasProject(projectId) ? { place: 'project', projectId, environmentId: null } : null;
};
