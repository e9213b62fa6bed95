import assert from 'node:assert/strict';
import { mkdtemp } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { databaseUrl, type Postgres, serviceUrl, startPostgres, waitFor } from '@sallyport/dev-env';
import { migrate } from '@sallyport/storage';

import { migrations } from '../src/migrations/index.ts';
import { arrange, ok, PROJECT, toggle } from './support/scenario.ts';
import { type Answer, type Organization, World } from './support/world.ts';

/** Promise 7: a dead dependency never opens a door, and running applications keep their last known good flags. */
describe('when the database dies', () => {
  let postgres: Postgres;
  let world: World;
  let org: Organization;

  before(async () => {
    const dataDir = await mkdtemp(join(tmpdir(), 'sallyport-flags-pg-'));
    postgres = await startPostgres({ dataDir, throwAway: true });
    const adminUrl = databaseUrl(postgres.adminUrl, 'postgres');
    const servicePassword = 'for-this-test-only';
    await migrate({ adminUrl, schema: 'flags', servicePassword, migrations });
    const url = serviceUrl(adminUrl, 'flags', servicePassword);
    world = await World.create({ database: { url, adminUrl, drop: async () => await postgres.stop() } });
    org = await world.organization();
  });
  after(async () => {
    await world.dispose();
  });

  it('evaluation goes on for what was in use, everything else fails closed', async () => {
    const { owner } = await arrange(org, 0);
    ok(await toggle(owner, 'staging', 'ENABLED'), 200);
    const keyOf = async (environment: string): Promise<string> =>
      ok(await owner.call('POST', `${PROJECT}/environments/${environment}/keys`, { name: 'k' }), 201).body.key;
    const [used, unused] = [await keyOf('staging'), await keyOf('production')];
    const evaluate = async (key: string): Promise<Answer> =>
      await world.request('POST', '/ofrep/v1/evaluate/flags/checkout', {
        headers: { authorization: `Bearer ${key}`, 'content-type': 'application/json' },
        body: JSON.stringify({ context: { targetingKey: 'u1' } }),
      });
    assert.equal(ok(await evaluate(used), 200).body.value, false);

    await postgres.stop();
    // Until every idle connection of the pool has noticed.
    await waitFor(async () => (await toggle(owner, 'staging', 'DISABLED')).status === 503);
    assert.equal(ok(await evaluate(used), 200).body.value, false);
    world.policy.isDown = true;
    assert.equal(ok(await evaluate(used), 200).body.value, false);
    world.policy.isDown = false;

    const unknown = await evaluate(unused);
    assert.ok(unknown.status >= 500, String(unknown.status));
    assert.deepEqual(Object.keys(unknown.body), ['errorDetails']);
    assert.equal((await world.request('GET', '/readyz')).status, 503);
    assert.equal((await world.request('GET', '/healthz')).status, 200);
  });
});
