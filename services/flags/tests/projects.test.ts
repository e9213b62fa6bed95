import assert from 'node:assert/strict';

import { waitFor } from '@sallyport/dev-env';
import { newId } from '@sallyport/storage';

import { arrange, ok, PROJECT } from './support/scenario.ts';
import { organizationForEachTest } from './support/suite.ts';
import type { Organization, World } from './support/world.ts';

describe('projects and environments', () => {
  let world: World;
  let org: Organization;

  const opened = organizationForEachTest();
  beforeEach(() => {
    ({ world, org } = opened());
  });

  it('are created, read, listed and edited', async () => {
    const owner = org.person('owner');
    const created = ok(await owner.call('POST', '/projects', { key: 'shop', name: ' Shop ' }), 201);
    assert.equal(created.headers.get('location'), '/api/flags/v1/projects/shop');
    assert.equal(created.body.name, 'Shop');
    assert.equal((await owner.call('POST', '/projects', { key: 'shop', name: 'Again' })).body.code, 'ALREADY_EXISTS');
    assert.equal(ok(await owner.call('PATCH', PROJECT, { name: 'Store' }), 200).body.name, 'Store');
    assert.equal(ok(await owner.call('GET', PROJECT), 200).body.name, 'Store');
    const environment = { key: 'staging', name: 'Staging', tier: 'non-production' };
    ok(await owner.call('POST', `${PROJECT}/environments`, environment), 201);
    const again = await owner.call('POST', `${PROJECT}/environments`, environment);
    assert.equal(again.body.code, 'ALREADY_EXISTS');
    const { body } = ok(await owner.call('GET', `${PROJECT}/environments/staging`), 200);
    assert.deepEqual([body.protected, body.requiredApprovals], [false, 0]);
    assert.equal(ok(await owner.call('GET', `${PROJECT}/environments`), 200).body.items.length, 1);
  });

  it('are listed page by page, without what the caller may not read', async () => {
    const owner = org.person('owner');
    for (const key of ['a', 'b', 'c', 'd']) ok(await owner.call('POST', '/projects', { key, name: key }), 201);
    const first = ok(await owner.call('GET', '/projects?limit=3'), 200).body;
    const second = ok(await owner.call('GET', `/projects?limit=3&cursor=${first.nextCursor ?? ''}`), 200).body;
    assert.deepEqual(
      [...first.items, ...second.items].map(({ key }) => key),
      ['a', 'b', 'c', 'd'],
    );
    assert.equal(second.nextCursor, null);
    const partial = org.person('nobody');
    const mine = first.items[1]?.id;
    world.policy.grants.set(
      partial.id,
      (permission, { projectId }) => permission === 'project:read' && projectId === mine,
    );
    const { items } = ok(await partial.call('GET', '/projects?limit=1'), 200).body;
    assert.deepEqual(
      items.map(({ key }) => key),
      ['b'],
    );
    assert.equal((await org.person('nobody').call('GET', '/projects')).status, 403);
  });

  it('refuse keys that are none, and keys named like object internals', async () => {
    const owner = org.person('owner');
    for (const key of ['', '.hidden', 'a b', 'a/b', '__proto__', 'constructor', 'toString', 'ä', 'x'.repeat(101)])
      assert.equal((await owner.call('POST', '/projects', { key, name: 'x' })).status, 400, key);
  });

  it('let protection be raised, and by nobody lowered', async () => {
    const { owner } = await arrange(org, 1);
    const path = `${PROJECT}/environments/production`;
    for (const edit of [{ protected: false, requiredApprovals: 0 }, { requiredApprovals: 0 }]) {
      const answer = await owner.call('PATCH', path, edit);
      assert.equal(answer.status, 409);
      assert.equal(answer.body.code, 'CONFLICT');
    }
    assert.equal(ok(await owner.call('PATCH', path, { requiredApprovals: 3 }), 200).body.requiredApprovals, 3);
    assert.equal((await owner.call('PATCH', path, { tier: 'non-production' })).status, 400);
    const unprotected = await owner.call('PATCH', `${PROJECT}/environments/staging`, { requiredApprovals: 1 });
    assert.equal(unprotected.status, 400);
  });

  it('of another organisation are not found, whatever is asked of them', async () => {
    const { flagId } = await arrange(org, 0);
    const stranger = (await world.organization()).person('owner');
    const attempts: [string, string, unknown?][] = [
      ['GET', PROJECT],
      ['PATCH', PROJECT, { name: 'Mine' }],
      ['GET', `${PROJECT}/environments`],
      ['POST', `${PROJECT}/environments`, { key: 'x', name: 'x', tier: 'production' }],
      ['GET', `${PROJECT}/environments/staging/keys`],
      ['POST', `${PROJECT}/environments/staging/keys`, { name: 'x' }],
      ['GET', `${PROJECT}/flags`],
      ['GET', `${PROJECT}/flags/checkout`],
      ['PATCH', `${PROJECT}/flags/checkout/environments/staging`, { state: 'ENABLED' }],
      ['DELETE', `${PROJECT}/flags/checkout`],
      ['GET', `${PROJECT}/changes`],
      ['GET', `${PROJECT}/changes/${flagId}`],
    ];
    for (const [method, path, body] of attempts)
      assert.equal((await stranger.call(method, path, body)).status, 404, `${method} ${path}`);
  });

  it('of the same name live side by side in two organisations', async () => {
    const other = await world.organization();
    await arrange(org, 0);
    await arrange(other, 0);
    const rows = await world.asService(org.id, 'SELECT DISTINCT org_id FROM environment');
    assert.deepEqual(rows, [{ org_id: org.id }]);
  });

  describe('registration with policy', () => {
    afterEach(() => {
      world.policy.refusesScopes = false;
    });

    it('has happened when the creation is answered', async () => {
      await arrange(org, 0);
      const known = [...world.policy.environments.values()].filter(({ orgId }) => orgId === org.id);
      assert.deepEqual(
        known.map(({ key, tier }) => [key, tier]),
        [
          ['staging', 1],
          ['production', 2],
        ],
      );
    });

    it('is retried until it is acknowledged, in order, and denies meanwhile', async () => {
      const owner = org.person('owner');
      world.policy.refusesScopes = true;
      const before = world.policy.registrations.length;
      ok(await owner.call('POST', '/projects', { key: 'shop', name: 'Shop' }), 201);
      for (const [key, tier] of [
        ['staging', 'non-production'],
        ['production', 'production'],
      ])
        ok(await owner.call('POST', `${PROJECT}/environments`, { key, name: key, tier }), 201);
      const flag = { key: 'x', type: 'boolean', variants: { on: true } };
      const denied = await owner.call('POST', `${PROJECT}/flags`, flag);
      assert.equal(denied.status, 403);
      assert.equal(denied.body.metadata['reason'], 'UNKNOWN_ENVIRONMENT');
      world.policy.refusesScopes = false;
      await waitFor(() => world.policy.registrations.length - before === 3, { message: 'everything is delivered' });
      const sequences = world.policy.registrations.slice(before).map(({ sequence }) => sequence);
      assert.deepEqual(sequences, [1n, 2n, 3n]);
      ok(await owner.call('POST', `${PROJECT}/flags`, flag), 201);
    });
  });

  describe('organisations', () => {
    it('are prepared by the operator, once', async () => {
      const orgId = newId();
      assert.equal((await world.createOrganization(orgId)).created, true);
      assert.equal((await world.createOrganization(orgId)).created, false);
    });

    it('are prepared by nobody else', async () => {
      for (const service of ['identity', 'policy', 'flags'])
        await assert.rejects(world.createOrganization(newId(), service), { code: 'PERMISSION_DENIED' });
    });
  });
});
