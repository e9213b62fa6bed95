import assert from 'node:assert/strict';

import { waitFor } from '@sallyport/dev-env';
import { isAppError } from '@sallyport/errors';
import {
  assertSchemaCurrent,
  describeSchema,
  isInsufficientPrivilege,
  isUniqueViolation,
  migrate,
  newId,
  sqlMigration,
  statement,
  systemClock,
  type Tx,
} from '@sallyport/storage';

import { adminQuery, emptyDatabase, openSample, sampleMigrations, type Sample } from './sample-database.ts';

const put = 'INSERT INTO thing (org_id, name) VALUES ($1, $2)';
const names = 'SELECT name FROM thing ORDER BY name';

describe('storage: row-level security', () => {
  const [acme, globex] = [newId(), newId()];
  let sample: Sample;
  before(async () => {
    sample = await openSample();
    for (const org of [acme, globex]) {
      await sample.db.unauditedWrite(org, 'test data', async (tx) => await tx.query(put, [org, `of ${org}`]));
    }
  });
  after(async () => {
    await sample.db.close();
  });

  it('shows a transaction its own organisation and nothing else, whatever the query says', async () => {
    const rows = await sample.db.read(acme, async (tx) => await tx.query(names));
    assert.deepEqual(rows, [{ name: `of ${acme}` }]);
    const asked = await sample.db.read(acme, async (tx) => {
      return await tx.query('SELECT name FROM thing WHERE org_id = $1', [globex]);
    });
    assert.deepEqual(asked, []);
  });

  it("refuses to write a row into another organisation, and touches none of another's", async () => {
    await assert.rejects(
      sample.db.unauditedWrite(acme, 'attack', async (tx) => await tx.query(put, [globex, 'smuggled'])),
      isInsufficientPrivilege,
    );
    const touched = await sample.db.unauditedWrite(acme, 'attack', async (tx) => {
      return await tx.query('UPDATE thing SET note = $1 WHERE org_id = $2 RETURNING name', ['taken', globex]);
    });
    assert.deepEqual(touched, []);
  });

  it('shows nothing to a connection that named no organisation', async () => {
    assert.deepEqual(await adminQuery(sample.url, 'SELECT name FROM sample.thing'), []);
  });

  it('leaves no scope behind on a pooled connection', async () => {
    await sample.db.readAcrossOrganizations('test', async (tx) => {
      assert.equal((await tx.query(names)).length, 2);
    });
    const rows: unknown = await sample.db.source.query('SELECT name FROM thing');
    assert.deepEqual(rows, []);
  });

  it('answers NOT_FOUND for an organisation id that is not one, before any SQL', async () => {
    for (const org of ['', 'acme', "x'; DROP TABLE thing; --", `${acme} `, acme.toUpperCase()]) {
      await assert.rejects(
        sample.db.read(org, async (tx) => await tx.query(names)),
        { code: 'NOT_FOUND' },
      );
    }
  });
});

