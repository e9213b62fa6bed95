import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';

import { freePorts, NODE_FLAGS, REPOSITORY } from '@sallyport/dev-env';
import { createGrpcClient } from '@sallyport/grpc';
import { OperatorServiceClient } from '@sallyport/proto/identity/v1';
import { newId, newSecret, secretHash } from '@sallyport/storage';
import { silentLogger } from '@sallyport/telemetry';
import pg from 'pg';

import { HttpClient } from './http-client.ts';
import type { ProbeReading } from './probe.ts';
import { DEPLOYMENT, type Server } from './server.ts';

const READY_TIMEOUT_MS = 30_000;
const PROBE = new URL('./probe.ts', import.meta.url).href;

/** A directory: one connection of one organisation and the bearer token it pushes with. */
export interface Directory {
  readonly orgId: string;
  readonly connectionId: string;
  readonly token: string;
}

/** The identity service as it runs in production: a process of its own. */
export interface ScimService {
  readonly admin: pg.Pool;
  readonly client: HttpClient;
  readonly pid: number;
  newDirectory(): Promise<Directory>;
  /** What the service measured since the last call. */
  probe(): Promise<ProbeReading>;
  close(): Promise<void>;
}

const waitUntilReady = async (client: HttpClient, child: ChildProcess): Promise<void> => {
  const deadline = performance.now() + READY_TIMEOUT_MS;
  for (;;) {
    const { status } = await client.send('GET', '/readyz').catch(() => ({ status: 0 }));
    if (status === 200) return;
    if (child.exitCode !== null || performance.now() > deadline) throw new Error('identity did not start');
    await delay(50);
  }
};

const environmentOf = (server: Server, url: string, ports: { http: number; grpc: number }): Record<string, string> => ({
  SALLYPORT_DATABASE_URL: url,
  SALLYPORT_HTTP_PORT: String(ports.http),
  SALLYPORT_GRPC_PORT: String(ports.grpc),
  SALLYPORT_PUBLIC_ORIGIN: 'http://localhost:8080',
  SALLYPORT_DEPLOYMENT: DEPLOYMENT,
  SALLYPORT_TLS_CA_FILE: server.certificates.identity.caFile,
  SALLYPORT_TLS_CERT_FILE: server.certificates.identity.certFile,
  SALLYPORT_TLS_KEY_FILE: server.certificates.identity.keyFile,
  SALLYPORT_MASTER_KEY_FILE: server.secrets.masterKeyFile,
  SALLYPORT_COOKIE_KEYS_FILE: server.secrets.cookieKeysFile,
  SALLYPORT_PROVIDER_KEYS_FILE: server.secrets.providerKeysFile,
  SALLYPORT_SAML_KEY_FILE: server.secrets.samlKeyFile,
  SALLYPORT_SAML_CERT_FILE: server.secrets.samlCertFile,
  // Nobody answers there: what a directory writes waits for no decision of policy.
  SALLYPORT_POLICY_GRPC: '127.0.0.1:1',
  SALLYPORT_LOG_LEVEL: 'error',
  // What is measured is the work, not the limit.
  SALLYPORT_SCIM_RATE: '1000000',
  SALLYPORT_SCIM_BURST: '1000000',
  SALLYPORT_SCIM_QUEUE: '100000',
});

/** The rows the admin API writes; that API would need policy to run as well. */
const insertDirectory = async (admin: pg.Pool, orgId: string): Promise<Directory> => {
  const connectionId = newId();
  const token = newSecret('sp_scim_');
  await admin.query(
    `INSERT INTO identity.connection (org_id, id, name, created_at, updated_at) VALUES ($1, $2, $3, now(), now())`,
    [orgId, connectionId, connectionId],
  );
  await admin.query(`INSERT INTO identity.scim_facet (org_id, connection_id, created_at) VALUES ($1, $2, now())`, [
    orgId,
    connectionId,
  ]);
  await admin.query(
    `INSERT INTO identity.scim_token (org_id, id, connection_id, name, prefix, token_hash, created_at, created_by,
       expires_at)
     VALUES ($1, $2, $3, 'bench', $4, $5, now(), 'bench', now() + interval '1 day')`,
    [orgId, newId(), connectionId, token.slice(0, 12), secretHash(token)],
  );
  return { orgId, connectionId, token };
};

/** Starts the service on a new database of the server. */
export const startScimService = async (server: Server, name: string): Promise<ScimService> => {
  const { adminUrl, url } = await server.newIdentityDatabase(name);
  const [http = 0, grpc = 0] = await freePorts(2);
  const main = join(REPOSITORY, 'services/identity/src/main.ts');
  const child = spawn(process.execPath, [...NODE_FLAGS, '--import', PROBE, main], {
    stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
    env: { ...process.env, ...environmentOf(server, url, { http, grpc }) },
  });
  const client = new HttpClient(http);
  const admin = new pg.Pool({ connectionString: adminUrl, max: 4 });
  admin.on('error', () => undefined);
  const operator = createGrpcClient(OperatorServiceClient, {
    address: `127.0.0.1:${String(grpc)}`,
    tls: server.certificates.operator,
    serverName: 'identity',
    deployment: DEPLOYMENT,
    logger: silentLogger(),
  });
  const close = async (): Promise<void> => {
    operator.close();
    client.close();
    if (child.exitCode === null) {
      const exited = once(child, 'exit');
      child.kill('SIGTERM');
      await exited;
    }
    await admin.end();
  };
  await waitUntilReady(client, child).catch(async (error: unknown) => {
    await close();
    throw error;
  });
  return {
    admin,
    client,
    pid: child.pid ?? 0,
    newDirectory: async () => {
      const request = {
        slug: `bench-${newId()}`,
        displayName: 'Bench',
        ownerEmail: 'owner@example.com',
        ownerPassword: newId(),
      };
      const { orgId } = await operator.unary('createOrganization', request, { deadlineMs: 10_000 });
      return await insertDirectory(admin, orgId);
    },
    probe: async () => {
      const reading = once(child, 'message');
      child.send('read');
      return (await reading)[0] as ProbeReading;
    },
    close,
  };
};
