import { spawn } from 'node:child_process';
import { closeSync, mkdirSync, openSync, readFileSync, rmSync, statSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { systemClock } from '@sallyport/storage';
import { DevEnvironmentError } from '../errors.ts';
import { readIfThere } from '../files.ts';
import { guardDirectory, guardProcess, unguardDirectory, unguardProcess } from '../guard.ts';
import { freePort, isPortFree } from '../ports.ts';
import { identifyProcess, type SignalStep } from '../processes.ts';
import { serverAccount, type Account } from './account.ts';
import { findBinaries, type Binaries } from './binaries.ts';
import { ADMIN_ROLE, openCluster, type Cluster } from './cluster.ts';
import { queryOnce } from './query.ts';
import { clearLeftovers, forgetServer, recordServer, SHUTDOWN } from './leftover.ts';

const START_TIMEOUT_MS = 60_000;
/** How long processes of a killed server may hold its shared memory before a new one gives up. */
const RETRY_FOR_MS = 15_000;
const IMMEDIATE: readonly SignalStep[] = [
  { signal: 'SIGQUIT', graceMs: 5_000 },
  { signal: 'SIGKILL', graceMs: 2_000 },
];

/** What to start, where. */
export interface PostgresOptions {
  /** Directory for everything about this cluster; made when missing, reused when there. */
  readonly dataDir: string;
  /** TCP port on 127.0.0.1; default: any free one. */
  readonly port?: number;
  /** For tests: no durability against a crash of the machine, and `stop()` removes the data. Default false. */
  readonly throwAway?: boolean;
  /** Default: `postgres.log` in `dataDir`. */
  readonly logFile?: string;
}

/** How a server process ended. */
export interface ServerExit {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
}

/** A running PostgreSQL server of ours. */
export interface Postgres {
  /** Connection URL of the superuser, for the database `postgres`. */
  readonly adminUrl: string;
  readonly port: number;
  readonly pid: number;
  /** Settles when the server process has ended, for whatever reason. */
  readonly exited: Promise<ServerExit>;
  /** Fast shutdown (open transactions are rolled back); idempotent. Removes a throw-away cluster. */
  stop(): Promise<void>;
  /** Kills the server process outright, as a crash would; the data stays and can be started again. */
  kill9(): Promise<void>;
}

interface Launch {
  readonly binaries: Binaries;
  readonly account: Account | null;
  readonly cluster: Cluster;
  readonly options: PostgresOptions & { readonly logFile: string };
}

type Attempt = { readonly started: Postgres } | { readonly refused: 'busy' | 'port' | 'failed'; readonly said: string };

/**
 * Starts the embedded PostgreSQL on `dataDir`, listening on 127.0.0.1 only, and returns once it
 * answers. Initialises the cluster on first use. Works after any kind of crash of an earlier
 * server or of its owner, and as root (the server then runs as an unprivileged account, with its
 * files under /var/lib/sallyport when that account cannot enter `dataDir`). The server does not
 * outlive this process.
 *
 * @throws PORT_TAKEN when `port` was asked for and is in use, ALREADY_RUNNING when another living
 *   process runs the cluster, DATABASE_FAILED with the server's last words otherwise.
 */
export async function startPostgres(requested: PostgresOptions): Promise<Postgres> {
  const dataDir = resolve(requested.dataDir);
  const options = { ...requested, dataDir, logFile: requested.logFile ?? join(dataDir, 'postgres.log') };
  const account = serverAccount();
  const binaries = findBinaries(account, join(dataDir, 'binaries'));
  const cluster = await openCluster(dataDir, account, binaries);
  await clearLeftovers(dataDir, cluster.directory);
  if (options.throwAway === true) {
    for (const path of placesOf(cluster, dataDir)) guardDirectory(path);
  }
  const launch: Launch = { binaries, account, cluster, options };
  const deadline = systemClock.monotonicMs() + RETRY_FOR_MS;
  for (;;) {
    const port = options.port ?? (await freePort());
    if (!(await isPortFree(port))) {
      throw new DevEnvironmentError('PORT_TAKEN', `Port ${port} for PostgreSQL is in use by another program.`);
    }
    const attempt = await tryStart(launch, port);
    if ('started' in attempt) return attempt.started;
    const retry = attempt.refused === 'busy' || (attempt.refused === 'port' && options.port === undefined);
    if (!retry || systemClock.monotonicMs() > deadline) {
      throw new DevEnvironmentError(
        'DATABASE_FAILED',
        `PostgreSQL did not start (${attempt.said}); its log is ${options.logFile}.`,
      );
    }
    await delay(100);
  }
}

async function tryStart(launch: Launch, port: number): Promise<Attempt> {
  const { cluster, options } = launch;
  const logStart = statSync(options.logFile, { throwIfNoEntry: false })?.size ?? 0;
  const server = spawnServer(launch, port);
  const deadline = systemClock.monotonicMs() + START_TIMEOUT_MS;
  while (!server.hasExited() && !isReady(cluster.directory, server.pid)) {
    if (systemClock.monotonicMs() > deadline) server.kill('SIGKILL');
    await delay(10);
  }
  if (server.hasExited() || server.pid === undefined) {
    const said = lastWords(options.logFile, logStart);
    return { refused: reasonOf(said), said };
  }
  const adminUrl = `postgres://${ADMIN_ROLE}:${cluster.password}@127.0.0.1:${port}/postgres`;
  await probe(adminUrl, options.logFile);
  return { started: handleOf({ adminUrl, port, pid: server.pid, exited: server.exited, launch }) };
}

interface Server {
  readonly pid: number | undefined;
  readonly exited: Promise<ServerExit>;
  hasExited(): boolean;
  kill(signal: NodeJS.Signals): void;
}

function spawnServer({ binaries, account, cluster, options }: Launch, port: number): Server {
  mkdirSync(dirname(options.logFile), { recursive: true, mode: 0o700 });
  const log = openSync(options.logFile, 'a', 0o600);
  const settings = serverSettings(port, options.throwAway === true).flatMap((setting) => ['-c', setting]);
  const child = spawn(binaries.postgres, ['-D', cluster.directory, ...settings], {
    cwd: cluster.directory,
    env: { TZ: 'UTC', LC_ALL: 'C' },
    stdio: ['ignore', log, log],
    // A group of its own: Ctrl-C in the terminal is for the owner, who stops the server last.
    detached: true,
    ...(account !== null && { uid: account.uid, gid: account.gid }),
  });
  closeSync(log);
  child.unref();
  const state = { exited: false };
  const exited = new Promise<ServerExit>((settle) => {
    const end = (code: number | null, signal: NodeJS.Signals | null): void => {
      state.exited = true;
      settle({ code, signal });
    };
    child.once('error', () => {
      end(null, null);
    });
    child.once('exit', end);
  });
  const identity = child.pid === undefined ? null : identifyProcess(child.pid);
  if (identity !== null) {
    recordServer(options.dataDir, identity);
    guardProcess(identity.pid, options.throwAway === true ? IMMEDIATE : SHUTDOWN);
  }
  return { pid: child.pid, exited, hasExited: () => state.exited, kill: (signal) => child.kill(signal) };
}

function serverSettings(port: number, throwAway: boolean): string[] {
  const common = [
    'listen_addresses=127.0.0.1',
    `port=${port}`,
    // Its directory may not exist or not be writable for the account, and nothing of ours uses it.
    'unix_socket_directories=',
    'max_connections=300',
    'shared_buffers=128MB',
    'timezone=UTC',
    'log_timezone=UTC',
    'log_checkpoints=off',
    'jit=off',
  ];
  if (!throwAway) return common;
  const careless = [
    'fsync=off',
    'synchronous_commit=off',
    'full_page_writes=off',
    'wal_level=minimal',
    'max_wal_senders=0',
    'io_method=sync',
  ];
  return [...common, ...careless];
}

/** PostgreSQL writes its state into the eighth line of its lock file. */
function isReady(directory: string, pid: number | undefined): boolean {
  const lines = readIfThere(join(directory, 'postmaster.pid'))?.split('\n');
  return Number(lines?.[0]) === pid && lines?.[7]?.trim() === 'ready';
}

async function probe(adminUrl: string, logFile: string): Promise<void> {
  try {
    await queryOnce(adminUrl, 'SELECT 1');
  } catch (cause) {
    throw new DevEnvironmentError('DATABASE_FAILED', `PostgreSQL started but does not answer; its log is ${logFile}.`, {
      cause,
    });
  }
}

function lastWords(logFile: string, from: number): string {
  const lines = readFileSync(logFile).subarray(from).toString('utf8').split('\n');
  const fatal =
    lines.findLast((line) => line.includes('FATAL')) ?? lines.findLast((line) => line !== '') ?? 'no word in its log';
  return fatal.replace(/^.*FATAL:\s*/, '');
}

function reasonOf(said: string): 'busy' | 'port' | 'failed' {
  // The server has no other way to tell; the messages are not translated because LC_ALL is C.
  if (/pre-existing shared memory block|lock file .* already exists/.test(said)) return 'busy';
  return said.includes('could not create any TCP/IP sockets') ? 'port' : 'failed';
}

function handleOf(running: {
  adminUrl: string;
  port: number;
  pid: number;
  exited: Promise<ServerExit>;
  launch: Launch;
}): Postgres {
  const { adminUrl, port, pid, exited, launch } = running;
  const { cluster, options } = launch;
  let gone = false;
  const ended = exited.then((exit) => {
    gone = true;
    unguardProcess(pid);
    forgetServer(options.dataDir);
    return exit;
  });
  const endBy = async (steps: readonly SignalStep[]): Promise<void> => {
    for (const { signal, graceMs } of steps) {
      if (gone) return;
      process.kill(pid, signal);
      const timer = new AbortController();
      await Promise.race([ended, delay(graceMs, undefined, { signal: timer.signal }).catch(() => undefined)]);
      timer.abort();
    }
  };
  return {
    adminUrl,
    port,
    pid,
    exited: ended,
    async stop() {
      await endBy(options.throwAway === true ? IMMEDIATE : SHUTDOWN);
      if (options.throwAway !== true) return;
      for (const path of placesOf(cluster, options.dataDir)) {
        rmSync(path, { recursive: true, force: true, maxRetries: 3 });
        unguardDirectory(path);
      }
    },
    async kill9() {
      await endBy([{ signal: 'SIGKILL', graceMs: 5_000 }]);
    },
  };
}

/** The directories that hold nothing but this cluster: one, or two when it had to live outside of its data directory. */
function placesOf(cluster: Cluster, dataDir: string): string[] {
  return [...new Set([dirname(cluster.directory), dataDir])];
}
