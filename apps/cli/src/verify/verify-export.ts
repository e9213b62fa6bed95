import { createHash } from 'node:crypto';
import { isDeepStrictEqual } from 'node:util';

/** What can be wrong with an exported log; the first one found, with the index it was found at. */
export type Divergence =
  | 'unreadable'
  | 'edited'
  | 'missing'
  | 'duplicated'
  | 'reordered'
  | 'foreign-entry'
  | 'opening-mismatch'
  | 'column-mismatch';

export interface Finding {
  readonly divergence: Divergence;
  readonly index: string;
  readonly detail: string;
}

export interface Verification {
  readonly origin: string | undefined;
  readonly entries: number;
  /** First and last index verified. */
  readonly first: string | undefined;
  readonly last: string | undefined;
  readonly openings: number;
  readonly finding: Finding | undefined;
}

interface Opening {
  readonly number: number;
  readonly field: string;
  readonly salt: string;
  readonly value: string;
}

interface Line {
  readonly origin: string;
  readonly index: string;
  readonly leafHash: string;
  readonly leaf: string;
  readonly entry: Readonly<Record<string, unknown>>;
  readonly openings: readonly Opening[];
}

const LEAF_PREFIX = Buffer.of(0);

const lengthPrefixed = (text: string): Buffer => {
  const bytes = Buffer.from(text, 'utf8');
  const length = Buffer.alloc(4);
  length.writeUInt32BE(bytes.length);
  return Buffer.concat([length, bytes]);
};

const commitment = ({ salt, field, value }: Opening): string =>
  createHash('sha256')
    .update('pii1')
    .update(Buffer.from(salt, 'base64'))
    .update(lengthPrefixed(field))
    .update(lengthPrefixed(value))
    .digest('base64');

const parseLine = (text: string): Line | undefined => {
  try {
    const line = JSON.parse(text) as Partial<Omit<Line, 'entry'>> & { readonly entry?: unknown };
    const texts = [line.origin, line.index, line.leafHash, line.leaf];
    const isLine = texts.every((value) => typeof value === 'string') && Array.isArray(line.openings);
    const hasEntry = typeof line.entry === 'object' && line.entry !== null;
    return isLine && hasEntry ? (line as Line) : undefined;
  } catch {
    return undefined;
  }
};

interface LeafBody extends Readonly<Record<string, unknown>> {
  readonly org?: string;
  readonly pii?: readonly { readonly c: string; readonly f: string }[];
}

/** Splits "v1\n" origin "\n" index "\n" JSON. */
const parseLeaf = (leaf: string): { origin: string; index: string; body: LeafBody } | undefined => {
  const [version, origin, index, ...rest] = leaf.split('\n');
  if (version !== 'v1' || origin === undefined || index === undefined) return undefined;
  try {
    return { origin, index, body: JSON.parse(rest.join('\n')) as LeafBody };
  } catch {
    return undefined;
  }
};

type Check = (line: Line, leaf: NonNullable<ReturnType<typeof parseLeaf>>) => Omit<Finding, 'index'> | undefined;

const checkHash: Check = ({ leaf, leafHash }) => {
  const hash = createHash('sha256').update(LEAF_PREFIX).update(leaf, 'utf8').digest('hex');
  return hash === leafHash ? undefined : { divergence: 'edited', detail: 'the leaf does not hash to its leaf hash' };
};

const checkHeader: Check = (line, { origin, index, body }) => {
  const organization = /\/o\/([^/]+)\//.exec(origin)?.[1];
  if (origin !== line.origin || body.org !== organization) {
    return { divergence: 'foreign-entry', detail: 'the leaf belongs to another log' };
  }
  return index === line.index
    ? undefined
    : { divergence: 'reordered', detail: `the leaf says that it is entry ${index}` };
};

const ERASED = '[erased]';

const onlyMember = (value: object, name: string): unknown => {
  const [member, ...others] = Object.entries(value);
  return others.length === 0 && member?.[0] === name ? member[1] : undefined;
};

