import assert from 'node:assert/strict';

import { arrange, act, ok, requestToggle, stateIn, toggle } from './support/scenario.ts';
import { type Organization, World } from './support/world.ts';

describe('changing flags', () => {
  let world: World;
  let org: Organization;

  before(async () => {
    world = await World.create();
  });
  after(async () => {
    await world.dispose();
  });
  beforeEach(async () => {
    org = await world.organization();
  });

  it('applies at once where no approval is demanded', async () => {
    const { developer } = await arrange(org);
    const answer = ok(await toggle(developer, 'staging', 'ENABLED'), 200);
    assert.equal(answer.body.status, 'applied');
    assert.equal(answer.body.flag.environments['staging']?.state, 'ENABLED');
    assert.equal(answer.body.flag.environments['staging']?.version, 2);
    assert.equal(await stateIn(developer, 'production'), 'DISABLED');
  });

  it('waits for an approval by another person where one is demanded', async () => {
    const { releaseManager, approver } = await arrange(org);
    const change = await requestToggle(releaseManager);
    assert.equal(await stateIn(releaseManager, 'production'), 'DISABLED');
    const refused = await act(releaseManager, change.id, 'apply');
    assert.equal(refused.status, 409);
    assert.equal(refused.body.code, 'APPROVAL_REQUIRED');
    assert.equal(ok(await act(approver, change.id, 'approve', { hash: change.hash }), 200).body.state, 'approved');
    const applied = ok(await act(releaseManager, change.id, 'apply', { hash: change.hash }), 200);
    assert.equal(applied.body.state, 'applied');
    assert.equal(await stateIn(releaseManager, 'production'), 'ENABLED');
  });
});
