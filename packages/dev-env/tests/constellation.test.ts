import { strict as assert } from 'node:assert';
import { existsSync, mkdtempSync, readFileSync, readdirSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { bearer, expectStatus, Person } from '../src/actors/index.ts';
import {
  bootstrapFile,
  startConstellation,
  startPostgres,
  type Bootstrap,
  type Constellation,
  type ConstellationEvent,
} from '../src/index.ts';
import { identifyProcess, isRunning, type ProcessIdentity } from '../src/processes.ts';
import { waitFor } from '../src/wait-for.ts';

describe('a constellation', function () {
  this.timeout(180_000);
  let parent: string;
  let stateDir: string;
  let running: Constellation;
  let events: ConstellationEvent[];
  let first: Bootstrap;

  const start = async (): Promise<Constellation> => {
    events = [];
    return await startConstellation({
      stateDir,
      restart: { firstDelayMs: 50 },
      onEvent: (event) => events.push(event),
    });
  };
  const children = () => [...Object.values(running.services), running.demoIdp];
  const identities = (): ProcessIdentity[] => children().flatMap(({ pid = 0 }) => identifyProcess(pid) ?? []);
  const owner = async (): Promise<Person> => {
    const person = new Person(running.origin, first.owner.email);
    await person.signInWithPassword(first.organization.slug, first.owner.password);
    return person;
  };

  before(async () => {
    parent = mkdtempSync(join(tmpdir(), 'sallyport-constellation-'));
    stateDir = join(parent, 'state');
    running = await start();
    first = running.bootstrap;
  });
  after(async () => {
    await running.stop();
    const { directory } = JSON.parse(readFileSync(join(stateDir, 'postgres', 'cluster.json'), 'utf8')) as {
      directory: string;
    };
    rmSync(join(directory, '..'), { recursive: true, force: true });
    rmSync(parent, { recursive: true, force: true });
  });

  it('writes everything a tool needs into bootstrap.json, for its owner alone', () => {
    const file = bootstrapFile(stateDir);
    assert.equal(statSync(file).mode & 0o777, 0o600);
    assert.deepEqual(JSON.parse(readFileSync(file, 'utf8')), first);
    assert.deepEqual(Object.keys(first.flags.environmentKeys), ['development', 'staging', 'production']);
    for (const path of Object.values(first.tls)) assert.ok(existsSync(path), path);
  });

  it('keeps every file with a secret from others', () => {
    assert.equal(statSync(stateDir).mode & 0o777, 0o700);
    const files = readdirSync(stateDir, { recursive: true, withFileTypes: true }).filter((entry) => entry.isFile());
    assert.ok(files.length > 15);
    for (const { parentPath, name } of files) {
      if (parentPath.includes('cluster-')) continue;
      assert.equal(statSync(join(parentPath, name)).mode & 0o077, 0, join(parentPath, name));
    }
  });

  it('gives every process its own settings and none of ours', () => {
    const environment = readFileSync(`/proc/${running.services.policy.pid}/environ`, 'utf8').split('\0');
    const names = environment.map((entry) => entry.split('=')[0] ?? '').filter((name) => name !== '');
    const foreign = names.filter((name) => !/^(SALLYPORT_|PATH$|HOME$|TMPDIR$|NODE_)/.test(name));
    assert.deepEqual(foreign, []);
    assert.ok(!names.includes('SALLYPORT_COOKIE_KEYS_FILE'), 'cookie keys are for identity alone');
  });

  it('is seeded: people pushed by the demo IdP, roles by group, a project with keys that evaluate', async () => {
    const person = await owner();
    const accounts = await expectStatus(person, 200, 'GET', '/api/identity/v1/accounts?limit=50');
    assert.match(JSON.stringify(accounts), /dana@acme\.example/);
    const mappings = (await expectStatus(person, 200, 'GET', '/api/policy/v1/group-mappings'))['items'] as {
      role: string;
    }[];
    assert.deepEqual(mappings.map(({ role }) => role).toSorted(), [
      'auditor',
      'developer',
      'project_admin',
      'release_manager',
      'viewer',
    ]);
    const { items } = (await expectStatus(person, 200, 'GET', '/api/flags/v1/projects/storefront/environments')) as {
      items: { key: string; tier: string; protected: boolean; requiredApprovals: number }[];
    };
    const production = items.find(({ key }) => key === 'production');
    assert.ok(production?.tier === 'production' && production.protected && production.requiredApprovals === 1);
    const evaluate = async (environment: string): Promise<unknown> => {
      const application = bearer(running.origin, first.flags.environmentKeys[environment] ?? '');
      const context = { targetingKey: 'me', email: 'dana@acme.example' };
      return (await expectStatus(application, 200, 'POST', '/ofrep/v1/evaluate/flags/new-checkout', { context }))[
        'value'
      ];
    };
    assert.equal(await evaluate('development'), true);
    assert.equal(await evaluate('staging'), true);
    const tokens = (await expectStatus(person, 200, 'GET', '/api/identity/v1/api-tokens'))['items'];
    assert.deepEqual(tokens, [], 'the token used for seeding is gone');
  });

  for (const service of ['identity', 'policy', 'flags'] as const) {
    it(`restarts ${service} after kill -9, says so, and serves again`, async () => {
      const { [service]: handle } = running.services;
      const before = handle.pid;
      await handle.kill9();
      await handle.whenReady();
      assert.ok(handle.pid !== undefined && handle.pid !== before);
      assert.ok(events.some((event) => event.kind === 'crashed' && event.name === service));
      await waitFor(async () => (await fetch(`${running.origin}/api/${service}/v1/audit`)).status === 401);
      await waitFor(owner, { message: 'sign-in to work again' });
    });
  }

  it('restarts PostgreSQL after kill -9, and every service finds it again', async () => {
    await running.database.kill9();
    await waitFor(() => events.some((event) => event.kind === 'ready' && event.name === 'postgres'), {
      timeoutMs: 15_000,
    });
    await waitFor(
      async () => {
        const person = await owner();
        await expectStatus(person, 200, 'GET', '/api/policy/v1/group-mappings');
        return await expectStatus(person, 200, 'GET', '/api/flags/v1/projects');
      },
      { message: 'the services to use the database again' },
    );
  });

  it('stops completely, and keeps addresses, data and secrets for the next start', async () => {
    const before = identities();
    assert.equal(before.length, 4);
    await running.stop();
    await running.stop();
    assert.deepEqual(before.filter(isRunning), []);
    assert.deepEqual(readdirSync(join(stateDir, 'run')), []);
    await assert.rejects(fetch(running.origin));
    running = await start();
    assert.deepEqual(running.bootstrap, first);
    await owner();
    const directory = bearer(running.origin, first.scim.token);
    await expectStatus(directory, 200, 'GET', '/scim/v2/Users?count=1');
  });

  it('runs on a PostgreSQL of the user, and says when that belongs to another state directory', async () => {
    const foreign = await startPostgres({ dataDir: join(parent, 'foreign'), throwAway: true });
    const options = { databaseUrl: foreign.adminUrl };
    const constellation = await startConstellation({ ...options, stateDir: join(parent, 'one') });
    try {
      assert.ok(!existsSync(join(constellation.stateDir, 'postgres')));
      const person = new Person(constellation.origin, constellation.bootstrap.owner.email);
      await person.signInWithPassword('acme', constellation.bootstrap.owner.password);
    } finally {
      await constellation.stop();
    }
    const other = startConstellation({ ...options, stateDir: join(parent, 'other') });
    await assert.rejects(other, /already holds the organisation "acme"/);
    await foreign.stop();
  });
});
