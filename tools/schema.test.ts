import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';

import { SERVICE_NAMES, serviceMigrations, type ServiceName } from '@sallyport/dev-env';
import { describeSchema, migrate, type Migration } from '@sallyport/storage';
import { adminQuery, emptyDatabase } from '@sallyport/storage/testing';

const servicePassword = randomBytes(18).toString('base64url');

const apply = async (adminUrl: string, schema: ServiceName, migrations: readonly Migration[]): Promise<void> => {
  await migrate({ adminUrl, schema, servicePassword, migrations });
};

/** Artifacts of the OpenID Provider are found by the hash of their id, whosever they are. */
const READ_BEFORE_THE_ORGANIZATION_IS_KNOWN: ReadonlySet<string> = new Set(['identity.provider_artifact']);

describe('schemas of the services', () => {
  for (const service of SERVICE_NAMES) {
    it(`${service}: a database that took every migration on its own equals one that took all at once`, async () => {
      const migrations = await serviceMigrations(service);
      const [fresh, stepwise] = [await emptyDatabase(), await emptyDatabase()];
      await apply(fresh, service, migrations);
      for (let count = 1; count <= migrations.length; count += 1) {
        await apply(stepwise, service, migrations.slice(0, count));
      }
      assert.equal(await describeSchema(stepwise, service), await describeSchema(fresh, service));
    });

    it(`${service}: every table with an organisation is behind forced row-level security, and the service owns none`, async () => {
      const adminUrl = await emptyDatabase();
      await apply(adminUrl, service, await serviceMigrations(service));
      const tables = await adminQuery<{ name: string; open: boolean; owner: string }>(
        adminUrl,
        `SELECT c.relname AS name, NOT (c.relrowsecurity AND c.relforcerowsecurity) AS open, r.rolname AS owner
           FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace JOIN pg_roles r ON r.oid = c.relowner
          WHERE n.nspname = $1 AND c.relkind = 'r' AND EXISTS (
            SELECT FROM pg_attribute a WHERE a.attrelid = c.oid AND a.attname = 'org_id' AND NOT a.attisdropped)`,
        [service],
      );
      assert.ok(tables.length > 5);
      assert.deepEqual(
        tables.filter(({ owner }) => owner !== 'sallyport_owner').map(({ name }) => name),
        [],
      );
      assert.deepEqual(
        tables.filter(({ open }) => open).map(({ name }) => name),
        [],
      );
    });

    it(`${service}: the organisation leads every primary key`, async () => {
      const adminUrl = await emptyDatabase();
      await apply(adminUrl, service, await serviceMigrations(service));
      const keys = await adminQuery<{ name: string; first: string }>(
        adminUrl,
        `SELECT c.conrelid::regclass::text AS name, a.attname AS first
           FROM pg_constraint c JOIN pg_namespace n ON n.oid = c.connamespace
           JOIN pg_attribute a ON a.attrelid = c.conrelid AND a.attnum = c.conkey[1]
          WHERE n.nspname = $1 AND c.contype = 'p' AND EXISTS (
            SELECT FROM pg_attribute o WHERE o.attrelid = c.conrelid AND o.attname = 'org_id' AND NOT o.attisdropped)`,
        [service],
      );
      const others = keys.filter(({ first }) => first !== 'org_id').map(({ name }) => name);
      assert.deepEqual(
        others.filter((name) => !READ_BEFORE_THE_ORGANIZATION_IS_KNOWN.has(name)),
        [],
      );
    });
  }
});
