import assert from 'node:assert/strict';

import fc from 'fast-check';

import { randomPolicy } from '../../tests/support/random-policy.ts';
import { BUILT_IN_ROLES, compileOrganization, indexDigest, rowsOf, type RoleDefinition } from '../model/index.ts';
import { inTurns } from '../turns/index.ts';
import { policyAfterSteps, type ProposedChange } from './hypothetical.ts';

const atOnce = { monotonicMs: () => 0 };

describe('the policy as it would be', () => {
  it('is what a build from the changed rows makes (property)', async () => {
    let built = 0;
    const bits = fc.array(fc.boolean(), { minLength: 17, maxLength: 17 });
    await fc.assert(
      fc.asyncProperty(randomPolicy, bits, fc.nat(), async ({ roles: drawn, organizations }, keep, pick) => {
        const isBuiltIn = (key: string): boolean => BUILT_IN_ROLES.some((role) => role.key === key);
        const own = drawn.filter(({ key }) => !isBuiltIn(key));
        const compile = (at: number) => {
          const rows = (organizations[at] ?? organizations[0])?.rows;
          return rows === undefined ? null : compileOrganization({ ...rows, orgId: 'o', roles: own }, BUILT_IN_ROLES);
        };
        const [before, other] = [compile(0), compile(1)];
        if (before?.ok !== true || other?.ok !== true || before.index.quarantined.length > 0) return;
        const role = own[pick % Math.max(1, own.length)];
        const revised: RoleDefinition | undefined = role && {
          ...role,
          permissions: { ...role.permissions, production: ['flag:read'] },
        };
        const changes: readonly ProposedChange[] = [
          ...before.index.grants
            .filter((_, at) => keep[at] === false)
            .map(({ row }): ProposedChange => ({ kind: 'remove', grantId: row.grantId })),
          ...other.index.grants
            .filter((_, at) => keep[at + 1] === true)
            .map(({ row }): ProposedChange => ({ kind: 'add', row: { ...row, grantId: `a${row.grantId}` } })),
          ...(revised === undefined ? [] : [{ kind: 'put-role' as const, role: revised }]),
        ];
        const after = await inTurns(policyAfterSteps(before.index, changes), atOnce);
        const rows = rowsOf(after);
        const rebuilt = compileOrganization(rows, BUILT_IN_ROLES);
        assert.ok(rebuilt.ok);
        assert.equal(indexDigest(after), indexDigest(rebuilt.index));
        const gone = new Set(changes.flatMap((change) => (change.kind === 'remove' ? [change.grantId] : [])));
        const came = changes.flatMap((change) => (change.kind === 'add' ? [change.row.grantId] : []));
        const stayed = before.index.grants.map(({ row }) => row.grantId).filter((id) => !gone.has(id));
        assert.deepEqual(
          rows.grants.map(({ grantId }) => grantId),
          [...came, ...stayed].sort(),
        );
        for (const type of ['user', 'group', 'service_account'] as const) {
          assert.equal(after.subjects[type].size, rebuilt.index.subjects[type].size);
          assert.deepEqual(new Set(after.subjects[type].keys()), new Set(rebuilt.index.subjects[type].keys()));
        }
        built += 1;
      }),
      { numRuns: 300 },
    );
    assert.ok(built > 100, String(built));
  });
});
