import { randomBytes } from 'node:crypto';

import { databaseUrl, serviceUrl, testPostgres, type Postgres } from '@sallyport/dev-env';
import { migrate, openDatabase, orgTable, sqlMigration, type Database, type Migration } from '@sallyport/storage';
import pg from 'pg';

const SCHEMA = 'sample';

export const sampleMigrations: readonly Migration[] = [
  sqlMigration(1, 'create-thing', [
    `CREATE TABLE sample.thing (org_id uuid NOT NULL, name text NOT NULL, note text, PRIMARY KEY (org_id, name))`,
    orgTable(SCHEMA, 'thing'),
  ]),
  sqlMigration(2, 'create-reading', [
    `CREATE TABLE sample.reading (org_id uuid NOT NULL, name text NOT NULL, PRIMARY KEY (org_id, name))`,
    orgTable(SCHEMA, 'reading', { privileges: ['SELECT'] }),
  ]),
];

export const adminQuery = async <Row extends object>(
  url: string,
  sql: string,
  params: unknown[] = [],
): Promise<Row[]> => {
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  try {
    return (await client.query(sql, params)).rows as Row[];
  } finally {
    await client.end();
  }
};

/** An empty database, on the shared test server unless another is named. */
export const emptyDatabase = async (server?: Postgres): Promise<string> => {
  const { adminUrl } = server ?? (await testPostgres());
  const name = `sample_${randomBytes(6).toString('hex')}`;
  await adminQuery(adminUrl, `CREATE DATABASE ${name}`);
  return databaseUrl(adminUrl, name);
};

const password = randomBytes(18).toString('base64url');

export interface Sample {
  readonly adminUrl: string;
  readonly url: string;
  readonly db: Database;
}

export const openSample = async (
  migrations: readonly Migration[] = sampleMigrations,
  server?: Postgres,
): Promise<Sample> => {
  const adminUrl = await emptyDatabase(server);
  await migrate({ adminUrl, schema: SCHEMA, servicePassword: password, migrations });
  const url = serviceUrl(adminUrl, SCHEMA as never, password);
  return { adminUrl, url, db: await openDatabase({ url, schema: SCHEMA, applicationName: 'sample-test' }) };
};
