import assert from 'node:assert/strict';

import fc from 'fast-check';

import { evaluate, type Target } from '../decide/evaluate.ts';
import { compileOrganization, type OrganizationIndex } from '../model/compile.ts';
import { PERMISSION_NAMES, permissionNumber } from '../model/permissions.ts';
import { BUILT_IN_ROLES } from '../model/roles.ts';
import type { GrantRow } from '../model/rows.ts';
import type { Holder } from './held.ts';
import {
  futureOf,
  momentOf,
  refuseBeyondOwn,
  refuseCombination,
  refuseLastOwner,
  refuseOwn,
  type Population,
} from './rules.ts';

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

const randomGrant = (subject: fc.Arbitrary<Pick<GrantRow, 'subjectType' | 'subjectId'>>): fc.Arbitrary<GrantRow> =>
  fc
    .record({
      subject,
      roleKey: fc.constantFrom(...BUILT_IN_ROLES.map(({ key }) => key)),
      scope,
      effect: fc.constantFrom('allow' as const, 'allow' as const, 'allow' as const, 'deny' as const),
      validFromMs: moment,
      validUntilMs: moment,
    })
    .map(({ subject: who, scope: where, ...rest }) => grant({ ...who, ...where, ...rest }));

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
    nowMs: number,
  ): boolean =>
    (holder.limitedTo.length === 0 || holder.limitedTo.includes(PERMISSION_NAMES[permission] ?? '')) &&
    evaluate(index, { actor: holder, permission, target, nowMs }).kind === 'allowed';

  it('whatever is granted, the new holder can do nothing anywhere, at any time, that the granter could not', function any() {
    this.timeout(60_000);
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
          for (let at = nowMs; at <= 7; at += 1)
            for (const target of TARGETS)
              for (const permission of PERMISSION_NAMES.keys())
                if (allows(after, bob, permission, target, at))
                  assert.ok(
                    allows(before, alice, permission, target, at),
                    `${String(permission)} ${target.place} ${String(at)}`,
                  );
        },
      ),
      { numRuns: 6_000 },
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
    refuseCombination(indexOf(rows), rows.at(-1) ?? grant({}), people, 10)?.code;
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

  it('stays, and only an active person without a time limit counts as one', () => {
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
