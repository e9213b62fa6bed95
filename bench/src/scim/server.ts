import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import {
  createDevCa,
  databaseUrl,
  issueDevCertificate,
  serviceUrl,
  startPostgres,
  type DevCertificate,
} from '@sallyport/dev-env';
import { prepareSecrets, serviceMigrations, type Secrets } from '@sallyport/dev-env/operator';
import { migrate } from '@sallyport/storage';
import pg from 'pg';

export const DEPLOYMENT = 'bench';

/** A PostgreSQL that keeps what it commits, with everything services on it need. */
export interface Server {
  /** A directory that is removed with the server. */
  readonly directory: string;
  /** Of the server process; every connection has a child of it. */
  readonly postgresPid: number;
  readonly secrets: Secrets;
  readonly certificates: { readonly identity: DevCertificate; readonly operator: DevCertificate };
  /** A new database; its URL as superuser. */
  newDatabase(name: string): Promise<string>;
  /** A new database with the schema of the identity service. */
  newIdentityDatabase(name: string): Promise<{ readonly adminUrl: string; readonly url: string }>;
  close(): Promise<void>;
}

/** Starts it in a directory of its own, durable as in production: commits wait for the disk. */
export const startServer = async (): Promise<Server> => {
  const directory = mkdtempSync(join(tmpdir(), 'sallyport-bench-'));
  const postgres = await startPostgres({ dataDir: join(directory, 'postgres') });
  const secrets = await prepareSecrets(join(directory, 'secrets'));
  const ca = await createDevCa(join(directory, 'ca'));
  const issue = (service: 'identity' | 'operator'): Promise<DevCertificate> =>
    issueDevCertificate(ca, { service, deployment: DEPLOYMENT });
  const certificates = { identity: await issue('identity'), operator: await issue('operator') };
  const newDatabase = async (name: string): Promise<string> => {
    const client = new pg.Client({ connectionString: postgres.adminUrl });
    await client.connect();
    await client.query(`CREATE DATABASE ${name}`);
    await client.end();
    return databaseUrl(postgres.adminUrl, name);
  };
  return {
    directory,
    postgresPid: postgres.pid,
    secrets,
    certificates,
    newDatabase,
    newIdentityDatabase: async (name) => {
      const adminUrl = await newDatabase(name);
      const servicePassword = secrets.databasePasswords.identity;
      const migrations = await serviceMigrations('identity');
      await migrate({ adminUrl, schema: 'identity', servicePassword, migrations });
      return { adminUrl, url: serviceUrl(adminUrl, 'identity', servicePassword) };
    },
    close: async () => {
      await postgres.stop();
      rmSync(directory, { recursive: true, force: true });
    },
  };
};
