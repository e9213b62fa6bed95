import assert from 'node:assert/strict';

import { isAppError } from '@sallyport/errors';
import type { SubjectStanding } from '@sallyport/subject-feed';
import fc from 'fast-check';

import { compileOrganization, type OrganizationIndex } from '../model/compile.ts';
import { PERMISSION_NAMES } from '../model/permissions.ts';
import { deskOf } from '../../tests/support/list-desk.ts';
import { randomPolicy, randomRequest, type RandomPolicy } from '../../tests/support/random-policy.ts';
import { LISTED_TYPES, type ListPage, type ListedResource, type ListedSubject } from './index.ts';

/** All pages, each of which must say the same about the whole. */
const everything = async <T>(page: (cursor: string | undefined) => Promise<ListPage<T>>): Promise<readonly T[]> => {
  const first = await page(undefined);
  const items = [...first.items];
  let { nextCursor } = first;
  while (nextCursor !== null) {
    const next = await page(nextCursor);
    assert.deepEqual([next.revision, next.total, next.asOfMs], [first.revision, first.total, first.asOfMs]);
    assert.equal(next.complete, next.nextCursor === null);
    items.push(...next.items);
    nextCursor = next.nextCursor;
  }
  assert.equal(items.length, first.total);
  return items;
};

/** Somebody of every kind: in groups, not active, brought back after roles of an earlier life were given. */
const standingOf = ({ organizations }: RandomPolicy): Map<string, SubjectStanding> => {
  const subjects = new Map<string, SubjectStanding>();
  for (const [at, { type, subjectId, groupIds }] of (organizations[0]?.memberships ?? []).entries())
    subjects.set(subjectId, {
      type,
      active: at !== 1,
      epoch: 3n,
      groupIds,
      ...(at === 2 ? { removedEpoch: 1n } : {}),
    });
  return subjects;
};

const indexOf = ({ organizations: [organization], roles }: RandomPolicy): OrganizationIndex | null => {
  const compiled = organization === undefined ? null : compileOrganization(organization.rows, roles);
  return compiled?.ok === true ? compiled.index : null;
};

/** What a decision denies because it cannot be told, or was not asked properly, a list refuses to answer. */
const orRefused = async <T>(list: Promise<readonly T[]>): Promise<readonly T[]> => {
  try {
    return await list;
  } catch (error) {
    if (isAppError(error) && ['DECISION_UNAVAILABLE', 'INVALID_REQUEST'].includes(error.code)) return [];
    throw error;
  }
};

describe('lists', () => {
  it('are what one decision each would say, whatever the policy, the question and the size of a page', async function all() {
    this.timeout(180_000);
    const seen = { actions: 0, resources: 0, subjects: 0 };
    const property = fc.asyncProperty(
      randomPolicy,
      fc.array(randomRequest, { minLength: 6, maxLength: 6 }),
      fc.integer({ min: 1, max: 4 }),
      async (policy, requests, limit) => {
        const index = indexOf(policy);
        if (index === null) return;
        const { lists, point, clock, known } = deskOf(index, standingOf(policy));
        const { orgId } = index;
        for (const request of requests) {
          const { action, projectId, environmentId, resource, given, nowMs } = request;
          clock.wallMs = nowMs;
          const subject = { type: request.subjectType, id: request.subjectId, epoch: 0n };
          const may = (changes: object): boolean =>
            point.decide({ orgId, subject, action, projectId, environmentId, resource, given, ...changes }).allowed;

          const actions = { orgId, subject, projectId, environmentId, resource, given, limit };
          const listed = await orRefused(everything((cursor) => lists.actions({ ...actions, cursor })));
          const expected = PERMISSION_NAMES.filter((each) => may({ action: each }));
          assert.deepEqual(
            listed.map((each) => each.action),
            expected,
          );
          seen.actions += expected.length;

          const resources = { orgId, subject, action, given, limit };
          const things: ListedResource[] = [
            { type: 'organization', id: orgId, key: index.slug, projectId: null, tier: null },
            ...[...index.projects.values()].map(({ projectId: id, key }) => ({
              type: 'project' as const,
              id,
              key,
              projectId: id,
              tier: null,
            })),
            ...[...index.environments.values()].map((each) => ({
              type: 'environment' as const,
              id: each.environmentId,
              key: each.key,
              projectId: each.projectId,
              tier: each.tier,
            })),
          ];
          const reachable = things
            .filter((each) =>
              may({
                projectId: each.projectId ?? '',
                environmentId: each.type === 'environment' ? each.id : '',
                resource: { type: each.type, id: each.id },
              }),
            )
            .sort((left, right) =>
              left.type === right.type
                ? left.id < right.id
                  ? -1
                  : 1
                : LISTED_TYPES.indexOf(left.type) - LISTED_TYPES.indexOf(right.type),
            );
          const where = await orRefused(everything((cursor) => lists.resources({ ...resources, cursor })));
          assert.deepEqual(where, reachable);
          seen.resources += reachable.length;

          const subjects = { orgId, action, projectId, environmentId, resource, given, limit };
          const people = [...known.subjects]
            .filter(([id, { type }]) => may({ subject: { type, id, epoch: 0n } }))
            .map(([id, { type }]): ListedSubject => ({ type, id }))
            .sort((left, right) =>
              left.type === right.type ? (left.id < right.id ? -1 : 1) : left.type === 'user' ? -1 : 1,
            );
          const who = await orRefused(everything((cursor) => lists.subjects({ ...subjects, cursor })));
          assert.deepEqual(who, people);
          seen.subjects += people.length;
        }
      },
    );
    await fc.assert(property, { numRuns: 1_500, endOnFailure: true });
    assert.ok(seen.actions > 200 && seen.resources > 200 && seen.subjects > 150, JSON.stringify(seen));
  });
});
