import assert from 'node:assert/strict';

import { isAppError } from '@sallyport/errors';
import { newId } from '@sallyport/storage';

import { createGrant, type GrantInput } from '../src/grants/create-grant.ts';
import { GRANTS, type GrantDesk, MAPPINGS, codeOf, deskForEachTest } from './support/grant-desk.ts';
import { administratorAfter } from './support/meanwhile.ts';
import type { World, Answer, Organization } from './support/world.ts';

describe('escalation', () => {
  let world: World;
  let org: Organization;
  let desk: GrantDesk;

  const opened = deskForEachTest();
  beforeEach(() => {
    desk = opened();
    ({ world, org } = desk);
  });

  it('whoever may not manage grants gives nothing, anywhere', async () => {
    const target = await desk.newUser();
    const subject = { type: 'user', id: target.id };
    for (const role of ['release_manager', 'developer', 'viewer', 'auditor']) {
      const { token } = await desk.holding(role);
      for (const scope of [{}, { projectId: org.projectId }, { environmentId: org.stagingId }])
        assert.equal(await desk.refused(token, { subject, role: 'viewer', scope }), 'PERMISSION_DENIED', role);
      assert.equal(
        await desk.refused(token, { groupId: await desk.newGroup(), role: 'viewer' }, MAPPINGS),
        'PERMISSION_DENIED',
      );
    }
  });

  it('a Project Admin gives nothing outside the project, nothing above it and no denial', async () => {
    const { token } = await desk.holding('project_admin', { projectId: org.projectId });
    const subject = { type: 'user', id: (await desk.newUser()).id };
    const scope = { projectId: org.projectId };
    assert.equal((await desk.post(token, { subject, role: 'developer', scope })).status, 201);
    assert.equal(await desk.refused(token, { subject, role: 'developer' }), 'PERMISSION_DENIED');
    assert.equal(await desk.refused(token, { subject, role: 'owner' }), 'PERMISSION_DENIED');
    assert.equal(await desk.refused(token, { subject, role: 'auditor' }), 'PERMISSION_DENIED');
    assert.equal(await desk.refused(token, { subject, role: 'viewer', scope, effect: 'deny' }), 'PERMISSION_DENIED');
    const mapping = { groupId: await desk.newGroup(), role: 'viewer', scope };
    assert.equal(await desk.refused(token, mapping, MAPPINGS), 'PERMISSION_DENIED');
  });

  it('who holds a role for a time gives nothing beyond it', async () => {
    const until = new Date(world.context.clock.now().getTime() + 60_000).toISOString();
    const { token } = await desk.holding('owner', {}, until);
    const subject = { type: 'user', id: (await desk.newUser()).id };
    assert.equal(await desk.refused(token, { subject, role: 'owner' }), 'ESCALATION');
    assert.equal(await desk.refused(token, { subject, role: 'viewer' }), 'ESCALATION');
    assert.equal((await desk.post(token, { subject, role: 'viewer', validUntil: until })).status, 201);
  });

  it('a token limited to scopes passes on nothing else', async () => {
    const user = await desk.holding('owner');
    world.identity.allow('limited', { orgId: org.orgId, subjectId: user.id, scopes: ['grant:manage'] });
    const subject = { type: 'user', id: (await desk.newUser()).id };
    assert.equal(await desk.refused('limited', { subject, role: 'viewer' }), 'ESCALATION');
    const theirs = await world.grant(org, { subject, role: 'viewer' });
    const removal = await world.call('DELETE', `${GRANTS}/${theirs}`, { token: 'limited' });
    assert.deepEqual([removal.status, codeOf(removal)], [403, 'ESCALATION']);
    world.identity.allow('reading', { orgId: org.orgId, subjectId: user.id, scopes: ['grant:read'] });
    assert.equal(await desk.refused('reading', { subject, role: 'viewer' }), 'PERMISSION_DENIED');
  });

  it('nobody changes their own grants, Owners included, also not through their group', async () => {
    const groupId = await desk.newGroup();
    const boss = await desk.newUser([groupId]);
    await world.grant(org, { subject: { type: 'user', id: boss.id }, role: 'owner' });
    for (const subject of [
      { type: 'user', id: boss.id },
      { type: 'group', id: groupId },
    ])
      for (const role of ['viewer', 'project_admin', 'owner'])
        assert.equal(await desk.refused(boss.token, { subject, role }), 'ESCALATION');
    assert.equal(await desk.refused(boss.token, { groupId, role: 'owner' }, MAPPINGS), 'ESCALATION');
    const [own] = (await desk.listed(`?subjectId=${boss.id}`)).items;
    const removal = await world.call('DELETE', `${GRANTS}/${String(own?.id)}`, { token: boss.token });
    assert.deepEqual([removal.status, codeOf(removal)], [403, 'ESCALATION']);
  });

  it('nobody takes away what they could not give', async () => {
    const admin = await desk.holding('project_admin', { projectId: org.projectId });
    const other = await desk.holding('developer');
    const [grant] = (await desk.listed(`?subjectId=${other.id}`)).items;
    const [owner] = (await desk.listed(`?subjectId=${org.ownerId}`)).items;
    for (const id of [grant?.id, owner?.id]) {
      const { status } = await world.call('DELETE', `${GRANTS}/${String(id)}`, { token: admin.token });
      assert.equal(status, 403);
    }
  });

  it('Auditor and a role that writes are never combined, in either order, nor through a group', async () => {
    const groupId = await desk.newGroup();
    const auditor = await desk.holding('auditor');
    const member = await desk.newUser([groupId]);
    const give = (subject: object, role: string) => desk.post(org.ownerToken, { subject, role });
    assert.equal(codeOf(await give({ type: 'user', id: auditor.id }, 'developer')), 'SEPARATION_OF_DUTIES');
    assert.equal((await give({ type: 'group', id: groupId }, 'developer')).status, 201);
    assert.equal(codeOf(await give({ type: 'user', id: member.id }, 'auditor')), 'SEPARATION_OF_DUTIES');
    assert.equal(
      codeOf(await desk.post(org.ownerToken, { groupId, role: 'auditor' }, MAPPINGS)),
      'SEPARATION_OF_DUTIES',
    );
    assert.equal((await give({ type: 'user', id: auditor.id }, 'viewer')).status, 201);
  });

  it('the last Owner stays', async () => {
    const robot = newId();
    world.identity.allow('robot', { orgId: org.orgId, subjectId: robot, type: 2 });
    await world.applied(org.orgId, world.identity.commit(org.orgId, [{ subjectId: robot, type: 2 }]));
    await world.grant(org, { subject: { type: 'service_account', id: robot }, role: 'owner' });
    const [owner] = (await desk.listed(`?subjectId=${org.ownerId}`)).items;
    const removal = await world.call('DELETE', `${GRANTS}/${String(owner?.id)}`, { token: 'robot' });
    assert.deepEqual([removal.status, codeOf(removal)], [409, 'LAST_OWNER']);
    const denial = { subject: { type: 'user', id: org.ownerId }, role: 'viewer', effect: 'deny' };
    assert.equal(await desk.refused('robot', denial), 'LAST_OWNER');
    await desk.holding('owner');
    assert.equal((await world.call('DELETE', `${GRANTS}/${String(owner?.id)}`, { token: 'robot' })).status, 204);
  });

  it('of Owners who take each other away at once, one stays', async () => {
    for (let round = 0; round < 5; round += 1) {
      const pair = [await desk.holding('owner'), await desk.holding('owner')] as const;
      const grants = await Promise.all(
        pair.map(async ({ id }) => (await desk.listed(`?subjectId=${id}`)).items[0]?.id ?? ''),
      );
      const answers = await Promise.all(
        pair.map(async ({ token }, at) => await world.call('DELETE', `${GRANTS}/${grants[1 - at] ?? ''}`, { token })),
      );
      const statuses = answers.map(({ status }) => status).sort((left, right) => left - right);
      assert.equal(statuses[0], 204, JSON.stringify(statuses));
      assert.ok([403, 409].includes(statuses[1] ?? 0), JSON.stringify(statuses));
    }
  });

  describe('between decision and commit', () => {
    const viewerFor = (subjectId: string): GrantInput => ({
      subjectType: 'user',
      subjectId,
      roleKey: 'viewer',
      scope: { projectId: null, environmentId: null },
      tier: null,
      resourceType: null,
      condition: null,
      effect: 'allow',
      source: 'direct',
      validFrom: null,
      validUntil: null,
    });

    const expired = (error: unknown): boolean => isAppError(error) && error.code === 'DECISION_EXPIRED';

    it('a decision that has become too old changes nothing', async () => {
      const { id } = await desk.newUser();
      const validity = { validForMs: 600, decidedAtMonotonicMs: world.context.clock.monotonicMs() - 700 };
      await assert.rejects(
        createGrant(world.context, administratorAfter(org, org.ownerId, validity), viewerFor(id)),
        expired,
      );
      assert.equal((await desk.listed(`?subjectId=${id}`)).items.length, 0);
    });

    it('a right that was lost meanwhile changes nothing', async () => {
      const { id } = await desk.newUser();
      const admin = await desk.holding('viewer');
      const right = await world.grant(org, { subject: { type: 'user', id: admin.id }, role: 'owner' });
      const validity = { validForMs: 5_000, decidedAtMonotonicMs: world.context.clock.monotonicMs() };
      const meanwhile = (): Promise<Answer> => world.call('DELETE', `${GRANTS}/${right}`, { token: org.ownerToken });
      const attempt = createGrant(world.context, administratorAfter(org, admin.id, validity, meanwhile), viewerFor(id));
      await assert.rejects(attempt, expired);
      assert.equal((await desk.listed(`?subjectId=${id}`)).items.length, 0);
    });
  });

  it('is recorded, refused attempts and denied requests alike', async () => {
    const { token, id } = await desk.holding('owner');
    await desk.refused(token, { subject: { type: 'user', id }, role: 'viewer' });
    const viewer = await desk.holding('viewer');
    await desk.refused(viewer.token, { subject: { type: 'user', id }, role: 'viewer' });
    const denied = (await desk.audit()).filter(({ entry }) => entry.outcome === 'denied').map(({ entry }) => entry);
    assert.deepEqual(
      denied.map(({ action, reason }) => [action, reason]),
      [
        ['request.denied', 'NO_GRANT'],
        ['grant.created', 'ESCALATION'],
      ],
    );
  });
});
