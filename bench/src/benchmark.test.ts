import assert from 'node:assert/strict';

import { measure, median, percentile, type Measurement } from './benchmark.ts';

const measurementOf = (ours: readonly number[], theirs: readonly number[], more: Partial<Measurement> = {}) => {
  const taken: string[] = [];
  const taker = (name: string, values: readonly number[]) => {
    const rest = [...values];
    return (): Promise<number> => {
      taken.push(name);
      return Promise.resolve(rest.shift() ?? Number.NaN);
    };
  };
  const measurement: Measurement = {
    name: 'sample',
    unit: 'ms',
    higherIsBetter: false,
    goal: 1,
    ours: taker('ours', ours),
    reference: taker('reference', theirs),
    ...more,
  };
  return { measurement, taken };
};

describe('benchmarks: arithmetic', () => {
  it('takes the median, of an even number of values the middle of two', () => {
    assert.equal(median([9, 1, 5]), 5);
    assert.equal(median([9, 1, 5, 7]), 6);
    assert.equal(median([]), Number.NaN);
  });

  it('takes percentiles by nearest rank', () => {
    const values = Array.from({ length: 200 }, (_, index) => 200 - index);
    assert.deepEqual([percentile(values, 50), percentile(values, 99), percentile(values, 100)], [100, 198, 200]);
    assert.equal(percentile([7], 99), 7);
  });

  it('leaves a warm-up of both sides out, takes turns, and answers the median of the ratios of each pair', async () => {
    const { measurement, taken } = measurementOf([1_000, 10, 20, 40], [1, 20, 20, 20]);
    const result = await measure(measurement, 3);
    assert.deepEqual(taken, Array.from({ length: 4 }, () => ['ours', 'reference']).flat());
    assert.deepEqual([result.ours, result.reference, result.ratio], [20, 20, 1]);
  });

  it('turns the ratio so that more is better, whatever is measured', async () => {
    const less = await measure(measurementOf([0, 10], [0, 20]).measurement, 1);
    const more = await measure(measurementOf([0, 10], [0, 20], { higherIsBetter: true }).measurement, 1);
    assert.deepEqual([less.ratio, more.ratio], [2, 0.5]);
  });

  it('lets a measurement have its own number of rounds, and count every one of them', async () => {
    const { measurement, taken } = measurementOf([99], [100], { rounds: 1, warmUp: false, higherIsBetter: true });
    assert.equal((await measure(measurement, 5)).ratio, 0.99);
    assert.equal(taken.length, 2);
  });
});
