import assert from 'node:assert/strict';
import { createKeyedLock } from './keyed-lock.ts';
import { createWaiting } from './waiting.ts';

describe('waiting values', () => {
  it('are found until they expire, and the oldest give way above the capacity', () => {
    let nowMs = 0;
    const waiting = createWaiting<number>({ now: () => new Date(nowMs), monotonicMs: () => nowMs }, 1000);
    const first = waiting.put(1);
    nowMs = 999;
    assert.equal(waiting.get(first), 1);
    nowMs = 1000;
    assert.equal(waiting.get(first), null);
    const second = waiting.put(2);
    for (let more = 0; more < 1000; more += 1) waiting.put(more);
    assert.equal(waiting.get(second), null);
    assert.equal(waiting.get('guess'), null);
  });
});

describe('keyed lock', () => {
  it('runs tasks of one key in order, also after a failure, and others meanwhile', async () => {
    const lock = createKeyedLock();
    const order: string[] = [];
    const gate = Promise.withResolvers<void>();
    const task = (name: string, wait: Promise<void>) => async (): Promise<void> => {
      await wait;
      order.push(name);
    };
    const held = lock('a', task('a1', gate.promise));
    const failing = lock('a', async () => {
      await Promise.reject(new Error('expected'));
    });
    const last = lock('a', task('a3', Promise.resolve()));
    await lock('b', task('b1', Promise.resolve()));
    gate.resolve();
    await assert.rejects(failing, /expected/);
    await Promise.all([held, last]);
    assert.deepEqual(order, ['b1', 'a1', 'a3']);
  });
});
