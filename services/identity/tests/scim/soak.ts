/** npm run soak -- scim: the reference model against the service as it is deployed, for longer than CI has. */
import process from 'node:process';
import { parseArgs } from 'node:util';

import { testDatabase } from '@sallyport/dev-env';

import { startIdentity } from '../support/identity.ts';
import { startProcess } from '../support/served-process.ts';
import { fuzzFilters } from './model/fuzz-filters.ts';
import { playUntil } from './model/play.ts';
import { openSeed } from './model/seed.ts';
import { Tally } from './model/tally.ts';

const PROBE = new URL('../support/event-loop-probe.ts', import.meta.url);
const say = (line: string): void => {
  process.stdout.write(`${line}\n`);
};

const playModel = async (operations: number, seed: number): Promise<void> => {
  const database = await testDatabase('identity');
  const arranging = await startIdentity({ database });
  const { child, httpPort, said, kill } = await startProcess(database, PROBE);
  try {
    const delayed = async () => {
      const told = said('delayed');
      child.kill('SIGUSR2');
      return await told;
    };
    // What loading took is not what serving takes.
    await delayed();
    const tally = new Tally();
    const startedAt = performance.now();
    const served = { ...arranging, server: { ...arranging.server, httpPort } };
    await playUntil({ arranging, served, operations, seed, tally });
    const seconds = (performance.now() - startedAt) / 1_000;
    say(`model: ${tally.print()}; ${seconds.toFixed(0)} s`);
    const { p50Ms, p99Ms, maxMs } = await delayed();
    say(`event loop of the service: p50 ${String(p50Ms)} ms, p99 ${String(p99Ms)} ms, longest ${String(maxMs)} ms`);
  } finally {
    await kill();
    await arranging.close();
    await database.drop();
  }
};

const fuzz = (filters: number, seed: number): void => {
  const { parsed, resolved, p50Ms, p99Ms, maxMs } = fuzzFilters(filters, seed);
  say(
    `filters: ${String(filters)} read, ${String(parsed)} parsed, ${String(resolved)} resolved, the rest invalidFilter; ` +
      `p50 ${p50Ms.toFixed(4)} ms, p99 ${p99Ms.toFixed(4)} ms, longest ${maxMs.toFixed(1)} ms`,
  );
};

const { values } = parseArgs({
  options: {
    operations: { type: 'string', default: '100000' },
    filters: { type: 'string', default: '1000000' },
  },
});
const seed = openSeed('SCIM soak');
fuzz(Number(values.filters), seed);
await playModel(Number(values.operations), seed);
process.exit(0);
