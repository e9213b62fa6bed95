import assert from 'node:assert/strict';

import { waitFor } from '@sallyport/dev-env';
import { newId, systemClock } from '@sallyport/storage';
import pg from 'pg';

import { BRIEF_LEASES } from './support/brief-leases.ts';
import { World, type Organization } from './support/world.ts';

const TTL_MS = 600;

describe('following the subject log', () => {
  let world: World;
  let org: Organization;

  beforeEach(async () => {
    world = await World.create(BRIEF_LEASES);
    org = await world.organization();
  });
  afterEach(async () => {
    await world.dispose();
  });

  const reason = async (subjectId = org.ownerId, epoch = 0n): Promise<string> =>
    (await world.check({ orgId: org.orgId, subjectId, action: 'organization:read', epoch })).reason;

  const eventually = async (expected: string, subjectId = org.ownerId): Promise<void> => {
    await waitFor(async () => (await reason(subjectId)) === expected, { message: expected });
  };

  it('denies a deactivated subject, and every older epoch after a reactivation', async () => {
    assert.equal(await reason(org.ownerId, 1n), 'GRANTED');
    await world.applied(
      org.orgId,
      world.identity.commit(org.orgId, [{ subjectId: org.ownerId, active: false, epoch: 2n }]),
    );
    assert.equal(await reason(org.ownerId, 1n), 'SUBJECT_REVOKED');
    await world.applied(
      org.orgId,
      world.identity.commit(org.orgId, [{ subjectId: org.ownerId, active: true, epoch: 2n }]),
    );
    assert.equal(await reason(org.ownerId, 1n), 'SUBJECT_REVOKED');
    assert.equal(await reason(org.ownerId, 2n), 'GRANTED');
  });

  it('acknowledges what it applied with the next renewal', async () => {
    const position = world.identity.commit(org.orgId, [{ subjectId: org.ownerId }]);
    await waitFor(() => world.identity.applied.get(org.orgId) === position, { message: 'no ack' });
  });

  it('takes roles from the groups the log names', async () => {
    const [userId, groupId] = [newId(), newId()];
    world.identity.commit(org.orgId, [], [{ groupId, displayName: 'Release' }]);
    await world.user(org.orgId, userId, 'member');
    const mapping = { groupId, role: 'release_manager', scope: { projectId: org.projectId } };
    const { status } = await world.call('POST', '/api/policy/v1/group-mappings', {
      token: org.ownerToken,
      body: mapping,
    });
    assert.equal(status, 201);
    const question = { orgId: org.orgId, subjectId: userId, action: 'flag:toggle', projectId: org.projectId };
    assert.equal((await world.check(question)).reason, 'NO_GRANT');
    await world.applied(org.orgId, world.identity.commit(org.orgId, [{ subjectId: userId, groupIds: [groupId] }]));
    assert.equal((await world.check(question)).matchedRole, 'release_manager');
    await world.applied(org.orgId, world.identity.commit(org.orgId, [{ subjectId: userId, groupIds: [] }]));
    assert.equal((await world.check(question)).reason, 'NO_GRANT');
  });

  it('denies within the ttl when the feed falls silent, and decides again when it speaks', async () => {
    assert.equal(await reason(), 'GRANTED');
    world.identity.isSilent = true;
    const cutAtMs = systemClock.monotonicMs();
    for (let last = ''; last !== 'STANDING_STALE';) {
      const askedAtMs = systemClock.monotonicMs();
      last = await reason();
      if (last === 'GRANTED') assert.ok(askedAtMs - cutAtMs <= TTL_MS, 'an allow asked for later than the ttl');
    }
    world.identity.isSilent = false;
    await eventually('GRANTED');
  });

  it('denies when identity is gone, and picks up what happened meanwhile when it is back', async () => {
    await world.identity.stop();
    await eventually('STANDING_STALE');
    world.identity.commit(org.orgId, [{ subjectId: org.ownerId, active: false, epoch: 2n }]);
    await world.identity.start();
    await eventually('SUBJECT_REVOKED');
  });

  it('is not confused by entries sent twice or in the wrong order', async () => {
    const userId = newId();
    world.identity.deltaFault = (entries) => [...entries, ...entries];
    await world.user(org.orgId, userId, 'one');
    assert.deepEqual(world.identity.snapshots, []);
    world.identity.isSilent = true;
    world.identity.commit(org.orgId, [{ subjectId: userId, active: false, epoch: 2n }]);
    const position = world.identity.commit(org.orgId, [{ subjectId: userId, active: true, epoch: 3n }]);
    world.identity.deltaFault = (entries) => entries.reverse();
    world.identity.isSilent = false;
    await world.applied(org.orgId, position);
    assert.deepEqual(world.identity.snapshots, [org.orgId]);
    assert.equal(world.context.standing.find(org.orgId, userId)?.epoch, 3n);
  });

  it('re-reads the organisation after a lost entry, and nobody else', async () => {
    const other = await world.organization();
    world.identity.deltaFault = () => [];
    const position = world.identity.commit(org.orgId, [{ subjectId: org.ownerId, active: false, epoch: 2n }]);
    await world.applied(org.orgId, position);
    assert.equal(await reason(), 'SUBJECT_REVOKED');
    assert.deepEqual(world.identity.snapshots, [org.orgId]);
    assert.ok(!world.identity.snapshots.includes(other.orgId));
  });

  it('denies an organisation for as long as it is being re-read, and nobody else', async () => {
    const other = await world.organization();
    const gate = Promise.withResolvers<void>();
    world.identity.snapshotGate = gate.promise;
    world.identity.deltaFault = () => [];
    world.identity.commit(org.orgId, [{ subjectId: org.ownerId, active: false, epoch: 2n }]);
    await eventually('STANDING_STALE');
    const neighbour = { orgId: other.orgId, subjectId: other.ownerId, action: 'organization:read' };
    for (let round = 0; round < 20; round += 1) {
      assert.equal(await reason(), 'STANDING_STALE');
      assert.equal((await world.check(neighbour)).reason, 'GRANTED');
    }
    gate.resolve();
    await eventually('SUBJECT_REVOKED');
  });

  it('re-reads when the feed orders it', async () => {
    world.identity.send({ $case: 'resync', value: { orgId: org.orgId, reason: 'test' } });
    await waitFor(() => world.identity.snapshots.length > 0, { message: 'no snapshot was read' });
    await eventually('GRANTED');
  });

  it('forgets everything when the feed follows another log', async () => {
    world.identity.replaceLog('log-2');
    world.identity.addOrganization(org.orgId);
    await world.identity.stop();
    await world.identity.start();
    await eventually('SUBJECT_UNKNOWN');
    world.identity.commit(org.orgId, [{ subjectId: org.ownerId }]);
    await eventually('GRANTED');
  });

  it('resumes after a restart where it was, and misses nothing', async () => {
    const userId = newId();
    await world.user(org.orgId, userId, 'user');
    await world.policy.stop();
    const before = world.context.standing.position(org.orgId);
    world.identity.commit(org.orgId, [{ subjectId: userId, active: false, epoch: 2n }]);
    await world.startPolicy();
    const hello = world.identity.hellos.at(-1);
    assert.deepEqual([hello?.logId, hello?.cursors.get(org.orgId)], ['log-1', before]);
    assert.deepEqual(world.identity.snapshots, []);
    assert.equal(await reason(userId), 'SUBJECT_REVOKED');
    assert.equal(await reason(), 'GRANTED');
  });

  it('decides nothing after a restart before it has heard from identity', async () => {
    await world.policy.stop();
    await world.identity.stop();
    await world.startPolicy(false);
    assert.equal(await reason(), 'STANDING_STALE');
    const { status, body } = await world.call('GET', '/readyz');
    assert.deepEqual([status, (body as { failing: string[] }).failing], [503, ['standing']]);
  });

  it('starts anew when its written copy has a hole', async () => {
    const userId = newId();
    await world.user(org.orgId, userId, 'user');
    await world.policy.stop();
    const admin = new pg.Client({ connectionString: world.database.adminUrl });
    await admin.connect();
    await admin.query('DELETE FROM policy.standing_log');
    await admin.end();
    await world.startPolicy();
    assert.deepEqual(world.identity.hellos.at(-1), { logId: '', cursors: new Map() });
    assert.equal(await reason(userId), 'NO_GRANT');
  });
});
