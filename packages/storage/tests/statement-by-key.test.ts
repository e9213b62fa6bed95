import assert from 'node:assert/strict';

import { newId, statement, statementByKey, type Statement } from '@sallyport/storage';

import { openSample, type Sample } from './sample-database.ts';

describe('storage: statements by key', () => {
  let sample: Sample;
  before(async () => {
    sample = await openSample();
  });
  after(async () => {
    await sample.db.close();
  });

  it('plans a statement by key once, by index, and no other statement of its connection', async () => {
    const text = `SELECT current_setting('plan_cache_mode') AS mode, current_setting('enable_seqscan') AS scans`;
    const read = async (sql: Statement) => await sample.db.readOne(newId(), async (tx) => await tx.query(sql));
    for (let time = 0; time < 2; time += 1) {
      assert.deepEqual(await read(statementByKey(text)), [{ mode: 'force_generic_plan', scans: 'off' }]);
      assert.deepEqual(await read(statement(text)), [{ mode: 'auto', scans: 'on' }]);
    }
  });
});
