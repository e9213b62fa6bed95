import { AppError } from '@sallyport/errors';

import { createVerifier, type VerifierOptions } from '../verifier/pool.ts';
import { invalidMetadata, type IdpDescription, type MetadataTrust } from './idp-metadata.ts';

/** Reads metadata off the main thread, one document after another, and apart from the messages of logins. */
export interface MetadataReader {
  /** @throws INVALID_VALUE saying what is missing, or that it takes too long; UNAVAILABLE when too many wait */
  read(xml: string, trust: MetadataTrust): Promise<IdpDescription>;
  close(): Promise<void>;
}

// Several times what half a megabyte of ordinary metadata takes.
const LIMITS: VerifierOptions = { threads: 1, deadlineMs: 1_000, maxPerConnection: 64, maxWaitMs: 20_000 };

/** Starts the thread. */
export const createMetadataReader = (options: Pick<VerifierOptions, 'workerFile'> = {}): MetadataReader => {
  const thread = createVerifier({ ...LIMITS, ...options });
  return {
    close: () => thread.close(),
    read: async (xml, trust) => {
      const reading = await thread.readMetadata(xml, trust);
      if (reading.ok) {
        if ('problem' in reading.metadata) throw invalidMetadata(reading.metadata.problem);
        return reading.metadata;
      }
      if (reading.reason === 'VERIFIER_BUSY')
        throw new AppError('UNAVAILABLE', 'Too much metadata is being read at the moment.', { retryAfterSeconds: 5 });
      throw invalidMetadata('The metadata takes too long to read.');
    },
  };
};
