import assert from 'node:assert/strict';

import { isAppError } from '@sallyport/errors';
import fc from 'fast-check';

import { feedLines } from './adapter.ts';
import { compileOrganization } from './compile.ts';
import { nameOf, organizationLines } from './lines.ts';
import { MODEL_TEXT, assertImplemented } from './model.ts';
import { BUILT_IN_ROLES } from './roles.ts';
import {
  isPoison,
  readEnvironment,
  readGrant,
  readProject,
  readRole,
  readSeparation,
  type GrantRow,
  type OrganizationRows,
} from './rows.ts';

const refused = (text: string): void => {
  assert.throws(
    () => {
      assertImplemented(text);
    },
    (error) => isAppError(error) && error.code === 'INVALID_VALUE',
    text,
  );
};

const GRANT: GrantRow = {
  grantId: 'grant',
  subjectType: 'user',
  subjectId: 'alice',
  roleKey: 'viewer',
  projectId: null,
  environmentId: null,
  effect: 'allow',
  validFromMs: null,
  validUntilMs: null,
};

const rowsWith = (grants: readonly GrantRow[]): OrganizationRows => ({
  orgId: 'org',
  slug: 'org',
  revision: 7n,
  grants,
  projects: [],
  environments: [],
});

describe('model.conf', () => {
  it('is what the index implements, whatever the order of the conjuncts', () => {
    assertImplemented(MODEL_TEXT);
    const [head, matcher] = MODEL_TEXT.split('\nm = ');
    assert.ok(head !== undefined && matcher !== undefined);
    assertImplemented(`${head}\nm = ${matcher.trim().split(' && ').reverse().join(' && ')}\n`);
  });

  it('is refused when it says anything else', () => {
    const changes: readonly (readonly [string, string])[] = [
      ['r.org == p.org && ', ''],
      ['r.org == p.org', 'r.org == p.org || r.sub == p.sub'],
      ['r.org == p.org', 'keyMatch(r.org, p.org)'],
      ['r.org == p.org', 'regexMatch(r.org, p.org)'],
      ['r.org == p.org', 'r.org != p.org'],
      ['r.org == p.org', 'true'],
      ['r.now < p.until', 'r.now <= p.until'],
      [' && !some(where (p.eft == deny))', ''],
      ['g2 = _, _, _', 'g2 = _, _'],
      ['g3 = _, _, _\n', ''],
      ['from, until, cond, eft', 'until, from, cond, eft'],
      [' && met(r.attrs, p.cond, p.eft)', ''],
      ['met(r.attrs, p.cond, p.eft)', 'met(r.attrs, p.cond, "allow")'],
      ['(p.tier == "any" || r.place == p.tier)', '(p.tier == "any" || r.type == p.tier)'],
      ['(p.tier == "any" || r.place == p.tier)', '(p.tier == "any" || r.place == p.type)'],
      ['(p.type == "any" || r.type == p.type)', 'r.type == p.type'],
      ['[matchers]', '[matchers]\n[matchers]'],
      ['[matchers]', '[constraint_definition]\nc = x\n[matchers]'],
      ['r = org', 'r = sub, org'],
      ['m = ', 'm2 = '],
    ];
    for (const [from, to] of changes) {
      assert.ok(MODEL_TEXT.includes(from), from);
      refused(MODEL_TEXT.replace(from, to));
    }
    refused('');
  });
});

describe('policy lines', () => {
  it('give every id its own name (injective; CVE-2026-34972 class)', () => {
    const ids = fc.string({ unit: 'binary', maxLength: 12 });
    const kinds = fc.constantFrom('user' as const, 'group' as const, 'org' as const);
    fc.assert(
      fc.property(kinds, ids, kinds, ids, (kind, id, otherKind, otherId) => {
        assert.equal(nameOf(kind, id) === nameOf(otherKind, otherId), kind === otherKind && id === otherId);
        assert.match(nameOf(kind, id), /^[a-z]+:[A-Za-z0-9_-]*$/);
      }),
    );
    assert.notEqual(nameOf('user', '_0061'), nameOf('user', 'a'));
    assert.notEqual(nameOf('user', '\ud800'), nameOf('user', '\ufffd'));
  });

  it('never become text: quotes, commas and brackets stay one field', () => {
    const lines = organizationLines(rowsWith([{ ...GRANT, subjectId: 'data", "write" ,"x (' }]), []);
    const policy: string[][] = [];
    assert.equal(feedLines(lines, { model: new Map([['p', new Map([['p', { policy }]])]]) }), lines.length);
    assert.equal(policy[0]?.length, 10);
  });
});

