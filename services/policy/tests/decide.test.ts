import assert from 'node:assert/strict';

import { Decision } from '@sallyport/proto/policy/v1';
import { newId } from '@sallyport/storage';

import { BRIEF_LEASES } from './support/brief-leases.ts';
import { World, type Organization } from './support/world.ts';

describe('decisions over gRPC', () => {
  let world: World;
  let org: Organization;

  before(async () => {
    world = await World.create(BRIEF_LEASES);
    org = await world.organization();
  });
  after(async () => {
    await world.dispose();
  });

  it('allow with grant, role, revision and the milliseconds left', async () => {
    const answer = await world.check({
      orgId: org.orgId,
      subjectId: org.ownerId,
      action: 'flag:toggle',
      projectId: org.projectId,
      environmentId: org.liveId,
    });
    assert.equal(answer.decision, Decision.DECISION_ALLOW, answer.reason);
    assert.equal(answer.matchedRole, 'owner');
    assert.match(answer.matchedGrant, /^[0-9a-f-]{36}$/);
    assert.equal(
      answer.policyRevision,
      `${org.orgId}@s${String(answer.standingPosition)}.g${String(answer.grantsRevision)}`,
    );
    assert.ok(answer.validForMs > 0 && answer.validForMs <= 600);
  });

  it('deny whoever is not in the log', async () => {
    const answer = await world.check({ orgId: org.orgId, subjectId: newId(), action: 'organization:read' });
    assert.deepEqual([answer.decision, answer.reason], [Decision.DECISION_DENY, 'SUBJECT_UNKNOWN']);
  });
});
