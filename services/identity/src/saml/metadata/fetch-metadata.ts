import { AppError, isAppError } from '@sallyport/errors';

import type { GuardedFetch } from '../../outbound/index.ts';

const HOUR_MS = 60 * 60_000;
/** Twice a day, whatever the document says: a key that was taken out is trusted for no longer. */
const REREAD_MS = 12 * HOUR_MS;
const RETRY_MS = HOUR_MS;

/** When metadata is read next. */
export const nextReading = (now: Date, outcome: 'taken' | 'failed'): Date =>
  new Date(now.getTime() + (outcome === 'taken' ? REREAD_MS : RETRY_MS));

const invalid = (detail: string, cause?: unknown): AppError =>
  new AppError('INVALID_VALUE', detail, {
    cause,
    fields: [{ pointer: '/metadataUrl', code: 'saml-metadata', detail }],
  });

/**
 * Fetches metadata through the outbound guard: https, public addresses, no redirects, 512 KiB, 5 seconds.
 * @throws INVALID_VALUE saying why it was not had
 */
export const fetchMetadata = async (fetch: GuardedFetch, url: string): Promise<string> => {
  try {
    const response = await fetch(url, { headers: { accept: 'application/samlmetadata+xml, application/xml' } });
    if (response.status !== 200) throw invalid(`The metadata address answered ${response.status}.`);
    return await response.text();
  } catch (error) {
    if (!isAppError(error) || error.code === 'INVALID_VALUE') throw error;
    throw invalid(`The metadata could not be fetched: ${error.message}`, error);
  }
};
