import assert from 'node:assert/strict';

import fc from 'fast-check';

import { randomPolicy } from '../../tests/support/random-policy.ts';
import { atOnce, inTurns } from '../turns/index.ts';
import { GRANTS_PER_STEP, compileOrganization, compileSteps, type OrganizationIndex } from './compile.ts';
import { indexDigest, isSameSteps } from './digest.ts';
import type { OrganizationRows } from './rows.ts';

/** A clock by which every step takes a whole turn. */
const hasty = () => {
  let ms = 0;
  return { monotonicMs: () => (ms += 1_000) };
};

const TAMPERED: readonly ((rows: OrganizationRows) => OrganizationRows)[] = [
  (rows) => rows,
  (rows) => ({ ...rows, slug: `${rows.slug}x` }),
  (rows) => ({ ...rows, revision: rows.revision + 1n }),
  (rows) => ({ ...rows, grants: rows.grants.slice(1) }),
  (rows) => ({ ...rows, grants: rows.grants.toReversed() }),
  (rows) => ({ ...rows, grants: rows.grants.map((row) => ({ ...row, effect: 'allow' as const })) }),
  (rows) => ({ ...rows, grants: rows.grants.map((row) => ({ ...row, subjectId: `${row.subjectId}x` })) }),
  (rows) => ({ ...rows, projects: rows.projects.slice(1) }),
  (rows) => ({ ...rows, engine: 'casbin' }),
];

describe('an index made in steps', () => {
  it('is the one that is made at once (property)', async () => {
    await fc.assert(
      fc.asyncProperty(randomPolicy, async ({ organizations, roles }) => {
        for (const { rows } of organizations) {
          const made = compileOrganization(rows, roles);
          const inSteps = await inTurns(compileSteps(rows, roles), hasty());
          assert.ok(made.ok && inSteps.ok);
          assert.equal(indexDigest(inSteps.index), indexDigest(made.index));
          assert.deepEqual(inSteps.index.quarantined, made.index.quarantined);
        }
      }),
      { numRuns: 200 },
    );
  });

  it('rests after every few grants', () => {
    const grant = { subjectType: 'user', subjectId: 'alice', roleKey: 'viewer', effect: 'allow' } as const;
    const always = { projectId: null, environmentId: null, validFromMs: null, validUntilMs: null };
    const grants = Array.from({ length: 10 * GRANTS_PER_STEP }, (_, at) => ({
      ...grant,
      ...always,
      grantId: String(at),
    }));
    const steps = compileSteps({ orgId: 'o', slug: 'o', revision: 1n, grants, projects: [], environments: [] }, []);
    let rests = 0;
    while (steps.next().done !== true) rests += 1;
    assert.equal(rests, 10);
  });

  it('is compared in steps with the same result as by digest (property)', () => {
    const seen = { same: 0, different: 0 };
    const check = (left: OrganizationIndex, right: OrganizationIndex): void => {
      const same = indexDigest(left) === indexDigest(right);
      assert.equal(atOnce(isSameSteps(left, right)), same);
      seen[same ? 'same' : 'different'] += 1;
    };
    fc.assert(
      fc.property(randomPolicy, fc.constantFrom(...TAMPERED), ({ organizations, roles }, tamper) => {
        for (const { rows } of organizations) {
          const left = compileOrganization(rows, roles);
          const right = compileOrganization(tamper(rows), roles);
          assert.ok(left.ok && right.ok);
          check(left.index, right.index);
          check(left.index, { ...left.index, subjects: right.index.subjects });
          check(left.index, { ...left.index, grants: right.index.grants });
        }
      }),
      { numRuns: 400 },
    );
    assert.ok(seen.same > 100 && seen.different > 100, JSON.stringify(seen));
  });
});
