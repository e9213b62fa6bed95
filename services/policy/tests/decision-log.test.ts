import assert from 'node:assert/strict';

import { newId } from '@sallyport/storage';

import { World, type Organization } from './support/world.ts';

interface Row {
  readonly subject: string;
  readonly action: string;
  readonly reason: string;
  readonly allowed: boolean;
  readonly place: string | null;
}

describe('the decision log', () => {
  let world: World;
  let org: Organization;

  before(async () => {
    world = await World.create();
    org = await world.organization();
  });
  after(async () => {
    await world.dispose();
  });

  const rows = async (orgId = org.orgId): Promise<Row[]> => {
    await world.context.decisionLog.flush();
    return await world.context.db.read(
      orgId,
      async (tx) => await tx.query<Row>('SELECT * FROM policy.decision_log ORDER BY position'),
    );
  };

  it('keeps every denial', async () => {
    const subjectId = newId();
    await world.check({ orgId: org.orgId, subjectId, action: 'organization:read' });
    const found = await rows();
    assert.equal(found.at(-1)?.reason, 'SUBJECT_UNKNOWN');
  });
});
