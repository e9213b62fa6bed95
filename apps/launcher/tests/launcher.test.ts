import { strict as assert } from 'node:assert';
import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, readFileSync, readdirSync, rmSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { freePort, readBootstrap, waitFor } from '@sallyport/dev-env';

const MAIN = fileURLToPath(new URL('../src/main.ts', import.meta.url));

/** A launcher in a process of its own, and what it printed. */
interface Launcher {
  readonly process: ChildProcess;
  readonly output: () => string;
  readonly exit: Promise<number | null>;
}

describe('npm start', function () {
  this.timeout(180_000);
  let parent: string;
  let stateDir: string;
  let port: number;
  let launchers: Launcher[];
  before(async () => {
    parent = mkdtempSync(join(tmpdir(), 'sallyport-launcher-'));
    stateDir = join(parent, 'state');
    port = await freePort();
    launchers = [];
  });
  after(async () => {
    for (const launcher of launchers) launcher.process.kill('SIGTERM');
    await Promise.all(launchers.map(({ exit }) => exit));
    const record = join(stateDir, 'postgres', 'cluster.json');
    if (existsSync(record)) {
      const { directory } = JSON.parse(readFileSync(record, 'utf8')) as { directory: string };
      rmSync(join(directory, '..'), { recursive: true, force: true });
    }
    rmSync(parent, { recursive: true, force: true });
  });

  const launch = (settings: Readonly<Record<string, string>> = {}): Launcher => {
    const { PATH = '', HOME = '' } = process.env;
    const env = { PATH, HOME, SALLYPORT_STATE_DIR: stateDir, PORT: String(port), ...settings };
    const child = spawn(process.execPath, [MAIN], { env, stdio: ['ignore', 'pipe', 'pipe'] });
    const chunks: Buffer[] = [];
    for (const stream of [child.stdout, child.stderr]) stream.on('data', (chunk: Buffer) => chunks.push(chunk));
    const exit = once(child, 'exit').then(([code]) => code as number | null);
    const launcher = { process: child, output: () => Buffer.concat(chunks).toString('utf8'), exit };
    launchers.push(launcher);
    return launcher;
  };
  const ready = async (launcher: Launcher): Promise<void> => {
    const seen = () => launcher.output().includes('Sallyport is ready after') || launcher.process.exitCode !== null;
    await waitFor(seen, { timeoutMs: 60_000, message: 'npm start to be ready' });
    assert.match(launcher.output(), /ready after/);
  };
  const isServing = async (): Promise<boolean> =>
    await fetch(`http://localhost:${port}/.well-known/authzen-configuration`)
      .then(({ ok }) => ok)
      .catch(() => false);

  it('says which port is taken and how to choose another, and exits with 1', async () => {
    const stranger = createServer().listen(port, '127.0.0.1');
    await once(stranger, 'listening');
    const launcher = launch();
    assert.equal(await launcher.exit, 1);
    assert.match(launcher.output(), new RegExp(`Port ${port} is in use by another program; choose another with PORT`));
    assert.doesNotMatch(launcher.output(), /\n\s+at /, 'no stack trace');
    stranger.close();
  });

  it('says which setting is wrong, all at once, and exits with 1', async () => {
    const launcher = launch({ PORT: 'eighty', SALLYPORT_STATE_DIRECTORY: '/x' });
    assert.equal(await launcher.exit, 1);
    assert.match(launcher.output(), /PORT is not a whole number/);
    assert.match(
      launcher.output(),
      /SALLYPORT_STATE_DIRECTORY is not a known setting; did you mean SALLYPORT_STATE_DIR\?/,
    );
  });

  it('says that a database of the user cannot be reached, without its password, and exits with 1', async () => {
    const launcher = launch({ DATABASE_URL: 'postgres://me:hunter2@127.0.0.1:9/db' });
    assert.equal(await launcher.exit, 1);
    assert.match(launcher.output(), /PostgreSQL of DATABASE_URL \(127\.0\.0\.1:9\) cannot be used/);
    assert.doesNotMatch(launcher.output(), /hunter2|\n\s+at /);
  });

  it('stops cleanly when it is interrupted while starting', async () => {
    const launcher = launch();
    await waitFor(() => launcher.output().includes('database'), { timeoutMs: 30_000 });
    // Twice at once is one Ctrl-C: the terminal sends it to us, and npm passes its own on.
    launcher.process.kill('SIGINT');
    launcher.process.kill('SIGINT');
    assert.equal(await launcher.exit, 0);
    assert.match(launcher.output(), /Stopping \(SIGINT\)[^]*Stopped\./);
    assert.deepEqual(readdirSync(join(stateDir, 'run')), []);
  });

  it('gets ready, prints addresses and a first thing to try, and refuses a second start on the same state', async () => {
    const launcher = launch();
    await ready(launcher);
    const bootstrap = readBootstrap(stateDir);
    assert.ok(bootstrap !== null && bootstrap.origin === `http://localhost:${port}`);
    for (const shown of [bootstrap.origin, bootstrap.idp.url, 'bootstrap.json', 'Try this first'])
      await waitFor(() => launcher.output().includes(shown), { message: shown });
    assert.ok(!launcher.output().includes(bootstrap.owner.password), 'secrets stay in the file');
    const second = launch({ PORT: '0' });
    assert.equal(await second.exit, 1);
    assert.match(second.output(), new RegExp(`already running .* \\(process ${launcher.process.pid}\\)`));
    assert.ok(await isServing());
  });

  it('kills everything at the second Ctrl-C, and the next start recovers', async () => {
    const [running] = launchers.slice(-2);
    assert.ok(running !== undefined);
    const pids = readdirSync(join(stateDir, 'run')).map((name) => {
      return (JSON.parse(readFileSync(join(stateDir, 'run', name), 'utf8')) as { pid: number }).pid;
    });
    assert.equal(pids.length, 4);
    // A server that does not move keeps the orderly stop waiting.
    const { server } = JSON.parse(readFileSync(join(stateDir, 'postgres', 'server.json'), 'utf8')) as {
      server: { pid: number };
    };
    process.kill(server.pid, 'SIGSTOP');
    running.process.kill('SIGINT');
    await waitFor(
      () => {
        running.process.kill('SIGINT');
        return running.process.exitCode !== null;
      },
      { intervalMs: 200, message: 'the second Ctrl-C to count' },
    );
    assert.equal(running.process.exitCode, 130);
    process.kill(server.pid, 'SIGCONT');
    await waitFor(() => [server.pid, ...pids].every((pid) => !isAlive(pid)), { message: 'the children to be gone' });
    await ready(launch());
  });

  it('stops when npm is gone that started it, and a start right after waits for that', async () => {
    const first = launchers.at(-1);
    first?.process.kill('SIGTERM');
    const wrapper = `require('node:child_process').spawn(process.execPath, [process.argv[1]], { stdio: 'inherit' })`;
    const { PATH = '', HOME = '' } = process.env;
    const env = { PATH, HOME, SALLYPORT_STATE_DIR: stateDir, PORT: String(port), npm_lifecycle_event: 'start' };
    const npm = spawn(process.execPath, ['-e', wrapper, MAIN], { env, stdio: ['ignore', 'pipe', 'inherit'] });
    const chunks: Buffer[] = [];
    npm.stdout.on('data', (chunk: Buffer) => chunks.push(chunk));
    const printed = (words: string) => (): boolean => Buffer.concat(chunks).includes(words);
    await waitFor(printed('Sallyport is ready after'), { timeoutMs: 60_000, message: 'the next start to be ready' });
    assert.equal(await first?.exit, 0);
    npm.kill('SIGKILL');
    await waitFor(printed('Stopped.'), { timeoutMs: 30_000, message: 'the orphan to stop' });
    await waitFor(printed('Stopping (npm is gone)'));
    assert.ok(!(await isServing()));
  });

  it('recovers on the next start from a kill -9 of the launcher, with the same data, then stops on SIGTERM', async () => {
    const killed = launch();
    await ready(killed);
    const before = readBootstrap(stateDir);
    killed.process.kill('SIGKILL');
    await killed.exit;
    const launcher = launch();
    await ready(launcher);
    assert.deepEqual(readBootstrap(stateDir), before);
    assert.ok(await isServing());
    launcher.process.kill('SIGTERM');
    assert.equal(await launcher.exit, 0);
    assert.ok(!(await isServing()));
    assert.deepEqual(readdirSync(join(stateDir, 'run')), []);
  });
});

function isAlive(pid: number): boolean {
  // A zombie is gone for all that matters; nobody may be left to collect it.
  const stat = existsSync(`/proc/${pid}/stat`) ? readFileSync(`/proc/${pid}/stat`, 'latin1') : '';
  return stat !== '' && !/\) [ZX] /.test(stat);
}
