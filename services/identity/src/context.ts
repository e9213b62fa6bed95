import { readFile } from 'node:fs/promises';

import { createAuditLog, type AuditLog } from '@sallyport/audit';
import { createDecisionClient, type DecisionClient } from '@sallyport/decision-client';
import { openKeyring, type Keyring } from '@sallyport/keyring';
import { assertSchemaCurrent, openDatabase, systemClock, type Clock, type Database } from '@sallyport/storage';
import { createLogger, createMetrics, type Logger, type Metrics } from '@sallyport/telemetry';

import type { CredentialVoiders } from './accounts/index.ts';
import type { IdentityConfig } from './config.ts';
import { credentialVoiders } from './edge/credential-voiders.ts';
import { policyClient, readTls } from './edge/tls.ts';
import type { TlsFiles } from '@sallyport/grpc';
import { migrations } from './migrations/index.ts';
import { createSignIn, type SignIn } from './sign-in.ts';
import { createSubjectFeed, type SubjectFeed } from './subject-log/index.ts';

/** Everything the slices share; built once per process and passed as a parameter. */
export interface IdentityContext extends SignIn {
  readonly config: IdentityConfig;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly metrics: Metrics;
  readonly tls: TlsFiles;
  readonly db: Database;
  readonly keyring: Keyring;
  readonly audit: AuditLog;
  readonly decisions: DecisionClient;
  readonly credentialVoiders: CredentialVoiders;
  readonly feed: SubjectFeed;
  /** Releases in reverse order of acquisition. */
  dispose(): Promise<void>;
}

/** What a test may replace. */
export interface ContextOverrides {
  readonly clock?: Clock;
  readonly logger?: Logger;
  readonly decisions?: DecisionClient;
  readonly credentialVoiders?: CredentialVoiders;
}

const POOL_SIZE = 20;

const openIdentityDatabase = async (config: IdentityConfig, logger: Logger): Promise<Database> =>
  await openDatabase({
    url: config.databaseUrl,
    schema: 'identity',
    applicationName: 'sallyport-identity',
    poolSize: POOL_SIZE,
    onError: (error) => {
      logger.warn({ err: error }, 'database connection lost');
    },
  });

/** Connects to everything. @throws UNAVAILABLE when the database is away or its schema is not the newest. */
export const createContext = async (
  config: IdentityConfig,
  overrides: ContextOverrides = {},
): Promise<IdentityContext> => {
  const disposers: (() => Promise<void>)[] = [];
  const dispose = async (): Promise<void> => {
    for (const release of disposers.splice(0).reverse()) await release();
  };
  try {
    const clock = overrides.clock ?? systemClock;
    const logger = overrides.logger ?? createLogger({ service: 'identity', level: config.logLevel });
    const metrics = createMetrics('identity');
    const tls = await readTls(config);
    const keyring = openKeyring({
      masterKey: Buffer.from((await readFile(config.masterKeyFile, 'utf8')).trim(), 'hex'),
    });
    const db = await openIdentityDatabase(config, logger);
    disposers.push(() => db.close());
    await assertSchemaCurrent(db, migrations);
    const audit = createAuditLog({ db, deployment: config.deployment, service: 'identity', keyring, clock });
    const policy = policyClient(config, tls, logger);
    disposers.push(() => {
      policy.close();
      return Promise.resolve();
    });
    const decisions = overrides.decisions ?? createDecisionClient({ grpc: policy });
    const feed = await createSubjectFeed({ db, audit, clock, logger, metrics, leaseTtlMs: config.leaseTtlMs });
    disposers.push(() => feed.close());
    const voiders = overrides.credentialVoiders ?? credentialVoiders;
    const signIn = await createSignIn({ config, db, audit, clock, logger, credentialVoiders: voiders });
    disposers.push(() => signIn.samlVerifier.close());
    return {
      config,
      clock,
      logger,
      metrics,
      tls,
      db,
      keyring,
      audit,
      decisions,
      credentialVoiders: voiders,
      feed,
      ...signIn,
      dispose,
    };
  } catch (error) {
    await dispose();
    throw error;
  }
};
