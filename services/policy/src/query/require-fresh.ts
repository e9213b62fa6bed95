import { AppError } from '@sallyport/errors';

import { REASONS, type Freshness } from '../decide/index.ts';

/** Whoever waits for the answer. */
interface Caller {
  remainingMs(): number;
  readonly signal: AbortSignal;
}

/**
 * Returns once everything up to the revision is known; at once when none is asked for.
 *
 * @throws INVALID_REQUEST for what is not a revision of this organisation; DECISION_UNAVAILABLE when it takes too long
 */
export const requireFresh = async (
  freshness: Freshness,
  orgId: string,
  token: string,
  caller: Caller,
): Promise<void> => {
  if (token === '') return;
  const reason = await freshness(orgId, token, caller);
  if (reason === null) return;
  if (reason === 'INVALID_REQUEST') throw new AppError(reason, 'This is not a revision of this organisation.');
  throw new AppError('DECISION_UNAVAILABLE', REASONS[reason], { metadata: { reason }, retryAfterSeconds: 1 });
};
