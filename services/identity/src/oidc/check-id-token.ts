import { createHash } from 'node:crypto';

import { constantTimeEqual } from '@sallyport/storage';

import { OidcRefusal } from './reasons.ts';
import type { SignedToken } from './verify-signature.ts';

/** How far the clocks of an identity provider and ours may be apart. */
export const CLOCK_SKEW_S = 60;
const MINUTE_S = 60;
/** An id_token of the token endpoint was made while we waited; an older one was kept for the occasion. */
const MAX_AGE_S = 10 * MINUTE_S;

/** What a login asked its identity provider for. */
export interface ExpectedLogin {
  readonly clientId: string;
  readonly accessToken: string;
  /** Seconds; null: any sign-in will do. */
  readonly maxAgeSeconds: number | null;
  /** One of them has to be the answer; empty: any will do. */
  readonly acrValues: readonly string[];
  readonly nowSeconds: number;
}

const numberClaim = (claims: ReadonlyMap<string, unknown>, name: string): number | null => {
  const value = claims.get(name);
  return typeof value === 'number' && Number.isFinite(value) ? value : null;
};

/**
 * What the library leaves open about an id_token whose signature, issuer, audience, nonce and expiry hold.
 *
 * 1. It is for us alone (OIDC Core §3.1.3.7 rules 3 to 5); 2. it was issued just now; 3. it belongs to the access token
 * it came with, where it says so; 4. the sign-in is as recent and 5. as strong as was asked.
 * @throws OidcRefusal
 */
export const checkIdToken = ({ header, claims }: SignedToken, expected: ExpectedLogin): void => {
  const { clientId, nowSeconds } = expected;
  const type = header['typ'];
  if (type !== undefined && !(typeof type === 'string' && type.toUpperCase() === 'JWT'))
    throw new OidcRefusal('TOKEN_TYPE_WRONG');
  if ([claims.get('aud')].flat().some((audience) => audience !== clientId)) throw new OidcRefusal('AUDIENCE_UNTRUSTED');
  if (claims.has('azp') && claims.get('azp') !== clientId) throw new OidcRefusal('AUTHORIZED_PARTY_WRONG'); // 1
  checkIssueTime(claims, nowSeconds); // 2
  checkAccessTokenHash(header['alg'], claims, expected.accessToken); // 3
  checkSignInTime(claims, expected); // 4
  checkStrength(claims.get('acr'), expected.acrValues); // 5
};

const checkIssueTime = (claims: ReadonlyMap<string, unknown>, nowSeconds: number): void => {
  const issuedAt = numberClaim(claims, 'iat') ?? 0;
  if (issuedAt > nowSeconds + CLOCK_SKEW_S) throw new OidcRefusal('ISSUED_IN_FUTURE');
  if (issuedAt < nowSeconds - MAX_AGE_S - CLOCK_SKEW_S) throw new OidcRefusal('ISSUED_TOO_LONG_AGO');
};

const checkStrength = (acr: unknown, acrValues: readonly string[]): void => {
  if (acrValues.length === 0 || (typeof acr === 'string' && acrValues.includes(acr))) return;
  throw new OidcRefusal('ACR_INSUFFICIENT');
};

/** @see OIDC Core §2 (`auth_time`), §3.1.2.1 (`max_age`) */
const checkSignInTime = (claims: ReadonlyMap<string, unknown>, expected: ExpectedLogin): void => {
  const { maxAgeSeconds, nowSeconds } = expected;
  const authTime = numberClaim(claims, 'auth_time');
  if (authTime === null) {
    if (maxAgeSeconds !== null) throw new OidcRefusal('AUTH_TIME_MISSING');
    return;
  }
  if (authTime > nowSeconds + CLOCK_SKEW_S) throw new OidcRefusal('AUTH_TIME_IN_FUTURE');
  if (maxAgeSeconds !== null && authTime < nowSeconds - maxAgeSeconds - CLOCK_SKEW_S)
    throw new OidcRefusal('LOGIN_TOO_OLD');
};

const HASHES: Readonly<Record<string, string>> = { '256': 'sha256', '384': 'sha384', '512': 'sha512' };

/** @see OIDC Core §3.1.3.8; Ed25519 hashes with SHA-512 */
const checkAccessTokenHash = (alg: unknown, claims: ReadonlyMap<string, unknown>, accessToken: string): void => {
  if (!claims.has('at_hash')) return;
  const hash = createHash((typeof alg === 'string' ? HASHES[alg.slice(-3)] : undefined) ?? 'sha512');
  const digest = hash.update(accessToken).digest();
  const expected = digest.subarray(0, digest.length / 2).toString('base64url');
  const shown = claims.get('at_hash');
  if (typeof shown !== 'string' || !constantTimeEqual(shown, expected))
    throw new OidcRefusal('ACCESS_TOKEN_HASH_WRONG');
};
