import { computedMs } from './computed-time.ts';

const ATTEMPTS = 3;

/**
 * The longest this thread computed in one go while `work` ran, without a turn of its event loop for anybody else: ms of
 * processor time, of the best of up to three attempts. What always takes too long does so in each of them; what the
 * collector or a neighbour adds does not. Stops at the first attempt below `enoughMs`.
 *
 * @throws whatever `work` throws.
 */
export async function longestTurnMs(work: () => Promise<unknown>, enoughMs = 0): Promise<number> {
  let best = Number.POSITIVE_INFINITY;
  for (let attempt = 0; attempt < ATTEMPTS && best >= enoughMs; attempt += 1)
    best = Math.min(best, await longestOfOne(work));
  return best;
}

async function longestOfOne(work: () => Promise<unknown>): Promise<number> {
  let longestMs = 0;
  let lastMs = computedMs();
  const look = (): void => {
    const nowMs = computedMs();
    longestMs = Math.max(longestMs, nowMs - lastMs);
    lastMs = nowMs;
  };
  const turn = (): void => {
    look();
    next = setImmediate(turn);
  };
  let next = setImmediate(turn);
  try {
    await work();
  } finally {
    clearImmediate(next);
  }
  look(); // Whoever never gave others a turn is seen here.
  return longestMs;
}
