import assert from 'node:assert/strict';
import { randomInt } from 'node:crypto';

import { testDatabase, type TestDatabase } from '@sallyport/dev-env';

import { compareEngines } from './support/compare-engines.ts';
import { SqlOracle } from './support/sql-oracle.ts';

const SEED = randomInt(2 ** 31);
/** About a minute; `npm run soak -- policy` does ten million requests. */
const MODELS = 3_000;
const REQUESTS_PER_MODEL = 200;

describe('index, Casbin and SQL', () => {
  let database: TestDatabase;
  let oracle: SqlOracle;

  before(async () => {
    database = await testDatabase('policy');
    oracle = await SqlOracle.open(database.adminUrl);
  });
  after(async () => {
    await oracle.close();
    await database.drop();
  });

  it(`decide the same for any policy, request and change (seed ${String(SEED)})`, async function differential() {
    this.timeout(600_000);
    const tally = await compareEngines({
      seed: SEED,
      models: MODELS,
      requestsPerModel: REQUESTS_PER_MODEL,
      oracle,
      sqlEvery: 10,
    });
    assert.equal(tally.requests, MODELS * REQUESTS_PER_MODEL);
    // A comparison that never sees an allow, or a condition that matters, would prove nothing.
    const { allowed, byCondition, sql } = tally;
    assert.ok(allowed > 4_000 && byCondition > 500 && sql > 10_000, JSON.stringify(tally));
  });
});
