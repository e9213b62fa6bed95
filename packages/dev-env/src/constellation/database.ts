import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { migrate, systemClock } from '@sallyport/storage';
import { DevEnvironmentError } from '../errors.ts';
import { queryOnce } from '../postgres/query.ts';
import { startPostgres, type Postgres } from '../postgres/start.ts';
import { serviceMigrations, type ServiceName } from '../services.ts';
import { databaseUrl, serviceUrl } from '../test-database.ts';
import type { ConstellationEvent } from './events.ts';

const DATABASE_NAME = 'sallyport';
/** ms of service after which earlier crashes are forgotten. */
const FORGET_AFTER_MS = 30_000;
const RESTART_DELAYS_MS = [100, 500, 1_000, 2_000, 5_000];

/** The PostgreSQL under a constellation. */
export interface ConstellationDatabase {
  /** Connection URL of a role that may migrate. */
  readonly adminUrl: string;
  /** Connection URL of the login role of one service. */
  urlOf(service: ServiceName): string;
  /** Brings the schema of one service to its newest migration. */
  migrateService(service: ServiceName): Promise<void>;
  /** Kills the embedded server as a crash would; it is started again on the same port. Nothing for a foreign database. */
  kill9(): Promise<void>;
  /** Waits until the database answers. */
  whenReady(): Promise<void>;
  stop(): Promise<void>;
}

/** Which database, and whom to tell when it crashes. */
export interface DatabaseOptions {
  readonly stateDir: string;
  /** Admin URL of a PostgreSQL of the user; absent: the embedded one. */
  readonly databaseUrl?: string;
  /** Of the embedded one. */
  readonly port: number;
  readonly throwAway: boolean;
  readonly passwords: Readonly<Record<ServiceName, string>>;
  readonly onEvent: (event: ConstellationEvent) => void;
}

/** Starts the embedded PostgreSQL or connects to the given one. @throws DATABASE_FAILED when it cannot be used. */
export async function openDatabase(options: DatabaseOptions): Promise<ConstellationDatabase> {
  const server = options.databaseUrl === undefined ? await superviseServer(options) : null;
  const adminUrl = options.databaseUrl ?? databaseUrl(server?.adminUrl() ?? '', DATABASE_NAME);
  return {
    adminUrl,
    urlOf: (service) => serviceUrl(adminUrl, service, options.passwords[service]),
    async migrateService(service) {
      const migrations = await serviceMigrations(service);
      try {
        await migrate({ adminUrl, schema: service, servicePassword: options.passwords[service], migrations });
      } catch (cause) {
        throw new DevEnvironmentError(
          'DATABASE_FAILED',
          `The tables of ${service} could not be prepared: ${messageOf(cause)}`,
          { cause },
        );
      }
    },
    async kill9() {
      await server?.kill9();
    },
    whenReady: async () => {
      await answers(adminUrl);
    },
    async stop() {
      await server?.stop();
    },
  };
}

interface SupervisedServer {
  adminUrl(): string;
  kill9(): Promise<void>;
  stop(): Promise<void>;
}

/** The embedded server, started again whenever it ends without having been asked to. */
async function superviseServer(options: DatabaseOptions): Promise<SupervisedServer> {
  const { port, throwAway, stateDir, onEvent } = options;
  const logFile = join(stateDir, 'logs', 'postgres.log');
  const start = async (): Promise<Postgres> =>
    await startPostgres({ dataDir: join(stateDir, 'postgres'), port, throwAway, logFile });
  const state = { server: await start(), stopping: false, watching: Promise.resolve() };
  try {
    await createDatabase(state.server.adminUrl);
  } catch (error) {
    await state.server.stop();
    throw error;
  }
  const isStopping = (): boolean => state.stopping;
  const watch = async (): Promise<void> => {
    let [crashes, restarts, sinceMs] = [0, 0, systemClock.monotonicMs()];
    for (;;) {
      const { code, signal } = await state.server.exited;
      if (isStopping()) return;
      if (systemClock.monotonicMs() - sinceMs > FORGET_AFTER_MS) crashes = 0;
      const restartInMs = RESTART_DELAYS_MS[crashes];
      crashes += 1;
      if (restartInMs === undefined) {
        onEvent({ kind: 'gave-up', name: 'postgres', crashes, logFile });
        return;
      }
      const how = signal === null ? `exit code ${code}` : `signal ${signal}`;
      onEvent({ kind: 'crashed', name: 'postgres', how, restartInMs });
      await delay(restartInMs);
      if (isStopping()) return;
      const startedMs = systemClock.monotonicMs();
      state.server = await start();
      // Asked to stop in this very moment: stop() has stopped the one before.
      if (isStopping()) await state.server.stop();
      sinceMs = systemClock.monotonicMs();
      restarts += 1;
      onEvent({ kind: 'ready', name: 'postgres', tookMs: sinceMs - startedMs, restarts });
    }
  };
  state.watching = watch().catch((error: unknown) => {
    onEvent({ kind: 'log', name: 'postgres', level: 'error', message: messageOf(error) });
  });
  return {
    adminUrl: () => state.server.adminUrl,
    kill9: async () => {
      await state.server.kill9();
    },
    async stop() {
      state.stopping = true;
      await state.server.stop();
      await state.watching;
    },
  };
}

async function createDatabase(url: string): Promise<void> {
  const found = await queryOnce(url, 'SELECT FROM pg_database WHERE datname = $1', [DATABASE_NAME]);
  if (found.length === 0) await queryOnce(url, `CREATE DATABASE ${DATABASE_NAME}`);
}

async function answers(url: string): Promise<void> {
  try {
    await queryOnce(url, 'SELECT 1');
  } catch (cause) {
    throw new DevEnvironmentError('DATABASE_FAILED', `The database does not answer: ${messageOf(cause)}`, { cause });
  }
}

const messageOf = (error: unknown): string => (error instanceof Error ? error.message : String(error));

/** Checks a database of the user before anything is started on it. @throws DATABASE_FAILED with what it answered. */
export async function checkDatabaseUrl(url: string): Promise<void> {
  if (!URL.canParse(url) || !/^postgres(ql)?:$/.test(new URL(url).protocol)) {
    throw new DevEnvironmentError('INVALID_SETTING', 'DATABASE_URL must be a postgres:// URL.');
  }
  try {
    await answers(url);
  } catch (cause) {
    const { host } = new URL(url);
    throw new DevEnvironmentError(
      'DATABASE_FAILED',
      `The PostgreSQL of DATABASE_URL (${host}) cannot be used. ${messageOf(cause)}`,
      { cause },
    );
  }
}
