import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { systemClock } from '@sallyport/storage';
import { createDevCa, issueDevCertificate, type DevCertificate } from '../certificates.ts';
import { guardDirectory, unguardDirectory } from '../guard.ts';
import { startOrigin } from '../origin/origin.ts';
import { createOperator } from '../seed/operator.ts';
import { seed, type Seeded } from '../seed/seed.ts';
import { NODE_FLAGS, programOf, REPOSITORY, SERVICE_NAMES, type ServiceName } from '../services.ts';
import { superviseChild, type Child, type RestartPolicy } from '../supervise/child.ts';
import { choosePorts, type Ports } from './addresses.ts';
import { toBootstrap, writeBootstrap, type Bootstrap } from './bootstrap.ts';
import { checkDatabaseUrl, openDatabase, type ConstellationDatabase } from './database.ts';
import type { ConstellationEvent } from './events.ts';
import { lockState } from './lock.ts';
import { prepareSecrets, type Secrets } from './secrets.ts';
import { demoIdpEnvironment, demoIdpOrigin, grpcAddress, httpAddress, serviceEnvironment } from './settings.ts';

/** How to run a constellation; everything has a default fit for tests. */
export interface ConstellationOptions {
  /** Where everything is kept; default: a temporary directory, removed at the end. */
  readonly stateDir?: string;
  /** Port of the public origin; default: remembered, else any free one. */
  readonly port?: number;
  /** Port of the demo identity provider if it is free. */
  readonly preferredIdpPort?: number;
  /** Admin URL of a PostgreSQL of the user; default: the embedded one. */
  readonly databaseUrl?: string;
  /** Keep data and state after `stop()`; default true exactly when `stateDir` is given. False also gives up durability. */
  readonly keep?: boolean;
  /** Settings added for a service, for example `{ policy: { SALLYPORT_LEASE_TTL: '500' } }`. */
  readonly settings?: Readonly<Partial<Record<ServiceName, Readonly<Record<string, string>>>>>;
  readonly restart?: Partial<RestartPolicy>;
  /** Gives up starting: what has started is stopped, and the call rejects with the signal's reason. */
  readonly signal?: AbortSignal;
  readonly onEvent?: (event: ConstellationEvent) => void;
}

/** A supervised service and where it listens. */
export type ServiceHandle = Child & {
  /** `http://host:port`, without the origin in front. */
  readonly httpUrl: string;
  /** `host:port` */
  readonly grpcAddress: string;
};

/** A running constellation: real processes, real PostgreSQL, one origin, a seeded organisation. */
export interface Constellation {
  readonly origin: string;
  readonly bootstrap: Bootstrap;
  readonly stateDir: string;
  readonly services: Readonly<Record<ServiceName, ServiceHandle>>;
  readonly demoIdp: Child & { readonly url: string };
  readonly database: Pick<ConstellationDatabase, 'adminUrl' | 'urlOf' | 'kill9' | 'whenReady'>;
  /** Mutual-TLS identities by service name, `operator` included. */
  readonly certificates: Readonly<Record<ServiceName | 'operator', DevCertificate>>;
  readonly deployment: string;
  /** From the call to everything ready, ms. */
  readonly startedInMs: number;
  /** Ends everything in order: origin, flags, policy, identity, database. Idempotent; bounded by about 30 s. */
  stop(): Promise<void>;
}

const DEPLOYMENT = 'localhost';

/**
 * Boots the whole constellation and returns when it is ready: PostgreSQL, identity, policy and flags
 * as processes of their own with mutual TLS between them, the demo identity provider, one HTTP origin,
 * the demo organisation. Crashed processes are restarted; nothing outlives this process. When a part
 * fails to start, what had started is stopped again.
 *
 * @throws DevEnvironmentError with one sentence: PORT_TAKEN, ALREADY_RUNNING, DATABASE_FAILED, CHILD_FAILED, …
 */
export async function startConstellation(options: ConstellationOptions = {}): Promise<Constellation> {
  const startedMs = systemClock.monotonicMs();
  const undo: (() => Promise<void> | void)[] = [];
  const undoAll = async (): Promise<void> => {
    for (const step of undo.splice(0).toReversed()) await step();
  };
  let stopped: Promise<void> | undefined;
  const stop = (): Promise<void> => (stopped ??= undoAll());
  try {
    const started = await boot(options, undo);
    return { ...started, stop, startedInMs: systemClock.monotonicMs() - startedMs };
  } catch (error) {
    await stop();
    throw error;
  }
}

