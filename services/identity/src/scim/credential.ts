import { isWellFormedSecret, secretHash, type Clock, type WriteTx } from '@sallyport/storage';

import {
  findPresentedToken,
  isAllowedAddress,
  SCIM_TOKEN_PREFIX,
  touchScimClient,
  touchScimToken,
  type PresentedCredential,
  type ScimProfile,
} from '../connections/index.ts';
import type { IdentityContext } from '../context.ts';
import { findScimCredential, isOpaqueToken } from '../provider/index.ts';

const BEARER = /^bearer +([\w.~+/-]+=*)$/i;

/** A bearer credential that might be one of ours. */
export interface BearerCredential {
  readonly hash: Buffer;
  readonly find: (service: IdentityContext) => Promise<PresentedCredential | undefined>;
}

/**
 * Reads the Authorization header: a bearer token of ours, or an opaque access token of our OpenID Provider. Undefined
 * for everything that cannot be either, so that it costs no look-up.
 *
 * @see RFC 6750 §2.1
 */
export const readBearer = (authorization: string): BearerCredential | undefined => {
  const secret = BEARER.exec(authorization)?.[1];
  if (secret === undefined) return undefined;
  const hash = secretHash(secret);
  if (isWellFormedSecret(SCIM_TOKEN_PREFIX, secret))
    return {
      hash,
      find: async ({ db }) =>
        await db.readOneAcrossOrganizations('a SCIM token names no organisation', (tx) => findPresentedToken(tx, hash)),
    };
  if (!isOpaqueToken(secret)) return undefined;
  return {
    hash,
    find: async ({ db, config }) =>
      await db.readAcrossOrganizations('an access token names no organisation', (tx) =>
        findScimCredential(tx, hash, new URL(config.publicOrigin).origin),
      ),
  };
};

/** Why a credential that exists may not be used. */
export type Refusal = 'revoked' | 'expired' | 'connection-disabled' | 'address-not-allowed';

/** The dialect the request is held to, or why there is no request. */
export const judge = (
  credential: PresentedCredential,
  { now, ip }: { readonly now: Date; readonly ip: string },
): { readonly refusal: Refusal } | { readonly refusal: null; readonly profile: ScimProfile } => {
  const { profile } = credential;
  if (credential.revokedAt !== null || credential.connectionRemoved || profile === null) return { refusal: 'revoked' };
  if (credential.expiresAt <= now) return { refusal: 'expired' };
  if (!credential.connectionEnabled) return { refusal: 'connection-disabled' };
  if (!isAllowedAddress(ip, credential.allowedNetworks)) return { refusal: 'address-not-allowed' };
  return { refusal: null, profile };
};

/** Notes when a credential was last used. */
export const touch = async (
  tx: WriteTx,
  { class: kind, orgId, id }: PresentedCredential,
  clock: Clock,
): Promise<void> => {
  if (kind === 'scim_token') await touchScimToken(tx, orgId, id, clock.now());
  else await touchScimClient(tx, orgId, id, clock.now());
};
