import { readFile } from 'node:fs/promises';

import { createAuditLog, type AuditLog } from '@sallyport/audit';
import { createPrincipalClient, type PrincipalClient } from '@sallyport/decision-client';
import { createGrpcClient, type TlsFiles } from '@sallyport/grpc';
import { openKeyring } from '@sallyport/keyring';
import { IntrospectionServiceClient, SubjectFeedServiceClient } from '@sallyport/proto/identity/v1';
import { assertSchemaCurrent, openDatabase, systemClock, type Clock, type Database } from '@sallyport/storage';
import { createLogger, createMetrics, startTracing, type Logger, type Metrics } from '@sallyport/telemetry';

import type { PolicyConfig } from './config.ts';
import { DecisionPoint } from './decide/index.ts';
import { readTls } from './edge/index.ts';
import { GrantKnowledge, databaseSource } from './grants/index.ts';
import { combinedKnowledge } from './knowledge.ts';
import { migrations } from './migrations/index.ts';
import { BUILT_IN_ROLES } from './model/index.ts';
import { Lease, Standing, StandingWriter, SubjectFeed, identityFeed } from './subjects/index.ts';

/** Everything the slices share; built once per process and passed as a parameter. */
export interface PolicyContext {
  readonly config: PolicyConfig;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly metrics: Metrics;
  readonly tls: TlsFiles;
  readonly db: Database;
  readonly audit: AuditLog;
  readonly principals: PrincipalClient;
  readonly standing: Standing;
  readonly standingLease: Lease;
  readonly knowledge: GrantKnowledge;
  readonly decisions: DecisionPoint;
  /** Releases in reverse order of acquisition. */
  dispose(): Promise<void>;
}

/** What a test may replace. */
export interface ContextOverrides {
  readonly clock?: Clock;
  readonly logger?: Logger;
}

type OnDispose = (release: () => Promise<void>) => void;

/** Telemetry, database and audit log: what every service has. */
const openBasics = async (config: PolicyConfig, overrides: ContextOverrides, onDispose: OnDispose) => {
  const clock = overrides.clock ?? systemClock;
  const logger = overrides.logger ?? createLogger({ service: 'policy', level: config.logLevel });
  const metrics = createMetrics('policy');
  const tls = await readTls(config);
  const keyring = openKeyring({ masterKey: Buffer.from((await readFile(config.masterKeyFile, 'utf8')).trim(), 'hex') });
  const db = await openDatabase({
    url: config.databaseUrl,
    schema: 'policy',
    applicationName: 'sallyport-policy',
    onError: (error) => {
      logger.warn({ err: error }, 'database connection lost');
    },
  });
  onDispose(() => db.close());
  await assertSchemaCurrent(db, migrations);
  const audit = createAuditLog({ db, deployment: config.deployment, service: 'policy', keyring, clock });
  return { config, clock, logger, metrics, tls, db, audit };
};

type Basics = Awaited<ReturnType<typeof openBasics>>;

/** Grants: read before the first question, then at every wake-up and at least once per renewal. */
const openGrants = async ({ config, clock, logger, metrics, db }: Basics, onDispose: OnDispose) => {
  const { leaseTtlMs: ttlMs } = config;
  const knowledge = new GrantKnowledge({
    source: databaseSource(db),
    roles: BUILT_IN_ROLES,
    clock,
    logger,
    metrics,
    ttlMs,
  });
  await knowledge.refresh();
  onDispose(await knowledge.start(db, config.leaseRenewalMs));
  return knowledge;
};

/** Standing: taken up where the last process left it, then followed at identity. */
const openStanding = async ({ config, clock, logger, metrics, tls, db }: Basics, onDispose: OnDispose) => {
  const target = { address: config.identityGrpc, tls, serverName: 'identity', deployment: config.deployment, logger };
  const introspection = createGrpcClient(IntrospectionServiceClient, target);
  const feedClient = createGrpcClient(SubjectFeedServiceClient, target);
  onDispose(async () => {
    introspection.close();
    feedClient.close();
    return await Promise.resolve();
  });
  const standing = new Standing();
  const standingLease = new Lease(clock, config.leaseTtlMs);
  const writer = new StandingWriter({ db, standing, logger });
  onDispose(() => writer.flush());
  const stored = await writer.load();
  for (const organization of stored.organizations)
    standing.load(organization.orgId, { ...organization, logId: stored.logId });
  const feed = new SubjectFeed({
    source: identityFeed(feedClient),
    standing,
    lease: standingLease,
    logId: stored.logId,
    renewalMs: config.leaseRenewalMs,
    logger,
    metrics,
    onApplied: (step) => {
      writer.note(step);
    },
  });
  feed.start();
  onDispose(() => feed.close());
  return { standing, standingLease, principals: createPrincipalClient({ grpc: introspection }) };
};

/** Connects to everything. @throws UNAVAILABLE when the database is away or its schema is not the newest. */
export const createContext = async (config: PolicyConfig, overrides: ContextOverrides = {}): Promise<PolicyContext> => {
  const releases: (() => Promise<void>)[] = [];
  const dispose = async (): Promise<void> => {
    for (const release of releases.splice(0).reverse()) await release();
  };
  const onDispose: OnDispose = (release) => {
    releases.push(release);
  };
  try {
    if (config.otlpUrl !== undefined) {
      const tracing = startTracing({ service: 'policy', otlpUrl: config.otlpUrl });
      onDispose(() => tracing.shutdown());
    }
    const basics = await openBasics(config, overrides, onDispose);
    const knowledge = await openGrants(basics, onDispose);
    const followed = await openStanding(basics, onDispose);
    const known = combinedKnowledge(knowledge, followed.standing, followed.standingLease);
    const decisions = new DecisionPoint(known, basics.clock, basics.metrics);
    return { ...basics, ...followed, knowledge, decisions, dispose };
  } catch (error) {
    await dispose();
    throw error;
  }
};
