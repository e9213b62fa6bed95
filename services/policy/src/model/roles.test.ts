import assert from 'node:assert/strict';

import { MATRIX, MATRIX_PERMISSIONS, MATRIX_ROLES } from '../../tests/support/role-matrix.ts';
import { evaluate, type Target } from '../decide/evaluate.ts';
import { compileOrganization } from './compile.ts';
import { referenceEnforcer } from './enforcer.ts';
import { PERMISSION_NAMES, PERMISSIONS, PLACES, isPermission, permissionNumber, type Place } from './permissions.ts';
import { BUILT_IN_ROLES, findRole, isWritingRole } from './roles.ts';
import type { OrganizationRows } from './rows.ts';

const TARGETS: Readonly<Record<Place, Target>> = {
  organization: { place: 'organization', projectId: null, environmentId: null },
  project: { place: 'project', projectId: 'shop', environmentId: null },
  'non-production': { place: 'non-production', projectId: 'shop', environmentId: 'staging' },
  production: { place: 'production', projectId: 'shop', environmentId: 'live' },
};

// One user per role, named as the role.
const ROWS: OrganizationRows = {
  orgId: 'org',
  slug: 'org',
  revision: 1n,
  projects: [{ projectId: 'shop', key: 'shop' }],
  environments: [
    { environmentId: 'staging', projectId: 'shop', key: 'staging', tier: 'non-production' },
    { environmentId: 'live', projectId: 'shop', key: 'live', tier: 'production' },
  ],
  grants: MATRIX_ROLES.map((role) => ({
    grantId: `grant-${role}`,
    subjectType: 'user',
    subjectId: role,
    roleKey: role,
    projectId: null,
    environmentId: null,
    effect: 'allow',
    validFromMs: null,
    validUntilMs: null,
  })),
};

describe('role matrix', () => {
  it('covers every role and every permission, and no other', () => {
    assert.deepEqual([...MATRIX_ROLES].sort(), BUILT_IN_ROLES.map(({ key }) => key).sort());
    assert.deepEqual([...MATRIX_PERMISSIONS].sort(), [...PERMISSION_NAMES].sort());
    assert.equal(MATRIX.length, BUILT_IN_ROLES.length * PERMISSION_NAMES.length * PLACES.length);
  });

  it('is what the index decides', () => {
    const compiled = compileOrganization(ROWS, BUILT_IN_ROLES);
    assert.ok(compiled.ok);
    for (const { role, permission, place, allowed } of MATRIX) {
      const actor = { type: 'user', id: role, groupIds: [] } as const;
      const verdict = evaluate(compiled.index, {
        actor,
        permission: permissionNumber(permission),
        target: TARGETS[place],
        nowMs: 0,
      });
      assert.equal(verdict.kind === 'allowed', allowed, `${role} ${permission} ${place}`);
    }
  });

  it('is what Casbin decides', async () => {
    const casbin = await referenceEnforcer({
      roles: BUILT_IN_ROLES,
      organizations: [{ rows: ROWS, memberships: [] }],
    });
    for (const { role, permission, place, allowed } of MATRIX) {
      const { projectId, environmentId } = TARGETS[place];
      const terms = { orgId: 'org', subjectType: 'user', subjectId: role, action: permission, place } as const;
      const decided = casbin.allows({ ...terms, projectId, environmentId, nowMs: 0 });
      assert.equal(decided, allowed, `${role} ${permission} ${place}`);
    }
  });
});

describe('roles', () => {
  it('give a permission only where it means something', () => {
    for (const role of BUILT_IN_ROLES) {
      for (const place of PLACES) {
        for (const name of role.permissions[place]) {
          assert.ok(isPermission(name), name);
          assert.ok(PERMISSIONS[name].places.includes(place), `${role.key} ${name} ${place}`);
        }
      }
    }
  });

  it('count as writing unless they only read and export', () => {
    const writing = BUILT_IN_ROLES.filter(isWritingRole).map(({ key }) => key);
    assert.deepEqual(writing, ['owner', 'project_admin', 'release_manager', 'developer']);
  });

  it('are found by their own key only', () => {
    for (const key of ['Owner', 'owner ', '__proto__', 'toString', '']) assert.equal(findRole(key), undefined);
    for (const name of ['flag:Toggle', 'flag:toggle ', 'constructor', '__proto__', ''])
      assert.equal(isPermission(name), false);
  });
});
