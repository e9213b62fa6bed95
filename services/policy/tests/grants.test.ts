import assert from 'node:assert/strict';

import { newId } from '@sallyport/storage';

import { GRANTS, type GrantDesk, MAPPINGS, codeOf, type Page, deskForEachTest } from './support/grant-desk.ts';
import type { World, Organization } from './support/world.ts';

describe('grants', () => {
  let world: World;
  let org: Organization;
  let desk: GrantDesk;

  const opened = deskForEachTest();
  beforeEach(() => {
    desk = opened();
    ({ world, org } = desk);
  });

  it('take effect before the answer is given, and end the same way', async () => {
    const user = await desk.newUser();
    const question = { orgId: org.orgId, subjectId: user.id, action: 'flag:toggle', environmentId: org.stagingId };
    const grant = { subject: { type: 'user', id: user.id }, role: 'developer', scope: { projectId: org.projectId } };
    for (let round = 0; round < 10; round += 1) {
      const id = await world.grant(org, grant);
      const allowed = await world.check(question);
      assert.deepEqual([allowed.reason, allowed.matchedGrant], ['GRANTED', id]);
      assert.equal((await world.call('DELETE', `${GRANTS}/${id}`, { token: org.ownerToken })).status, 204);
      assert.equal((await world.check(question)).reason, 'NO_GRANT');
    }
  });

  it('are recorded with before and after, and the decision they rest on', async () => {
    const user = await desk.holding('viewer');
    const [id] = (await desk.listed(`?subjectId=${user.id}`)).items.map((each) => each.id);
    await world.call('DELETE', `${GRANTS}/${String(id)}`, { token: org.ownerToken });
    const entries = (await desk.audit()).map(({ entry }) => entry).filter(({ target }) => target.id === id);
    assert.deepEqual(
      entries.map(({ action }) => action),
      ['grant.deleted', 'grant.created'],
    );
    const [deleted, created] = entries;
    assert.equal(created?.after?.['role'], 'viewer');
    assert.deepEqual(deleted?.before, created?.after);
    assert.equal(created?.decision?.['role'], 'owner');
  });

  it('are listed in pages, for the organisation or for what one may see', async () => {
    const admin = await desk.holding('project_admin', { projectId: org.projectId });
    for (let i = 0; i < 4; i += 1) await desk.holding('viewer', { projectId: org.projectId });
    const found: string[] = [];
    let cursor = '';
    do {
      const { items, nextCursor } = await desk.listed(`?limit=2${cursor}`);
      found.push(...items.map(({ id }) => id));
      cursor = nextCursor === null ? '' : `&cursor=${nextCursor}`;
    } while (cursor !== '');
    assert.equal(found.length, 6);
    assert.equal(new Set(found).size, 6);
    assert.equal((await world.call('GET', GRANTS, { token: admin.token })).status, 403);
    assert.equal((await desk.listed(`?projectId=${org.projectId}`, admin.token)).items.length, 5);
    assert.equal((await desk.listed(`?environmentId=${org.liveId}`)).items.length, 0);
    assert.equal((await world.call('GET', `${GRANTS}?cursor=x`, { token: org.ownerToken })).status, 400);
  });

  it('end by themselves, at the moment named', async () => {
    const until = new Date(world.context.clock.now().getTime() + 60_000).toISOString();
    const user = await desk.holding('developer', { projectId: org.projectId }, until);
    const question = { orgId: org.orgId, subjectId: user.id, action: 'flag:toggle', environmentId: org.stagingId };
    const { reason, validForMs } = await world.check(question);
    assert.equal(reason, 'GRANTED');
    assert.ok(validForMs <= 5_000);
    const soon = new Date(world.context.clock.now().getTime() + 2_000).toISOString();
    const other = await desk.holding('developer', { projectId: org.projectId }, soon);
    let last = '';
    while (last !== 'GRANT_EXPIRED') last = (await world.check({ ...question, subjectId: other.id })).reason;
  });

  it('refuse what makes no sense, with the field', async () => {
    const { id } = await desk.newUser();
    const subject = { type: 'user', id };
    const bad: readonly (readonly [unknown, number])[] = [
      [{ subject, role: 'superuser' }, 400],
      [{ subject, role: '__proto__' }, 400],
      [{ subject, role: 'owner', scope: { projectId: org.projectId } }, 400],
      [{ subject, role: 'viewer', effect: 'maybe' }, 400],
      [{ subject, role: 'viewer', validUntil: '2000-01-01T00:00:00Z' }, 400],
      [{ subject, role: 'viewer', validUntil: 'tomorrow' }, 400],
      [{ subject, role: 'viewer', surprise: true }, 400],
      [{ subject: { type: 'robot', id }, role: 'viewer' }, 400],
      [{ subject: { type: 'user', id: [id] }, role: 'viewer' }, 400],
      [{ subject: { type: 'user', id: 'alice' }, role: 'viewer' }, 400],
      [[], 400],
      [{ subject: { type: 'user', id: newId() }, role: 'viewer' }, 404],
      [{ subject: { type: 'group', id }, role: 'viewer' }, 404],
      [{ subject: { type: 'service_account', id }, role: 'viewer' }, 404],
      [{ subject, role: 'viewer', scope: { projectId: newId() } }, 404],
      [{ subject, role: 'viewer', scope: { projectId: newId(), environmentId: org.liveId } }, 404],
    ];
    for (const [body, status] of bad)
      assert.equal((await desk.post(org.ownerToken, body)).status, status, JSON.stringify(body));
    assert.equal((await desk.listed(`?subjectId=${id}`)).items.length, 0);
  });

  it('are given once: the same again is a conflict', async () => {
    const { id } = await desk.newUser();
    const grant = { subject: { type: 'user', id }, role: 'viewer' };
    await world.grant(org, grant);
    const again = await desk.post(org.ownerToken, grant);
    assert.deepEqual([again.status, codeOf(again)], [409, 'ALREADY_EXISTS']);
  });

  it("never show or touch another organisation's", async () => {
    const other = await world.organization();
    const theirs = (await desk.listed('', other.ownerToken)).items[0];
    assert.equal(
      (await world.call('DELETE', `${GRANTS}/${String(theirs?.id)}`, { token: org.ownerToken })).status,
      404,
    );
    assert.equal(
      (await world.call('GET', `${GRANTS}?projectId=${other.projectId}`, { token: org.ownerToken })).status,
      404,
    );
    const foreign = { subject: { type: 'user', id: other.ownerId }, role: 'viewer' };
    assert.equal((await desk.post(org.ownerToken, foreign)).status, 404);
    const { id } = await desk.newUser();
    const scope = { projectId: other.projectId };
    assert.equal(
      (await desk.post(org.ownerToken, { subject: { type: 'user', id }, role: 'viewer', scope })).status,
      404,
    );
    assert.ok(!(await desk.listed()).items.some((each) => each.id === theirs?.id));
  });

  it('demand somebody: no token, a wrong one, a revoked one', async () => {
    assert.equal((await world.call('GET', GRANTS)).status, 401);
    assert.equal((await world.call('GET', GRANTS, { token: 'nobody' })).status, 401);
    const user = await desk.holding('owner');
    await world.applied(
      org.orgId,
      world.identity.commit(org.orgId, [{ subjectId: user.id, active: false, epoch: 2n }]),
    );
    assert.equal((await world.call('GET', GRANTS, { token: user.token })).status, 403);
  });

  it('through mappings of groups reach every member, and are taken back as mappings', async () => {
    const groupId = await desk.newGroup();
    const member = await desk.newUser([groupId]);
    const created = await desk.post(
      org.ownerToken,
      { groupId, role: 'developer', scope: { projectId: org.projectId } },
      MAPPINGS,
    );
    assert.equal(created.status, 201);
    const { id } = created.body as { id: string };
    const question = { orgId: org.orgId, subjectId: member.id, action: 'flag:toggle', environmentId: org.stagingId };
    assert.equal((await world.check(question)).reason, 'GRANTED');
    const asGrant = await world.call('DELETE', `${GRANTS}/${id}`, { token: org.ownerToken });
    assert.deepEqual([asGrant.status, codeOf(asGrant)], [409, 'READ_ONLY']);
    const mappings = (await world.call('GET', MAPPINGS, { token: org.ownerToken })).body as Page<{ id: string }>;
    assert.deepEqual(
      mappings.items.map((each) => each.id),
      [id],
    );
    assert.equal((await world.call('DELETE', `${MAPPINGS}/${id}`, { token: org.ownerToken })).status, 204);
    assert.equal((await world.check(question)).reason, 'NO_GRANT');
  });
});
