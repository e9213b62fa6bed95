import assert from 'node:assert/strict';

import fc from 'fast-check';

import { customRole, randomPolicy, type RandomOrganization } from '../../tests/support/random-policy.ts';
import { compileOrganization, type OrganizationIndex } from './compile.ts';
import { indexDigest } from './digest.ts';
import { patchOrganization, type OrganizationChange } from './patch.ts';
import type { RoleDefinition } from './roles.ts';
import type { GrantRow, OrganizationRows } from './rows.ts';

const build = (rows: OrganizationRows, roles: readonly RoleDefinition[]): OrganizationIndex => {
  const compiled = compileOrganization(rows, roles);
  assert.ok(compiled.ok);
  return compiled.index;
};

const sortedById = (grants: readonly GrantRow[]): readonly GrantRow[] =>
  [...grants].sort((left, right) => (left.grantId < right.grantId ? -1 : 1));

const PERMISSIONS = ['flag:toggle', 'organization:read', 'change:apply'];

const SEPARATIONS = ['one', 'two'].map((ruleId) => ({ ruleId, name: ruleId, roleKeys: ['a', 'b'] }));

const step = fc.record({
  keep: fc.array(fc.boolean(), { minLength: 16, maxLength: 16 }),
  put: fc.array(fc.record({ from: fc.nat({ max: 15 }), id: fc.nat({ max: 40 }) }), { maxLength: 4 }),
  projects: fc.nat({ max: 4 }),
  environments: fc.nat({ max: 6 }),
  // Of the organisation's own: one that is there means something else, one comes, one nobody holds goes.
  role: fc.option(fc.record({ at: fc.nat({ max: 4 }), permissions: fc.subarray(PERMISSIONS) }), { nil: null }),
  newRole: fc.option(customRole, { nil: null, freq: 2 }),
  dropsRole: fc.boolean(),
  separations: fc.nat({ max: 2 }),
});

type Step = typeof step extends fc.Arbitrary<infer T> ? T : never;

interface RoleChange {
  readonly after: readonly RoleDefinition[];
  readonly putRoles: readonly RoleDefinition[];
  readonly removedRoles: readonly string[];
}

const changeRoles = (
  own: readonly RoleDefinition[],
  everybodys: readonly RoleDefinition[],
  held: ReadonlySet<string>,
  { role, newRole, dropsRole }: Step,
): RoleChange => {
  const put = new Map<string, RoleDefinition>();
  const revised = role === null ? undefined : own[role.at];
  if (role !== null && revised !== undefined) {
    const { permissions } = role;
    const at = { organization: permissions, project: permissions };
    const everywhere = { ...at, 'non-production': permissions, production: permissions };
    put.set(revised.key, { ...revised, permissions: everywhere });
  }
  if (newRole !== null && !everybodys.some(({ key }) => key === newRole.key)) put.set(newRole.key, newRole);
  const removed = dropsRole ? own.map(({ key }) => key).filter((key) => !held.has(key) && !put.has(key)) : [];
  const kept = own.filter(({ key }) => !put.has(key) && !removed.includes(key));
  return { after: [...kept, ...put.values()], putRoles: [...put.values()], removedRoles: [...removed, 'unknown'] };
};

/** One change of rows: what is left, what comes (new ids and old ones), and the change that says so. */
const applyStep = (
  rows: OrganizationRows,
  pool: RandomOrganization['rows'],
  { keep, put, projects, environments, separations }: Step,
): { readonly after: OrganizationRows; readonly change: OrganizationChange } => {
  const removed = rows.grants.filter((_, at) => keep[at % keep.length] === false).map(({ grantId }) => grantId);
  const added = new Map<string, GrantRow>(
    put.flatMap(({ from, id }) => {
      const row = pool.grants[from % pool.grants.length];
      return row === undefined ? [] : [[`g${String(id).padStart(2, '0')}`, row] as const];
    }),
  );
  const coming = [...added].map(([grantId, row]) => ({ ...row, grantId }));
  const left = rows.grants.filter(({ grantId }) => !removed.includes(grantId) && !added.has(grantId));
  const after = {
    ...rows,
    revision: rows.revision + 1n,
    grants: sortedById([...left, ...coming]),
    projects: pool.projects.slice(0, projects),
    environments: pool.environments.slice(0, environments),
    separations: SEPARATIONS.slice(0, separations),
  };
  const { slug, revision } = after;
  return {
    after,
    change: {
      slug,
      revision,
      engine: 'index',
      put: coming,
      removed: [...removed, 'unknown'],
      projects: after.projects,
      environments: after.environments,
      separations: after.separations,
    },
  };
};

describe('incremental maintenance', () => {
  it('leaves what a build from nothing makes, whatever changes in whatever order (property)', function any() {
    this.timeout(180_000);
    const seen = { patched: 0, roles: 0 };
    fc.assert(
      fc.property(randomPolicy, fc.array(step, { minLength: 1, maxLength: 8 }), (policy, steps) => {
        const [organization] = policy.organizations;
        assert.ok(organization !== undefined);
        const { roles } = policy;
        let { rows } = organization;
        let index = build(rows, roles);
        for (const next of steps) {
          const before = index;
          const digest = indexDigest(before);
          const { after, change } = applyStep(rows, organization.rows, next);
          const held = new Set([...after.grants, ...organization.rows.grants].map(({ roleKey }) => roleKey));
          const { after: own, ...roleChange } = changeRoles(after.roles ?? [], roles, held, next);
          const patched = patchOrganization(before, { ...change, ...roleChange }, roles);
          assert.ok(patched !== null);
          [rows, index] = [{ ...after, roles: own }, patched];
          assert.equal(indexDigest(index), indexDigest(build(rows, roles)));
          assert.equal(indexDigest(before), digest, 'whoever decides by the old one is not disturbed');
          seen.patched += 1;
          seen.roles += roleChange.putRoles.filter(({ key }) => after.grants.some((row) => row.roleKey === key)).length;
        }
      }),
      { numRuns: 1_500 },
    );
    assert.ok(seen.patched > 3_000);
    assert.ok(seen.roles > 300, String(seen.roles));
  });

  it('is refused for a role that is not known, and where rows are quarantined', () => {
    const empty: OrganizationRows = { orgId: 'o', slug: 'o', revision: 1n, grants: [], projects: [], environments: [] };
    const row: GrantRow = {
      grantId: 'g',
      subjectType: 'user',
      subjectId: 'u',
      roleKey: 'nothing',
      projectId: null,
      environmentId: null,
      effect: 'allow',
      validFromMs: null,
      validUntilMs: null,
    };
    const change = {
      slug: 'o',
      revision: 2n,
      engine: 'index',
      put: [row],
      removed: [],
      projects: [],
      environments: [],
    } as const;
    assert.equal(patchOrganization(build(empty, []), change, []), null);
    const quarantined = build({ ...empty, grants: [row] }, []);
    assert.equal(quarantined.quarantined.length, 1);
    assert.equal(patchOrganization(quarantined, { ...change, put: [] }, []), null);
  });
});
