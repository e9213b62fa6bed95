import { generateKeyPairSync } from 'node:crypto';

import { AppError } from '@sallyport/errors';
import { newId } from '@sallyport/storage';
import { z } from 'zod';

const HOUR_S = 60 * 60;
/** How long a key stays published after another took its place: as long as anything it signed is of use. */
const KEEP_S = 25 * HOUR_S;
/** How long a key is published before it signs, so that whoever keeps our key set has it by then. */
export const DEFAULT_LEAD_S = HOUR_S;

const keySchema = z.looseObject({
  kty: z.enum(['RSA', 'EC']),
  kid: z.string().optional(),
  /** Seconds since 1970 from which it signs; absent: it has from the beginning. */
  signs_from: z.number().int().nonnegative().optional(),
});

/** The private keys of the provider, as its file holds them. */
export const signingKeysSchema = z.object({ keys: z.array(keySchema).min(1) });

export type SigningKey = z.output<typeof keySchema>;

const startOf = (key: SigningKey): number => key.signs_from ?? 0;

/**
 * The keys that are published at a moment, the one that signs first. Of keys that have begun, the last one signs; those
 * before it stay published for 25 hours, those to come are published already.
 * @throws INTERNAL when none signs yet
 */
export const keysAt = (keys: readonly SigningKey[], nowSeconds: number): SigningKey[] => {
  const begun = keys.filter((key) => startOf(key) <= nowSeconds).sort((left, right) => startOf(left) - startOf(right));
  const signing = begun.at(-1);
  if (signing === undefined) throw new AppError('INTERNAL', 'No key of the OpenID Provider signs yet.');
  const retiring = begun.filter((_key, index) => {
    const successor = begun[index + 1];
    return successor !== undefined && startOf(successor) + KEEP_S > nowSeconds;
  });
  const coming = keys.filter((key) => startOf(key) > nowSeconds);
  return [signing, ...retiring, ...coming];
};

/** The next moment at which other keys count than now; null when there is none. */
export const nextChangeAt = (keys: readonly SigningKey[], nowSeconds: number): number | null => {
  const moments = keys.flatMap((key) => [startOf(key), startOf(key) + KEEP_S]).filter((at) => at > nowSeconds);
  return moments.length === 0 ? null : Math.min(...moments);
};

/**
 * Adds a key that signs after `leadSeconds` and drops what nobody needs any more. The same kind of key as the one that
 * signs now. A second call before the new key signs changes nothing.
 */
export const rotateKeys = (
  keys: readonly SigningKey[],
  { nowSeconds, leadSeconds = DEFAULT_LEAD_S }: { readonly nowSeconds: number; readonly leadSeconds?: number },
): SigningKey[] => {
  const published = keysAt(keys, nowSeconds);
  if (published.some((key) => startOf(key) > nowSeconds)) return [...keys];
  const isElliptic = published[0]?.kty === 'EC';
  const { privateKey } = isElliptic
    ? generateKeyPairSync('ec', { namedCurve: 'P-256' })
    : generateKeyPairSync('rsa', { modulusLength: 2048 });
  const jwk = privateKey.export({ format: 'jwk' });
  const about = { kid: newId(), use: 'sig', alg: isElliptic ? 'ES256' : 'RS256' };
  const next = keySchema.parse({ ...jwk, ...about, signs_from: nowSeconds + leadSeconds });
  return [...published, next];
};

/** A key as the library wants it: without what is ours. */
export const withoutSchedule = ({
  signs_from: _from,
  ...key
}: SigningKey): Record<string, unknown> & { kty: string } => ({
  ...key,
});
