import assert from 'node:assert/strict';

import { waitFor } from '@sallyport/dev-env';
import type { GrpcClient } from '@sallyport/grpc';
import {
  Decision,
  QueryServiceClient,
  type ExplainResponse,
  type ListSubjectsResponse,
  type QueryServiceService,
} from '@sallyport/proto/policy/v1';
import { newId } from '@sallyport/storage';

import { BRIEF_LEASES } from './support/brief-leases.ts';
import { World, type Organization } from './support/world.ts';

const OPTIONS = { deadlineMs: 10_000 };
const PAGE = { pageSize: 0, pageToken: '', atLeastAsFresh: '' };

describe('questions about the policy over gRPC', () => {
  let world: World;
  let org: Organization;
  let queries: GrpcClient<QueryServiceService>;
  let groupId: string;
  let memberId: string;
  let goneId: string;
  let groupGrant: string;

  before(async () => {
    world = await World.create();
    org = await world.organization();
    queries = world.client(QueryServiceClient, 'flags');
    [groupId, memberId, goneId] = [newId(), newId(), newId()];
    world.identity.commit(org.orgId, [], [{ groupId, displayName: 'Release' }]);
    await world.user(org.orgId, memberId, 'member', [groupId]);
    await world.user(org.orgId, goneId, 'gone', [groupId]);
    groupGrant = await world.grant(org, {
      subject: { type: 'group', id: groupId },
      role: 'release_manager',
      scope: { projectId: org.projectId },
    });
    const position = world.identity.commit(org.orgId, [
      { subjectId: goneId, active: false, epoch: 2n, groupIds: [groupId] },
    ]);
    await world.applied(org.orgId, position);
  });
  after(async () => {
    await world.dispose();
  });

  const live = () => ({
    type: 'flag',
    id: 'checkout',
    projectId: org.projectId,
    environmentId: org.liveId,
    properties: undefined,
  });
  const who = async (changes: object = {}): Promise<ListSubjectsResponse> =>
    await queries.unary(
      'listSubjects',
      { orgId: org.orgId, action: 'flag:toggle', resource: live(), types: [], ...PAGE, ...changes },
      OPTIONS,
    );

  it('name who may do it, through groups too, and nobody who is not active', async () => {
    const { subjects, page } = await who();
    assert.deepEqual(
      new Set(subjects.map(({ id }) => id)),
      new Set([org.ownerId, memberId]),
      'the owner by itself, the member through the group, and not who is gone',
    );
    assert.deepEqual([page?.complete, page?.total, page?.nextPageToken], [true, 2, '']);
    assert.match(page?.revision ?? '', new RegExp(`^${org.orgId}@s\\d+\\.g\\d+$`));
  });

  it('come page by page, of one question each', async () => {
    const first = await who({ pageSize: 1 });
    const pageToken = first.page?.nextPageToken ?? '';
    const second = await who({ pageSize: 1, pageToken });
    assert.equal(second.page?.complete, true);
    assert.notEqual(first.subjects[0]?.id, second.subjects[0]?.id);
    await assert.rejects(who({ pageSize: 1, pageToken, action: 'flag:edit' }), { code: 'INVALID_CURSOR' });
    await assert.rejects(who({ pageSize: 1_001 }), { code: 'INVALID_REQUEST' });
    await assert.rejects(who({ types: ['group'] }), { code: 'INVALID_REQUEST' });
  });

  it('name what somebody may do here, as each decision would', async () => {
    const { actions } = await queries.unary(
      'listActions',
      { orgId: org.orgId, subject: { type: 'user', id: memberId, epoch: 0n }, resource: live(), ...PAGE },
      OPTIONS,
    );
    for (const action of ['flag:toggle', 'flag:edit', 'change:review', 'flag:delete']) {
      const { decision } = await world.check({
        orgId: org.orgId,
        subjectId: memberId,
        action,
        projectId: org.projectId,
        environmentId: org.liveId,
      });
      assert.equal(actions.includes(action), decision === Decision.DECISION_ALLOW, action);
    }
  });

  it('name where somebody may do it, with what lies there', async () => {
    const ask = async (subjectId: string, types: string[] = []) =>
      (
        await queries.unary(
          'listResources',
          {
            orgId: org.orgId,
            subject: { type: 'user', id: subjectId, epoch: 0n },
            action: 'environment:read',
            types,
            projectId: '',
            ...PAGE,
          },
          OPTIONS,
        )
      ).resources.map(({ type, id, tier }) => `${type} ${id} ${tier}`);
    const environments = [
      `environment ${org.stagingId} non-production`,
      `environment ${org.liveId} production`,
    ].toSorted();
    assert.deepEqual((await ask(memberId)).toSorted(), [...environments, `project ${org.projectId} `]);
    assert.deepEqual((await ask(memberId, ['environment'])).toSorted(), environments);
    assert.deepEqual(await ask(goneId), []);
  });

  it('are answered for the organisation they name alone', async () => {
    const other = await world.organization();
    const subjects = (await who({ orgId: other.orgId })).subjects;
    assert.deepEqual(subjects, [], 'an environment of the first is none of the second');
    const elsewhere = { ...live(), projectId: other.projectId, environmentId: other.liveId };
    assert.deepEqual(
      (await who({ orgId: other.orgId, resource: elsewhere })).subjects.map(({ id }) => id),
      [other.ownerId],
    );
    await assert.rejects(who({ orgId: newId() }), { code: 'NOT_FOUND' });
  });

  it('are not answered to a service that has no business asking', async () => {
    const stranger = world.client(QueryServiceClient, 'policy');
    const subject = { type: 'user', id: memberId, epoch: 0n };
    const asked = [
      stranger.unary(
        'listSubjects',
        { orgId: org.orgId, action: 'flag:toggle', resource: live(), types: [], ...PAGE },
        OPTIONS,
      ),
      stranger.unary('listActions', { orgId: org.orgId, subject, resource: live(), ...PAGE }, OPTIONS),
      stranger.unary(
        'listResources',
        { orgId: org.orgId, subject, action: 'flag:read', types: [], projectId: '', ...PAGE },
        OPTIONS,
      ),
      stranger.unary('explain', { check: undefined }, OPTIONS),
      stranger.serverStream('watch', { orgId: org.orgId, afterRevision: '' }).next(),
    ];
    for (const each of asked) await assert.rejects(each, { code: 'PERMISSION_DENIED' });
  });

  const explain = async (subjectId: string, changes: object = {}): Promise<ExplainResponse> =>
    await queries.unary(
      'explain',
      {
        check: {
          orgId: org.orgId,
          subject: { type: 'user', id: subjectId, epoch: 0n },
          action: 'flag:toggle',
          resource: live(),
          context: undefined,
          requestId: '',
          ...changes,
        },
      },
      OPTIONS,
    );

  it('explain an allowance by its grant and the way to the subject', async () => {
    const { result, cause, grant, adminText, subjectText } = await explain(memberId);
    assert.deepEqual([result?.decision, cause], [Decision.DECISION_ALLOW, 'GRANTED']);
    assert.deepEqual(
      [grant?.grantId, grant?.role, grant?.heldByType, grant?.heldById, grant?.scopeLevel, grant?.projectId],
      [groupGrant, 'release_manager', 'group', groupId, 'project', org.projectId],
    );
    assert.ok(adminText.includes(groupGrant) && adminText.includes(groupId), adminText);
    for (const id of [groupGrant, groupId, memberId, org.projectId])
      assert.ok(!subjectText.includes(id), `${subjectText} names ${id}`);
    assert.match(subjectText, /through a group/u);
  });

  it('explain a denial by what is missing: a role, a time, a condition, another kind of environment', async () => {
    const none = await explain(memberId, { action: 'flag:edit' });
    assert.deepEqual([none.cause, none.grant], ['NO_GRANT', undefined]);
    assert.deepEqual(
      none.sufficientRoles.map(({ role, scopeLevel }) => `${role} ${scopeLevel}`),
      ['project_admin project', 'owner organization'],
    );
    const userId = newId();
    await world.user(org.orgId, userId, 'hopeful');
    const subject = { type: 'user', id: userId };
    const developer = await world.grant(org, { subject, role: 'developer', scope: { projectId: org.projectId } });
    const wrongTier = await explain(userId);
    assert.deepEqual([wrongTier.cause, wrongTier.grant?.grantId], ['WRONG_TIER', developer]);
    assert.deepEqual(
      wrongTier.sufficientRoles.map(({ role, scopeLevel, environmentId }) => [role, scopeLevel, environmentId]),
      [
        ['release_manager', 'environment', org.liveId],
        ['project_admin', 'project', ''],
        ['owner', 'organization', ''],
      ],
    );
    const later = await world.grant(org, {
      subject,
      role: 'release_manager',
      scope: { environmentId: org.liveId },
      validFrom: '2099-01-01T00:00:00Z',
    });
    const tooEarly = await explain(userId);
    assert.deepEqual([tooEarly.cause, tooEarly.grant?.grantId], ['GRANT_NOT_YET_VALID', later]);
    const peer = newId();
    await world.user(org.orgId, peer, 'peer');
    await world.grant(org, {
      subject: { type: 'user', id: peer },
      role: 'release_manager',
      scope: { environmentId: org.liveId },
      condition: { property: 'context.ticket', operator: 'like', value: 'SECRET-*' },
    });
    const unmet = await explain(peer, { context: { ticket: 'what the caller said' } });
    assert.deepEqual([unmet.cause, unmet.unmetProperties], ['CONDITION_NOT_MET', ['context.ticket']]);
    assert.match(unmet.adminText, /SECRET-\*/u);
    assert.doesNotMatch(unmet.adminText + unmet.subjectText, /what the caller said/u);
    assert.doesNotMatch(unmet.subjectText, /SECRET/u);
  });

  it('explain an explicit deny, and who is not active or not known', async () => {
    const userId = newId();
    await world.user(org.orgId, userId, 'barred');
    const deny = await world.grant(org, {
      subject: { type: 'user', id: userId },
      role: 'viewer',
      effect: 'deny',
      scope: { projectId: org.projectId },
    });
    const barred = await explain(userId, { action: 'flag:read' });
    assert.deepEqual([barred.cause, barred.grant?.grantId, barred.grant?.effect], ['EXPLICIT_DENY', deny, 'deny']);
    assert.deepEqual(barred.sufficientRoles, []);
    assert.equal((await explain(goneId)).cause, 'SUBJECT_REVOKED');
    assert.equal((await explain(newId())).cause, 'SUBJECT_UNKNOWN');
    await assert.rejects(explain(memberId, { resource: undefined }), { code: 'INVALID_REQUEST' });
  });
});