describe('poison rows', () => {
  const raw = { ...GRANT } as Record<string, unknown>;

  it('are recognised in every field, and count as a denial unless they clearly allow', () => {
    const damages: readonly Record<string, unknown>[] = [
      { grantId: '' },
      { grantId: null },
      { subjectType: 'robot' },
      { subjectType: ['user'] },
      { subjectId: { toString: () => 'alice' } },
      { subjectId: 'x'.repeat(1024 * 1024) },
      { subjectId: 'a\u0000b' },
      { subjectId: '\ud800' },
      { roleKey: null },
      { projectId: 5 },
      { environmentId: 'live', projectId: null },
      { effect: '' },
      { effect: null },
      { validUntilMs: 'tomorrow' },
      { validFromMs: Number.NaN },
      { tier: 'staging' },
      { resourceType: 'flags' },
      { resourceType: '__proto__' },
      { condition: {} },
      { condition: { property: 'context.ip', operator: 'matches', value: '.*' } },
      { condition: [] },
    ];
    for (const damage of damages) {
      const row = readGrant({ ...raw, ...damage });
      assert.ok(isPoison(row), JSON.stringify(damage));
      assert.equal(row.denies, Object.hasOwn(damage, 'effect'));
    }
    assert.ok(isPoison(readEnvironment({ environmentId: 'e', projectId: 'p', key: 'k', tier: 'staging' })));
    assert.ok(isPoison(readProject({ projectId: 'p', key: null })));
    assert.deepEqual(readGrant(raw), GRANT);
  });

  it('make a role nobody understands, and it is left out as a whole', () => {
    const raw = {
      roleKey: 'switcher',
      name: 'Switcher',
      description: '',
      levels: ['project'],
      permissions: [
        ['production', 'flag:toggle'],
        ['production', 'flag:read'],
      ],
    };
    const damages: readonly object[] = [
      { roleKey: '' },
      { roleKey: 'Owner' },
      { roleKey: '__proto__' },
      { roleKey: 7 },
      { name: '' },
      { name: null },
      { description: null },
      { levels: [] },
      { levels: ['galaxy'] },
      { levels: null },
      { permissions: null },
      { permissions: [['production', 'flag:of-the-future']] },
      { permissions: [['production', 'toString']] },
      { permissions: [['production', 'organization:read']] },
      { permissions: [['everywhere', 'flag:read']] },
      { permissions: [['production']] },
      { permissions: [['production', 'flag:read', 'more']] },
      { permissions: ['flag:read'] },
    ];
    for (const damage of damages) {
      const row = readRole({ ...raw, ...damage });
      assert.ok(isPoison(row), JSON.stringify(damage));
      assert.equal(row.table, 'role');
    }
    const role = readRole(raw);
    assert.ok(!isPoison(role));
    assert.deepEqual(role.permissions.production, ['flag:read', 'flag:toggle']);
    for (const damage of [
      { ruleId: '' },
      { name: 1 },
      { roleKeys: ['owner'] },
      { roleKeys: 'owner' },
      { roleKeys: [1, 2] },
    ])
      assert.ok(isPoison(readSeparation({ ruleId: 'r', name: 'n', roleKeys: ['a', 'b'], ...damage })));
  });

  it('leave a built-in role what it is', () => {
    const [owner, viewer] = [BUILT_IN_ROLES[0], BUILT_IN_ROLES[4]];
    assert.ok(owner !== undefined && viewer !== undefined);
    const compiled = compileOrganization(
      { ...rowsWith([GRANT]), roles: [{ ...owner, key: viewer.key }] },
      BUILT_IN_ROLES,
    );
    assert.ok(compiled.ok);
    assert.equal(compiled.index.roles.get(viewer.key), viewer);
    assert.deepEqual(
      compiled.index.quarantined.map(({ table, id }) => [table, id]),
      [['role', viewer.key]],
    );
  });

  it('leave the others in force when they allow, and refuse the whole when they may deny', () => {
    const unknownRole: GrantRow = { ...GRANT, grantId: 'bad', roleKey: 'no_such_role' };
    const allowed = compileOrganization(rowsWith([GRANT, unknownRole]), BUILT_IN_ROLES);
    assert.ok(allowed.ok);
    assert.equal(allowed.index.grants.length, 1);
    assert.deepEqual(
      allowed.index.quarantined.map(({ id }) => id),
      ['bad'],
    );
    const denied = compileOrganization(rowsWith([GRANT, { ...unknownRole, effect: 'deny' }]), BUILT_IN_ROLES);
    assert.equal(denied.ok, false);
  });
});
