/** npm run soak -- policy: index, Casbin and SQL on random policies and requests, for longer than CI has. */
import { randomInt } from 'node:crypto';
import process from 'node:process';
import { parseArgs } from 'node:util';

import { testDatabase } from '@sallyport/dev-env';

import { compareEngines, describeTally } from './support/compare-engines.ts';
import { SqlOracle } from './support/sql-oracle.ts';

const REQUESTS_PER_MODEL = 400;
const MODELS_PER_LINE = 1_000;

const { values } = parseArgs({
  options: { requests: { type: 'string', default: '10000000' }, seed: { type: 'string' } },
});
const seed = values.seed === undefined ? randomInt(2 ** 31) : Number(values.seed);
const say = (line: string): void => {
  process.stdout.write(`${line}\n`);
};
say(`policy soak: seed ${String(seed)}`);
const database = await testDatabase('policy');
const oracle = await SqlOracle.open(database.adminUrl);
const startedAt = performance.now();
try {
  const tally = await compareEngines({
    seed,
    models: Math.ceil(Number(values.requests) / REQUESTS_PER_MODEL),
    requestsPerModel: REQUESTS_PER_MODEL,
    oracle,
    sqlEvery: 20,
    onProgress: (so) => {
      if (so.models % MODELS_PER_LINE === 0) say(`${String(so.requests)} requests`);
    },
  });
  say(`${describeTally(tally)}; seed ${String(seed)}; ${((performance.now() - startedAt) / 1_000).toFixed(0)} s`);
} finally {
  await oracle.close();
  await database.drop();
}
process.exit(0);
