import { strict as assert } from 'node:assert';
import { spawn } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DevEnvironmentError } from '../src/errors.ts';
import { freePort } from '../src/ports.ts';
import { identifyProcess, isRunning } from '../src/processes.ts';
import { endLeftover, superviseChild, type Child, type ChildEvent, type ChildSpec } from '../src/supervise/child.ts';
import { waitFor } from '../src/wait-for.ts';

const SERVE = `require('node:http').createServer((q, s) => s.end(JSON.stringify(process.env))).listen(+process.env.TEST_PORT, '127.0.0.1')`;

describe('a supervised child', () => {
  let directory: string;
  let port: number;
  let events: ChildEvent[];
  let children: Child[];
  beforeEach(async () => {
    directory = mkdtempSync(join(tmpdir(), 'sallyport-child-'));
    port = await freePort();
    events = [];
    children = [];
  });
  afterEach(async () => {
    for (const child of children) await child.stop();
    rmSync(directory, { recursive: true });
  });

  const supervise = (program: string, spec: Partial<ChildSpec> = {}): Child => {
    const child = superviseChild({
      name: 'dummy',
      command: [process.execPath, '-e', program],
      env: { TEST_PORT: String(port) },
      cwd: directory,
      logFile: join(directory, 'logs', 'dummy.log'),
      runFile: join(directory, 'dummy.json'),
      isReady: async () => (await fetch(`http://127.0.0.1:${port}/`)).ok,
      restart: { firstDelayMs: 10, maxDelayMs: 40, maxCrashes: 3 },
      onEvent: (event) => events.push(event),
      ...spec,
    });
    children.push(child);
    return child;
  };
  const kinds = (): string[] => events.map(({ kind }) => kind);

  it('is started with exactly the environment it was given, and ready when it answers', async () => {
    const child = supervise(SERVE);
    await child.start();
    assert.deepEqual(kinds(), ['ready']);
    const seen = (await (await fetch(`http://127.0.0.1:${port}/`)).json()) as Record<string, string>;
    // macOS adds one of its own.
    delete seen['__CF_USER_TEXT_ENCODING'];
    assert.deepEqual(seen, { TEST_PORT: String(port) });
    assert.equal(statSync(child.logFile).mode & 0o777, 0o600);
  });

  it('is restarted after a crash, and that is said with how it ended', async () => {
    const child = supervise(SERVE);
    await child.start();
    const before = child.pid;
    await child.kill9();
    await child.whenReady();
    assert.ok(child.pid !== undefined && child.pid !== before);
    assert.equal(child.restarts, 1);
    assert.deepEqual(kinds(), ['ready', 'crashed', 'ready']);
    assert.deepEqual(events[1], { kind: 'crashed', name: 'dummy', how: 'signal SIGKILL', restartInMs: 10 });
  });

  it('is given up after a number of crashes in a row, with growing pauses between them', async () => {
    const child = supervise(SERVE);
    await child.start();
    for (const round of [1, 2]) {
      await child.kill9();
      await child.whenReady();
      assert.equal(child.restarts, round);
    }
    await child.kill9();
    await assert.rejects(child.whenReady(), /dummy does not run/);
    assert.deepEqual(kinds(), ['ready', 'crashed', 'ready', 'crashed', 'ready', 'gave-up']);
    assert.deepEqual(
      events.flatMap((event) => (event.kind === 'crashed' ? [event.restartInMs] : [])),
      [10, 20],
    );
    await child.start();
    assert.equal(kinds().at(-1), 'ready');
  });

  it('that never served is not tried again: its last words are the error', async () => {
    const child = supervise(`console.error('{"level":"error","msg":"SALLYPORT_X is not a setting"}'); process.exit(3)`);
    await assert.rejects(child.start(), (error) => {
      assert.ok(error instanceof DevEnvironmentError && error.code === 'CHILD_FAILED');
      assert.match(error.message, /dummy does not run .*SALLYPORT_X is not a setting.*dummy\.log/);
      return true;
    });
    assert.equal(child.restarts, 0);
  });

  it('that starts but never answers is ended', async () => {
    const child = supervise('setInterval(() => {}, 1e6)', { readyTimeoutMs: 100 });
    await assert.rejects(child.start(), /dummy does not run/);
    assert.equal(child.pid, undefined);
  });

  it('ends on SIGTERM, is killed when it does not listen, and stays down', async () => {
    const polite = supervise(`process.once('SIGTERM', () => { console.log('bye'); process.exit(0) }); ${SERVE}`);
    await polite.start();
    await polite.stop();
    await polite.stop();
    assert.match(readFileSync(polite.logFile, 'utf8'), /bye/);
    const deaf = supervise(`process.on('SIGTERM', () => {}); ${SERVE}`);
    await deaf.start();
    const identity = identifyProcess(deaf.pid ?? 0);
    await deaf.stop(50);
    assert.ok(identity !== null && !isRunning(identity));
    assert.equal(deaf.pid, undefined);
    assert.ok(!kinds().includes('crashed'));
  });

  it('can be frozen and thawed, and stopped while frozen', async () => {
    const child = supervise(SERVE);
    await child.start();
    child.pause();
    await assert.rejects(fetch(`http://127.0.0.1:${port}/`, { signal: AbortSignal.timeout(100) }));
    child.resume();
    assert.ok((await fetch(`http://127.0.0.1:${port}/`)).ok);
    child.pause();
    await child.stop();
    assert.equal(child.pid, undefined);
  });

  it('shows warnings and errors of its log, whatever it writes besides', async () => {
    const child = supervise(
      `console.log('{"level":"info","msg":"fine"}'); console.log('{"level":"warn","msg":"lease late"}'); ${SERVE}`,
    );
    await child.start();
    await waitFor(() => kinds().includes('log'));
    assert.deepEqual(
      events.filter(({ kind }) => kind === 'log'),
      [{ kind: 'log', name: 'dummy', level: 'warn', message: 'lease late' }],
    );
  });

  it('left over from a launcher that is gone is ended; a stranger with its number is not', async () => {
    const leftover = spawn(process.execPath, ['-e', 'setInterval(() => {}, 1e6)'], { stdio: 'ignore', detached: true });
    const identity = identifyProcess(leftover.pid ?? 0);
    assert.ok(identity !== null);
    const runFile = join(directory, 'leftover.json');
    writeFileSync(runFile, JSON.stringify({ ...identity, stamp: 'another boot' }));
    assert.equal(await endLeftover(runFile), null);
    assert.ok(isRunning(identity) && !existsSync(runFile));
    writeFileSync(runFile, JSON.stringify(identity));
    assert.equal(await endLeftover(runFile), identity.pid);
    assert.ok(!isRunning(identity));
    writeFileSync(runFile, 'torn');
    assert.equal(await endLeftover(runFile), null);
  });
});
