import assert from 'node:assert/strict';

import type { SubjectStanding } from '@sallyport/subject-feed';
import fc from 'fast-check';

import type { DecisionRequest } from '../decide/decision.ts';
import { compileOrganization, type OrganizationIndex } from '../model/compile.ts';
import { BUILT_IN_ROLES } from '../model/roles.ts';
import type { GrantRow, OrganizationRows } from '../model/rows.ts';
import { deskOf } from '../../tests/support/list-desk.ts';
import { randomPolicy, randomRequest } from '../../tests/support/random-policy.ts';
import { createExplain, type Explanation } from './index.ts';

const compiled = (...asked: Parameters<typeof compileOrganization>): OrganizationIndex => {
  const result = compileOrganization(...asked);
  assert.ok(result.ok);
  return result.index;
};

const explainIn = async (
  index: OrganizationIndex,
  standing: ReadonlyMap<string, SubjectStanding>,
  request: DecisionRequest,
  nowMs: number,
): Promise<Explanation> => {
  const { clock, knowledge, point: decisions } = deskOf(index, standing);
  clock.wallMs = nowMs;
  return await createExplain({ decisions, knowledge, clock })(request);
};

describe('explanations', () => {
  it('name grants that are there, and roles that would indeed do, for any policy', async function any() {
    this.timeout(180_000);
    const seen = new Map<string, number>();
    let lifted = 0;
    const property = fc.asyncProperty(
      randomPolicy,
      fc.array(randomRequest, { minLength: 10, maxLength: 10 }),
      async ({ organizations: [organization], roles }, requests) => {
        assert.ok(organization !== undefined);
        const { rows, memberships } = organization;
        const index = compiled(rows, roles);
        const standing = new Map(
          memberships.map(({ type, subjectId, groupIds }) => [subjectId, { type, active: true, epoch: 1n, groupIds }]),
        );
        for (const drawn of requests) {
          const { action, projectId, environmentId, resource, given, nowMs, subjectType: type, subjectId: id } = drawn;
          const subject = { type, id, epoch: 0n };
          const request = { orgId: rows.orgId, subject, action, projectId, environmentId, resource, given };
          const told = await explainIn(index, standing, request, nowMs);
          const { decision, cause, grant, sufficientRoles } = told;
          seen.set(cause, (seen.get(cause) ?? 0) + 1);
          assert.ok(told.adminText.length > 0 && told.subjectText.length > 0);
          if (decision.allowed || decision.matchedGrant !== null) {
            assert.equal(cause, decision.reason);
            assert.equal(grant?.grantId, decision.matchedGrant);
          }
          if (grant !== null) {
            const { type: heldBy, id: holder } = grant.heldBy;
            const isOwn = heldBy === type && holder === id;
            assert.ok(isOwn || (heldBy === 'group' && standing.get(id)?.groupIds.includes(holder) === true));
            assert.ok(rows.grants.some(({ grantId, roleKey }) => grantId === grant.grantId && roleKey === grant.role));
          }
          if (cause === 'CONDITION_NOT_MET') assert.ok(told.unmetProperties.length > 0);
          for (const role of sufficientRoles) {
            const more: GrantRow = {
              grantId: 'more',
              subjectType: type,
              subjectId: id,
              roleKey: role.role,
              projectId: role.projectId,
              environmentId: role.environmentId,
              effect: 'allow',
              validFromMs: null,
              validUntilMs: null,
            };
            const better = compiled({ ...rows, grants: [...rows.grants, more] }, roles);
            assert.ok((await explainIn(better, standing, request, nowMs)).decision.allowed, role.role);
            lifted += 1;
          }
        }
      },
    );
    await fc.assert(property, { numRuns: 600, endOnFailure: true });
    for (const cause of ['GRANTED', 'EXPLICIT_DENY', 'NO_GRANT', 'GRANT_EXPIRED', 'CONDITION_NOT_MET', 'WRONG_SCOPE'])
      assert.ok((seen.get(cause) ?? 0) > 0, `${cause} was never seen: ${JSON.stringify([...seen])}`);
    assert.ok(lifted > 20, String(lifted));
  });

  const NOW = 1_000;
  const row = (fields: Partial<GrantRow>): GrantRow => ({
    grantId: 'grant-1',
    subjectType: 'group',
    subjectId: 'group-1',
    roleKey: 'release_manager',
    projectId: 'project-1',
    environmentId: null,
    effect: 'allow',
    validFromMs: null,
    validUntilMs: null,
    ...fields,
  });
  const rowsOf = (grants: readonly GrantRow[]): OrganizationRows => ({
    orgId: 'org-1',
    slug: 'acme',
    revision: 1n,
    grants,
    projects: [
      { projectId: 'project-1', key: 'shop' },
      { projectId: 'project-2', key: 'blog' },
    ],
    environments: [
      { environmentId: 'live-1', projectId: 'project-1', key: 'live', tier: 'production' },
      { environmentId: 'live-2', projectId: 'project-2', key: 'live', tier: 'production' },
    ],
  });
  const ask = async (grants: readonly GrantRow[], environmentId = 'live-1'): Promise<Explanation> =>
    await explainIn(
      compiled(rowsOf(grants), BUILT_IN_ROLES),
      new Map([['user-1', { type: 'user', active: true, epoch: 1n, groupIds: ['group-1'] }]]),
      {
        orgId: 'org-1',
        subject: { type: 'user', id: 'user-1', epoch: 0n },
        action: 'flag:toggle',
        projectId: '',
        environmentId,
      },
      NOW,
    );

  it('tell how far a grant came, the nearest one first', async () => {
    const cases: readonly (readonly [string, readonly GrantRow[], string?])[] = [
      ['GRANT_EXPIRED', [row({ validUntilMs: NOW })]],
      ['GRANT_NOT_YET_VALID', [row({ validFromMs: NOW + 1 })]],
      ['WRONG_TIER', [row({ roleKey: 'developer' })]],
      ['WRONG_TIER', [row({ tier: 'non-production' })]],
      ['WRONG_TYPE', [row({ resourceType: 'change' })]],
      ['WRONG_SCOPE', [row({})], 'live-2'],
      ['WRONG_TIER', [row({ projectId: 'project-2' }), row({ grantId: 'grant-2', roleKey: 'developer' })]],
      ['NO_GRANT', [row({ roleKey: 'viewer' })]],
      ['NO_GRANT', [row({ roleKey: 'developer', validUntilMs: NOW })]],
      ['NO_GRANT', [row({ roleKey: 'developer', effect: 'deny' })]],
    ];
    for (const [cause, grants, environmentId] of cases)
      assert.equal((await ask(grants, environmentId)).cause, cause, JSON.stringify(grants[0]));
  });

  it('name no id to the subject, whatever they tell the administrator', async () => {
    const told = await Promise.all([
      ask([row({})]),
      ask([row({ validUntilMs: NOW + 1 })]),
      ask([row({ effect: 'deny' })]),
      ask([row({ validUntilMs: NOW })]),
      ask([row({ roleKey: 'developer' })]),
      ask([row({ condition: { property: 'context.ip', operator: 'equals', value: 'hidden-1' } })]),
      ask([row({})], 'live-2'),
      ask([]),
    ]);
    for (const { subjectText, adminText, grant } of told) {
      assert.doesNotMatch(subjectText, /-[12]\b/u);
      if (grant !== null) assert.match(adminText, /grant-1.*group-1/u);
    }
    assert.match(told[1]?.subjectText ?? '', /1970-01-01T00:00:01\.001Z/u);
    assert.match(told[5]?.adminText ?? '', /hidden-1/u);
  });
});
