import { generateKeyPairSync, randomUUID, sign, type KeyObject } from 'node:crypto';

const LIFE_S = 240;
const TYPE = 'urn:ietf:params:oauth:client-assertion-type:jwt-bearer';

/** A key of a client that shows who it is with assertions. */
export interface ClientKey {
  readonly privateKey: KeyObject;
  readonly publicJwk: Readonly<Record<string, unknown>> & { readonly kid: string };
}

/** P-256, the cheapest there is to verify on both sides. */
export const newClientKey = (): ClientKey => {
  const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  return { privateKey, publicJwk: { ...publicKey.export({ format: 'jwk' }), kid: 'bench', use: 'sig', alg: 'ES256' } };
};

const encoded = (value: object): string => Buffer.from(JSON.stringify(value)).toString('base64url');

/** The body of a request for a token, with an assertion that has not been used. @see RFC 7523 §2.2 */
export const assertionForm = (clientId: string, audience: string, { privateKey, publicJwk }: ClientKey): string => {
  const now = Math.floor(Date.now() / 1000);
  const about = { iss: clientId, sub: clientId, aud: audience, jti: randomUUID(), iat: now, exp: now + LIFE_S };
  const text = `${encoded({ alg: 'ES256', kid: publicJwk.kid })}.${encoded(about)}`;
  const signature = sign('sha256', Buffer.from(text), { key: privateKey, dsaEncoding: 'ieee-p1363' });
  return new URLSearchParams({
    grant_type: 'client_credentials',
    client_assertion_type: TYPE,
    client_assertion: `${text}.${signature.toString('base64url')}`,
  }).toString();
};
