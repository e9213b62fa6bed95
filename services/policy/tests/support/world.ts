import { randomBytes } from 'node:crypto';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import {
  createDevCa,
  issueDevCertificate,
  testDatabase,
  waitFor,
  type DevCa,
  type DevCertificate,
  type TestDatabase,
} from '@sallyport/dev-env';
import { createGrpcClient, type ClientConstructor, type GrpcClient, type ServiceMethods } from '@sallyport/grpc';
import {
  DecisionServiceClient,
  OperatorServiceClient,
  ScopeServiceClient,
  type CheckResponse,
  type DecisionServiceService,
} from '@sallyport/proto/policy/v1';
import { newId } from '@sallyport/storage';
import { silentLogger } from '@sallyport/telemetry';

import type { RunningServer } from '@sallyport/service';
import type { GivenProperties } from '../../src/conditions/index.ts';
import { readPolicyConfig } from '../../src/config.ts';
import { createContext, type PolicyContext } from '../../src/context.ts';
import { startServer } from '../../src/server.ts';
import { FakeIdentity } from './fake-identity.ts';

export const DEPLOYMENT = 'test.example';
/** On a busy machine a lease may end under a change: whoever is told to try again does. */
export const untilDecided = async (ask: () => Promise<Answer>): Promise<Answer> => {
  for (;;) {
    const answer = await ask();
    if ((answer.body as { code?: string } | undefined)?.code !== 'DECISION_EXPIRED') return answer;
  }
};

export const ORIGIN = 'https://sallyport.example';

export interface Answer {
  readonly status: number;
  readonly headers: Headers;
  readonly text: string;
  /** The body parsed; undefined when there is none. */
  readonly body: unknown;
}

/** An organisation with a project, a staging and a live environment, and one Owner. */
export interface Organization {
  readonly orgId: string;
  readonly ownerId: string;
  /** Bearer token of the Owner. */
  readonly ownerToken: string;
  readonly projectId: string;
  readonly stagingId: string;
  readonly liveId: string;
}

export interface PolicyProcess {
  readonly context: PolicyContext;
  readonly server: RunningServer;
  stop(): Promise<void>;
}

/** The real policy service on a real database, a played identity service, and clients of every peer. */
export class World {
  readonly identity: FakeIdentity;
  readonly database: TestDatabase;
  readonly #directory: string;
  readonly #certificates: Readonly<Record<string, DevCertificate>>;
  readonly #identityPort: number;
  readonly #settings: Readonly<Record<string, string>>;
  readonly #clients: { close(): void }[] = [];
  #policy: PolicyProcess | null = null;

  private constructor(parts: {
    identity: FakeIdentity;
    database: TestDatabase;
    directory: string;
    certificates: Readonly<Record<string, DevCertificate>>;
    identityPort: number;
    settings: Readonly<Record<string, string>>;
  }) {
    this.identity = parts.identity;
    this.database = parts.database;
    this.#directory = parts.directory;
    this.#certificates = parts.certificates;
    this.#identityPort = parts.identityPort;
    this.#settings = parts.settings;
  }

  /** @param settings of the service, beside (or instead of) those every world has */
  static async create(settings: Readonly<Record<string, string>> = {}): Promise<World> {
    const directory = mkdtempSync(join(tmpdir(), 'policy-test-'));
    const ca = await createDevCa(directory);
    const certificates = await certificatesOf(ca);
    const database = await testDatabase('policy');
    const identity = new FakeIdentity(certificates['identity'] as DevCertificate, DEPLOYMENT);
    const identityPort = await identity.start();
    const world = new World({ identity, database, directory, certificates, identityPort, settings });
    writeFileSync(join(directory, 'master.key'), randomBytes(32).toString('hex'));
    await world.startPolicy();
    return world;
  }

