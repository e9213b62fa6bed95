import { createHash } from 'node:crypto';

/** The head of every organisation's log, as one statement read them. Immutable; equal content keeps its identity. */
export interface Heads {
  readonly positions: ReadonlyMap<string, bigint>;
  /** SHA-256 over `<org>:<position>\n`, sorted by organisation. */
  readonly digest: Buffer;
}

const digestOf = (positions: ReadonlyMap<string, bigint>): Buffer => {
  const hash = createHash('sha256');
  for (const orgId of [...positions.keys()].sort()) hash.update(`${orgId}:${String(positions.get(orgId))}\n`);
  return hash.digest();
};

const sameHeads = (left: ReadonlyMap<string, bigint>, right: ReadonlyMap<string, bigint>): boolean => {
  if (left.size !== right.size) return false;
  for (const [orgId, position] of left) if (right.get(orgId) !== position) return false;
  return true;
};

/** Keeps the previous value when nothing has moved, so that an idle tick costs no digest and no comparison later. */
export const nextHeads = (previous: Heads | undefined, positions: ReadonlyMap<string, bigint>): Heads =>
  previous !== undefined && sameHeads(previous.positions, positions)
    ? previous
    : { positions, digest: digestOf(positions) };
