import { setImmediate } from 'node:timers/promises';

import { monotonicMs } from './clock.ts';
import { JsonReader } from './json-reader.ts';
import type { JsonRules } from './json.ts';

/** Texts above this length are parsed in turns: below it, one turn of the event loop is short enough. */
export const IN_TURNS_ABOVE = 512 * 1024;

const TURN_MS = 5;
const TOKENS_BETWEEN_LOOKS = 100;

/**
 * Parses like `parseJson`, with the same guarantees, but lets other requests have their turn every few milliseconds.
 * Beyond them no text or number inside may be longer than a mebibyte.
 *
 * @throws MALFORMED_JSON, INVALID_REQUEST; of several faults the first in the text is told
 */
export const parseJsonInTurns = async (text: string, rules: JsonRules): Promise<unknown> => {
  const reader = new JsonReader(text, rules);
  let turnEndsAtMs = monotonicMs() + TURN_MS;
  while (!reader.read(TOKENS_BETWEEN_LOOKS)) {
    if (monotonicMs() < turnEndsAtMs) continue;
    await setImmediate();
    turnEndsAtMs = monotonicMs() + TURN_MS;
  }
  return reader.value;
};
