import { percentile } from '../benchmark.ts';
import type { PolicyWorld } from './world.ts';

const BATCH = 1_024;
const BATCHES = 400;

/** µs a decision takes: the median over batches, each decision another one. */
export const microsecondsOf = async ({ point, requests, renew }: PolicyWorld): Promise<number> => {
  await renew();
  const batches: number[] = [];
  let at = 0;
  let allowed = 0;
  for (let batch = 0; batch < BATCHES; batch += 1) {
    const startedAt = process.hrtime.bigint();
    for (let number = 0; number < BATCH; number += 1) {
      const request = requests[at];
      at = (at + 1) % requests.length;
      if (request !== undefined && point.decide(request).allowed) allowed += 1;
    }
    batches.push(Number(process.hrtime.bigint() - startedAt) / BATCH / 1_000);
  }
  // A world in which nothing is allowed would decide fast and prove nothing.
  if (allowed < BATCHES) throw new Error(`only ${String(allowed)} decisions allowed`);
  return percentile(batches, 50);
};
