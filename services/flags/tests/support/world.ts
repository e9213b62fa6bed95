import { randomBytes, randomUUID } from 'node:crypto';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import {
  createDevCa,
  type DevCa,
  issueDevCertificate,
  testDatabase,
  type TestDatabase,
  waitFor,
} from '@sallyport/dev-env';
import { createGrpcClient, type GrpcServer, type GrpcService, startGrpcServer } from '@sallyport/grpc';
import { OperatorServiceClient } from '@sallyport/proto/flags/v1';
import { newId } from '@sallyport/storage';
import { silentLogger } from '@sallyport/telemetry';
import pg from 'pg';

import type { ChangeView, FlagView } from '../../src/changes/view.ts';
import { type FlagsConfig, readFlagsConfig } from '../../src/config.ts';
import { createContext, type FlagsContext } from '../../src/context.ts';
import { startServer } from '../../src/server.ts';
import type { RunningServer } from '@sallyport/service';
import { type Account, IdentityStandIn, PolicyStandIn, type Role, ROLES } from './stand-ins.ts';

const DEPLOYMENT = 'test';

/**
 * Whatever an answer of the API may hold. A test reads only what its request is answered with, so nothing is optional
 * here; a field that is not there fails the assertion that reads it.
 */
export interface Body {
  readonly id: string;
  readonly key: string;
  readonly name: string;
  readonly state: string;
  readonly status: string;
  readonly hash: string;
  readonly revision: number;
  readonly code: string;
  readonly detail: string;
  readonly metadata: Readonly<Record<string, string>>;
  readonly errors: readonly { readonly pointer: string; readonly code: string }[];
  readonly flag: FlagView;
  readonly change: ChangeView;
  readonly changeId: string;
  readonly environments: FlagView['environments'];
  readonly approvals: ChangeView['approvals'];
  readonly reviews: ChangeView['reviews'];
  readonly content: ChangeView['content'];
  readonly items: readonly Body[];
  readonly nextCursor: string | null;
  readonly kind: string;
  readonly revokedAt: string | null;
  readonly lastUsedAt: string | null;
  readonly requiredApprovals: number;
  readonly protected: boolean;
  readonly version: number;
  readonly archived: boolean;
  readonly description: string;
  readonly entry: AuditEntry;
  // OFREP
  readonly value: unknown;
  readonly variant: string;
  readonly reason: string;
  readonly errorCode: string;
  readonly errorDetails: string;
  readonly flags: readonly Body[];
}

/** An audit entry, as far as tests look at it. */
export interface AuditEntry {
  readonly action: string;
  readonly outcome: string;
  readonly env?: string;
  readonly reason?: string;
  readonly approval_ref?: string;
  readonly actor: { readonly id: string; readonly type: string; readonly via: string };
  readonly target: { readonly type: string; readonly id: string };
  readonly before?: Readonly<Record<string, unknown>>;
  readonly after?: Readonly<Record<string, unknown>>;
  readonly decision?: Readonly<Record<string, unknown>>;
}

export interface Answer {
  readonly status: number;
  readonly body: Body;
  readonly text: string;
  readonly headers: Headers;
}

export interface Person {
  readonly account: Account;
  readonly id: string;
  call(method: string, path: string, body?: unknown): Promise<Answer>;
}

interface Parts {
  readonly directory: string;
  readonly ca: DevCa;
  readonly database: TestDatabase;
  readonly identity: IdentityStandIn;
  readonly policy: PolicyStandIn;
  readonly peers: readonly GrpcServer[];
  readonly settings: Readonly<Record<string, string>>;
  readonly config: FlagsConfig;
  readonly context: FlagsContext;
  readonly server: RunningServer;
}

const startPeer = async (ca: DevCa, service: string, services: readonly GrpcService[]): Promise<GrpcServer> => {
  const tls = await issueDevCertificate(ca, { service, deployment: DEPLOYMENT });
  const at = { host: '127.0.0.1', port: 0, deployment: DEPLOYMENT };
  return await startGrpcServer({ service, ...at, tls, logger: silentLogger(), services });
};

/** The real service on a real PostgreSQL, between stand-ins of identity and policy that speak real mutual-TLS gRPC. */
export class World {
  readonly identity: IdentityStandIn;
  readonly policy: PolicyStandIn;
  readonly database: TestDatabase;
  /** What a process of the same constellation is started with. */
  readonly settings: Readonly<Record<string, string>>;
  readonly config: FlagsConfig;
  readonly context: FlagsContext;
  readonly server: RunningServer;
  readonly #parts: Parts;

