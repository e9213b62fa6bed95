import { compactVerify, errors, type JWTVerifyGetKey } from 'jose';

import { OidcRefusal } from './reasons.ts';

/** What identity providers may sign with: no `none`, nothing symmetric, SHA-256 up. */
export const SIGNING_ALGORITHMS = [
  'RS256',
  'RS384',
  'RS512',
  'PS256',
  'PS384',
  'PS512',
  'ES256',
  'ES384',
  'ES512',
  'EdDSA',
  'Ed25519',
] as const;

const MAX_TOKEN_CHARS = 64 * 1024;

/** A token whose signature holds; its claims are yet to be looked at. */
export interface SignedToken {
  readonly header: Readonly<Record<string, unknown>>;
  readonly claims: ReadonlyMap<string, unknown>;
}

/**
 * Verifies the signature of a JWT of an identity provider with the key its own key set has for it. Keys in the header
 * (`jwk`, `jku`, `x5c`, `x5u`) are not looked at; `crit` is refused.
 * @throws OidcRefusal ALGORITHM_REFUSED, KEY_UNKNOWN, KEYS_UNAVAILABLE, SIGNATURE_INVALID or TOKEN_MALFORMED
 */
export const verifySignature = async (token: string, findKey: JWTVerifyGetKey): Promise<SignedToken> => {
  if (token.length > MAX_TOKEN_CHARS) throw new OidcRefusal('TOKEN_MALFORMED', 'size');
  try {
    const { payload, protectedHeader } = await compactVerify(token, findKey, { algorithms: [...SIGNING_ALGORITHMS] });
    const claims: unknown = JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(payload));
    if (typeof claims !== 'object' || claims === null || Array.isArray(claims))
      throw new OidcRefusal('TOKEN_MALFORMED', 'claims');
    return { header: { ...protectedHeader }, claims: new Map(Object.entries(claims)) };
  } catch (error) {
    throw refusalOf(error);
  }
};

const refusalOf = (error: unknown): OidcRefusal => {
  if (error instanceof OidcRefusal) return error;
  if (error instanceof errors.JOSEAlgNotAllowed) return new OidcRefusal('ALGORITHM_REFUSED');
  if (error instanceof errors.JWKSNoMatchingKey) return new OidcRefusal('KEY_UNKNOWN');
  if (error instanceof errors.JWKSMultipleMatchingKeys) return new OidcRefusal('KEY_UNKNOWN', 'ambiguous');
  if (error instanceof errors.JWSSignatureVerificationFailed) return new OidcRefusal('SIGNATURE_INVALID');
  // A key too short for its algorithm, a `crit` nobody understands, or no JWT at all.
  return new OidcRefusal('TOKEN_MALFORMED', error instanceof errors.JOSEError ? error.code : null);
};
