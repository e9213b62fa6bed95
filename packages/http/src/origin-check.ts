import type { IncomingMessage } from 'node:http';

import { AppError } from '@sallyport/errors';

const SAFE_METHODS: ReadonlySet<string> = new Set(['GET', 'HEAD', 'OPTIONS']);

/**
 * Refuses a request that a page of another origin made a browser send.
 *
 * 1. A safe method changes nothing and passes.
 * 2. `Sec-Fetch-Site`, if sent, must be `same-origin`: only a browser sets it and no page can forge it.
 * 3. `Origin`, if sent, must be ours, to the letter (`null` is not).
 * 4. With neither header there is no evidence, and the request is refused.
 *
 * Called for every request whose credential a browser attaches by itself.
 *
 * @throws ORIGIN_MISMATCH
 */
export const checkOrigin = (request: IncomingMessage, publicOrigin: string): void => {
  if (SAFE_METHODS.has(request.method ?? '')) return;
  const site = request.headers['sec-fetch-site'];
  const origin = request.headers.origin;
  const isForeign = (site !== undefined && site !== 'same-origin') || (origin !== undefined && origin !== publicOrigin);
  if (isForeign || (site === undefined && origin === undefined))
    throw new AppError('ORIGIN_MISMATCH', 'The request must come from the origin of this service.');
};
