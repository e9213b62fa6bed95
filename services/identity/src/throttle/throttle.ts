import { AppError } from '@sallyport/errors';
import { secretHash, type Clock, type Database } from '@sallyport/storage';

import { addressKey } from './address-key.ts';
import { countAttempts, uncountAttempts } from './throttle-store.ts';

const MINUTE_MS = 60_000;
const WINDOW_MS = 15 * MINUTE_MS;

/**
 * One thing attempts are counted by, and how many failures it may have in 15 minutes. An address is what one holder of an
 * address can send from: {@link addressKey}.
 */
export interface ThrottleRule {
  readonly key: string;
  readonly limit: number;
}

/**
 * The rules of a password attempt: few from one address against one name, many more against a name from everywhere
 * (so that nobody can lock somebody else out cheaply; NIST SP 800-63B-4 §3.2.2 allows 100), and a cap per address.
 */
export const passwordRules = (userName: string, ip: string): ThrottleRule[] => [
  { key: `password:${addressKey(ip)}:${userName}`, limit: 10 },
  { key: `password:*:${userName}`, limit: 100 },
  { key: `password:${addressKey(ip)}:*`, limit: 300 },
];

/**
 * The rules of a second factor of somebody whose first one was right. Tighter than those of a password, because a code
 * has six digits; only who knows the password can use them up.
 */
export const factorRules = (accountId: string, ip: string): ThrottleRule[] => [
  { key: `factor:${addressKey(ip)}:${accountId}`, limit: 10 },
  { key: `factor:*:${accountId}`, limit: 20 },
];

/** The rule of passkeys: a guess is hopeless, so only the work is bounded, per address. */
export const passkeyRules = (ip: string): ThrottleRule[] => [{ key: `passkey:${addressKey(ip)}`, limit: 600 }];

/** The rules of asking for mail, and of what mail brought: per address. What one name may be sent is bounded apart. */
export const resetRules = (ip: string): ThrottleRule[] => [{ key: `reset:${addressKey(ip)}`, limit: 60 }];

/** The rules of an answer of an identity provider: per address and per connection. */
export const federatedRules = (connectionId: string, ip: string): ThrottleRule[] => [
  { key: `federated:${addressKey(ip)}`, limit: 600 },
  { key: `federated:${addressKey(ip)}:${connectionId}`, limit: 300 },
];

/** The rule of setting out for an identity provider: each leaves a row, so nobody may leave any number of them. */
export const startRules = (ip: string): ThrottleRule[] => [{ key: `start:${addressKey(ip)}`, limit: 3_000 }];

/** The rule of what strangers leave at the OpenID Provider, a row each: requests to sign in, and those pushed by public clients. */
export const strangerRules = (ip: string): ThrottleRule[] => [{ key: `stranger:${addressKey(ip)}`, limit: 3_000 }];

/** The rule of asking DNS about a domain: each question goes out of the house. */
export const domainCheckRules = (orgId: string): ThrottleRule[] => [{ key: `domain-check:${orgId}`, limit: 60 }];

/** The rule of reading metadata on request: each reading is a request to an address the organisation chose. */
export const metadataReadingRules = (orgId: string): ThrottleRule[] => [{ key: `metadata:${orgId}`, limit: 60 }];

/** An attempt that has been counted. */
export interface Attempt {
  /** Takes the attempt out of the count again. */
  succeeded(): Promise<void>;
}

/**
 * Counts an attempt before it is made, so that guesses made at the same time are all counted. One that is refused is not
 * made and counts for nothing: whoever is over their own limit uses up that of nobody else.
 * @throws RATE_LIMITED when there were too many; nothing may be checked then
 */
export const countedAttempt = async (
  { db, clock }: { readonly db: Database; readonly clock: Clock },
  rules: readonly ThrottleRule[],
): Promise<Attempt> => {
  const now = clock.now();
  const limits = rules.map(({ key, limit }) => ({ key: secretHash(key), limit }));
  const keys = limits.map(({ key }) => key);
  const window = { now, endsAt: new Date(now.getTime() + WINDOW_MS) };
  const { isCounted, counts } = await db.unauditedWrite(
    'all-organizations',
    'attempts are counted before anybody is known',
    (tx) => countAttempts(tx, limits, window),
  );
  const uncount = async (why: string): Promise<void> => {
    await db.unauditedWrite('all-organizations', why, (tx) => uncountAttempts(tx, keys));
  };
  const exceeded = counts.filter(({ failures }, index) => failures > (rules[index]?.limit ?? 0));
  if (exceeded.length > 0) {
    if (isCounted) await uncount('an attempt that is not made does not count');
    const endsAtMs = Math.max(...exceeded.map(({ windowEndsAt }) => windowEndsAt.getTime()));
    const retryAfterSeconds = Math.max(1, Math.ceil((endsAtMs - now.getTime()) / 1000));
    throw new AppError('RATE_LIMITED', 'There were too many attempts. Try again later.', { retryAfterSeconds });
  }
  return {
    succeeded: async () => {
      await uncount('a successful attempt does not count');
    },
  };
};
