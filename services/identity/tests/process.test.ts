import assert from 'node:assert/strict';
import { spawn, type ChildProcess } from 'node:child_process';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';

import { testDatabase, type TestDatabase } from '@sallyport/dev-env';

import { definition } from '../src/config.ts';
import { newOrganization, startIdentity, testConfig, type TestIdentity } from './support/identity.ts';
import { ask, newDirectory, patchOf, scimClient } from './support/http.ts';

const MAIN = fileURLToPath(new URL('../src/main.ts', import.meta.url));

/** The service as it is deployed: a process of its own, its intrinsics frozen. */
describe('the process', () => {
  let database: TestDatabase;
  let arranging: TestIdentity;
  let child: ChildProcess;
  let httpPort: number;

  const environment = async (): Promise<Record<string, string>> => {
    const values = new Map<string, unknown>(Object.entries(await testConfig(database.url, 300)));
    const settings = Object.entries(definition).flatMap(([key, { name }]) => {
      const value = values.get(key);
      return typeof value === 'string' || typeof value === 'number' || typeof value === 'boolean'
        ? [[name, String(value)] as const]
        : [];
    });
    return Object.fromEntries([...settings, ['SALLYPORT_LOG_LEVEL', 'info']]);
  };

  before(async function () {
    this.timeout(60_000);
    database = await testDatabase('identity');
    arranging = await startIdentity({ database });
    child = spawn(process.execPath, [MAIN], { env: await environment(), stdio: ['ignore', 'pipe', 'inherit'] });
    const { promise, resolve, reject } = Promise.withResolvers<number>();
    child.once('exit', (code) => {
      reject(new Error(`ended with ${String(code)}`));
    });
    if (child.stdout === null) throw new Error('no output');
    createInterface(child.stdout).on('line', (line) => {
      const entry = JSON.parse(line) as { msg?: string; httpPort?: number };
      if (entry.msg === 'ready' && entry.httpPort !== undefined) resolve(entry.httpPort);
    });
    httpPort = await promise;
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
