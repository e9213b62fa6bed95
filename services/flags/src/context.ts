import { readFile } from 'node:fs/promises';

import { type AuditLog, createAuditLog } from '@sallyport/audit';
import type { TlsFiles } from '@sallyport/grpc';
import { openKeyring } from '@sallyport/keyring';
import { assertSchemaCurrent, type Clock, type Database, openDatabase, systemClock } from '@sallyport/storage';
import { createLogger, createMetrics, type Logger, type Metrics, startTracing } from '@sallyport/telemetry';

import type { FlagsConfig } from './config.ts';
import { type Delivery, startDelivery } from './delivery/index.ts';
import { connectPeers, type Decisions, type Peers, readTls } from './edge/index.ts';
import { migrations } from './migrations/index.ts';
import { policyRegistry, ScopeDelivery } from './projects/index.ts';

/** Everything the slices share; built once per process and passed as parameters. */
export interface FlagsContext {
  readonly config: FlagsConfig;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly metrics: Metrics;
  readonly tls: TlsFiles;
  readonly db: Database;
  readonly audit: AuditLog;
  readonly peers: Peers;
  readonly decisions: Decisions;
  readonly scopes: ScopeDelivery;
  readonly delivery: Delivery;
  readonly onApplied: (orgId: string, environmentIds: readonly string[]) => Promise<void>;
  /** Releases in reverse order of acquisition. */
  dispose(): Promise<void>;
}

/** What a test may replace. */
export interface ContextOverrides {
  readonly clock?: Clock;
  readonly logger?: Logger;
}

const openAudit = async (config: FlagsConfig, db: Database, clock: Clock): Promise<AuditLog> => {
  const masterKey = Buffer.from((await readFile(config.masterKeyFile, 'utf8')).trim(), 'hex');
  const keyring = openKeyring({ masterKey });
  return createAuditLog({ db, keyring, clock, deployment: config.deployment, service: 'flags' });
};

const assemble = async (
  config: FlagsConfig,
  overrides: ContextOverrides,
  release: AsyncDisposableStack,
): Promise<Omit<FlagsContext, 'dispose'>> => {
  const clock = overrides.clock ?? systemClock;
  const logger = overrides.logger ?? createLogger({ service: 'flags', level: config.logLevel });
  const metrics = createMetrics('flags');
  const tracing = startTracing({ service: 'flags', otlpUrl: config.otlpUrl });
  release.defer(async () => {
    await tracing.shutdown();
  });
  const tls = await readTls(config);
  const onError = (error: unknown): void => {
    logger.warn({ err: error }, 'a database connection was lost');
  };
  const url = config.databaseUrl;
  const db = await openDatabase({ url, schema: 'flags', applicationName: 'sallyport-flags', poolSize: 20, onError });
  release.defer(async () => {
    await db.close();
  });
  await assertSchemaCurrent(db, migrations);
  const audit = await openAudit(config, db, clock);
  const { identityGrpc, policyGrpc, deployment } = config;
  const peers = connectPeers({ identityGrpc, policyGrpc, deployment, tls, logger, metrics });
  release.defer(() => {
    peers.close();
  });
  const scopes = new ScopeDelivery({ db, clock, logger, registry: policyRegistry(peers) });
  scopes.start();
  release.defer(async () => {
    await scopes.stop();
  });
  const delivery = await startDelivery({ db, clock, logger });
  release.defer(async () => {
    await delivery.close();
  });
  const onApplied = async (_orgId: string, environmentIds: readonly string[]): Promise<void> => {
    await delivery.refresh(environmentIds);
  };
  const { decisions } = peers;
  return { config, clock, logger, metrics, tls, db, audit, peers, decisions, scopes, delivery, onApplied };
};

/** Connects to everything. @throws UNAVAILABLE when the database is away or its schema is not the newest */
export const createContext = async (config: FlagsConfig, overrides: ContextOverrides = {}): Promise<FlagsContext> => {
  await using release = new AsyncDisposableStack();
  const context = await assemble(config, overrides, release);
  const held = release.move();
  return {
    ...context,
    dispose: async () => {
      await held.disposeAsync();
    },
  };
};
