import assert from 'node:assert/strict';

import fc from 'fast-check';

import type { Condition, GivenProperties } from '../conditions/index.ts';
import { evaluate, type Target } from '../decide/evaluate.ts';
import { compileOrganization, type OrganizationIndex } from '../model/compile.ts';
import { PERMISSION_NAMES, permissionNumber } from '../model/permissions.ts';
import { BUILT_IN_ROLES } from '../model/roles.ts';
import type { GrantRow } from '../model/rows.ts';
import type { Holder } from './held.ts';
import { futureOf, momentOf, refuseBeyondOwn, refuseLastOwner, refuseOwn } from './rules.ts';
import type { Population } from './population.ts';
import { refuseCombination } from './separation.ts';

const PROJECTS = ['shop', 'blog'] as const;
const ENVIRONMENTS = [
  { environmentId: 'staging', projectId: 'shop', key: 'staging', tier: 'non-production' },
  { environmentId: 'live', projectId: 'shop', key: 'live', tier: 'production' },
  { environmentId: 'preview', projectId: 'blog', key: 'preview', tier: 'non-production' },
] as const;

const TARGETS: readonly Target[] = [
  { place: 'organization', projectId: null, environmentId: null },
  ...PROJECTS.map((projectId) => ({ place: 'project' as const, projectId, environmentId: null })),
  ...ENVIRONMENTS.map(({ tier, projectId, environmentId }) => ({ place: tier, projectId, environmentId })),
];

const indexOf = (grants: readonly GrantRow[]): OrganizationIndex => {
  const compiled = compileOrganization(
    {
      orgId: 'org',
      slug: 'org',
      revision: 1n,
      grants,
      projects: PROJECTS.map((projectId) => ({ projectId, key: projectId })),
      environments: ENVIRONMENTS,
    },
    BUILT_IN_ROLES,
  );
  assert.ok(compiled.ok);
  return compiled.index;
};

