import { CLOCK_SKEW_S } from './check-id-token.ts';
import { isStorable } from './check-texts.ts';
import { OidcRefusal } from './reasons.ts';
import type { SignedToken } from './verify-signature.ts';

const EVENT = 'http://schemas.openid.net/event/backchannel-logout';
const MINUTE_S = 60;
/** A logout is news: one that was held back for longer may be about a session that has ended since. */
const MAX_AGE_S = 5 * MINUTE_S;
const MAX_ID_CHARS = 512;

/** Which sessions at the identity provider have ended. */
export interface LogoutNotice {
  readonly jti: string;
  readonly subject: string | null;
  readonly session: string | null;
  /** Until when a second use could pass the check of its age. */
  readonly expiresAtSeconds: number;
}

const identifier = (value: unknown): string | null =>
  typeof value === 'string' && value !== '' && value.length <= MAX_ID_CHARS && isStorable(value) ? value : null;

const timeOf = (claims: ReadonlyMap<string, unknown>, name: string): number => {
  const value = claims.get(name);
  if (typeof value === 'number' && Number.isFinite(value)) return value;
  throw new OidcRefusal('TOKEN_MALFORMED', name);
};

/** Exactly `logout+jwt`, or none: an id_token must never pass for a logout token, nor the other way round. */
const checkType = (type: unknown): void => {
  const isLogout =
    typeof type === 'string' && ['logout+jwt', 'application/logout+jwt', 'jwt'].includes(type.toLowerCase());
  if (type !== undefined && !isLogout) throw new OidcRefusal('TOKEN_TYPE_WRONG');
};

const hasEvent = (events: unknown): boolean => {
  if (typeof events !== 'object' || events === null || !Object.hasOwn(events, EVENT)) return false;
  const event = (events as Record<string, unknown>)[EVENT];
  return typeof event === 'object' && event !== null && !Array.isArray(event);
};

/** @returns when it was issued, in seconds */
const checkTimes = (claims: ReadonlyMap<string, unknown>, nowSeconds: number): number => {
  const issuedAt = timeOf(claims, 'iat');
  if (issuedAt > nowSeconds + CLOCK_SKEW_S) throw new OidcRefusal('ISSUED_IN_FUTURE');
  if (issuedAt < nowSeconds - MAX_AGE_S - CLOCK_SKEW_S) throw new OidcRefusal('ISSUED_TOO_LONG_AGO');
  if (timeOf(claims, 'exp') <= nowSeconds - CLOCK_SKEW_S) throw new OidcRefusal('EXPIRED');
  return issuedAt;
};

const whomOf = (claims: ReadonlyMap<string, unknown>): Pick<LogoutNotice, 'subject' | 'session'> => {
  const [subject, session] = [identifier(claims.get('sub')), identifier(claims.get('sid'))];
  // One that is there and cannot be read must not widen the logout to everything the other one names.
  const isReadable = (subject !== null || !claims.has('sub')) && (session !== null || !claims.has('sid'));
  if ((subject === null && session === null) || !isReadable) throw new OidcRefusal('LOGOUT_SUBJECT_MISSING');
  return { subject, session };
};

/**
 * Checks the claims of a logout token whose signature holds, in the order of OIDC Back-Channel Logout 1.0 §2.6:
 * type, issuer, audience, times, `sub` or `sid`, the event, no nonce, an identifier for the replay store.
 * @throws OidcRefusal
 */
export const checkLogoutToken = (
  { header, claims }: SignedToken,
  expected: { readonly issuer: string; readonly clientId: string; readonly nowSeconds: number },
): LogoutNotice => {
  checkType(header['typ']);
  if (claims.get('iss') !== expected.issuer) throw new OidcRefusal('ISSUER_MISMATCH', 'logout');
  const audiences = [claims.get('aud')].flat();
  if (audiences.length === 0 || audiences.some((audience) => audience !== expected.clientId))
    throw new OidcRefusal('AUDIENCE_UNTRUSTED');
  const issuedAt = checkTimes(claims, expected.nowSeconds);
  const about = whomOf(claims);
  if (!hasEvent(claims.get('events'))) throw new OidcRefusal('LOGOUT_EVENT_MISSING');
  if (claims.has('nonce')) throw new OidcRefusal('LOGOUT_NONCE_PRESENT');
  const jti = identifier(claims.get('jti'));
  if (jti === null) throw new OidcRefusal('LOGOUT_ID_MISSING');
  return { jti, ...about, expiresAtSeconds: issuedAt + MAX_AGE_S + 2 * CLOCK_SKEW_S };
};
