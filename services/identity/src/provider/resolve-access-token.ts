import type { Principal } from '@sallyport/http';
import { secretHash, type Clock, type Database, type ReadTx } from '@sallyport/storage';

import type { PresentedCredential } from '../connections/index.ts';
import { findAccessToken, type AccessTokenStanding } from './artifact-store.ts';
import { SCIM_SCOPE, scimResource } from './client.ts';
import { findScimAccessToken } from './scim-access-token-store.ts';
import { findWorkloadToken, type WorkloadTokenStanding } from './workload-token-store.ts';

const numberOf = (value: unknown): number => (typeof value === 'number' ? value : 0);

/** A token bound to a key is not a bearer token: shown as one, it was taken from its holder (RFC 9449 §7.1). */
const isBound = (payload: Record<string, unknown>): boolean => 'jkt' in payload || 'x5t#S256' in payload;

interface Dependencies {
  readonly db: Database;
  readonly clock: Clock;
}

type TokenPrincipal = Principal & { readonly clientId: string };

/**
 * Who is behind an opaque access token of our OpenID Provider, as the primary says at this moment: token, grant,
 * browser session, client, account and epoch are joined; of a service account's its key and its owner. Null when any of
 * them is gone, when the client may not use our API, and when the token is bound to a key.
 */
export const resolveAccessToken = async (
  { db, clock }: Dependencies,
  token: string,
): Promise<TokenPrincipal | null> => {
  const idHash = secretHash(token);
  const now = clock.now();
  return await db.readAcrossOrganizations('an access token names no organisation', async (tx) => {
    const standing = await findAccessToken(tx, idHash, now);
    if (standing === null) return workloadPrincipal(await findWorkloadToken(tx, idHash, now));
    return standing.apiAccess && !isBound(standing.payload) ? personPrincipal(standing) : null;
  });
};

const times = (payload: Record<string, unknown>): Pick<Principal, 'authenticatedAt' | 'expiresAt'> => ({
  authenticatedAt: new Date(numberOf(payload['iat']) * 1000),
  expiresAt: new Date(numberOf(payload['exp']) * 1000),
});

/** Permissions the token was limited to when it was asked for; empty: it was not. */
const scopesOf = ({ scope }: Record<string, unknown>): string[] =>
  typeof scope === 'string' ? scope.split(' ').filter((each) => each !== '') : [];

const personPrincipal = (standing: AccessTokenStanding): TokenPrincipal => ({
  orgId: standing.orgId,
  orgSlug: standing.orgSlug,
  subjectId: standing.accountId,
  type: standing.accountType,
  epoch: standing.epoch,
  credentialType: 'access_token',
  credentialId: standing.grantHash.toString('hex'),
  scopes: [],
  ...times(standing.payload),
  displayName: standing.displayName,
  clientId: standing.clientId,
});

const workloadPrincipal = (standing: WorkloadTokenStanding | null): TokenPrincipal | null =>
  standing === null || isBound(standing.payload)
    ? null
    : {
        orgId: standing.orgId,
        orgSlug: standing.orgSlug,
        subjectId: standing.accountId,
        type: 'service_account',
        epoch: standing.epoch,
        credentialType: 'access_token',
        credentialId: standing.keyId,
        scopes: scopesOf(standing.payload),
        ...times(standing.payload),
        displayName: standing.displayName,
        clientId: standing.clientId,
        sponsorIds: standing.sponsorIds,
      };

/** What an access token of the OpenID Provider looks like: saves a look-up for everything else. */
export const isOpaqueToken = (text: string): boolean => /^[\w-]{43}$/.test(text);

/**
 * The credential behind an access token of a directory's client; undefined for every other token, and for one that was
 * not issued for SCIM as a bearer token. Whether it may (still) be used is for the caller to say.
 */
export const findScimCredential = async (
  tx: ReadTx,
  tokenHash: Buffer,
  publicOrigin: string,
): Promise<PresentedCredential | undefined> => {
  const found = await findScimAccessToken(tx, tokenHash);
  if (found === undefined) return undefined;
  const { credential, payload } = found;
  const isForScim = payload['aud'] === scimResource(publicOrigin) && payload['scope'] === SCIM_SCOPE;
  return isForScim && !isBound(payload) ? credential : undefined;
};