type Undo = (() => Promise<void> | void)[];

async function boot(options: ConstellationOptions, undo: Undo): Promise<Omit<Constellation, 'stop' | 'startedInMs'>> {
  const onEvent = options.onEvent ?? ((): void => undefined);
  const { stateDir, keep } = openStateDir(options, undo);
  if (options.databaseUrl !== undefined) await checkDatabaseUrl(options.databaseUrl);
  const lock = await lockState(stateDir, (name, pid) => {
    onEvent({ kind: 'leftover-ended', name, pid });
  });
  undo.push(() => {
    lock.release();
  });
  options.signal?.addEventListener('abort', lock.stopping, { once: true });
  const ports = await choosePorts(
    stateDir,
    options.port === undefined ? {} : { public: options.port },
    options.preferredIdpPort === undefined ? {} : { idp: options.preferredIdpPort },
  );
  // First of all: a taken port is said before anything is started in vain.
  const front = await startOrigin({ port: ports.public, upstream: (service) => httpAddress(ports, service) });
  const closeFront = async (): Promise<void> => {
    await front.close();
  };
  undo.push(closeFront);
  const origin = `http://localhost:${ports.public}`;
  options.signal?.throwIfAborted();
  const ground = await prepareGround({ options, stateDir, keep, ports, onEvent }, undo);
  options.signal?.throwIfAborted();
  const running = await startProcesses({ options, stateDir, ports, origin, onEvent, ...ground }, undo);
  options.signal?.throwIfAborted();
  const seeded = await seedOrganization({ stateDir, ports, origin, onEvent, ...ground });
  const bootstrap = toBootstrap({
    seeded,
    origin,
    idpUrl: demoIdpOrigin(ports),
    policyGrpc: grpcAddress(ports, 'policy'),
    ownerPassword: ground.secrets.ownerPassword,
    operator: ground.certificates.operator,
  });
  writeBootstrap(stateDir, bootstrap);
  // What is done first when it stops: a next start learns that waiting is worth it, and nobody comes in any more.
  undo.push(closeFront, lock.stopping);
  const { database, certificates } = ground;
  return { origin, bootstrap, stateDir, ...running, database, certificates, deployment: DEPLOYMENT };
}

function openStateDir(options: ConstellationOptions, undo: Undo): { stateDir: string; keep: boolean } {
  const keep = options.keep ?? options.stateDir !== undefined;
  const stateDir = resolve(options.stateDir ?? mkdtempSync(join(tmpdir(), 'sallyport-')));
  if (!keep) {
    guardDirectory(stateDir);
    undo.push(() => {
      rmSync(stateDir, { recursive: true, force: true, maxRetries: 3 });
      unguardDirectory(stateDir);
    });
  }
  return { stateDir, keep };
}

interface Ground {
  readonly secrets: Secrets;
  readonly certificates: Readonly<Record<ServiceName | 'operator', DevCertificate>>;
  readonly database: ConstellationDatabase;
}

interface GroundInput {
  readonly options: ConstellationOptions;
  readonly stateDir: string;
  readonly keep: boolean;
  readonly ports: Ports;
  readonly onEvent: (event: ConstellationEvent) => void;
}

/** Keys, certificates and the database: what the services need before they start. */
async function prepareGround({ options, stateDir, keep, ports, onEvent }: GroundInput, undo: Undo): Promise<Ground> {
  const startedMs = systemClock.monotonicMs();
  const [secrets, certificates] = await Promise.all([
    prepareSecrets(join(stateDir, 'secrets')),
    issueCertificates(stateDir),
  ]);
  const { databaseUrl } = options;
  const database = await openDatabase({
    stateDir,
    ...(databaseUrl !== undefined && { databaseUrl }),
    port: ports.postgres,
    throwAway: !keep,
    passwords: secrets.databasePasswords,
    onEvent,
  });
  undo.push(async () => {
    await database.stop();
  });
  onEvent({ kind: 'step', step: 'database', tookMs: systemClock.monotonicMs() - startedMs });
  return { secrets, certificates, database };
}

async function issueCertificates(stateDir: string): Promise<Record<ServiceName | 'operator', DevCertificate>> {
  const ca = await createDevCa(join(stateDir, 'tls'));
  const issue = async (service: string): Promise<DevCertificate> =>
    await issueDevCertificate(ca, { service, deployment: DEPLOYMENT });
  const [identity, policy, flags, operator] = await Promise.all([
    issue('identity'),
    issue('policy'),
    issue('flags'),
    issue('operator'),
  ]);
  return { identity, policy, flags, operator };
}

