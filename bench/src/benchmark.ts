/**
 * How every benchmark here is run: ours and a reference (a peer, or a floor such as the bare library) take turns in
 * one process run, so that a machine whose speed drifts slows both. Never a timed test: a figure is a ratio.
 */
export interface Measurement {
  readonly name: string;
  readonly unit: string;
  /** True when more is better (operations a second), false when less is (milliseconds). */
  readonly higherIsBetter: boolean;
  /** The ratio that counts as reached; oriented so that `ratio >= goal` is good. */
  readonly goal: number;
  /** Instead of the benchmark's. */
  readonly rounds?: number;
  /** False: every round counts, the first one too. Default true. */
  readonly warmUp?: false;
  /** One round of our side; returns its figure in `unit`. */
  ours(): Promise<number>;
  /** One round of the peer or floor, in the same unit. */
  reference(): Promise<number>;
}

export interface Benchmark {
  /** What is compared with what, in one sentence. */
  readonly title: string;
  /** Interleaved rounds of each side after one warm-up; default 5. */
  readonly rounds?: number;
  /** Prepares everything; `close` undoes it. */
  open(): Promise<{ readonly measurements: readonly Measurement[]; close(): Promise<void> }>;
}

/** Thrown by a side that cannot be had here: the line says why instead of a figure. */
export class NotMeasured extends Error {}

/** One line of the result; `ours` and `reference` are medians over the rounds. */
export interface Result {
  readonly name: string;
  readonly ours: number;
  readonly reference: number;
  readonly unit: string;
  readonly ratio: number;
  readonly goal: number;
}

export const median = (values: readonly number[]): number => {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  const upper = sorted[middle] ?? Number.NaN;
  return sorted.length % 2 === 1 ? upper : ((sorted[middle - 1] ?? Number.NaN) + upper) / 2;
};

/** The p-th percentile (0 to 100), nearest rank. */
export const percentile = (values: readonly number[], p: number): number => {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.max(0, Math.ceil((p / 100) * sorted.length) - 1)] ?? Number.NaN;
};

const round = (value: number): number => Number(value.toPrecision(4));

/** Runs one measurement: a warm-up of each side, then the rounds in turn. The ratio is the median of the pairs' ratios. */
export const measure = async (measurement: Measurement, defaultRounds: number): Promise<Result> => {
  const rounds = measurement.rounds ?? defaultRounds;
  const ours: number[] = [];
  const reference: number[] = [];
  const ratios: number[] = [];
  for (let number = measurement.warmUp === false ? 1 : 0; number <= rounds; number += 1) {
    const mine = await measurement.ours();
    const theirs = await measurement.reference();
    if (number === 0) continue;
    ours.push(mine);
    reference.push(theirs);
    ratios.push(measurement.higherIsBetter ? mine / theirs : theirs / mine);
  }
  return {
    name: measurement.name,
    ours: round(median(ours)),
    reference: round(median(reference)),
    unit: measurement.unit,
    ratio: round(median(ratios)),
    goal: measurement.goal,
  };
};
