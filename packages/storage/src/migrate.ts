import { AppError } from '@sallyport/errors';
import pg from 'pg';
import { DataSource, type MigrationInterface, type QueryRunner } from 'typeorm';

import type { Database } from './database.ts';

export type Migration = new () => MigrationInterface;

const OWNER_ROLE = 'sallyport_owner';
const MIGRATION_TABLE = 'schema_migration';
// TypeORM orders migrations by the 13 digits that end their name.
const NAME_EPOCH = 1_700_000_000_000;
const ADVISORY_LOCK = 7_255_930_127;

/**
 * One forward-only step. Numbers are unique within a service and never reused; a landed migration is never edited.
 */
export const sqlMigration = (number: number, name: string, sql: string | readonly string[]): Migration => {
  const statements = typeof sql === 'string' ? [sql] : sql;
  return class implements MigrationInterface {
    readonly name = `${String(number).padStart(4, '0')}-${name}-${String(NAME_EPOCH + number)}`;

    async up(runner: QueryRunner): Promise<void> {
      for (const statement of statements) await runner.query(statement);
    }

    async down(): Promise<void> {
      return await Promise.reject(new AppError('NOT_IMPLEMENTED', 'Migrations only go forward.'));
    }
  };
};

export interface OrgTableOptions {
  /** What the service role may do; default SELECT, INSERT, UPDATE, DELETE. */
  readonly privileges?: readonly ('SELECT' | 'INSERT' | 'UPDATE' | 'DELETE')[];
}

/**
 * SQL that puts a table with an `org_id` column behind row-level security (forced, so for its owner too) and grants
 * the service role what it may do with it.
 */
export const orgTable = (schema: string, table: string, options: OrgTableOptions = {}): string => {
  const privileges = (options.privileges ?? ['SELECT', 'INSERT', 'UPDATE', 'DELETE']).join(', ');
  return `
    ALTER TABLE ${schema}.${table} ENABLE ROW LEVEL SECURITY;
    ALTER TABLE ${schema}.${table} FORCE ROW LEVEL SECURITY;
    CREATE POLICY ${table}_organization ON ${schema}.${table}
      USING (org_id = public.sallyport_org() OR public.sallyport_all_orgs())
      WITH CHECK (org_id = public.sallyport_org() OR public.sallyport_all_orgs());
    GRANT ${privileges} ON ${schema}.${table} TO ${serviceRole(schema)};
  `;
};

/** The login role of the service that owns a schema. */
export const serviceRole = (schema: string): string => `sallyport_${schema}`;

export interface MigrateOptions {
  /** A role that may create roles and schemas in this database. */
  readonly adminUrl: string;
  readonly schema: string;
  /** Password the service's login role gets. */
  readonly servicePassword: string;
  readonly migrations: readonly Migration[];
}

const baseSql = (): string => `
  CREATE OR REPLACE FUNCTION public.sallyport_org() RETURNS uuid LANGUAGE sql STABLE PARALLEL SAFE
    AS $$ SELECT nullif(current_setting('sallyport.org_id', true), '')::uuid $$;
  CREATE OR REPLACE FUNCTION public.sallyport_all_orgs() RETURNS boolean LANGUAGE sql STABLE PARALLEL SAFE
    AS $$ SELECT coalesce(current_setting('sallyport.all_orgs', true), 'off') = 'on' $$;
  CREATE OR REPLACE FUNCTION public.sallyport_fence(valid_for_ms bigint) RETURNS void LANGUAGE plpgsql AS $$
  BEGIN
    IF clock_timestamp() > transaction_timestamp() + valid_for_ms * interval '1 millisecond' THEN
      RAISE EXCEPTION 'the decision expired before the commit' USING ERRCODE = 'SPFEN';
    END IF;
  END $$;
`;

const createRole = (name: string, attributes: string): string => `
  DO $$ BEGIN
    IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = '${name}') THEN CREATE ROLE ${name} ${attributes}; END IF;
  EXCEPTION WHEN duplicate_object OR unique_violation THEN NULL; END $$;
`;

const prepare = async (client: pg.Client, options: MigrateOptions): Promise<void> => {
  const role = serviceRole(options.schema);
  await client.query(createRole(OWNER_ROLE, 'NOLOGIN'));
  await client.query(createRole(role, 'LOGIN NOINHERIT'));
  await client.query(`ALTER ROLE ${role} LOGIN PASSWORD ${client.escapeLiteral(options.servicePassword)}`);
  await client.query(`GRANT ${OWNER_ROLE} TO CURRENT_USER`);
  await client.query(baseSql());
  await client.query(`CREATE SCHEMA IF NOT EXISTS ${options.schema} AUTHORIZATION ${OWNER_ROLE}`);
  await client.query(`GRANT USAGE ON SCHEMA ${options.schema}, public TO ${role}`);
};

const runMigrations = async (options: MigrateOptions): Promise<string[]> => {
  const source = new DataSource({
    type: 'postgres',
    url: options.adminUrl,
    schema: options.schema,
    applicationName: `sallyport-migrate-${options.schema}`,
    entities: [],
    migrations: [...options.migrations],
    migrationsTableName: MIGRATION_TABLE,
    migrationsTransactionMode: 'each',
    synchronize: false,
    logging: false,
    poolSize: 2,
    extra: { options: `-c role=${OWNER_ROLE} -c search_path=${options.schema},public` },
  });
  await source.initialize();
  try {
    const applied = await source.runMigrations();
    await source.query(`GRANT SELECT ON ${options.schema}.${MIGRATION_TABLE} TO ${serviceRole(options.schema)}`);
    return applied.map(({ name }) => name);
  } finally {
    await source.destroy();
  }
};

/**
 * Brings one service's schema to the newest migration; idempotent, and serialised across processes by an advisory
 * lock. Each migration runs in a transaction of its own, so a killed run is simply run again.
 */
export const migrate = async (options: MigrateOptions): Promise<{ applied: string[] }> => {
  const client = new pg.Client({ connectionString: options.adminUrl, application_name: 'sallyport-migrate' });
  // A server that goes away fails the query in flight; without a listener it would end the process as well.
  client.on('error', () => undefined);
  await client.connect();
  try {
    // Roles belong to the whole cluster, so the lock is the same one for every schema.
    await client.query('SELECT pg_advisory_lock($1)', [ADVISORY_LOCK]);
    await prepare(client, options);
    return { applied: await runMigrations(options) };
  } finally {
    await client.end();
  }
};

/** @throws UNAVAILABLE when the database is not exactly at the newest of these migrations. */
export const assertSchemaCurrent = async (db: Database, migrations: readonly Migration[]): Promise<void> => {
  const wanted = migrations.map((migration) => new migration().name ?? '');
  const rows = await db.source.query<{ name: string }[]>(
    `SELECT name FROM ${db.schema}.${MIGRATION_TABLE} ORDER BY id`,
  );
  const found = new Set(rows.map(({ name }) => name));
  const missing = wanted.filter((name) => !found.has(name));
  if (missing.length > 0) {
    throw new AppError(
      'UNAVAILABLE',
      `The schema "${db.schema}" lacks ${missing.join(', ')}: run the migrations first.`,
    );
  }
};
