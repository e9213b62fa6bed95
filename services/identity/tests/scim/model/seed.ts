import { randomBytes } from 'node:crypto';

/** Prints the seed; a run is repeated with `SALLYPORT_TEST_SEED`. */
export const openSeed = (purpose: string): number => {
  const text = process.env['SALLYPORT_TEST_SEED'] ?? randomBytes(4).toString('hex');
  console.log(`      ${purpose}: SALLYPORT_TEST_SEED=${text}`);
  return Number.parseInt(text.slice(0, 8), 16) | 0;
};
