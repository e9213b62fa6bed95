import assert from 'node:assert/strict';

import type { Principal } from '@sallyport/http';
import type { Standing } from '@sallyport/subject-feed';
import { computingMs } from '@sallyport/testing';
import fc from 'fast-check';

import { compileOrganization, type OrganizationIndex } from '../model/compile.ts';
import { BUILT_IN_ROLES, isWritingRole, type RoleDefinition } from '../model/roles.ts';
import type { GrantRow, SeparationRule } from '../model/rows.ts';
import type { GrantKnowledge } from './knowledge.ts';
import type { Population } from './population.ts';
import { previewMapping } from './preview-mapping.ts';
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

  it('are looked for among who holds the rarer role: of a group with everybody in it nobody is', () => {
    const everybody = Object.fromEntries(Array.from({ length: 1_000 }, (_, at) => [`user ${String(at)}`, ['all']]));
    const population = populationOf({ ...everybody, bob: ['all'] });
    let looked = 0;
    const counting = { ...population, find: (id: string) => ((looked += 1), population.find(id)) };
    const all = grant({ subjectType: 'group', subjectId: 'all', roleKey: 'loud' });
    const index = indexOf(
      [all, grant({ roleKey: 'auditor' })],
      [{ ruleId: 'r', name: 'r', roleKeys: ['loud', 'quiet'] }],
    );
    const found = violationsOf(index, counting, NOW).map(violationKey);
    assert.deepEqual(found, ['user bob auditor']);
    assert.ok(looked < 10, String(looked));
  });

  it('are told of one page of members only, with what these would gain', () => {
    const members = Array.from({ length: 50_000 }, (_, at) => `user ${String(at).padStart(6, '0')}`);
    const standing = {
      find: () => ({ type: 'user', active: true, groupIds: ['all'] }),
      members: () => members,
      hasGroup: () => true,
    } as unknown as Standing;
    const index = indexOf([grant({ subjectId: 'owner', roleKey: 'owner' })]);
    const knowledge = { organization: () => index } as unknown as GrantKnowledge;
    const principal = { orgId: 'org', subjectId: 'owner', type: 'user', scopes: [] } as unknown as Principal;
    const proposal = { groupId: 'all', roleKey: 'viewer', scope: { projectId: null, environmentId: null } };
    const asked = { knowledge, standing, clock: { now: () => new Date(NOW), monotonicMs: () => 0 } };
    const page = { after: members[9] ?? '', limit: 2 };
    const tookMs = computingMs(() => {
      const preview = previewMapping(asked, { principal }, proposal, page);
      assert.deepEqual([preview.total, preview.isLast], [members.length, false]);
      assert.deepEqual(
        preview.members.map(({ id }) => id),
        members.slice(10, 12),
      );
    });
    assert.ok(tookMs < 500, String(tookMs));
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
