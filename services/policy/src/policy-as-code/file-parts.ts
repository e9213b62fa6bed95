/** How a file that was read in a thread crosses over: in pieces, none of which takes long to receive. */
import { deserialize, serialize } from 'node:v8';

/** Entries of a list. */
const PIECE = 250;

/** Plain data: what structured cloning takes. */
export const toParts = (file: object): readonly Uint8Array[] =>
  Object.entries(file).flatMap(([name, value]: [string, unknown]) => {
    if (!Array.isArray(value) || value.length === 0) return [serialize([name, value])];
    const pieces: Uint8Array[] = [];
    for (let from = 0; from < value.length; from += PIECE)
      pieces.push(serialize([name, value.slice(from, from + PIECE)]));
    return pieces;
  });

/** The same again, a step for each piece. */
export function* fromParts(parts: readonly Uint8Array[]): Generator<undefined, unknown> {
  const read = new Map<string, unknown>();
  for (const part of parts) {
    yield;
    const [name, value] = deserialize(part) as [string, unknown];
    const before = read.get(name);
    if (Array.isArray(before) && Array.isArray(value)) for (const each of value as unknown[]) before.push(each);
    else read.set(name, value);
  }
  return Object.fromEntries(read);
}
