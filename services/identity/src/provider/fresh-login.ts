import type { Session } from '../sessions/index.ts';

/** Clock difference tolerated between us and an identity provider, as in a step-up. */
const SKEW_S = 60;

/** An authorization request, as far as it says how fresh a sign-in has to be. */
export interface FreshnessAsked {
  /** Why the provider asks for a sign-in: `login_prompt`, `max_age` and others. */
  readonly reasons: readonly string[];
  /** Seconds since the epoch. */
  readonly askedAt: number;
  /** Seconds; undefined when the request has none. */
  readonly maxAge: number | undefined;
}

type SignIn = Pick<Session, 'createdAt' | 'provenAt'>;

const seconds = (date: Date): number => Math.floor(date.getTime() / 1000);

/** Signed in after it was asked, and there in person: an identity provider may have answered without asking anybody. */
const isAnswer = ({ createdAt, provenAt }: SignIn, askedAt: number): boolean =>
  seconds(createdAt) >= askedAt && provenAt !== null && seconds(provenAt) >= askedAt - SKEW_S;

/**
 * Whether the person has to sign in once more before a request can go on. A sign-in of which nobody says when the person
 * was there is never fresh.
 * @see OpenID Connect Core §3.1.2.1 (`prompt`, `max_age`), §3.1.2.3
 */
export const needsFreshLogin = ({ reasons, askedAt, maxAge }: FreshnessAsked, signIn: SignIn, now: Date): boolean => {
  const isAskedAnew = reasons.includes('login_prompt');
  if (!isAskedAnew && !reasons.includes('max_age')) return false;
  if (isAnswer(signIn, askedAt)) return false;
  // The provider asks whenever it knows no sign-in of its own; ours may be recent enough.
  const ageSeconds = signIn.provenAt === null ? Number.POSITIVE_INFINITY : seconds(now) - seconds(signIn.provenAt);
  return isAskedAnew || maxAge === undefined || ageSeconds > maxAge;
};