describe('questions about the policy while nothing can be told', () => {
  it('are not answered, not even the next page of a list that was begun', async () => {
    const world = await World.create(BRIEF_LEASES);
    try {
      const org = await world.organization();
      const queries = world.client(QueryServiceClient, 'flags');
      const question = {
        orgId: org.orgId,
        action: 'organization:read',
        resource: { type: '', id: '', projectId: '', environmentId: '', properties: undefined },
        types: [],
        ...PAGE,
        pageSize: 1,
      };
      const second = newId();
      await world.user(org.orgId, second, 'second');
      await world.grant(org, { subject: { type: 'user', id: second }, role: 'owner' });
      const begun = await queries.unary('listSubjects', question, OPTIONS);
      assert.notEqual(begun.page?.nextPageToken, '');
      await world.identity.stop();
      await waitFor(() => world.context.standingLease.remainingMs() === 0, { message: 'lease' });
      await assert.rejects(queries.unary('listSubjects', question, OPTIONS), { code: 'DECISION_UNAVAILABLE' });
      await assert.rejects(
        queries.unary('listSubjects', { ...question, pageToken: begun.page?.nextPageToken ?? '' }, OPTIONS),
        { code: 'DECISION_UNAVAILABLE' },
      );
      const subject = { type: 'user', id: org.ownerId, epoch: 0n };
      await assert.rejects(
        queries.unary('listActions', { orgId: org.orgId, subject, resource: question.resource, ...PAGE }, OPTIONS),
        { code: 'DECISION_UNAVAILABLE' },
      );
      const check = {
        orgId: org.orgId,
        subject,
        action: 'flag:read',
        resource: question.resource,
        context: undefined,
        requestId: '',
      };
      const { cause, result } = await queries.unary('explain', { check }, OPTIONS);
      assert.deepEqual([cause, result?.decision], ['STANDING_STALE', Decision.DECISION_DENY]);
    } finally {
      await world.dispose();
    }
  });
});
