import { strict as assert } from 'node:assert';
import { spawn, spawnSync, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import {
  chmodSync,
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  readdirSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { createInterface } from 'node:readline';
import pg from 'pg';
import { DevEnvironmentError } from '../src/errors.ts';
import { freePort } from '../src/ports.ts';
import { chooseAccount, mayTraverse, serverAccount } from '../src/postgres/account.ts';
import { findBinaries, packagedNative } from '../src/postgres/binaries.ts';
import { abandonedPlaces, openPlaceFor } from '../src/postgres/place.ts';
import { startPostgres, type Postgres } from '../src/postgres/start.ts';
import { identifyProcess, isRunning } from '../src/processes.ts';
import { waitFor } from '../src/wait-for.ts';

const isRoot = process.getuid?.() === 0;

const ask = async (server: Postgres, sql: string): Promise<Record<string, unknown>[]> => {
  const client = new pg.Client({ connectionString: server.adminUrl });
  await client.connect();
  try {
    return (await client.query<Record<string, unknown>>(sql)).rows;
  } finally {
    await client.end();
  }
};

const isCode = (code: string) => (error: unknown) => error instanceof DevEnvironmentError && error.code === code;

/** Where the files of the cluster of `dataDir` are. */
const clusterDirectory = (dataDir: string): string =>
  (JSON.parse(readFileSync(join(dataDir, 'cluster.json'), 'utf8')) as { directory: string }).directory;

describe('the embedded PostgreSQL', function () {
  this.timeout(180_000);
  let directory: string;
  let running: Postgres[];

  const start = async (dataDir: string, port?: number): Promise<Postgres> => {
    const server = await startPostgres({ dataDir, ...(port !== undefined && { port }) });
    running.push(server);
    return server;
  };
  beforeEach(() => {
    directory = mkdtempSync(join(tmpdir(), 'sallyport-pg-'));
    running = [];
  });
  afterEach(async () => {
    for (const server of running) await server.stop();
    for (const dataDir of [directory, ...readdirSync(directory).map((entry) => join(directory, entry))]) {
      // As root the cluster may live outside of the directory.
      if (!existsSync(join(dataDir, 'cluster.json'))) continue;
      rmSync(dirname(clusterDirectory(dataDir)), { recursive: true, force: true });
    }
    rmSync(directory, { recursive: true, force: true });
  });

  it('starts from nothing in a closed directory: UTF-8, the same order everywhere, loopback and passwords only', async () => {
    const closed = join(directory, 'closed');
    // What a clone under /root or a state directory of mode 0700 is for the account of the server.
    const server = await start(closed);
    chmodSync(directory, 0o700);
    const [row] = await ask(
      server,
      `SELECT current_setting('server_encoding') encoding, current_setting('data_checksums') checksums,
      current_setting('listen_addresses') addresses, current_setting('fsync') fsync, datlocprovider, datlocale FROM pg_database WHERE datname = 'postgres'`,
    );
    assert.deepEqual(row, {
      encoding: 'UTF8',
      checksums: 'on',
      addresses: '127.0.0.1',
      fsync: 'on',
      datlocprovider: 'b',
      datlocale: 'C.UTF-8',
    });
    const wrong = new URL(server.adminUrl);
    wrong.password = 'guess';
    await assert.rejects(new pg.Client({ connectionString: wrong.href }).connect(), /password authentication failed/);
    assert.equal(statSync(join(closed, 'cluster.json')).mode & 0o777, 0o600);
  });

  it('keeps the data over a stop and a second start', async () => {
    const first = await start(directory);
    await ask(first, 'CREATE TABLE kept AS SELECT 7 AS n');
    await first.stop();
    await first.stop();
    const second = await start(directory);
    assert.deepEqual(await ask(second, 'SELECT n FROM kept'), [{ n: 7 }]);
  });

  it('starts again after kill -9, at once and on the same port, with everything that was committed', async () => {
    const first = await start(directory);
    await ask(first, 'CREATE TABLE kept AS SELECT 7 AS n');
    await first.kill9();
    assert.deepEqual(await first.exited, { code: null, signal: 'SIGKILL' });
    const second = await start(directory, first.port);
    assert.equal(second.port, first.port);
    assert.deepEqual(await ask(second, 'SELECT n FROM kept'), [{ n: 7 }]);
  });

  it('is not misled by a lock file whose process number now belongs to a stranger', async () => {
    const first = await start(directory);
    await first.kill9();
    const lockFile = join(clusterDirectory(directory), 'postmaster.pid');
    const stranger = spawn(process.execPath, ['-e', 'setInterval(() => {}, 1e6)'], { stdio: 'ignore' });
    try {
      writeFileSync(lockFile, readFileSync(lockFile, 'utf8').replace(/^\d+/, String(stranger.pid)));
      await start(directory);
      assert.ok(stranger.pid !== undefined && identifyProcess(stranger.pid) !== null, 'the stranger lives');
    } finally {
      stranger.kill('SIGKILL');
    }
  });

  it('refuses a directory that a living process already serves, in a sentence', async () => {
    await start(directory);
    await assert.rejects(startPostgres({ dataDir: directory }), isCode('ALREADY_RUNNING'));
  });

  it('refuses a taken port in a sentence that names it', async () => {
    const port = await freePort();
    const other = createServer().listen(port, '127.0.0.1');
    await once(other, 'listening');
    await assert.rejects(startPostgres({ dataDir: directory, port }), (error) => {
      assert.ok(isCode('PORT_TAKEN')(error));
      assert.match(String(error), new RegExp(`Port ${port} `));
      return true;
    });
    other.close();
  });

  it('refuses data of another major version in a sentence', async () => {
    const server = await start(directory);
    await server.stop();
    writeFileSync(join(clusterDirectory(directory), 'PG_VERSION'), '9\n');
    await assert.rejects(startPostgres({ dataDir: directory }), isCode('STATE_DAMAGED'));
  });

  it('never puts an empty cluster in the place of data that is gone: it says so', async () => {
    const closed = join(directory, 'closed');
    const server = await start(closed);
    await server.stop();
    const files = clusterDirectory(closed);
    rmSync(files, { recursive: true, force: true });
    await assert.rejects(start(closed), isCode('STATE_DAMAGED'));
    assert.equal(existsSync(files), false);
  });

  it('initialises again what an interrupted first start left, also when its place was cleared', async () => {
    const closed = join(directory, 'closed');
    await (await start(closed)).stop();
    const record = JSON.parse(readFileSync(join(closed, 'cluster.json'), 'utf8')) as { directory: string };
    writeFileSync(join(closed, 'cluster.json'), JSON.stringify({ ...record, initialised: false }));
    rmSync(dirname(record.directory) === closed ? record.directory : dirname(record.directory), { recursive: true });
    assert.equal((await ask(await start(closed), 'SELECT 1 AS n')).length, 1);
  });

  it('leaves neither process nor files of a throw-away cluster behind', async () => {
    const dataDir = join(directory, 'throw-away');
    const server = await startPostgres({ dataDir, throwAway: true });
    const identity = identifyProcess(server.pid);
    const files = clusterDirectory(dataDir);
    assert.ok(identity !== null && existsSync(files));
    assert.deepEqual(await ask(server, 'SHOW fsync'), [{ fsync: 'off' }]);
    await server.stop();
    assert.ok(!isRunning(identity) && !existsSync(files) && !existsSync(dataDir));
  });

  for (const signal of ['SIGKILL', 'SIGTERM', 'SIGINT'] as const) {
    it(`does not outlive its owner when that ends by ${signal}`, async () => {
      const dataDir = join(directory, 'owned');
      const { owner, pid } = await startInAnotherProcess(dataDir);
      const identity = identifyProcess(pid);
      const files = clusterDirectory(dataDir);
      assert.ok(identity !== null);
      owner.kill(signal);
      await waitFor(() => !isRunning(identity) && !existsSync(files), { message: 'the orphan to go' });
    });
  }
});

/** A process of its own that starts a throw-away cluster and then only waits. */
async function startInAnotherProcess(dataDir: string): Promise<{ owner: ChildProcess; pid: number }> {
  const start = new URL('../src/postgres/start.ts', import.meta.url).href;
  const program = `const { startPostgres } = await import(${JSON.stringify(start)});
    const server = await startPostgres({ dataDir: ${JSON.stringify(dataDir)}, throwAway: true });
    console.log(server.pid); setInterval(() => undefined, 1e6);`;
  const owner = spawn(process.execPath, ['--input-type=module', '-e', program], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const [line] = (await once(createInterface({ input: owner.stdout }), 'line')) as [string];
  return { owner, pid: Number(line) };
}

describe('the account of the server', () => {
  const passwd = [
    'root:x:0:0::/root:/bin/sh',
    'toor:x:0:0::/root:/bin/sh',
    'ann:x:1000:1000::/home/ann:/bin/sh',
    'nobody:x:65534:65534::/:/bin/false',
  ];

  it('is postgres, else nobody, else anybody but root', () => {
    assert.equal(chooseAccount([...passwd, 'postgres:x:101:104::/:/bin/sh'].join('\n'))?.uid, 101);
    assert.equal(chooseAccount(passwd.join('\n'))?.name, 'nobody');
    assert.equal(chooseAccount(passwd.slice(0, 3).join('\n'))?.name, 'ann');
    assert.equal(chooseAccount(passwd.slice(0, 2).join('\n')), null);
    assert.equal(chooseAccount('garbage\n\n:::\n'), null);
  });

  it('is ourselves unless we are root', () => {
    assert.equal(serverAccount() === null, !isRoot);
  });

  it('is locked out by any closed directory on the way', () => {
    const directory = mkdtempSync(join(tmpdir(), 'sallyport-traverse-'));
    const stranger = { name: 'stranger', uid: 4_242, gid: 4_242 };
    chmodSync(directory, 0o711);
    assert.ok(mayTraverse(stranger, directory));
    chmodSync(directory, 0o710);
    assert.ok(!mayTraverse(stranger, directory));
    assert.ok(!mayTraverse(stranger, join(directory, 'missing')));
    rmSync(directory, { recursive: true });
  });

  it('gets its files only where nobody else could have put them', () => {
    const directory = mkdtempSync(join(tmpdir(), 'sallyport-place-'));
    chmodSync(directory, 0o711);
    const account = { name: 'stranger', uid: 4_242, gid: 4_242 };
    const [open, fresh] = [join(directory, 'open'), join(directory, 'fresh')];
    mkdirSync(open);
    chmodSync(open, 0o777);
    const place = openPlaceFor(account, '/some/checkout', [open, fresh]);
    assert.equal(dirname(place), fresh);
    assert.equal(openPlaceFor(account, '/some/checkout', [open, fresh]), place);
    assert.notEqual(openPlaceFor(account, '/other/checkout', [open, fresh]), place);
    assert.throws(() => openPlaceFor(account, '/some/checkout', [open]), isCode('STATE_DAMAGED'));
    rmSync(directory, { recursive: true });
  });

  it('clears away what stood for a temporary directory that is gone, and nothing else', () => {
    const directory = mkdtempSync(join(tmpdir(), 'sallyport-place-'));
    chmodSync(directory, 0o711);
    const account = { name: 'stranger', uid: 4_242, gid: 4_242 };
    const place = (path: string): string => openPlaceFor(account, path, [join(directory, 'places')]);
    const [kept, unmounted] = [place(directory), place('/mnt/unmounted/state')];
    const gone = place(join(directory, 'deleted'));
    assert.deepEqual(abandonedPlaces(kept), [gone]);
    assert.ok(existsSync(unmounted));
    rmSync(directory, { recursive: true });
  });
});

describe('the server binaries', () => {
  let directory: string;
  beforeEach(() => {
    directory = mkdtempSync(join(tmpdir(), 'sallyport-bin-'));
  });
  afterEach(() => {
    chmodSync(directory, 0o700);
    rmSync(directory, { recursive: true, force: true });
  });

  /** The package as npm leaves it when install scripts are skipped: without links between libraries. */
  const unlinkedPackage = (): string => {
    const native = join(directory, 'package', 'native');
    cpSync(dirname(packagedNative()), dirname(native), { recursive: true, verbatimSymlinks: true });
    const links = JSON.parse(readFileSync(join(native, 'pg-symlinks.json'), 'utf8')) as { target: string }[];
    for (const { target } of links) rmSync(join(native, '..', target), { force: true });
    return native;
  };

  it('run when install scripts were skipped', () => {
    const native = unlinkedPackage();
    assert.notEqual(
      spawnSync(join(native, 'bin', 'initdb'), ['--version'], { env: {} }).status,
      0,
      'the links are needed',
    );
    chmodSync(directory, 0o755);
    const binaries = findBinaries(serverAccount(), join(directory, 'copy'), native);
    assert.ok(binaries.postgres.startsWith(native));
    assert.equal(spawnSync(binaries.initdb, ['--version'], { env: {} }).status, 0);
  });

  it('are copied where the account can reach them when the checkout is closed to it', function () {
    // Only root runs the server as somebody else.
    const account = isRoot ? serverAccount() : null;
    const native = unlinkedPackage();
    chmodSync(directory, 0o700);
    const binaries = findBinaries(account, join(directory, 'copy'), native);
    assert.equal(binaries.postgres.startsWith(native), !isRoot);
    if (account !== null) {
      assert.equal(
        spawnSync(binaries.postgres, ['--version'], { env: {}, cwd: '/', uid: account.uid, gid: account.gid }).status,
        0,
      );
      rmSync(dirname(dirname(dirname(binaries.postgres))), { recursive: true, force: true });
    }
  });

  it('that do not run are said so, with what the system said', () => {
    const native = unlinkedPackage();
    rmSync(join(native, 'lib'), { recursive: true });
    assert.throws(
      () => findBinaries(null, join(directory, 'copy'), native),
      (error) => {
        assert.ok(isCode('BINARIES_UNUSABLE')(error));
        assert.match(String(error), /DATABASE_URL/);
        return true;
      },
    );
  });
});
