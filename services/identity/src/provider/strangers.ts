import { isAppError } from '@sallyport/errors';
import type { Clock, Database } from '@sallyport/storage';
import { errors, Provider } from 'oidc-provider';

import { countedAttempt, strangerRules } from '../throttle/index.ts';
import { providerRequest } from './request-session.ts';

/** What is kept for whoever asks, before anybody is known. */
export const LEFT_BY_STRANGERS: ReadonlySet<string> = new Set(['Interaction', 'PushedAuthorizationRequest', 'Session']);

/** A browser nobody is signed in in; an application that shows nothing. */
const isStranger = (model: string): boolean =>
  model === 'PushedAuthorizationRequest'
    ? Provider.ctx?.oidc.client?.clientAuthMethod === 'none'
    : providerRequest()?.session === null;

/**
 * Bounds the rows of those nobody knows, per address.
 * @throws errors.OIDCProviderError, or RATE_LIMITED where the library hands errors on
 */
export const admitStranger = async (
  dependencies: { readonly db: Database; readonly clock: Clock },
  model: string,
): Promise<void> => {
  if (!isStranger(model)) return;
  try {
    await countedAttempt(dependencies, strangerRules(providerRequest()?.origin.ip ?? ''));
  } catch (error) {
    if (model === 'Session' || !isAppError(error) || error.code !== 'RATE_LIMITED') throw error;
    throw new errors.OIDCProviderError(429, 'temporarily_unavailable');
  }
};