  /** `database`: another one than a fresh clone of the template. */
  static async create(options: { readonly database?: TestDatabase } = {}): Promise<World> {
    const directory = await mkdtemp(join(tmpdir(), 'sallyport-flags-'));
    const ca = await createDevCa(directory);
    const database = options.database ?? (await testDatabase('flags'));
    const [identity, policy] = [new IdentityStandIn(), new PolicyStandIn()];
    const peers = [
      await startPeer(ca, 'identity', identity.services()),
      await startPeer(ca, 'policy', policy.services()),
    ] as const;
    const tls = await issueDevCertificate(ca, { service: 'flags', deployment: DEPLOYMENT });
    const masterKeyFile = join(directory, 'master.key');
    await writeFile(masterKeyFile, randomBytes(32).toString('hex'));
    const settings = {
      SALLYPORT_DATABASE_URL: database.url,
      SALLYPORT_DEPLOYMENT: DEPLOYMENT,
      SALLYPORT_TLS_CA_FILE: tls.caFile,
      SALLYPORT_TLS_CERT_FILE: tls.certFile,
      SALLYPORT_TLS_KEY_FILE: tls.keyFile,
      SALLYPORT_MASTER_KEY_FILE: masterKeyFile,
      SALLYPORT_IDENTITY_GRPC: `127.0.0.1:${String(peers[0].port)}`,
      SALLYPORT_POLICY_GRPC: `127.0.0.1:${String(peers[1].port)}`,
    };
    const config = readFlagsConfig(settings);
    const context = await createContext(config, { logger: silentLogger() });
    const server = await startServer(context, { strictResponses: true });
    return new World({ directory, ca, database, identity, policy, peers, settings, config, context, server });
  }

  private constructor(parts: Parts) {
    this.#parts = parts;
    this.identity = parts.identity;
    this.policy = parts.policy;
    this.database = parts.database;
    this.settings = parts.settings;
    this.config = parts.config;
    this.context = parts.context;
    this.server = parts.server;
  }

  get origin(): string {
    return `http://127.0.0.1:${String(this.server.httpPort)}`;
  }

