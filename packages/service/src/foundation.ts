import { readFile } from 'node:fs/promises';

import { createAuditLog, type AuditLog } from '@sallyport/audit';
import { AppError } from '@sallyport/errors';
import type { TlsFiles } from '@sallyport/grpc';
import { openKeyring, type Keyring } from '@sallyport/keyring';
import {
  assertSchemaCurrent,
  openDatabase,
  systemClock,
  type Clock,
  type Database,
  type Migration,
} from '@sallyport/storage';
import { createLogger, createMetrics, startTracing, type Logger, type Metrics } from '@sallyport/telemetry';

import type { CommonConfig } from './settings.ts';

/** What the slices of every service stand on. */
export interface Foundation {
  readonly clock: Clock;
  readonly logger: Logger;
  readonly metrics: Metrics;
  readonly tls: TlsFiles;
  readonly keyring: Keyring;
  readonly db: Database;
  readonly audit: AuditLog;
}

/** What a test may replace. */
export interface FoundationOverrides {
  readonly clock?: Clock;
  readonly logger?: Logger;
}

export interface FoundationOptions {
  /** Name of the service: of its schema, its database role, its metrics and its audit log. */
  readonly service: string;
  readonly config: CommonConfig;
  readonly migrations: readonly Migration[];
  /** Database connections; default 20. */
  readonly poolSize?: number;
  readonly overrides?: FoundationOverrides;
}

const POOL_SIZE = 20;

const readTls = async (config: CommonConfig): Promise<TlsFiles> => {
  const [ca, cert, key] = await Promise.all([
    readFile(config.tlsCaFile),
    readFile(config.tlsCertFile),
    readFile(config.tlsKeyFile),
  ]);
  return { ca, cert, key };
};

const readKeyring = async (config: CommonConfig): Promise<Keyring> => {
  const text = (await readFile(config.masterKeyFile, 'utf8')).trim();
  if (!/^[0-9a-f]{64}$/i.test(text)) {
    throw new AppError('INTERNAL', `${config.masterKeyFile} does not hold 32 bytes in hex.`);
  }
  return openKeyring({ masterKey: Buffer.from(text, 'hex') });
};

/**
 * Opens telemetry, certificates, keys, database and audit log; each is released by `release`, in reverse order.
 * @throws UNAVAILABLE when the database is away or its schema is not exactly the newest
 */
export const openFoundation = async (
  options: FoundationOptions,
  release: AsyncDisposableStack,
): Promise<Foundation> => {
  const { service, config, migrations, overrides = {} } = options;
  const clock = overrides.clock ?? systemClock;
  const logger = overrides.logger ?? createLogger({ service, level: config.logLevel });
  const metrics = createMetrics(service);
  const tracing = startTracing({ service, ...(config.otlpUrl === undefined ? {} : { otlpUrl: config.otlpUrl }) });
  release.defer(() => tracing.shutdown());
  const [tls, keyring] = await Promise.all([readTls(config), readKeyring(config)]);
  const db = await openDatabase({
    url: config.databaseUrl,
    schema: service,
    applicationName: `sallyport-${service}`,
    poolSize: options.poolSize ?? POOL_SIZE,
    onError: (error) => {
      logger.warn({ err: error }, 'a database connection was lost');
    },
  });
  release.defer(() => db.close());
  await assertSchemaCurrent(db, migrations);
  const audit = createAuditLog({ db, keyring, clock, deployment: config.deployment, service });
  return { clock, logger, metrics, tls, keyring, db, audit };
};
