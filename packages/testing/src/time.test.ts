import { strict as assert } from 'node:assert';
import { setImmediate as turnForOthers, setTimeout as delay } from 'node:timers/promises';

import { computedMs, computingMs, experiencedMs, longestTurnMs } from './index.ts';

/** Stands still as a process does that the machine does not let run. */
const standStill = (forMs: number): void => {
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, forMs);
};

describe('time that tests may judge by', () => {
  it('is computed only while this thread computes', () => {
    assert.ok(
      computingMs(() => {
        standStill(200);
      }) < 100,
    );
    const computed = computingMs(() => {
      for (const end = computedMs() + 20; computedMs() < end;);
    });
    assert.ok(computed >= 20);
  });

  it('is experienced only while this process has its turns', async () => {
    const experienced = await experiencedMs(async () => {
      standStill(300);
      await delay(1);
    });
    assert.ok(experienced < 150, String(experienced));
  });

  it('is experienced while others work for us, and never longer than it took', async () => {
    const began = performance.now();
    const experienced = await experiencedMs(async () => {
      await delay(100);
    });
    assert.ok(experienced > 0 && experienced <= performance.now() - began, String(experienced));
  });

  it('is long in one go exactly where nobody else has a turn', async () => {
    const compute = (forMs: number): void => {
      for (const end = computedMs() + forMs; computedMs() < end;);
    };
    const inTurns = await longestTurnMs(async () => {
      for (let count = 0; count < 10; count += 1) {
        compute(10);
        await turnForOthers();
      }
    }, 50);
    const atOnce = await longestTurnMs(async () => {
      await turnForOthers();
      compute(100);
    });
    assert.ok(inTurns >= 10 && inTurns < 50, String(inTurns));
    assert.ok(atOnce >= 100, String(atOnce));
  });

  it('passes on what goes wrong', async () => {
    await assert.rejects(
      experiencedMs(() => Promise.reject(new RangeError('x'))),
      RangeError,
    );
    await assert.rejects(
      longestTurnMs(() => Promise.reject(new RangeError('x'))),
      RangeError,
    );
  });
});
