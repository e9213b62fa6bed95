import assert from 'node:assert/strict';

import { waitFor } from '@sallyport/dev-env';

import type { OrganizationIndex } from '../src/model/index.ts';
import { type GrantDesk, deskForEachTest } from './support/grant-desk.ts';
import type { World, Organization } from './support/world.ts';

const INDEX = '/api/policy/v1/index';

interface Status {
  readonly engine: string;
  readonly state: string;
  readonly revision: string;
  readonly grants: number;
  readonly memoryBytes: number;
  readonly quarantined: readonly { readonly problem: string; readonly mayDeny: boolean }[];
}

/** Makes the index wrong where it lies: this subject is given everything at the organisation. */
const corrupt = (index: OrganizationIndex | undefined, userId: string): void => {
  const cells = index?.subjects.user.get(userId);
  assert.ok(cells?.organization !== undefined);
  const everything = cells.organization.allow.map(() => 0xffff_ffff);
  const lasting = cells.organization.lasting.map((grant) => ({ ...grant, permits: everything }));
  const wrong = { ...cells.organization, allow: everything, lasting };
  Object.assign(cells, { organization: wrong });
};

describe('live shadow', () => {
  let world: World;
  let org: Organization;
  let desk: GrantDesk;

  const opened = deskForEachTest();
  beforeEach(() => {
    desk = opened();
    ({ world, org } = desk);
  });

  const status = async (): Promise<Status> => {
    const answer = await world.call('GET', INDEX, { token: org.ownerToken });
    assert.equal(answer.status, 200, answer.text);
    return answer.body as Status;
  };

  const metric = async (text: RegExp): Promise<number> =>
    Number(text.exec((await world.context.metrics.render()).body)?.[1] ?? Number.NaN);

  it('asks Casbin too, and finds the same', async () => {
    const user = await desk.holding('developer', { projectId: org.projectId });
    const question = { orgId: org.orgId, subjectId: user.id, action: 'flag:toggle' };
    const before = await metric(/policy_shadow_decisions_total\{[^}]*result="same"[^}]*\} (\d+)/);
    await world.check({ ...question, environmentId: org.stagingId });
    await world.check({ ...question, environmentId: org.liveId });
    await world.context.shadow.settled();
    assert.ok((await metric(/policy_shadow_decisions_total\{[^}]*result="same"[^}]*\} (\d+)/)) >= before + 2);
    assert.equal(await metric(/policy_shadow_decisions_total\{[^}]*result="different"[^}]*\} (\d+)/), 0);
    const { engine, state, revision, grants, memoryBytes, quarantined } = await status();
    assert.deepEqual([engine, state, grants, quarantined], ['index', 'current', 2, []]);
    assert.ok(Number(revision) > 0 && memoryBytes > 0);
  });

  it('moves the organisation to Casbin where they differ, with a record and a metric, until it is reset', async () => {
    const viewer = await desk.holding('viewer');
    const stranger = await desk.holding('developer', { projectId: org.projectId });
    const question = { orgId: org.orgId, subjectId: viewer.id, action: 'flag:toggle', environmentId: org.stagingId };
    corrupt(world.context.knowledge.organization(org.orgId), viewer.id);
    assert.equal((await world.check(question)).reason, 'GRANTED', 'the index is wrong');
    await world.context.shadow.settled();

    assert.equal((await world.check(question)).reason, 'NO_GRANT');
    const allowed = await world.check({ ...question, subjectId: stranger.id });
    assert.deepEqual([allowed.reason, allowed.matchedGrant], ['GRANTED', '']);
    assert.ok(allowed.validForMs > 0);
    assert.equal((await status()).engine, 'casbin');
    assert.ok((await metric(/policy_shadow_decisions_total\{[^}]*result="different"[^}]*\} (\d+)/)) >= 1);
    const entry = (await desk.audit()).find((each) => each.entry.action === 'decision-engine.changed')?.entry;
    assert.deepEqual([entry?.reason, entry?.after], ['SHADOW_MISMATCH', { engine: 'casbin' }]);
    assert.equal(entry?.decision?.['permission'], 'flag:toggle');

    // What changes is followed, and so are memberships.
    const group = await desk.newGroup();
    const member = await desk.newUser([group]);
    const asMember = { ...question, subjectId: member.id };
    assert.equal((await world.check(asMember)).reason, 'NO_GRANT');
    await world.grant(org, { subject: { type: 'group', id: group }, role: 'developer' });
    assert.equal((await world.check(asMember)).reason, 'GRANTED');
    await world.applied(org.orgId, world.identity.commit(org.orgId, [{ subjectId: member.id, groupIds: [] }]));
    assert.equal((await world.check(asMember)).reason, 'NO_GRANT');

    const refused = await world.call('POST', `${INDEX}/reset`, { token: stranger.token });
    assert.equal(refused.status, 403);
    const reset = await world.call('POST', `${INDEX}/reset`, { token: org.ownerToken });
    assert.equal((reset.body as Status).engine, 'index');
    const again = await world.check({ ...question, subjectId: stranger.id });
    assert.deepEqual([again.reason, again.matchedGrant !== ''], ['GRANTED', true]);
  });

  it('stays with Casbin after a restart', async () => {
    const viewer = await desk.holding('viewer');
    const question = { orgId: org.orgId, subjectId: viewer.id, action: 'flag:toggle', environmentId: org.stagingId };
    corrupt(world.context.knowledge.organization(org.orgId), viewer.id);
    await world.check(question);
    await world.context.shadow.settled();
    await world.policy.stop();
    await world.startPolicy();
    await waitFor(() => !world.context.standing.isStale(org.orgId), { message: 'no standing' });
    assert.equal((await world.check(question)).reason, 'NO_GRANT');
    assert.equal((await status()).engine, 'casbin');
  });
});