describe('storage: transactions', () => {
  const org = newId();
  let sample: Sample;
  before(async () => {
    sample = await openSample();
  });
  after(async () => {
    await sample.db.close();
  });

  it('rolls back everything when the work throws', async () => {
    const boom = new TypeError('boom');
    const attempt = sample.db.unauditedWrite(org, 'test', async (tx) => {
      await tx.query(put, [org, 'half']);
      throw boom;
    });
    await assert.rejects(attempt, boom);
    assert.deepEqual(await sample.db.read(org, async (tx) => await tx.query(names)), []);
  });

  it('does not write in a reading transaction', async () => {
    const attempt = sample.db.read(org, async (tx) => await tx.query(put, [org, 'sneaky']));
    await assert.rejects(attempt, /read-only transaction/);
  });

  it('gives the service role what its tables grant and no more', async () => {
    const attempt = sample.db.unauditedWrite(org, 'test', async (tx) => {
      return await tx.query('INSERT INTO reading (org_id, name) VALUES ($1, $2)', [org, 'x']);
    });
    await assert.rejects(attempt, isInsufficientPrivilege);
    await assert.rejects(adminQuery(sample.url, 'CREATE TABLE sample.own (x int)'), isInsufficientPrivilege);
    await assert.rejects(adminQuery(sample.url, 'SET ROLE sallyport_owner'), isInsufficientPrivilege);
  });

  it('tells a unique violation by its constraint', async () => {
    const twice = sample.db.unauditedWrite(org, 'test', async (tx) => {
      await tx.query(put, [org, 'same']);
      await tx.query(put, [org, 'same']);
    });
    await assert.rejects(
      twice,
      (error) => isUniqueViolation(error, 'thing_pkey') && !isUniqueViolation(error, 'other'),
    );
  });

  it('returns the rows of RETURNING for UPDATE and DELETE', async () => {
    await sample.db.unauditedWrite(org, 'test', async (tx) => {
      await tx.query(put, [org, 'a']);
      assert.deepEqual(await tx.query('UPDATE thing SET note = $1 RETURNING name, note', ['n']), [
        { name: 'a', note: 'n' },
      ]);
      assert.deepEqual(await tx.query('DELETE FROM thing RETURNING name'), [{ name: 'a' }]);
    });
  });

  it('commits under a fence while the decision is valid', async () => {
    await sample.db.unauditedWrite(org, 'test', async (tx) => {
      tx.fence({ decidedAtMonotonicMs: systemClock.monotonicMs(), validForMs: 20_000 });
      await tx.query(put, [org, 'fenced']);
    });
    assert.deepEqual(await sample.db.read(org, async (tx) => await tx.query(names)), [{ name: 'fenced' }]);
  });

  it('asks right before COMMIT whether the authority still stands, and says when the commit has ended', async () => {
    const own = newId();
    const told: string[] = [];
    const decision = {
      decidedAtMonotonicMs: systemClock.monotonicMs(),
      validForMs: 20_000,
      hold: async (tx: Tx) => {
        told.push(`asked, ${String((await tx.query(names)).length)} written`);
        return () => told.push('ended');
      },
    };
    await sample.db.unauditedWrite(own, 'test', async (tx) => {
      tx.fence(decision);
      await tx.query(put, [own, 'held']);
      told.push('worked');
    });
    assert.deepEqual(told, ['worked', 'asked, 1 written', 'ended']);
    const again = sample.db.unauditedWrite(own, 'test', async (tx) => {
      tx.fence({ ...decision, validForMs: -1 });
      await tx.query(put, [own, 'late']);
    });
    await assert.rejects(again, (error) => isAppError(error) && error.code === 'DECISION_EXPIRED');
    assert.deepEqual(told.slice(3), ['asked, 2 written', 'ended']);
  });

  it('writes nothing once the authority no longer stands, and lets go of what the other decisions held', async () => {
    const own = newId();
    const valid = { decidedAtMonotonicMs: systemClock.monotonicMs(), validForMs: 20_000 };
    let released = 0;
    const refused = sample.db.unauditedWrite(own, 'test', async (tx) => {
      tx.fence({ ...valid, hold: () => Promise.resolve(() => (released += 1)) });
      tx.fence({ ...valid, hold: () => Promise.resolve(null) });
      await tx.query(put, [own, 'unheld']);
    });
    await assert.rejects(refused, (error) => isAppError(error) && error.code === 'DECISION_EXPIRED');
    assert.deepEqual([await sample.db.read(own, async (tx) => await tx.query(names)), released], [[], 1]);
  });

  it('writes nothing once the decision has expired, judged by the server at COMMIT (facts: pause between check and commit)', async () => {
    const late = sample.db.unauditedWrite(org, 'test', async (tx) => {
      tx.fence({ decidedAtMonotonicMs: systemClock.monotonicMs(), validForMs: 60_000 });
      tx.fence({ decidedAtMonotonicMs: systemClock.monotonicMs(), validForMs: 20 });
      await tx.query(put, [org, 'late']);
      const age = "SELECT clock_timestamp() > transaction_timestamp() + interval '20 ms' AS expired";
      let [now] = await tx.query<{ expired: boolean }>(age);
      while (now?.expired !== true) [now] = await tx.query<{ expired: boolean }>(age);
    });
    await assert.rejects(late, { code: 'DECISION_EXPIRED' });
    const rows = await sample.db.read(org, async (tx) => await tx.query<{ name: string }>(names));
    assert.equal(
      rows.some(({ name }) => name === 'late'),
      false,
    );
  });

  it('runs statements in the order of their calls, also when nobody waits in between', async () => {
    const found = await sample.db.unauditedWrite(org, 'test', async (tx) => {
      const [, , rows] = await Promise.all([
        tx.query(put, [org, 'in flight']),
        tx.query('UPDATE thing SET note = $1 WHERE name = $2', ['changed', 'in flight']),
        tx.query('SELECT note FROM thing WHERE name = $1', ['in flight']),
      ]);
      return rows;
    });
    assert.deepEqual(found, [{ note: 'changed' }]);
  });

  it('sends what was kept for the commit behind everything else, and undoes everything when it fails', async () => {
    const write = (kept: string): Promise<void> =>
      sample.db.unauditedWrite(org, 'test', async (tx) => {
        tx.atCommit(async () => {
          await Promise.all([tx.query(put, [org, kept]), tx.query(put, [org, `${kept} too`])]);
        });
        await tx.query(put, [org, 'kept']);
      });
    await write('last');
    const rows = await sample.db.read(
      org,
      async (tx) => await tx.query(names.replace('ORDER', "WHERE name ~ 'last|kept' ORDER")),
    );
    assert.deepEqual(rows, [{ name: 'kept' }, { name: 'last' }, { name: 'last too' }]);
    await sample.db.unauditedWrite(org, 'test', async (tx) => await tx.query("DELETE FROM thing WHERE name = 'kept'"));
    await assert.rejects(write('last'), (error) => isUniqueViolation(error, 'thing_pkey'));
    const after = await sample.db.read(org, async (tx) => await tx.query("SELECT name FROM thing WHERE name = 'kept'"));
    assert.deepEqual(after, []);
  });

  it('says so when a transaction that swallowed an error of the database cannot commit', async () => {
    const swallowing = sample.db.unauditedWrite(org, 'test', async (tx) => {
      await tx.query(put, [org, 'swallowed']);
      await tx.query('SELECT 1/0').catch(() => undefined);
    });
    await assert.rejects(swallowing, { code: 'INTERNAL' });
  });

  it('runs no statement after the end of its transaction: the connection is somebody else’s', async () => {
    const leaked = await sample.db.unauditedWrite(org, 'test', (tx) => Promise.resolve(tx));
    await assert.rejects(leaked.query('SELECT 1'), { code: 'INTERNAL' });
  });

  it('reads with one statement in one flight, and takes no second one', async () => {
    const own = newId();
    assert.deepEqual(await sample.db.readOne(own, async (tx) => await tx.query(names)), []);
    const twice = sample.db.readOne(own, async (tx) => {
      await tx.query(names);
      return await tx.query(names);
    });
    await assert.rejects(twice, { code: 'INTERNAL' });
    const failing = sample.db.readOneAcrossOrganizations('test', async (tx) => await tx.query('SELECT 1/0'));
    await assert.rejects(failing, /division by zero/);
    const writing = sample.db.readOne(org, async (tx) => await tx.query(put, [org, 'sneaky']));
    await assert.rejects(writing, /read-only transaction/);
    assert.deepEqual(await sample.db.source.query('SELECT name FROM thing'), []);
  });

  it('writes with one statement in one flight: all of it or nothing, within its organisation', async () => {
    const writeOne = async (name: string, orgId = org): Promise<unknown> =>
      await sample.db.unauditedWriteOne(orgId, 'test', async (tx) => await tx.query(put, [org, name]));
    await writeOne('alone');
    await assert.rejects(writeOne('alone'), (error) => isUniqueViolation(error, 'thing_pkey'));
    await assert.rejects(writeOne('theirs', newId()), /row-level security/);
    const half = sample.db.unauditedWriteOne(org, 'test', async (tx) => {
      return await tx.query(`WITH one AS (${put} RETURNING name) SELECT 1 / (count(*) - 1) FROM one`, [org, 'half']);
    });
    await assert.rejects(half, /division by zero/);
    const twice = sample.db.unauditedWriteOne(org, 'test', async (tx) => {
      await tx.query(put, [org, 'first']);
      return await tx.query(put, [org, 'second']);
    });
    await assert.rejects(twice, { code: 'INTERNAL' });
    const found = await sample.db.readOne(org, async (tx) => {
      return await tx.query("SELECT name FROM thing WHERE name IN ('alone', 'theirs', 'half', 'second')");
    });
    assert.deepEqual(found, [{ name: 'alone' }]);
    assert.deepEqual(await sample.db.source.query('SELECT name FROM thing'), []); // Nothing of the scope is left behind.
    const fenced = sample.db.unauditedWriteOne(org, 'test', async (tx) => {
      tx.fence({ decidedAtMonotonicMs: 0, validForMs: 1 });
      return await tx.query(put, [org, 'fenced']);
    });
    await assert.rejects(fenced, { code: 'INTERNAL' });
  });

  it('keeps the scopes of statements that share a connection apart, whatever fails between them', async () => {
    const other = newId();
    const read = async (orgId: string): Promise<number> =>
      (await sample.db.readOne(orgId, async (tx) => await tx.query(names))).length;
    const failing = async (): Promise<number> =>
      await sample.db
        .readOne(org, async (tx) => await tx.query('SELECT 1/0'))
        .then(
          () => 1,
          () => 0,
        );
    const own = await read(org);
    assert.ok(own > 0);
    const found = await Promise.all(
      Array.from({ length: 60 }, async (_, index) => await [read(org), read(other), failing()][index % 3]),
    );
    assert.deepEqual([...new Set(found.filter((_, index) => index % 3 === 0))], [own]);
    assert.ok(found.every((count, index) => index % 3 === 0 || count === 0));
  });

  it('prepares a marked statement once per connection, and again when it failed to be prepared', async () => {
    const marked = statement('SELECT name FROM thing WHERE name = $1');
    const aborted = sample.db.unauditedWrite(org, 'test', async (tx) => {
      await Promise.all([tx.query('SELECT 1/0'), tx.query(marked, ['x'])]);
    });
    await assert.rejects(aborted, /division by zero/);
    for (let time = 0; time < 3; time += 1)
      assert.deepEqual(await sample.db.read(org, async (tx) => await tx.query(marked, ['nobody'])), []);
    const prepared = await sample.db.read(org, async (tx) => {
      await tx.query(marked, ['nobody']);
      return await tx.query(`SELECT name FROM pg_prepared_statements WHERE name NOT LIKE 'sallyport_scope%'`);
    });
    assert.deepEqual(prepared, [{ name: marked.name }]);
  });

  it('says UNAVAILABLE when the database is gone and works again when it is back', async () => {
    await adminQuery(
      sample.adminUrl,
      `SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'sample-test'`,
    );
    await waitFor(
      async () => {
        await sample.db.ping();
        return true;
      },
      { message: 'the pool did not recover' },
    );
  });
});

