import assert from 'node:assert/strict';

import fc from 'fast-check';

import { TokenBuckets } from './token-bucket.ts';

describe('TokenBuckets', () => {
  it('lets a burst through, then the rate, and says when the next one may come', () => {
    const buckets = new TokenBuckets({ ratePerSecond: 10, burst: 3 });
    assert.deepEqual(
      [0, 0, 0].map(() => buckets.take('a', 0)),
      [0, 0, 0],
    );
    assert.equal(buckets.take('a', 0), 100);
    assert.equal(buckets.take('b', 0), 0, 'keys do not share');
    assert.ok(buckets.take('a', 99) > 0);
    assert.equal(buckets.take('a', 100), 0);
  });

  it('keeps back what is to be kept, and gives back what did not count', () => {
    const buckets = new TokenBuckets({ ratePerSecond: 1, burst: 5 });
    assert.equal(buckets.take('a', 0, 4), 0);
    assert.equal(buckets.take('a', 0, 4), 1_000);
    assert.equal(buckets.take('a', 0), 0, 'without keeping anything');
    buckets.giveBack('a');
    buckets.giveBack('a');
    buckets.giveBack('a');
    for (let taken = 0; taken < 5; taken += 1) assert.equal(buckets.take('a', 0), 0);
    assert.ok(buckets.take('a', 0) > 0, 'never more than the burst');
  });

  it('charges beyond what is there, down to one bucket of debt, which the rate pays', () => {
    const buckets = new TokenBuckets({ ratePerSecond: 10, burst: 5 });
    buckets.charge('a', 0, 7);
    assert.equal(buckets.take('a', 0), 300);
    buckets.charge('a', 0, 1_000);
    assert.equal(buckets.take('a', 0), 600);
    assert.equal(buckets.take('a', 600), 0);
    assert.equal(buckets.take('b', 0), 0, 'keys do not share');
  });

  it('is not moved by a clock that stands or goes back', () => {
    const buckets = new TokenBuckets({ ratePerSecond: 1, burst: 1 });
    assert.equal(buckets.take('a', 5_000), 0);
    assert.ok(buckets.take('a', 1_000) > 0);
    assert.ok(buckets.take('a', 5_500) > 0);
    assert.equal(buckets.take('a', 6_000), 0);
  });

  it('never lets through more than burst + rate x time, and never refuses who stays below the rate', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 50 }),
        fc.integer({ min: 1, max: 100 }),
        fc.array(fc.integer({ min: 0, max: 500 }), { maxLength: 200 }),
        (ratePerSecond, burst, waits) => {
          const buckets = new TokenBuckets({ ratePerSecond, burst });
          let nowMs = 0;
          let taken = 0;
          for (const waitMs of waits) {
            nowMs += waitMs;
            if (buckets.take('a', nowMs) === 0) taken += 1;
            assert.ok(taken <= burst + (nowMs / 1_000) * ratePerSecond + 1e-3);
          }
          const quiet = new TokenBuckets({ ratePerSecond, burst });
          for (let turn = 0; turn < 100; turn += 1)
            assert.equal(quiet.take('a', turn * Math.ceil(1_000 / ratePerSecond)), 0);
        },
      ),
    );
  });

  it('forgets the longest unused key when there are too many', () => {
    const buckets = new TokenBuckets({ ratePerSecond: 1, burst: 1 }, 2);
    for (const key of ['a', 'b', 'a', 'c']) buckets.take(key, 0);
    assert.equal(buckets.size, 2);
    assert.ok(buckets.take('a', 0) > 0, 'a was used after b');
    assert.equal(buckets.take('b', 0), 0, 'b was forgotten');
  });
});
