import { createHash, randomBytes } from 'node:crypto';

/** Choices that are the same again for the same seed. */
export interface Random {
  /** 0 ≤ n < below. */
  integer(below: number): number;
  pick<T>(items: readonly T[]): T;
}

/** Prints the seed; a run is repeated with `SALLYPORT_TEST_SEED`. */
export const openRandom = (purpose: string): Random => {
  const seed = process.env['SALLYPORT_TEST_SEED'] ?? randomBytes(4).toString('hex');
  console.log(`      ${purpose}: SALLYPORT_TEST_SEED=${seed}`);
  let drawn = 0;
  const integer = (below: number): number => {
    drawn += 1;
    return (
      createHash('sha256')
        .update(`${seed}:${purpose}:${String(drawn)}`)
        .digest()
        .readUInt32BE() % below
    );
  };
  return {
    integer,
    pick: (items) => {
      const item = items[integer(items.length)];
      if (item === undefined) throw new RangeError('There is nothing to pick from.');
      return item;
    },
  };
};
