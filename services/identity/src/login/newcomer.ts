import { hasUnseen, hasUnseenInName } from '../accounts/index.ts';
import { singleValue, type ExternalLogin } from './external-login.ts';

/** Who a first login would make. */
export interface Newcomer {
  readonly email: string;
  /** Of the address, as connections list domains. */
  readonly domain: string;
  readonly displayName: string | null;
}

const MAX_EMAIL = 254;
const MAX_DISPLAY_NAME = 1_024;
const ADDRESS = /^[^\s@]+@([^\s@]+)$/;

/**
 * What an identity provider says of somebody nobody knows yet; null without one address that could be somebody's. Held
 * to what a directory is held to: nobody is made whose name looks like another one on a screen. A display name that is
 * no good is left out.
 */
export const newcomerOf = (login: ExternalLogin): Newcomer | null => {
  const email = singleValue(login, login.rule.emailAttribute);
  if (email === null || email.length > MAX_EMAIL || hasUnseenInName(email)) return null;
  const domain = ADDRESS.exec(email)?.[1]?.toLowerCase();
  if (domain === undefined) return null;
  const displayName = singleValue(login, login.rule.displayNameAttribute);
  const isShown = displayName !== null && displayName.length <= MAX_DISPLAY_NAME && !hasUnseen(displayName);
  return { email, domain, displayName: isShown ? displayName : null };
};