const grant = (fields: Partial<GrantRow>): GrantRow => ({
  grantId: 'new',
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

const ALICE: Holder = { type: 'user', id: 'alice', groupIds: ['admins'], limitedTo: [] };

const scope = fc.constantFrom(
  { projectId: null, environmentId: null },
  ...PROJECTS.map((projectId) => ({ projectId, environmentId: null })),
  ...ENVIRONMENTS.map(({ projectId, environmentId }) => ({ projectId, environmentId })),
);

const moment = fc.option(fc.integer({ min: 0, max: 6 }), { nil: null, freq: 2 });

const TESTS: readonly Condition[] = [
  { property: 'context.a', operator: 'equals', value: 'x' },
  { property: 'context.b', operator: 'atLeast', value: 1 },
  { not: { property: 'context.a', operator: 'equals', value: 'x' } },
  // True for one of the two subjects only: what one holds by it must not become the other's.
  { property: 'subject.id', operator: 'equals', value: 'bob' },
  { property: 'resource.owner', operator: 'equalsProperty', value: 'subject.id' },
];
const condition: fc.Arbitrary<Condition> = fc
  .tuple(fc.subarray([...TESTS], { minLength: 1, maxLength: 2 }), fc.constantFrom('all' as const, 'any' as const))
  .map(([tests, how]) => (tests.length === 1 ? (tests[0] as Condition) : ({ [how]: tests } as unknown as Condition)));

const narrowing = fc.record(
  {
    tier: fc.constantFrom('non-production' as const, 'production' as const),
    resourceType: fc.constantFrom('flag', 'change'),
    condition,
  },
  { requiredKeys: [] },
);

const GIVEN: readonly GivenProperties[] = [
  {},
  { context: { a: 'x' } },
  { context: { a: 'y', b: 1 }, resource: { owner: 'bob' } },
  { context: { a: 'x', b: 0 }, resource: { owner: 'alice' } },
];

const randomGrant = (subject: fc.Arbitrary<Pick<GrantRow, 'subjectType' | 'subjectId'>>): fc.Arbitrary<GrantRow> =>
  fc
    .record({
      subject,
      roleKey: fc.constantFrom(...BUILT_IN_ROLES.map(({ key }) => key)),
      scope,
      effect: fc.constantFrom('allow' as const, 'allow' as const, 'allow' as const, 'deny' as const),
      validFromMs: moment,
      validUntilMs: moment,
      narrowing,
    })
    .map(({ subject: who, scope: where, narrowing: narrowed, ...rest }) =>
      grant({ ...who, ...where, ...narrowed, ...rest }),
    );

const aliceOrGroup = fc.constantFrom(
  { subjectType: 'user' as const, subjectId: 'alice' },
  { subjectType: 'group' as const, subjectId: 'admins' },
);

describe('nobody grants beyond what they hold', () => {
  const allows = (
    index: OrganizationIndex,
    holder: Holder,
    permission: number,
    target: Target,
    { nowMs, given }: { readonly nowMs: number; readonly given: GivenProperties },
  ): boolean =>
    (holder.limitedTo.length === 0 || holder.limitedTo.includes(PERMISSION_NAMES[permission] ?? '')) &&
    evaluate(index, { actor: holder, permission, target, nowMs, given }).kind === 'allowed';

  it('whatever is granted, the new holder can do nothing anywhere, at any time, that the granter could not', function any() {
    this.timeout(180_000);
    const seen = { granted: 0, refused: 0 };
    fc.assert(
      fc.property(
        fc.array(randomGrant(aliceOrGroup), { maxLength: 5 }),
        randomGrant(fc.constant({ subjectType: 'user', subjectId: 'bob' })).map((each) => ({
          ...each,
          effect: 'allow' as const,
        })),
        fc.option(fc.subarray([...PERMISSION_NAMES]), { nil: [], freq: 3 }),
        fc.integer({ min: 0, max: 6 }),
        (held, given, limitedTo, nowMs) => {
          const alice = { ...ALICE, limitedTo };
          const before = indexOf(held);
          if (refuseBeyondOwn(before, alice, given, futureOf(given, nowMs)) !== null) {
            seen.refused += 1;
            return;
          }
          seen.granted += 1;
          const after = indexOf([given]);
          const bob: Holder = { type: 'user', id: 'bob', groupIds: [], limitedTo: [] };
          const moments = Array.from({ length: 8 - nowMs }, (_, more) => nowMs + more);
          const questions = moments.flatMap((at) => GIVEN.map((said) => ({ nowMs: at, given: said })));
          for (const target of TARGETS)
            for (const permission of PERMISSION_NAMES.keys()) {
              const beyond = questions.find(
                (question) =>
                  allows(after, bob, permission, target, question) &&
                  !allows(before, alice, permission, target, question),
              );
              assert.equal(beyond, undefined, `${String(permission)} ${target.place}`);
            }
        },
      ),
      { numRuns: 4_000 },
    );
    assert.ok(seen.granted > 100 && seen.refused > 100, JSON.stringify(seen));
  });

  it('an Owner may give everything, a Project Admin everything inside the project', () => {
    const owner = indexOf([grant({ subjectId: 'alice', roleKey: 'owner' })]);
    const admin = indexOf([grant({ subjectId: 'alice', roleKey: 'project_admin', projectId: 'shop' })]);
    for (const { key } of BUILT_IN_ROLES) {
      const anywhere = grant({ roleKey: key });
      assert.equal(refuseBeyondOwn(owner, ALICE, anywhere, futureOf(anywhere, 0)), null, key);
      const inside = grant({ roleKey: key, projectId: 'shop' });
      assert.equal(refuseBeyondOwn(admin, ALICE, inside, futureOf(inside, 0)), null, key);
      assert.notEqual(refuseBeyondOwn(admin, ALICE, anywhere, futureOf(anywhere, 0)), null, key);
    }
  });

  it('a role held on a condition gives nothing without it, and nothing that depends on who holds it', () => {
    const [office, weekday, , , owned] = TESTS as readonly [Condition, Condition, Condition, Condition, Condition];
    const held = (condition: Condition): OrganizationIndex =>
      indexOf([grant({ subjectId: 'alice', roleKey: 'owner', condition })]);
    const given = (index: OrganizationIndex, fields: Partial<GrantRow>): string | null => {
      const row = grant(fields);
      return refuseBeyondOwn(index, ALICE, row, futureOf(row, 0))?.code ?? null;
    };
    assert.equal(given(held(office), {}), 'ESCALATION');
    assert.equal(given(held(office), { condition: weekday }), 'ESCALATION');
    assert.equal(given(held(office), { condition: { any: [office, weekday] } }), 'ESCALATION');
    assert.equal(given(held({ not: office }), { condition: office }), 'ESCALATION');
    assert.equal(given(held(owned), { condition: owned }), 'ESCALATION');
    assert.equal(given(held(office), { condition: office }), null);
    assert.equal(given(held(office), { condition: { all: [weekday, { all: [office] }] } }), null);
    assert.equal(given(indexOf([grant({ subjectId: 'alice', roleKey: 'owner' })]), { condition: owned }), null);
  });

  it('a role narrowed to a tier or a resource type gives nothing outside it', () => {
    const index = indexOf([
      grant({ subjectId: 'alice', roleKey: 'developer', tier: 'non-production', resourceType: 'flag' }),
    ]);
    const refusal = (fields: Partial<GrantRow>): string | null => {
      const row = grant({ roleKey: 'developer', tier: 'non-production', resourceType: 'flag', ...fields });
      return refuseBeyondOwn(index, ALICE, row, futureOf(row, 0))?.code ?? null;
    };
    assert.equal(refusal({}), null);
    assert.equal(refusal({ tier: 'production' }), 'ESCALATION');
    assert.equal(refusal({ resourceType: 'change' }), 'ESCALATION');
    const anything = grant({ roleKey: 'developer' });
    assert.equal(refuseBeyondOwn(index, ALICE, anything, futureOf(anything, 0))?.code, 'ESCALATION');
  });

  it('a role held for a time gives nothing beyond it', () => {
    const index = indexOf([grant({ subjectId: 'alice', roleKey: 'owner', validUntilMs: 100 })]);
    const forEver = grant({});
    const within = grant({ validUntilMs: 100 });
    assert.equal(refuseBeyondOwn(index, ALICE, forEver, futureOf(forEver, 0))?.code, 'ESCALATION');
    assert.equal(refuseBeyondOwn(index, ALICE, within, futureOf(within, 0)), null);
    // Taking away needs it only now.
    assert.equal(refuseBeyondOwn(index, ALICE, forEver, momentOf(50)), null);
    assert.equal(refuseBeyondOwn(index, ALICE, forEver, momentOf(100))?.code, 'ESCALATION');
  });

  it('a denial inside the scope makes a hole in what can be given', () => {
    const index = indexOf([
      grant({ subjectId: 'alice', roleKey: 'owner' }),
      grant({ subjectId: 'alice', roleKey: 'viewer', projectId: 'shop', environmentId: 'live', effect: 'deny' }),
    ]);
    const everywhere = grant({});
    const elsewhere = grant({ projectId: 'blog' });
    assert.equal(refuseBeyondOwn(index, ALICE, everywhere, futureOf(everywhere, 0))?.code, 'ESCALATION');
    assert.equal(refuseBeyondOwn(index, ALICE, elsewhere, futureOf(elsewhere, 0)), null);
  });
});

describe('nobody changes their own grants', () => {
  it('neither directly nor through a group', () => {
    assert.equal(refuseOwn(ALICE, grant({ subjectId: 'alice' }))?.code, 'ESCALATION');
    assert.equal(refuseOwn(ALICE, grant({ subjectType: 'group', subjectId: 'admins' }))?.code, 'ESCALATION');
    assert.equal(refuseOwn(ALICE, grant({ subjectId: 'bob' })), null);
    assert.equal(refuseOwn(ALICE, grant({ subjectType: 'group', subjectId: 'alice' })), null);
  });
});

type Members = Readonly<
  Record<string, { active?: boolean; type?: 'user' | 'service_account'; groups?: readonly string[] }>
>;

const population = (subjects: Members): Population => ({
  find: (id) => {
    const found = subjects[id];
    return found === undefined
      ? undefined
      : { type: found.type ?? 'user', active: found.active ?? true, groupIds: found.groups ?? [] };
  },
  members: (groupId) =>
    Object.entries(subjects)
      .filter(([, { groups = [] }]) => groups.includes(groupId))
      .map(([id]) => id),
});

describe('Auditor excludes roles that write', () => {
  const people = population({ bob: { groups: ['qa'] }, carol: { groups: ['qa'] } });
  const combine = (...rows: readonly GrantRow[]): string | undefined =>
    refuseCombination(indexOf(rows.slice(0, -1)), indexOf(rows), people, 10)?.code;
  const auditor = grant({ roleKey: 'auditor' });

  it('in either order, at any scope, for users', () => {
    const developer = grant({ roleKey: 'developer', projectId: 'shop', environmentId: 'staging' });
    assert.equal(combine(auditor, developer), 'SEPARATION_OF_DUTIES');
    assert.equal(combine(developer, auditor), 'SEPARATION_OF_DUTIES');
    assert.equal(combine(auditor, grant({ roleKey: 'viewer' })), undefined);
    assert.equal(combine(grant({ roleKey: 'developer', subjectId: 'carol' }), auditor), undefined);
  });

  it('through groups, both ways', () => {
    const group = { subjectType: 'group', subjectId: 'qa' } as const;
    assert.equal(combine(grant({ ...group, roleKey: 'developer' }), auditor), 'SEPARATION_OF_DUTIES');
    assert.equal(combine(auditor, grant({ ...group, roleKey: 'developer' })), 'SEPARATION_OF_DUTIES');
    assert.equal(
      combine(grant({ roleKey: 'developer' }), grant({ ...group, roleKey: 'auditor' })),
      'SEPARATION_OF_DUTIES',
    );
    const empty = { subjectType: 'group', subjectId: 'empty' } as const;
    const both = combine(grant({ ...empty, roleKey: 'developer' }), grant({ ...empty, roleKey: 'auditor' }));
    assert.equal(both, 'SEPARATION_OF_DUTIES');
  });

  it('but not with a role that is over, nor with a denial', () => {
    assert.equal(combine(grant({ roleKey: 'developer', validUntilMs: 10 }), auditor), undefined);
    assert.equal(combine(grant({ roleKey: 'developer', validFromMs: 99 }), auditor), 'SEPARATION_OF_DUTIES');
    assert.equal(combine(auditor, grant({ roleKey: 'developer', effect: 'deny' })), undefined);
  });
});

describe('the last Owner', () => {
  const ownerOf = (fields: Partial<GrantRow>): GrantRow => grant({ roleKey: 'owner', ...fields });
  const change = (before: readonly GrantRow[], after: readonly GrantRow[], people: Population): string | undefined =>
    refuseLastOwner(indexOf(before), indexOf(after), people)?.code;

  it('stays, and only an active person without any limit counts as one', () => {
    const bob = ownerOf({});
    const people = population({ bob: {}, gone: { active: false }, robot: { type: 'service_account' }, carol: {} });
    assert.equal(change([bob], [], people), 'LAST_OWNER');
    assert.equal(change([bob], [ownerOf({ subjectId: 'gone' })], people), 'LAST_OWNER');
    assert.equal(change([bob], [ownerOf({ subjectId: 'carol', validUntilMs: 99 })], people), 'LAST_OWNER');
    const robot = ownerOf({ subjectId: 'robot', subjectType: 'service_account' });
    assert.equal(change([bob], [robot], people), 'LAST_OWNER');
    assert.equal(change([bob], [ownerOf({ subjectId: 'carol' })], people), undefined);
  });

  it('is not taken away by a denial', () => {
    const people = population({ bob: {} });
    const deny = grant({ roleKey: 'viewer', effect: 'deny' });
    assert.equal(change([ownerOf({})], [ownerOf({}), deny], people), 'LAST_OWNER');
  });

  it('may be a member of a group', () => {
    const group = ownerOf({ subjectType: 'group', subjectId: 'owners' });
    const people = population({ bob: {}, carol: { groups: ['owners'] } });
    assert.equal(change([ownerOf({}), group], [group], people), undefined);
    assert.equal(change([group], [], people), 'LAST_OWNER');
  });

  it('does not block an organisation that has none already', () => {
    const people = population({ bob: { active: false } });
    assert.equal(change([ownerOf({})], [], people), undefined);
  });
});

describe('permission numbers', () => {
  it('are those of the catalogue', () => {
    for (const [number, name] of PERMISSION_NAMES.entries()) assert.equal(permissionNumber(name), number);
  });
});
