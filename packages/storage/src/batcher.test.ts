import assert from 'node:assert/strict';

import fc from 'fast-check';

import { Batcher } from './batcher.ts';

const settings = fc.record({ maxSize: fc.integer({ min: 1, max: 5 }), maxRunning: fc.integer({ min: 1, max: 3 }) });
const items = fc.array(fc.record({ key: fc.constantFrom('a', 'b'), turns: fc.nat({ max: 3 }) }), { maxLength: 40 });

const turns = async (count: number): Promise<void> => {
  for (let turn = 0; turn < count; turn += 1) await new Promise(setImmediate);
};

describe('batcher', () => {
  it('answers everybody with their own result, within its bounds, each batch begun after its last item came', async () => {
    await fc.assert(
      fc.asyncProperty(settings, items, async ({ maxSize, maxRunning }, work) => {
        const running = new Map<string, number>();
        let clock = 0;
        const batcher = new Batcher<{ key: string; number: number; addedAt: number; turns: number }, number>({
          maxSize,
          maxRunning,
          run: async (batch) => {
            const [{ key }] = batch;
            const begunAt = (clock += 1);
            assert.ok(batch.length <= maxSize);
            assert.ok(batch.every((item) => item.key === key && item.addedAt < begunAt));
            running.set(key, (running.get(key) ?? 0) + 1);
            assert.ok((running.get(key) ?? 0) <= maxRunning);
            await turns(batch[0].turns);
            running.set(key, (running.get(key) ?? 0) - 1);
            return batch.map(({ number }) => number);
          },
        });
        const answers: Promise<number>[] = [];
        for (const [number, { key, turns: pause }] of work.entries()) {
          answers.push(batcher.add(key, { key, number, addedAt: (clock += 1), turns: pause }));
          await turns(pause % 2);
        }
        assert.deepEqual(await Promise.all(answers), [...work.keys()]);
        await turns(1);
        assert.equal(batcher.lanes, 0);
      }),
      { numRuns: 200 },
    );
  });

  it('gives what a batch throws to everybody in it and to nobody else', async () => {
    const batcher = new Batcher<number, number>({
      maxSize: 2,
      maxRunning: 1,
      run: async (batch) => {
        await turns(1);
        if (batch.includes(3)) throw new RangeError('three');
        return batch;
      },
    });
    const answers = await Promise.allSettled([1, 2, 3, 4, 5].map((item) => batcher.add('a', item)));
    assert.deepEqual(
      answers.map((answer) => (answer.status === 'fulfilled' ? answer.value : String(answer.reason))),
      [1, 2, 'RangeError: three', 'RangeError: three', 5],
    );
  });

  it('refuses a batch that does not answer everybody', async () => {
    const batcher = new Batcher<number, number>({
      maxSize: 2,
      maxRunning: 1,
      run: async () => await Promise.resolve([]),
    });
    await assert.rejects(batcher.add('a', 1), TypeError);
  });

  it('does what comes together together', async () => {
    const sizes: number[] = [];
    const batcher = new Batcher<number, number>({
      maxSize: 8,
      maxRunning: 1,
      run: async (batch) => {
        sizes.push(batch.length);
        await turns(2);
        return batch;
      },
    });
    await Promise.all(Array.from({ length: 20 }, (_, item) => batcher.add('a', item)));
    assert.deepEqual(sizes, [8, 8, 4]);
  });
});
