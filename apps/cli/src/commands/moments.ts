import { InvalidArgumentError, Option } from 'commander';

import { now } from '../clock.ts';
import { CliError, EXIT } from '../exit-codes.ts';

const MINUTE_MS = 60 * 1_000;
const UNITS_MS: ReadonlyMap<string, number> = new Map([
  ['m', MINUTE_MS],
  ['h', 60 * MINUTE_MS],
  ['d', 24 * 60 * MINUTE_MS],
]);

/** How long, in ms. */
const durationArgument = (text: string): number => {
  const [, count, unit] = /^([1-9][0-9]{0,4})([mhd])$/.exec(text) ?? [];
  const unitMs = UNITS_MS.get(unit ?? '');
  if (count === undefined || unitMs === undefined)
    throw new InvalidArgumentError('Write a number of minutes, hours or days: 30m, 4h, 2d.');
  return Number(count) * unitMs;
};

/** Options that say when something ends: one of them. */
export interface EndOptions {
  readonly for?: number;
  readonly until?: string;
}

export const forOption = (): Option =>
  new Option('--for <time>', 'for so long from now: 30m, 4h, 2d').argParser(durationArgument).conflicts('until');

/** The moment as the API wants it. @throws CliError usage when neither was given */
export const endOf = (options: EndOptions): string => {
  if (options.until !== undefined) return options.until;
  if (options.for !== undefined) return new Date(now().getTime() + options.for).toISOString();
  throw new CliError(EXIT.usage, 'It is not said for how long.', { hint: 'Add --for 4h, or --until <time>.' });
};