/** What a reader is shown for a part of the leaf: opened values put back in place, others as erased. */
const shown = (value: unknown, opened: ReadonlyMap<number, string>): unknown => {
  if (Array.isArray(value)) return value.map((item) => shown(item, opened));
  if (typeof value !== 'object' || value === null) return value;
  const reference = onlyMember(value, '$pii');
  if (typeof reference === 'number') return opened.get(reference) ?? ERASED;
  const number = onlyMember(value, '$number');
  if (typeof number === 'string') return Number(number);
  return Object.fromEntries(Object.entries(value).map(([name, member]) => [name, shown(member, opened)]));
};

// Whoever reads an export reads the entry, not the leaf: every word of it must be one of the leaf.
const checkCopies: Check = ({ entry, openings }, { body: { pii: _commitments, ...body } }) => {
  const opened = new Map(openings.map(({ number, value }) => [number, value]));
  const names = new Set([...Object.keys(entry), ...Object.keys(body)]);
  const differs = [...names].find((name) => !isDeepStrictEqual(entry[name], shown(body[name], opened)));
  return differs === undefined
    ? undefined
    : { divergence: 'column-mismatch', detail: `"${differs}" differs from the leaf` };
};

const checkOpenings: Check = ({ openings }, { body }) => {
  const wrong = openings.find((opening) => {
    const committed = body.pii?.[opening.number];
    return committed?.f !== opening.field || committed.c !== commitment(opening);
  });
  if (wrong === undefined) return undefined;
  return { divergence: 'opening-mismatch', detail: `the value given for ${wrong.field} is not the committed one` };
};

const CHECKS: readonly Check[] = [checkHash, checkHeader, checkOpenings, checkCopies];

const checkOrder = (expected: bigint | undefined, index: bigint): Omit<Finding, 'index'> | undefined => {
  if (expected === undefined || index === expected) return undefined;
  if (index === expected - 1n) return { divergence: 'duplicated', detail: 'the entry stands twice' };
  if (index > expected) return { divergence: 'missing', detail: `entry ${String(expected)} is missing` };
  return { divergence: 'reordered', detail: `entry ${String(expected)} should stand here` };
};

const examine = (text: string, expected: bigint | undefined, origin: string | undefined): Line | Finding => {
  const at = (expected ?? 0n).toString();
  const line = parseLine(text);
  const leaf = line === undefined ? undefined : parseLeaf(line.leaf);
  if (line === undefined || leaf === undefined || !/^[0-9]+$/.test(line.index)) {
    return { divergence: 'unreadable', index: at, detail: 'the line is not an exported entry' };
  }
  if (origin !== undefined && line.origin !== origin) {
    return { divergence: 'foreign-entry', index: line.index, detail: `the line is of ${line.origin}` };
  }
  const finding =
    checkOrder(expected, BigInt(line.index)) ?? CHECKS.map((check) => check(line, leaf)).find((f) => f !== undefined);
  return finding === undefined ? line : { ...finding, index: line.index };
};

/**
 * Verifies an exported audit log without the server: every leaf hashes to its leaf hash, says itself which log and index
 * it is, agrees in every field with what is shown beside it, indexes run without a gap, and every opened personal value is the committed
 * one. Stops at the first divergence. What it cannot show without signed checkpoints: that the whole log was not
 * rewritten, or cut off at its end.
 *
 * With `from`, the first entry must have this index; otherwise entries before the first are not missed.
 */
export const verifyExport = async (lines: AsyncIterable<string>, from?: bigint): Promise<Verification> => {
  let [entries, openings] = [0, 0];
  let [first, last]: (Line | undefined)[] = [];
  let finding: Finding | undefined;
  for await (const text of lines) {
    if (text === '') continue;
    const expected = last === undefined ? from : BigInt(last.index) + 1n;
    const result = examine(text, expected, first?.origin);
    if ('divergence' in result) {
      finding = result;
      break;
    }
    first ??= result;
    last = result;
    entries += 1;
    openings += result.openings.length;
  }
  return { origin: first?.origin, entries, first: first?.index, last: last?.index, openings, finding };
};