  get policy(): PolicyProcess {
    if (this.#policy === null) throw new Error('policy is not running');
    return this.#policy;
  }

  get context(): PolicyContext {
    return this.policy.context;
  }

  /** Starts the service, and waits until it may decide. */
  async startPolicy(waitUntilReady = true): Promise<PolicyProcess> {
    const config = readPolicyConfig(this.environment());
    const context = await createContext(config, { logger: silentLogger() });
    const server = await startServer(context, true);
    let stopping: Promise<void> | null = null;
    const stop = async (): Promise<void> => {
      await server.close();
      await context.dispose();
    };
    this.#policy = { context, server, stop: () => (stopping ??= stop()) };
    if (waitUntilReady) await waitFor(() => context.standingLease.remainingMs() > 0, { message: 'no lease was had' });
    return this.#policy;
  }

  /** The settings of the service in this world. */
  environment(): Readonly<Record<string, string>> {
    const certificate = this.#certificates['policy'] as DevCertificate;
    return {
      SALLYPORT_DATABASE_URL: this.database.url,
      SALLYPORT_PUBLIC_ORIGIN: ORIGIN,
      SALLYPORT_DEPLOYMENT: DEPLOYMENT,
      SALLYPORT_TLS_CA_FILE: certificate.caFile,
      SALLYPORT_TLS_CERT_FILE: certificate.certFile,
      SALLYPORT_TLS_KEY_FILE: certificate.keyFile,
      SALLYPORT_MASTER_KEY_FILE: join(this.#directory, 'master.key'),
      SALLYPORT_IDENTITY_GRPC: `127.0.0.1:${String(this.#identityPort)}`,
      SALLYPORT_LEASE_TTL: '5s',
      SALLYPORT_LEASE_RENEWAL: '50ms',
      // Whatever a test decides, Casbin is asked too.
      SALLYPORT_SHADOW_EVERY: '1',
      ...this.#settings,
    };
  }

  async dispose(): Promise<void> {
    for (const client of this.#clients) client.close();
    await this.#policy?.stop();
    await this.identity.stop();
    await this.database.drop();
    rmSync(this.#directory, { recursive: true, force: true });
  }

  client<D extends ServiceMethods>(constructor: ClientConstructor<D>, peer: string): GrpcClient<D> {
    const client = createGrpcClient(constructor, {
      address: `127.0.0.1:${String(this.policy.server.grpcPort)}`,
      tls: this.#certificates[peer] as DevCertificate,
      serverName: 'policy',
      deployment: DEPLOYMENT,
      logger: silentLogger(),
    });
    this.#clients.push(client);
    return client;
  }

  /** An organisation set up the way the launcher and flags do it: over gRPC. */
  async organization(): Promise<Organization> {
    const [orgId, ownerId, projectId, stagingId, liveId] = [newId(), newId(), newId(), newId(), newId()];
    const ownerToken = `owner-${orgId}`;
    await this.user(orgId, ownerId, ownerToken);
    await this.client(OperatorServiceClient, 'operator').unary(
      'createOrganization',
      { orgId, slug: 'acme', ownerSubjectId: ownerId },
      { deadlineMs: 10_000 },
    );
    const scopes = this.client(ScopeServiceClient, 'flags');
    const options = { deadlineMs: 10_000 };
    await scopes.unary('putProject', { orgId, projectId, key: 'shop', deleted: false, sequence: 1n }, options);
    const environment = { orgId, projectId, deleted: false };
    await scopes.unary(
      'putEnvironment',
      { ...environment, environmentId: stagingId, key: 'staging', tier: 1, sequence: 2n },
      options,
    );
    await scopes.unary(
      'putEnvironment',
      { ...environment, environmentId: liveId, key: 'live', tier: 2, sequence: 3n },
      options,
    );
    return { orgId, ownerId, ownerToken, projectId, stagingId, liveId };
  }

  /** A user in the subject log, and a token for them. Returns once policy knows. */
  async user(orgId: string, subjectId: string, token: string, groupIds: string[] = []): Promise<void> {
    this.identity.allow(token, { orgId, subjectId });
    const position = this.identity.commit(orgId, [{ subjectId, groupIds }]);
    await this.applied(orgId, position);
  }

  /** Waits until policy has applied the position. */
  async applied(orgId: string, position: bigint): Promise<void> {
    await waitFor(() => this.context.standing.position(orgId) >= position && !this.context.standing.isStale(orgId), {
      message: `policy did not apply position ${String(position)}`,
    });
  }

  async call(method: string, path: string, options: CallOptions = {}): Promise<Answer> {
    const { token, body, headers = {} } = options;
    const port = options.port ?? this.policy.server.httpPort;
    const response = await fetch(`http://127.0.0.1:${String(port)}${path}`, {
      method,
      headers: {
        ...(token === undefined ? {} : { authorization: `Bearer ${token}` }),
        ...(body === undefined ? {} : { 'content-type': 'application/json' }),
        ...headers,
      },
      ...(body === undefined ? {} : { body: typeof body === 'string' ? body : JSON.stringify(body) }),
    });
    const text = await response.text();
    const isJson = /^application\/(problem\+)?json\b/.test(response.headers.get('content-type') ?? '');
    return { status: response.status, headers: response.headers, text, body: isJson ? JSON.parse(text) : undefined };
  }

  /** Gives a role as the Owner; answers the grant's id. */
  async grant(organization: Organization, grant: GrantRequest): Promise<string> {
    const { status, body, text } = await untilDecided(() =>
      this.call('POST', '/api/policy/v1/grants', { token: organization.ownerToken, body: grant }),
    );
    if (status !== 201) throw new Error(`grant refused: ${text}`);
    return (body as { id: string }).id;
  }

  /** Asks as flags would. */
  async check(question: Question, peer = 'flags'): Promise<CheckResponse> {
    const { orgId, subjectId, action, projectId = '', environmentId = '' } = question;
    return await this.#decisions(peer).unary(
      'check',
      {
        orgId,
        subject: {
          type: question.type ?? 'user',
          id: subjectId,
          epoch: question.epoch ?? 0n,
          properties: question.given?.subject,
        },
        action,
        resource: { type: 'flag', id: 'checkout', projectId, environmentId, properties: question.given?.resource },
        context: question.given?.context,
        requestId: question.requestId ?? '',
      },
      { deadlineMs: 300 },
    );
  }

  readonly #decisionClients = new Map<string, GrpcClient<DecisionServiceService>>();

  #decisions(peer: string): GrpcClient<DecisionServiceService> {
    const key = `${peer} ${String(this.policy.server.grpcPort)}`;
    const known = this.#decisionClients.get(key);
    if (known !== undefined) return known;
    const created = this.client(DecisionServiceClient, peer);
    this.#decisionClients.set(key, created);
    return created;
  }
}

export interface CallOptions {
  readonly token?: string;
  /** Objects are sent as JSON, text as it is. */
  readonly body?: unknown;
  readonly headers?: Readonly<Record<string, string>>;
  /** Another process's; default: that of the service in this one. */
  readonly port?: number;
}

export interface GrantRequest {
  readonly subject: { readonly type: string; readonly id: string };
  readonly role: string;
  readonly scope?: { readonly projectId?: string; readonly environmentId?: string };
  readonly effect?: 'allow' | 'deny';
  readonly tier?: 'non-production' | 'production';
  readonly resourceType?: string;
  readonly condition?: object;
  readonly validFrom?: string;
  readonly validUntil?: string;
}

export interface Question {
  readonly orgId: string;
  readonly subjectId: string;
  readonly action: string;
  readonly projectId?: string;
  readonly environmentId?: string;
  readonly type?: string;
  readonly epoch?: bigint;
  readonly given?: GivenProperties;
  readonly requestId?: string;
}

const certificatesOf = async (ca: DevCa): Promise<Readonly<Record<string, DevCertificate>>> => {
  const found: Record<string, DevCertificate> = {};
  for (const service of ['identity', 'policy', 'flags', 'operator'])
    found[service] = await issueDevCertificate(ca, { service, deployment: DEPLOYMENT });
  return found;
};
