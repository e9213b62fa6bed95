import { AppError } from '@sallyport/errors';
import { createPublicKey } from 'node:crypto';
import { z } from 'zod';

const MAX_KEYS = 10;
const MIN_RSA_BITS = 2048;

const base64url = z
  .string()
  .regex(/^[A-Za-z0-9_-]+$/)
  .max(2048);
const common = {
  kid: z.string().min(1).max(200),
  use: z.literal('sig').default('sig'),
};

// Strict: a private member (`d`, `p`, `k` …) in what should be public is refused, not dropped.
const publicKey = z.discriminatedUnion('kty', [
  z.strictObject({ ...common, kty: z.literal('RSA'), alg: z.enum(['RS256', 'PS256']), n: base64url, e: base64url }),
  z.strictObject({
    ...common,
    kty: z.literal('EC'),
    alg: z.literal('ES256').default('ES256'),
    crv: z.literal('P-256'),
    x: base64url,
    y: base64url,
  }),
  z.strictObject({
    ...common,
    kty: z.literal('OKP'),
    alg: z.enum(['EdDSA', 'Ed25519']).default('EdDSA'),
    crv: z.literal('Ed25519'),
    x: base64url,
  }),
]);

/** A public key that signs assertions: RSA of 2048 bits up, P-256 or Ed25519, with an id; nothing private. */
export type PublicKey = z.output<typeof publicKey>;

/** True for a key that is what it says: the point lies on its curve, the modulus is long enough. */
const isUsable = (key: PublicKey): boolean => {
  try {
    const { asymmetricKeyDetails } = createPublicKey({ key, format: 'jwk' });
    return key.kty !== 'RSA' || (asymmetricKeyDetails?.modulusLength ?? 0) >= MIN_RSA_BITS;
  } catch {
    return false;
  }
};

export const usablePublicKey = publicKey.refine(isUsable, 'The key is not usable (RSA needs 2048 bits).');

export const publicKeySet = z
  .strictObject({ keys: z.array(usablePublicKey).min(1).max(MAX_KEYS) })
  .refine(({ keys }) => new Set(keys.map(({ kid }) => kid)).size === keys.length, 'Every key has an id of its own.');

const stored = z.object({ keys: z.array(z.record(z.string(), z.unknown())) });

/** A key set as it was stored. @throws INTERNAL when it is none */
export const renderKeySet = (jwks: unknown): z.output<typeof stored> | null => {
  if (jwks === null) return null;
  const parsed = stored.safeParse(jwks);
  if (!parsed.success) throw new AppError('INTERNAL', 'A stored key set cannot be read.');
  return parsed.data;
};
