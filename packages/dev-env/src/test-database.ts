import { randomBytes } from 'node:crypto';
import { mkdtempSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { migrate } from '@sallyport/storage';
import { serviceMigrations, type ServiceName } from './services.ts';
import { queryOnce } from './postgres/query.ts';
import { startPostgres, type Postgres } from './postgres/start.ts';

/** A database of its own for one test. */
export interface TestDatabase {
  /** Connection URL of the service's login role: row-level security applies. */
  readonly url: string;
  /** Connection URL of the superuser, for arranging and for looking behind the curtain. */
  readonly adminUrl: string;
  /** Ends every connection to it and removes it; idempotent. */
  drop(): Promise<void>;
}

let cluster: Promise<Postgres> | undefined;
const templates = new Map<ServiceName, Promise<string>>();
// Roles belong to the cluster, not to a database: two migrations at once would alter the same role.
let migrating: Promise<unknown> = Promise.resolve();
const servicePassword = randomBytes(24).toString('base64url');

/**
 * A fresh database holding the migrated schema of one service, cloned from a template that is
 * migrated once per test process. The PostgreSQL under it is shared by the process, starts with
 * the first call and ends with the process, however that ends.
 */
export async function testDatabase(service: ServiceName): Promise<TestDatabase> {
  const server = await testPostgres();
  const template = await templateFor(service, server);
  const name = `test_${service}_${randomBytes(6).toString('hex')}`;
  await queryOnce(server.adminUrl, `CREATE DATABASE ${name} TEMPLATE ${template}`);
  const adminUrl = databaseUrl(server.adminUrl, name);
  return {
    url: serviceUrl(adminUrl, service, servicePassword),
    adminUrl,
    async drop() {
      await queryOnce(server.adminUrl, `DROP DATABASE IF EXISTS ${name} WITH (FORCE)`);
    },
  };
}

/** The PostgreSQL server all tests of this process share; for tests that need more than one service's schema. */
export function testPostgres(): Promise<Postgres> {
  cluster ??= startPostgres({ dataDir: mkdtempSync(join(tmpdir(), 'sallyport-test-')), throwAway: true });
  return cluster;
}

/** The same server and credentials, another database. */
export function databaseUrl(url: string, database: string): string {
  const changed = new URL(url);
  changed.pathname = `/${database}`;
  return changed.href;
}

/** The same server and database as the login role of one service. */
export function serviceUrl(url: string, service: ServiceName, password: string): string {
  const changed = new URL(url);
  changed.username = `sallyport_${service}`;
  changed.password = password;
  return changed.href;
}

function templateFor(service: ServiceName, server: Postgres): Promise<string> {
  const known = templates.get(service);
  if (known !== undefined) return known;
  const made = migrating.then(() => makeTemplate(service, server));
  migrating = made.catch(() => undefined);
  templates.set(service, made);
  return made;
}

async function makeTemplate(service: ServiceName, server: Postgres): Promise<string> {
  const name = `template_${service}`;
  await queryOnce(server.adminUrl, `CREATE DATABASE ${name}`);
  const adminUrl = databaseUrl(server.adminUrl, name);
  await migrate({ adminUrl, schema: service, servicePassword, migrations: await serviceMigrations(service) });
  return name;
}
