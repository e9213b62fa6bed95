import { isAppError } from '@sallyport/errors';

import { parseFilter, readFilter } from '../../../src/scim/protocol/filter/index.ts';
import { USER } from '../../../src/scim/protocol/user-schema.ts';

/** mulberry32: the same numbers again for the same seed, and fast enough for a million filters. */
const numbersFrom = (seed: number): ((below: number) => number) => {
  let state = seed;
  return (below) => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) % below;
  };
};

const PIECES: readonly string[] = [
  'userName',
  'emails',
  'emails.value',
  'name.familyName',
  'active',
  'meta.created',
  'id',
  'nope',
  '__proto__',
  'schemas',
  'urn:ietf:params:scim:schemas:core:2.0:User:title',
  'eq',
  'ne',
  'co',
  'sw',
  'ew',
  'gt',
  'ge',
  'lt',
  'le',
  'pr',
  'and',
  'or',
  'not',
  '(',
  ')',
  '[',
  ']',
  '].',
  '.',
  ' ',
  '  ',
  '"',
  '\\',
  '"x"',
  '"\\u0000"',
  '"\\ud800"',
  'true',
  'False',
  'null',
  '1',
  '-0',
  '1e9',
  "'",
  '%',
  ';',
  '\u0000',
  '\ud800',
  '😀',
  'x'.repeat(50),
  '((((((((',
  '))))))))',
  'emails[type eq "work"]',
  'userName eq "a"',
  'not (',
  '2026-01-23T04:56:22Z',
  '"2026-01-23T04:56:22Z"',
  '\t',
  '\n',
  '\u2028',
];
const COMPARISONS: readonly string[] = [
  'userName eq "a"',
  'emails[type eq "work" and value co "x"]',
  'emails.value sw "x"',
  'not (active eq true)',
  'meta.created gt "2026-01-23T04:56:22Z"',
  '(title pr or nickName pr)',
  'externalId eq jyoung',
  'urn:ietf:params:scim:schemas:core:2.0:User:name.familyName ne null',
];
const JUNCTIONS: readonly string[] = [' and ', ' or ', ' AND ', ') and (', ' and not '];
const MAX_PIECES = 40;
/** One in so many is as long as a filter may be, or longer. */
const LONG_ONE_IN = 200;
const LONG_PIECES = 4_000;

type Below = (below: number) => number;

const pick = (below: Below, items: readonly string[]): string => items[below(items.length)] ?? '';

/** Anything at all. */
const anyFilter = (below: Below): string => {
  const length = below(LONG_ONE_IN) === 0 ? below(LONG_PIECES) : below(MAX_PIECES);
  const glue = below(3) === 0 ? '' : ' ';
  return Array.from({ length }, () => pick(below, PIECES)).join(glue);
};

/** Comparisons, some with something between them that does not belong there. */
const likelyFilter = (below: Below): string => {
  let filter = pick(below, COMPARISONS);
  for (let more = below(12); more > 0; more -= 1) {
    const stray = below(30) === 0 ? pick(below, PIECES) : '';
    filter += `${pick(below, JUNCTIONS)}${pick(below, COMPARISONS)}${stray}`;
  }
  return filter;
};

export interface Fuzzed {
  readonly filters: number;
  readonly parsed: number;
  readonly resolved: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
  readonly maxMs: number;
}

/**
 * Reads random filters; each is understood or refused as INVALID_FILTER.
 *
 * @throws whatever else a filter makes the reader throw
 */
export const fuzzFilters = (count: number, seed: number): Fuzzed => {
  const below = numbersFrom(seed);
  const spentMs = new Float64Array(count);
  let [parsed, resolved] = [0, 0];
  for (let at = 0; at < count; at += 1) {
    const filter = below(3) === 0 ? likelyFilter(below) : anyFilter(below);
    const startedAt = performance.now();
    try {
      parseFilter(filter);
      parsed += 1;
      readFilter(USER, filter);
      resolved += 1;
    } catch (error) {
      if (!isAppError(error) || error.code !== 'INVALID_FILTER')
        throw new Error(`${JSON.stringify(filter)} was not refused`, { cause: error });
    }
    spentMs[at] = performance.now() - startedAt;
  }
  spentMs.sort();
  const quantile = (share: number): number => spentMs[Math.min(count - 1, Math.floor(count * share))] ?? 0;
  return { filters: count, parsed, resolved, p50Ms: quantile(0.5), p99Ms: quantile(0.99), maxMs: quantile(1) };
};
