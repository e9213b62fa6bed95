import assert from 'node:assert/strict';

import fc from 'fast-check';

import { compileOrganization, type OrganizationIndex } from '../model/compile.ts';
import { BUILT_IN_ROLES, isWritingRole, type RoleDefinition } from '../model/roles.ts';
import type { GrantRow, SeparationRule } from '../model/rows.ts';
import type { Population } from './population.ts';
import { newViolations, refuseCombination, violationKey, violationsOf } from './separation.ts';

const NOTHING = { organization: [], project: [], 'non-production': [], production: [] };
const quiet: RoleDefinition = {
  key: 'quiet',
  name: 'Quiet',
  description: '',
  levels: ['organization'],
  permissions: { ...NOTHING, production: ['flag:read'] },
};
const loud: RoleDefinition = {
  ...quiet,
  key: 'loud',
  permissions: { ...NOTHING, production: ['flag:read', 'flag:toggle'] },
};

const ROLES = [...BUILT_IN_ROLES, quiet, loud];
const PEOPLE = ['bob', 'carol', 'dave'];
const GROUPS = ['qa', 'ops'];

const indexOf = (
  grants: readonly GrantRow[],
  separations: readonly SeparationRule[] = [],
  roles: readonly RoleDefinition[] = [quiet, loud],
): OrganizationIndex => {
  const rows = { orgId: 'org', slug: 'org', revision: 1n, projects: [], environments: [] };
  const compiled = compileOrganization({ ...rows, grants, separations, roles }, BUILT_IN_ROLES);
  assert.ok(compiled.ok);
  return compiled.index;
};

const populationOf = (groupsOf: Readonly<Record<string, readonly string[]>>): Population => ({
  find: (id) => (groupsOf[id] === undefined ? undefined : { type: 'user', active: true, groupIds: groupsOf[id] }),
  members: (groupId) => Object.keys(groupsOf).filter((id) => groupsOf[id]?.includes(groupId) === true),
});

const grant = (fields: Partial<GrantRow>): GrantRow => ({
  grantId: 'g',
  subjectType: 'user',
  subjectId: 'bob',
  roleKey: 'viewer',
  projectId: null,
  environmentId: null,
  effect: 'allow',
  validFromMs: null,
  validUntilMs: null,
  ...fields,
});

const randomGrant = fc
  .record({
    holder: fc.constantFrom(
      ...PEOPLE.map((id) => ['user', id] as const),
      ...GROUPS.map((id) => ['group', id] as const),
    ),
    roleKey: fc.constantFrom(...ROLES.map(({ key }) => key)),
    effect: fc.constantFrom('allow', 'allow', 'allow', 'deny'),
    validUntilMs: fc.constantFrom(null, null, 5, 15),
  })
  .map(({ holder: [subjectType, subjectId], ...fields }) => grant({ subjectType, subjectId, ...fields }));

const randomRule = fc
  .record({
    ruleId: fc.constantFrom('r1', 'r2'),
    roleKeys: fc.uniqueArray(fc.constantFrom('viewer', 'quiet', 'loud', 'owner'), { minLength: 2 }),
  })
  .map((rule) => ({ ...rule, name: rule.ruleId }));

const randomGroups = fc.record({
  bob: fc.subarray(GROUPS),
  carol: fc.subarray(GROUPS),
  dave: fc.subarray(GROUPS),
});

const NOW = 10;

/** Written apart: who holds which roles, subject by subject and rule by rule. */
const naively = (
  grants: readonly GrantRow[],
  rules: readonly SeparationRule[],
  groupsOf: Readonly<Record<string, readonly string[]>>,
): readonly string[] => {
  const subjects = [
    ...PEOPLE.map((id) => ({ type: 'user', id, also: groupsOf[id] ?? [] })),
    ...GROUPS.map((id) => ({ type: 'group', id, also: [] as readonly string[] })),
  ];
  return subjects.flatMap(({ type, id, also }) => {
    const held = new Set(
      grants
        .filter((row) => row.effect === 'allow' && (row.validUntilMs === null || row.validUntilMs > NOW))
        .filter((row) =>
          row.subjectType === type ? row.subjectId === id : row.subjectType === 'group' && also.includes(row.subjectId),
        )
        .map(({ roleKey }) => roleKey),
    );
    const writing = ROLES.filter((role) => held.has(role.key) && isWritingRole(role)).map(({ key }) => key);
    const auditor = held.has('auditor') && writing.length > 0 ? [['auditor', ['auditor', ...writing]] as const] : [];
    const others = rules.map(({ ruleId, roleKeys }) => [ruleId, roleKeys.filter((key) => held.has(key))] as const);
    return [...auditor, ...others]
      .filter(([, keys]) => keys.length > 1)
      .map(([ruleId, keys]) => `${type} ${id} ${ruleId} ${[...keys].sort().join(' ')}`);
  });
};

describe('roles that exclude each other', () => {
  it('are found whoever holds them, in whatever way (property)', () => {
    let found = 0;
    fc.assert(
      fc.property(
        fc.array(randomGrant, { maxLength: 10 }),
        fc.uniqueArray(randomRule, { maxLength: 2, selector: ({ ruleId }) => ruleId }),
        randomGroups,
        (grants, rules, groupsOf) => {
          const violations = violationsOf(indexOf(grants, rules), populationOf(groupsOf), NOW);
          const keys = violations.map((each) => `${violationKey(each)} ${each.roleKeys.join(' ')}`);
          found += keys.length;
          assert.deepEqual([...keys].sort(), [...naively(grants, rules, groupsOf)].sort());
        },
      ),
      { numRuns: 2_000 },
    );
    assert.ok(found > 300, String(found));
  });

  it('are refused when a change brings them about, and only then (property)', () => {
    fc.assert(
      fc.property(
        fc.array(randomGrant, { maxLength: 8 }),
        randomGrant,
        randomRule,
        randomGroups,
        (held, more, rule, groups) => {
          const population = populationOf(groups);
          const [before, after] = [indexOf(held, [rule]), indexOf([...held, more], [rule])];
          const old = new Set(naively(held, [rule], groups));
          const isNew = naively([...held, more], [rule], groups).some((key) => !old.has(key));
          assert.equal(
            refuseCombination(before, after, population, NOW)?.code,
            isNew ? 'SEPARATION_OF_DUTIES' : undefined,
          );
          assert.equal(refuseCombination(after, before, population, NOW), null, 'what is taken away combines nothing');
        },
      ),
      { numRuns: 1_000 },
    );
  });

  it('come about by what a role is made to permit', () => {
    const held = [grant({ roleKey: 'auditor' }), grant({ roleKey: 'quiet' })];
    const people = populationOf({ bob: [] });
    const before = indexOf(held);
    assert.deepEqual(violationsOf(before, people, NOW), []);
    const after = indexOf(held, [], [{ ...loud, key: 'quiet' }, loud]);
    assert.equal(newViolations([], violationsOf(after, people, NOW)).length, 1);
    assert.equal(refuseCombination(before, after, people, NOW)?.metadata['rule'], 'auditor');
  });
});