interface ProcessInput extends Ground, Omit<GroundInput, 'keep'> {
  readonly origin: string;
}

/** All processes at once; each service as soon as its own tables are migrated. */
async function startProcesses(input: ProcessInput, undo: Undo): Promise<Pick<Constellation, 'services' | 'demoIdp'>> {
  const { ports, database, onEvent } = input;
  const startedMs = systemClock.monotonicMs();
  const idp = supervise(input, {
    name: 'demo-idp',
    env: demoIdpEnvironment(input.stateDir, ports),
    healthUrl: `http://127.0.0.1:${ports.idp}/healthz`,
  });
  const children = SERVICE_NAMES.map((service) => superviseService(input, service));
  const [identity, policy, flags] = children as [ServiceHandle, ServiceHandle, ServiceHandle];
  undo.push(
    async () => {
      await identity.stop();
    },
    async () => {
      await policy.stop();
    },
    async () => {
      await Promise.all([flags.stop(), idp.stop()]);
    },
  );
  // Who stops waiting for a child stops the child: its start then rejects.
  const givenUp = new AbortController();
  const stopAll = (): void => {
    givenUp.abort();
    for (const child of [idp, ...children]) child.stop().catch(() => undefined);
  };
  input.options.signal?.addEventListener('abort', stopAll, { once: true });
  const starting = SERVICE_NAMES.map(async (service, index) => {
    await database.migrateService(service);
    givenUp.signal.throwIfAborted();
    await children[index]?.start();
  });
  await allOrNothing([idp.start(), ...starting], stopAll);
  input.options.signal?.removeEventListener('abort', stopAll);
  onEvent({ kind: 'step', step: 'services', tookMs: systemClock.monotonicMs() - startedMs });
  return { services: { identity, policy, flags }, demoIdp: Object.assign(idp, { url: demoIdpOrigin(ports) }) };
}

/** As Promise.all, but ends the others when one fails, and waits until nothing goes on behind the back of who cleans up. */
async function allOrNothing(work: readonly Promise<void>[], onFailure: () => void): Promise<void> {
  try {
    await Promise.all(work);
  } catch (error) {
    onFailure();
    await Promise.allSettled(work);
    throw error;
  }
}

function superviseService(input: ProcessInput, service: ServiceName): ServiceHandle {
  const { ports, origin, options } = input;
  const settings = {
    ...input,
    publicOrigin: origin,
    deployment: DEPLOYMENT,
    overrides: options.settings?.[service] ?? {},
  };
  const httpUrl = `http://${httpAddress(ports, service)}`;
  const child = supervise(input, {
    name: service,
    env: serviceEnvironment(service, settings),
    healthUrl: `${httpUrl}/readyz`,
  });
  return Object.assign(child, { httpUrl, grpcAddress: grpcAddress(ports, service) });
}

interface Program {
  readonly name: ServiceName | 'demo-idp';
  readonly env: Readonly<Record<string, string>>;
  readonly healthUrl: string;
}

function supervise({ stateDir, onEvent, options }: ProcessInput, { name, env, healthUrl }: Program): Child {
  return superviseChild({
    name,
    command: [process.execPath, ...NODE_FLAGS, programOf(name)],
    env,
    cwd: REPOSITORY,
    logFile: join(stateDir, 'logs', `${name}.log`),
    runFile: join(stateDir, 'run', `${name}.json`),
    isReady: async () => (await fetch(healthUrl, { signal: AbortSignal.timeout(1_000) })).ok,
    onEvent,
    ...(options.restart !== undefined && { restart: options.restart }),
  });
}

interface SeedInput extends Ground {
  readonly stateDir: string;
  readonly ports: Ports;
  readonly origin: string;
  readonly onEvent: (event: ConstellationEvent) => void;
}

async function seedOrganization({
  stateDir,
  ports,
  origin,
  secrets,
  certificates,
  onEvent,
}: SeedInput): Promise<Seeded> {
  const startedMs = systemClock.monotonicMs();
  const operator = createOperator({
    addressOf: (service) => grpcAddress(ports, service),
    tls: certificates.operator,
    deployment: DEPLOYMENT,
  });
  try {
    const { ownerPassword } = secrets;
    const seeded = await seed({ stateDir, origin, idpUrl: demoIdpOrigin(ports), ownerPassword, operator });
    onEvent({ kind: 'step', step: 'seeded', tookMs: systemClock.monotonicMs() - startedMs });
    return seeded;
  } finally {
    operator.close();
  }
}
