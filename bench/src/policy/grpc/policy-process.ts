import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';

import {
  NODE_FLAGS,
  REPOSITORY,
  createDevCa,
  issueDevCertificate,
  serviceMigrations,
  serviceUrl,
  startPostgres,
  waitFor,
  type DevCertificate,
} from '@sallyport/dev-env';
import { prepareSecrets } from '@sallyport/dev-env/operator';
import { startGrpcServer } from '@sallyport/grpc';
import { migrate } from '@sallyport/storage';
import { FeedStandIn } from '@sallyport/subject-feed/testing';
import { silentLogger } from '@sallyport/telemetry';
import pg from 'pg';

import { GRANTS_PER_ORGANIZATION, orgIdOf, rowsOf, userIdOf } from '../world.ts';
import type { Contender } from './load.ts';

const DEPLOYMENT = 'bench';
const SERVICES = ['identity', 'policy', 'flags'] as const;

export type Certificates = Readonly<Record<(typeof SERVICES)[number], DevCertificate>>;

/** The policy service as it runs in production: its own process, a durable PostgreSQL, identity at the other end. */
export interface PolicyProcess extends Contender {
  readonly certificates: Certificates;
  /** Entries of the decision log that are written. */
  recorded(): Promise<number>;
  close(): Promise<void>;
}

const issueAll = async (directory: string): Promise<Certificates> => {
  const ca = await createDevCa(directory);
  const issue = async (service: (typeof SERVICES)[number]): Promise<DevCertificate> =>
    await issueDevCertificate(ca, { service, deployment: DEPLOYMENT });
  return { identity: await issue('identity'), policy: await issue('policy'), flags: await issue('flags') };
};

/** The rows of one organisation of the size the budget names, as the service itself would have written them. */
const fill = async (adminUrl: string): Promise<void> => {
  const client = new pg.Client({ connectionString: adminUrl });
  await client.connect();
  const { orgId, slug, grants, projects, environments } = rowsOf(0);
  await client.query("SET search_path = policy, public; SET sallyport.all_orgs = 'on'");
  await client.query('INSERT INTO organization (org_id, slug, created_at) VALUES ($1, $2, now())', [orgId, slug]);
  await client.query('INSERT INTO grants_head (org_id, revision) VALUES ($1, 0)', [orgId]);
  await client.query('UPDATE grants_head SET revision = revision + 1 WHERE org_id = $1', [orgId]);
  await client.query(
    `INSERT INTO project_scope (org_id, project_id, key, deleted, sequence)
     SELECT $1, "projectId", key, false, 1 FROM json_to_recordset($2::json) AS row ("projectId" uuid, key text)`,
    [orgId, JSON.stringify(projects)],
  );
  await client.query(
    `INSERT INTO environment_scope (org_id, environment_id, project_id, key, tier, deleted, sequence)
     SELECT $1, "environmentId", "projectId", key, tier, false, 1
     FROM json_to_recordset($2::json) AS row ("environmentId" uuid, "projectId" uuid, key text, tier text)`,
    [orgId, JSON.stringify(environments)],
  );
  await client.query(
    `INSERT INTO role_grant (org_id, grant_id, subject_type, subject_id, role_key, project_id, effect, source, created_at,
       created_by, revision, subject_epoch)
     SELECT $1, "grantId", 'user', "subjectId", "roleKey", "projectId", 'allow', 'direct', now(), 'bench', 1, 1
     FROM json_to_recordset($2::json) AS row ("grantId" uuid, "subjectId" uuid, "roleKey" text, "projectId" uuid)`,
    [orgId, JSON.stringify(grants)],
  );
  await client.end();
};

const startIdentity = async (tls: DevCertificate) => {
  const feed = new FeedStandIn();
  const server = await startGrpcServer({
    service: 'identity',
    host: '127.0.0.1',
    port: 0,
    tls,
    deployment: DEPLOYMENT,
    logger: silentLogger(),
    services: [feed.feedService(['policy'])],
  });
  const users = Array.from({ length: GRANTS_PER_ORGANIZATION }, (_, user) => ({ subjectId: userIdOf(0, user) }));
  feed.commit(orgIdOf(0), users);
  return server;
};

