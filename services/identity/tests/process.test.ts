import assert from 'node:assert/strict';
import type { ChildProcess } from 'node:child_process';

import { testDatabase, type TestDatabase } from '@sallyport/dev-env';

import { newOrganization, startIdentity, type TestIdentity } from './support/identity.ts';
import { startProcess } from './support/served-process.ts';
import { ask, newDirectory, patchOf, scimClient } from './support/http.ts';

/** The service as it is deployed: a process of its own, its intrinsics frozen. */
describe('the process', () => {
  let database: TestDatabase;
  let arranging: TestIdentity;
  let child: ChildProcess;
  let httpPort: number;

  before(async function () {
    this.timeout(180_000);
    database = await testDatabase('identity');
    arranging = await startIdentity({ database });
    ({ child, httpPort } = await startProcess(database));
  });
  after(async () => {
    child.kill('SIGKILL');
    await arranging.close();
    await database.drop();
  });

  it('serves SCIM with frozen intrinsics: create, every kind of PATCH, deactivation', async () => {
    const organization = await newOrganization(arranging);
    const { token } = await newDirectory(arranging, organization);
    const served = { ...arranging, server: { ...arranging.server, httpPort } };
    const scim = scimClient(served, token);
    const { status, body } = await scim('POST', '/Users', {
      userName: 'frozen@example.com',
      emails: [{ value: 'frozen@example.com', type: 'work' }],
    });
    assert.equal(status, 201, JSON.stringify(body));
    const patched = await scim(
      'PATCH',
      `/Users/${body.id}`,
      patchOf(
        { op: 'Replace', path: 'emails[type eq "work"].value', value: 'new@example.com' },
        { op: 'Add', path: 'name.givenName', value: 'Ada' },
        { op: 'Add', path: 'urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:manager', value: 'm' },
        { op: 'replace', value: { active: false } },
      ),
    );
    assert.equal(patched.status, 200, JSON.stringify(patched.body));
    assert.equal(patched.body.active, false);
    assert.deepEqual(patched.body.name, { givenName: 'Ada' });
    const group = await scim('POST', '/Groups', { displayName: 'Frozen', members: [{ value: body.id }] });
    assert.equal(group.status, 201, JSON.stringify(group.body));
    assert.equal((await ask(served, 'GET', '/readyz')).status, 200);
  });

  it('ends with 0 on SIGTERM', async () => {
    const { promise, resolve } = Promise.withResolvers<number | null>();
    child.removeAllListeners('exit');
    child.once('exit', resolve);
    child.kill('SIGTERM');
    assert.equal(await promise, 0);
  });
});