describe('storage: LISTEN', () => {
  it('arms again after its connection was cut, and says so', async () => {
    const { db, adminUrl } = await openSample();
    let armed = 0;
    const heard: string[] = [];
    const unlisten = await db.listen(
      'news',
      (payload) => heard.push(payload),
      () => {
        armed += 1;
      },
    );
    await adminQuery(adminUrl, `NOTIFY news, 'first'`);
    await waitFor(() => heard.includes('first'), { message: 'no first notification' });
    await adminQuery(
      adminUrl,
      `SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'sample-test-listen'`,
    );
    await waitFor(() => armed === 2, { message: 'not armed again' });
    await adminQuery(adminUrl, `NOTIFY news, 'second'`);
    await waitFor(() => heard.includes('second'), { message: 'no second notification' });
    await unlisten();
    await db.close();
  });
});

describe('storage: migrations', () => {
  const apply = async (adminUrl: string, migrations: typeof sampleMigrations): Promise<string[]> => {
    return (await migrate({ adminUrl, schema: 'sample', servicePassword: 'x', migrations })).applied;
  };

  it('applies each migration once, in order, and is idempotent', async () => {
    const adminUrl = await emptyDatabase();
    assert.equal((await apply(adminUrl, sampleMigrations)).length, 2);
    assert.deepEqual(await apply(adminUrl, sampleMigrations), []);
  });

  it('ends at the same schema step by step as at once', async () => {
    const [fresh, stepwise] = [await emptyDatabase(), await emptyDatabase()];
    await apply(fresh, sampleMigrations);
    for (let count = 1; count <= sampleMigrations.length; count += 1)
      await apply(stepwise, sampleMigrations.slice(0, count));
    assert.equal(await describeSchema(stepwise, 'sample'), await describeSchema(fresh, 'sample'));
  });

  it('keeps concurrent runs apart', async () => {
    const adminUrl = await emptyDatabase();
    const runs = await Promise.all([1, 2, 3].map(async () => await apply(adminUrl, sampleMigrations)));
    assert.equal(runs.flat().length, 2);
  });

  it('leaves nothing of a migration that fails and can be run again', async () => {
    const adminUrl = await emptyDatabase();
    const broken = sqlMigration(3, 'broken', ['CREATE TABLE sample.half (x int)', 'SELECT 1/0']);
    await assert.rejects(apply(adminUrl, [...sampleMigrations, broken]), /division by zero/);
    const mended = sqlMigration(3, 'mended', 'CREATE TABLE sample.half (x int)');
    assert.equal((await apply(adminUrl, [...sampleMigrations, mended])).length, 1);
  });

  it('lets a service start only on the newest schema', async () => {
    const { db } = await openSample(sampleMigrations.slice(0, 1));
    await assertSchemaCurrent(db, sampleMigrations.slice(0, 1));
    await assert.rejects(assertSchemaCurrent(db, sampleMigrations), { code: 'UNAVAILABLE', message: /create-reading/ });
    await db.close();
  });
});
