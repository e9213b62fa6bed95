import assert from 'node:assert/strict';

import { testDatabase, type TestDatabase } from '@sallyport/dev-env';

import { startIdentity, type TestIdentity } from '../support/identity.ts';
import { startProcess, type ServedProcess } from '../support/served-process.ts';
import { assertScimError } from './assert-scim.ts';
import { ask } from '../support/http.ts';
import { pollution } from './hostile/objects.ts';
import { openScene, type Scene } from './hostile/scene.ts';

const PROBE = new URL('../support/pollution-probe.ts', import.meta.url);

describe('SCIM under attack, in the process as it is deployed', function () {
  this.timeout(180_000);
  let database: TestDatabase;
  let arranging: TestIdentity;
  let served: ServedProcess;
  let scene: Scene;

  before(async () => {
    database = await testDatabase('identity');
    arranging = await startIdentity({ database });
    scene = await openScene(arranging);
    served = await startProcess(database, PROBE);
  });
  after(async () => {
    await served.kill();
    await arranging.close();
    await database.drop();
  });

  it('refuses pollution by path, key, filter and JSON; what it answers afterwards is what it answered before', async () => {
    const process = { ...arranging, server: { ...arranging.server, httpPort: served.httpPort } };
    const authorization = `Bearer ${scene.own.directory.token}`;
    const read = async (): Promise<unknown[]> =>
      await Promise.all(
        [`/Users/${scene.own.userId}`, '/Users', '/Groups', '/ServiceProviderConfig', '/Schemas', '/ResourceTypes'].map(
          async (path) => (await ask(process, 'GET', `/scim/v2${path}`, { headers: { authorization } })).body,
        ),
      );
    const before = await read();
    for (const { method, path, body, raw, status, words } of pollution(scene)) {
      const answer = await ask(process, method, `/scim/v2${path}`, {
        raw: typeof raw === 'string' ? raw : JSON.stringify(body),
        headers: { authorization, 'content-type': 'application/scim+json' },
      });
      assertScimError(answer, status, words);
    }
    assert.deepEqual(await read(), before);
  });

  it('nothing that all objects share can be changed in it, by whatever code it runs', async () => {
    const probed = served.said('probed');
    served.child.kill('SIGUSR2');
    const { tried, succeeded, polluted } = await probed;
    assert.deepEqual([tried, succeeded, polluted], [8, [], false]);
  });
});