/** The port its gRPC server listens on, from the log line that says it is ready. */
const grpcPortOf = async (child: ChildProcess): Promise<{ readonly grpcPort: number; readonly httpPort: number }> => {
  if (child.stdout === null) throw new Error('policy has no output');
  for await (const line of createInterface({ input: child.stdout })) {
    const {
      msg,
      grpcPort = 0,
      httpPort = 0,
    } = JSON.parse(line) as { msg: string; grpcPort?: number; httpPort?: number };
    if (msg !== 'ready') continue;
    child.stdout.resume();
    return { grpcPort, httpPort };
  }
  throw new Error('policy did not start');
};

const environmentOf = (
  certificate: DevCertificate,
  settings: { readonly url: string; readonly identityPort: number; readonly masterKeyFile: string },
): Record<string, string> => ({
  SALLYPORT_DATABASE_URL: settings.url,
  SALLYPORT_DEPLOYMENT: DEPLOYMENT,
  SALLYPORT_TLS_CA_FILE: certificate.caFile,
  SALLYPORT_TLS_CERT_FILE: certificate.certFile,
  SALLYPORT_TLS_KEY_FILE: certificate.keyFile,
  SALLYPORT_MASTER_KEY_FILE: settings.masterKeyFile,
  SALLYPORT_IDENTITY_GRPC: `127.0.0.1:${String(settings.identityPort)}`,
  // The longest there is: on a machine that does other things as well, a lease must not end while this one waits.
  SALLYPORT_LEASE_TTL: '5s',
});

/** Starts everything with the settings it has by default. */
export const startPolicyProcess = async (): Promise<PolicyProcess> => {
  await using release = new AsyncDisposableStack();
  const directory = mkdtempSync(join(tmpdir(), 'sallyport-bench-'));
  release.defer(() => {
    rmSync(directory, { recursive: true, force: true });
  });
  const postgres = await startPostgres({ dataDir: join(directory, 'postgres') });
  release.defer(() => postgres.stop());
  const secrets = await prepareSecrets(join(directory, 'secrets'));
  const certificates = await issueAll(join(directory, 'ca'));
  const { adminUrl } = postgres;
  const servicePassword = secrets.databasePasswords.policy;
  await migrate({ adminUrl, schema: 'policy', servicePassword, migrations: await serviceMigrations('policy') });
  await fill(adminUrl);
  const identity = await startIdentity(certificates.identity);
  release.defer(() => identity.close());
  const environment = environmentOf(certificates.policy, {
    url: serviceUrl(adminUrl, 'policy', servicePassword),
    identityPort: identity.port,
    masterKeyFile: secrets.masterKeyFile,
  });
  const child = spawn(process.execPath, [...NODE_FLAGS, join(REPOSITORY, 'services/policy/src/main.ts')], {
    env: environment,
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  release.defer(async () => {
    if (child.exitCode !== null) return;
    const exited = once(child, 'exit');
    child.kill('SIGTERM');
    await exited;
  });
  const { grpcPort, httpPort } = await grpcPortOf(child);
  await waitFor(async () => (await fetch(`http://127.0.0.1:${String(httpPort)}/readyz`)).status === 200, {
    timeoutMs: 20_000,
    message: 'policy is not ready',
  });
  const pool = new pg.Pool({ connectionString: adminUrl, max: 1 });
  release.defer(() => pool.end());
  const held = release.move();
  return {
    name: 'policy',
    pid: child.pid ?? 0,
    target: { port: grpcPort, serverName: 'policy', certificate: certificates.flags },
    certificates,
    recorded: async () => {
      const { rows } = await pool.query<{ count: string }>('SELECT count(*) FROM policy.decision_log');
      return Number(rows[0]?.count ?? 0);
    },
    close: () => held.disposeAsync(),
  };
};
