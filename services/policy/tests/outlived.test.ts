import assert from 'node:assert/strict';

import { waitFor } from '@sallyport/dev-env';
import { OwnershipServiceClient } from '@sallyport/proto/policy/v1';
import { newId } from '@sallyport/storage';

import { MAPPINGS, type GrantDesk, codeOf, GRANTS, deskForEachTest } from './support/grant-desk.ts';
import type { World, Organization, Question } from './support/world.ts';

describe('roles of somebody who was removed', () => {
  let world: World;
  let org: Organization;
  let desk: GrantDesk;

  const opened = deskForEachTest();
  beforeEach(() => {
    desk = opened();
    ({ world, org } = desk);
  });

  const toggling = (subjectId: string): Question => ({
    orgId: org.orgId,
    subjectId,
    action: 'flag:toggle',
    environmentId: org.stagingId,
  });

  const tell = async (...states: Parameters<typeof world.identity.commit>[1]): Promise<void> => {
    await world.applied(org.orgId, world.identity.commit(org.orgId, states));
  };

  const removed = (subjectId: string) => ({ subjectId, active: false, deleted: true, epoch: 2n, removedEpoch: 2n });
  const revived = (subjectId: string, groupIds: string[] = []) => ({
    subjectId,
    active: true,
    deleted: false,
    epoch: 3n,
    removedEpoch: 2n,
    groupIds,
  });

  const grantsOf = async (subjectId: string) => (await desk.listed(`?subjectId=${subjectId}`)).items;

  it('are ended with the removal and do not come back with the person', async () => {
    const user = await desk.holding('developer', { projectId: org.projectId });
    assert.equal((await world.check(toggling(user.id))).reason, 'GRANTED');
    const [grant] = await grantsOf(user.id);
    await tell(removed(user.id));
    await waitFor(async () => (await grantsOf(user.id)).length === 0, { message: 'the grant to be ended' });
    await tell(revived(user.id));
    // Ended in the database; this process hears of it a moment later and refuses meanwhile.
    await waitFor(async () => (await world.check(toggling(user.id))).reason === 'NO_GRANT', { message: 'ended' });
    const ended = (await desk.audit()).map(({ entry }) => entry).find(({ action }) => action === 'grant.ended');
    assert.deepEqual([ended?.target.id, ended?.reason], [grant?.id, 'SUBJECT_REMOVED']);
    assert.equal(ended?.before?.['role'], 'developer');
  });

  it('never decide, however fast somebody is brought back, not even when the removal itself was never seen', async () => {
    for (let round = 0; round < 10; round += 1) {
      const user = await desk.holding('developer', { projectId: org.projectId });
      await tell(revived(user.id));
      assert.notEqual((await world.check(toggling(user.id))).reason, 'GRANTED');
      await waitFor(async () => (await world.check(toggling(user.id))).reason === 'NO_GRANT', {
        message: 'outlived grants to be ended',
      });
    }
  });

  it('that slipped in behind our back are refused and ended at the first question', async () => {
    const user = await desk.newUser();
    await tell(revived(user.id));
    const late = await desk.holding('developer', { projectId: org.projectId });
    const { context } = world;
    await context.db.unauditedWrite(org.orgId, 'a replica that was behind', async (tx) => {
      await tx.query(`UPDATE grants_head SET revision = revision + 1 WHERE org_id = $1`, [org.orgId]);
      await tx.query(
        `INSERT INTO role_grant (org_id, grant_id, subject_type, subject_id, role_key, project_id, effect, source,
           created_at, created_by, revision, subject_epoch)
         SELECT org_id, $3, subject_type, $2, role_key, project_id, effect, source, created_at, created_by, revision, 1
           FROM role_grant WHERE org_id = $1 AND subject_id = $4`,
        [org.orgId, user.id, newId(), late.id],
      );
    });
    await context.knowledge.refresh();
    assert.equal((await world.check(toggling(user.id))).reason, 'GRANTS_STALE');
    await waitFor(async () => (await world.check(toggling(user.id))).reason === 'NO_GRANT', { message: 'ended' });
  });

  it('are given anew by whoever may, and then stay', async () => {
    const user = await desk.holding('developer', { projectId: org.projectId });
    await tell(removed(user.id));
    const grant = { subject: { type: 'user', id: user.id }, role: 'viewer', scope: { projectId: org.projectId } };
    const toRemoved = await desk.post(org.ownerToken, grant);
    assert.deepEqual([toRemoved.status, codeOf(toRemoved)], [404, 'NOT_FOUND']);
    await tell(revived(user.id));
    await world.grant(org, { ...grant, role: 'developer' });
    await tell(revived(user.id));
    assert.equal((await world.check(toggling(user.id))).reason, 'GRANTED');
  });

  it('leave denials in force: they open nothing', async () => {
    const group = await desk.newGroup();
    const user = await desk.newUser([group]);
    const scope = { projectId: org.projectId };
    await world.grant(org, { subject: { type: 'group', id: group }, role: 'developer', scope });
    await world.grant(org, { subject: { type: 'user', id: user.id }, role: 'developer', scope, effect: 'deny' });
    await world.grant(org, { subject: { type: 'user', id: user.id }, role: 'viewer', scope });
    await tell(removed(user.id));
    await tell(revived(user.id, [group]));
    await waitFor(async () => (await grantsOf(user.id)).length === 1, { message: 'the allowing grant to be ended' });
    assert.equal((await world.check(toggling(user.id))).reason, 'EXPLICIT_DENY');
  });

  it('of others, and of groups, stay', async () => {
    const group = await desk.newGroup();
    const user = await desk.newUser([group]);
    const scope = { projectId: org.projectId };
    await world.grant(org, { subject: { type: 'group', id: group }, role: 'developer', scope });
    const other = await desk.holding('developer', scope);
    await tell(removed(user.id));
    await tell(revived(user.id, [group]));
    assert.equal((await world.check(toggling(user.id))).reason, 'GRANTED', 'by the directory, which put them there');
    assert.equal((await world.check(toggling(other.id))).reason, 'GRANTED');
  });

  it('are ended after a restart that came between', async () => {
    const user = await desk.holding('developer', { projectId: org.projectId });
    await world.policy.stop();
    world.identity.commit(org.orgId, [removed(user.id)]);
    const position = world.identity.commit(org.orgId, [revived(user.id)]);
    await world.startPolicy();
    await world.applied(org.orgId, position);
    await waitFor(async () => (await world.check(toggling(user.id))).reason === 'NO_GRANT', { message: 'ended' });
  });

  it('a group is mapped to Owner by an Owner, and by nobody else', async () => {
    const group = await desk.newGroup();
    const mapping = { groupId: group, role: 'owner', scope: {} };
    for (const role of ['project_admin', 'release_manager', 'developer', 'viewer', 'auditor']) {
      const scope = role === 'auditor' ? {} : { projectId: org.projectId };
      const { token } = await desk.holding(role, scope);
      assert.equal((await desk.post(token, mapping, MAPPINGS)).status, 403, role);
      assert.equal(
        (await desk.post(token, { subject: { type: 'group', id: group }, role: 'owner' }, GRANTS)).status,
        403,
      );
    }
    assert.equal((await desk.post(org.ownerToken, mapping, MAPPINGS)).status, 201);
  });

  it('says who owns an organisation as far as grants say, to identity alone', async () => {
    const group = await desk.newGroup();
    assert.equal((await desk.post(org.ownerToken, { groupId: group, role: 'owner', scope: {} }, MAPPINGS)).status, 201);
    const [timed, denied] = [await desk.newUser(), await desk.newUser()];
    const role = 'owner';
    const validUntil = new Date(Date.now() + 60_000).toISOString();
    await world.grant(org, { subject: { type: 'user', id: timed.id }, role, validUntil });
    await world.grant(org, { subject: { type: 'user', id: denied.id }, role: 'viewer', effect: 'deny' });
    const ask = world
      .client(OwnershipServiceClient, 'identity')
      .unary('getOwnership', { orgId: org.orgId }, { deadlineMs: 10_000 });
    const { grantsRevision, ...answer } = await ask;
    assert.ok(grantsRevision > 0n);
    assert.deepEqual(answer, {
      ownerUserIds: [org.ownerId],
      ownerGroupIds: [group],
      deniedUserIds: [denied.id],
      deniedGroupIds: [],
    });
    for (const peer of ['flags', 'operator'])
      await assert.rejects(
        world.client(OwnershipServiceClient, peer).unary('getOwnership', { orgId: org.orgId }, { deadlineMs: 10_000 }),
        { code: 'PERMISSION_DENIED' },
      );
    await assert.rejects(
      world
        .client(OwnershipServiceClient, 'identity')
        .unary('getOwnership', { orgId: newId() }, { deadlineMs: 10_000 }),
      { code: 'NOT_FOUND' },
    );
  });
});
