import { AppError } from '@sallyport/errors';
import type { Principal } from '@sallyport/http';

import type { FactorOwner } from './factor.ts';

const MINUTE_MS = 60_000;

/** How recent a sign-in must be for changing how one signs in (ASVS 7.5.1). */
export const FRESH_MS = 15 * MINUTE_MS;

/** Whose session it is; null unless it is a person's browser session: tokens change no factors. */
export const ownerOf = (principal: Principal | null): FactorOwner | null =>
  principal?.credentialType === 'session' && principal.type === 'user'
    ? { orgId: principal.orgId, accountId: principal.subjectId, epoch: principal.epoch }
    : null;

/**
 * Passes a recent sign-in, with all the factors its owner has: who finds a browser open, or knows only the password,
 * changes nothing.
 *
 * @param hasFactor whether the account has a second factor
 * @throws STEP_UP_REQUIRED
 */
export const assertFresh = (
  { authenticatedAt, amr }: { readonly authenticatedAt: Date; readonly amr?: readonly string[] },
  { hasFactor, now }: { readonly hasFactor: boolean; readonly now: Date },
): void => {
  const ageMs = now.getTime() - authenticatedAt.getTime();
  // A sign-in of the future proves nothing: the clock that said so cannot be trusted.
  const isFresh = ageMs >= 0 && ageMs <= FRESH_MS;
  const isComplete = !hasFactor || (amr ?? []).includes('mfa');
  if (!isFresh || !isComplete)
    throw new AppError('STEP_UP_REQUIRED', 'Sign in again first: this needs a recent sign-in with all factors.');
};
