import { strict as assert } from 'node:assert';
import pg from 'pg';
import { SERVICE_NAMES, testDatabase, testPostgres } from '../src/index.ts';

const ask = async (url: string, sql: string): Promise<Record<string, unknown>[]> => {
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  try {
    return (await client.query<Record<string, unknown>>(sql)).rows;
  } finally {
    await client.end();
  }
};

describe('testDatabase', function () {
  this.timeout(180_000);

  for (const service of SERVICE_NAMES) {
    it(`gives ${service} its migrated schema and its own login role, which owns nothing`, async () => {
      const database = await testDatabase(service);
      const [row] = await ask(
        database.url,
        `SELECT current_user::text AS who, (SELECT count(*)::int FROM pg_class WHERE relowner = current_user::regrole) AS owned,
           (SELECT count(*)::int FROM ${service}.schema_migration) > 0 AS migrated`,
      );
      assert.deepEqual(row, { who: `sallyport_${service}`, owned: 0, migrated: true });
      await database.drop();
    });
  }

  it('gives every caller a database of its own on one server', async () => {
    const [one, other] = await Promise.all([testDatabase('identity'), testDatabase('identity')]);
    await ask(one.adminUrl, 'CREATE TABLE mark AS SELECT 1');
    assert.equal(new URL(one.url).port, String((await testPostgres()).port));
    assert.deepEqual(await ask(other.adminUrl, `SELECT to_regclass('mark') AS mark`), [{ mark: null }]);
    await Promise.all([one.drop(), other.drop()]);
  });

  it('drops a database with connections still open, and twice', async () => {
    const database = await testDatabase('identity');
    const left = new pg.Client({ connectionString: database.url });
    left.on('error', () => undefined);
    await left.connect();
    await database.drop();
    await database.drop();
    await assert.rejects(left.query('SELECT 1'));
    await assert.rejects(ask(database.url, 'SELECT 1'), /does not exist/);
  });
});
