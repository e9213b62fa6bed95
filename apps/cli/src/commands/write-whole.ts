import { createWriteStream } from 'node:fs';
import { rename, rm } from 'node:fs/promises';
import { pipeline } from 'node:stream/promises';

import { CliError, EXIT } from '../exit-codes.ts';

/** A failure that says what was not done; one of ours says so already. */
export const notDone = (what: string, error: unknown): Error =>
  error instanceof CliError
    ? error
    : new CliError(EXIT.failed, `${what}: ${error instanceof Error ? error.message : String(error)}.`);

/**
 * Writes what arrives to a file of its owner's, and answers how many bytes. Under another name until it is complete: half
 * an export would verify like a whole, shorter log.
 */
export const writeWhole = async (body: AsyncIterable<Uint8Array>, file: string): Promise<number> => {
  const unfinished = `${file}.partial`;
  let bytes = 0;
  const counted = async function* (): AsyncGenerator<Uint8Array> {
    for await (const chunk of body) {
      bytes += chunk.length;
      yield chunk;
    }
  };
  try {
    await pipeline(counted, createWriteStream(unfinished, { mode: 0o600 }));
    await rename(unfinished, file);
  } catch (error) {
    await rm(unfinished, { force: true });
    throw notDone(`${file} was not written`, error);
  }
  return bytes;
};