  async dispose(): Promise<void> {
    await this.server.close();
    await this.context.dispose();
    await Promise.all(this.#parts.peers.map(async (peer) => await peer.close()));
    await this.database.drop();
    await rm(this.#parts.directory, { recursive: true, force: true });
  }

  /** Calls the operator RPC as a service of the deployment. */
  async createOrganization(orgId: string, service = 'operator'): Promise<{ created: boolean }> {
    const tls = await issueDevCertificate(this.#parts.ca, { service, deployment: DEPLOYMENT });
    const client = createGrpcClient(OperatorServiceClient, {
      address: `127.0.0.1:${String(this.server.grpcPort)}`,
      tls,
      serverName: 'flags',
      deployment: DEPLOYMENT,
      logger: silentLogger(),
    });
    try {
      return await client.unary('createOrganization', { orgId, slug: 'acme' }, { deadlineMs: 10_000 });
    } finally {
      client.close();
    }
  }

  async organization(): Promise<Organization> {
    const orgId = newId();
    await this.createOrganization(orgId);
    return new Organization(this, orgId);
  }

  /** One request; the body is parsed when it is JSON. */
  async request(
    method: string,
    path: string,
    init: { headers?: Record<string, string>; body?: string; origin?: string } = {},
  ): Promise<Answer> {
    const { origin = this.origin, ...rest } = init;
    const response = await fetch(`${origin}${path}`, { method, ...rest });
    const text = await response.text();
    const isJson = /json(;|$)/.test(response.headers.get('content-type') ?? '') && text !== '';
    const body = (isJson ? JSON.parse(text) : {}) as Body;
    return { status: response.status, body, text, headers: response.headers };
  }

  /**
   * Holds row locks in another session. `releaseWhenWaitedFor` waits until somebody queues for them and until the
   * database's clock has moved on by that many ms since.
   */
  async holdLock(orgId: string, sql: string): Promise<{ releaseWhenWaitedFor(ms: number): Promise<void> }> {
    const client = new pg.Client({ connectionString: this.database.adminUrl, options: '-c search_path=flags,public' });
    await client.connect();
    await client.query('BEGIN');
    await client.query(sql, [orgId]);
    return {
      releaseWhenWaitedFor: async (ms) => {
        await waitFor(
          async () => {
            const { rows } = await client.query<{ waiting: boolean }>(
              'SELECT count(*) > 0 AS waiting FROM pg_locks WHERE NOT granted',
            );
            return rows[0]?.waiting === true;
          },
          { message: 'nobody waits for the lock' },
        );
        const { rows } = await client.query<{ now: Date }>('SELECT clock_timestamp() AS now');
        const until = Number(rows[0]?.now) + ms;
        await waitFor(async () => {
          const later = await client.query<{ now: Date }>('SELECT clock_timestamp() AS now');
          return Number(later.rows[0]?.now) > until;
        });
        await client.query('COMMIT');
        await client.end();
      },
    };
  }

  /** Cuts every LISTEN connection: what is sent until they are back is lost. */
  async cutListeners(): Promise<void> {
    const { rows } = await this.#admin<{ cut: number }>(
      `SELECT count(pg_terminate_backend(pid))::int AS cut FROM pg_stat_activity
        WHERE datname = current_database() AND application_name LIKE '%-listen'`,
    );
    if ((rows[0]?.cut ?? 0) === 0) throw new Error('nobody was listening');
  }

  async #admin<T extends pg.QueryResultRow>(sql: string): Promise<pg.QueryResult<T>> {
    const client = new pg.Client({ connectionString: this.database.adminUrl });
    await client.connect();
    try {
      return await client.query<T>(sql);
    } finally {
      await client.end();
    }
  }

  /** Runs SQL as the service's own role, in the organisation's scope: what a hole in the service could do. */
  async asService<T extends pg.QueryResultRow>(orgId: string, sql: string, params: unknown[] = []): Promise<T[]> {
    return await this.#query<T>(this.database.url, orgId, { sql, params });
  }

  /** Runs SQL as the superuser of the cluster. */
  async asAdmin<T extends pg.QueryResultRow>(orgId: string, sql: string, params: unknown[] = []): Promise<T[]> {
    return await this.#query<T>(this.database.adminUrl, orgId, { sql, params });
  }

  async #query<T extends pg.QueryResultRow>(
    url: string,
    orgId: string,
    statement: { readonly sql: string; readonly params: unknown[] },
  ): Promise<T[]> {
    const client = new pg.Client({ connectionString: url, options: '-c search_path=flags,public' });
    await client.connect();
    try {
      await client.query(`SELECT set_config('sallyport.org_id', $1, false)`, [orgId]);
      return (await client.query<T>(statement.sql, statement.params)).rows;
    } finally {
      await client.end();
    }
  }
}

/** One tenant: its people, and what they need to get going. */
export class Organization {
  readonly world: World;
  readonly id: string;

  constructor(world: World, id: string) {
    this.world = world;
    this.id = id;
  }

  person(
    role: Role,
    options: { type?: Account['type']; scopes?: string[]; sponsors?: readonly string[] } = {},
  ): Person {
    const { policy } = this.world;
    const { type = 'user', sponsors = [] } = options;
    const account: Account = { id: newId(), orgId: this.id, type, active: true, epoch: 1n, sponsors };
    policy.accounts.set(account.id, account);
    policy.grants.set(account.id, ROLES[role]);
    return this.credentialOf(account, options.scopes);
  }

  /** Another credential of the same account. */
  credentialOf(account: Account, scopes: string[] = []): Person {
    const { identity } = this.world;
    const token = `tok_${randomBytes(16).toString('hex')}`;
    identity.tell(account);
    identity.tokens.set(token, { account, credentialId: randomUUID(), epoch: account.epoch, scopes });
    return {
      account,
      id: account.id,
      call: async (method, path, body) =>
        await this.world.request(method, `/api/flags/v1${path}`, {
          headers: {
            authorization: `Bearer ${token}`,
            ...(body === undefined ? {} : { 'content-type': 'application/json' }),
          },
          ...(body === undefined ? {} : { body: JSON.stringify(body) }),
        }),
    };
  }

  /** All entries of the audit log, oldest first. */
  async audit(): Promise<AuditEntry[]> {
    const records = await this.world.context.audit.list(this.id, { limit: 500 });
    return records.map(({ entry }) => entry as unknown as AuditEntry);
  }
}
