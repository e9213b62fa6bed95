import assert from 'node:assert/strict';
import { setImmediate } from 'node:timers/promises';

import { startRounds } from './rounds.ts';

const ignore = (): void => undefined;

/** Rounds that end when the test says so. */
const gate = () => {
  const begun: PromiseWithResolvers<void>[] = [];
  return {
    begun,
    work: async (): Promise<void> => {
      const round = Promise.withResolvers<void>();
      begun.push(round);
      await round.promise;
    },
    /** Until so many rounds have begun. The timer keeps no process alive: this does. */
    reached: async (count: number): Promise<void> => {
      while (begun.length < count) await setImmediate();
    },
  };
};

describe('rounds', () => {
  it('begin after their time, or at once', async () => {
    const [later, now] = [gate(), gate()];
    const stopLater = startRounds({ everyMs: 3_600_000, work: later.work, onError: ignore });
    const stopNow = startRounds({ everyMs: 3_600_000, atOnce: true, work: now.work, onError: ignore });
    assert.deepEqual([later.begun.length, now.begun.length], [0, 1]);
    now.begun[0]?.resolve();
    await Promise.all([stopLater(), stopNow()]);
  });

  it('come one at a time, and again after one that failed', async () => {
    const { begun, work, reached } = gate();
    const errors: unknown[] = [];
    const stop = startRounds({ everyMs: 1, work, onError: (error) => errors.push(error) });
    await reached(1);
    // Another one every millisecond shows that the time of many has come.
    const meanwhile = gate();
    const stopMeanwhile = startRounds({
      everyMs: 1,
      onError: ignore,
      work: async () => {
        meanwhile.begun.push(Promise.withResolvers());
        await Promise.resolve();
      },
    });
    await meanwhile.reached(5);
    await stopMeanwhile();
    assert.equal(begun.length, 1);
    begun[0]?.reject(new TypeError('no'));
    await reached(2);
    assert.deepEqual(errors.map(String), ['TypeError: no']);
    begun[1]?.resolve();
    await stop();
  });

  it('are over when stopped: what is under way is waited for, and nothing comes after it', async () => {
    const { begun, work, reached } = gate();
    const stop = startRounds({ everyMs: 1, work, onError: ignore });
    await reached(1);
    let hasStopped = false;
    const stopping = stop().then(() => (hasStopped = true));
    await setImmediate();
    assert.equal(hasStopped, false);
    begun[0]?.resolve();
    await stopping;
    const count = begun.length;
    await setImmediate();
    assert.equal(begun.length, count);
  });
});
