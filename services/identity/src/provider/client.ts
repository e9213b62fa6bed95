import type { AdapterPayload, Client } from 'oidc-provider';

import type { AuthenticatingScimClient } from '../connections/index.ts';
import type { WorkloadClient } from '../workload/index.ts';
import type { OAuthClient } from './client-store.ts';

/** Metadata of ours on a client, next to the standard ones. */
export const CLIENT_ORG = 'sallyport_org_id';
export const CLIENT_MAY_INTROSPECT = 'sallyport_may_introspect';
export const CLIENT_THIRD_PARTY = 'sallyport_third_party';
export const CLIENT_JWT_AUDIENCE = 'sallyport_jwt_audience';
/** Only on SCIM clients: seconds their access tokens live. */
export const CLIENT_SCIM_TOKEN_TTL = 'sallyport_scim_token_ttl';
/** Only on service accounts: which, and the epoch they authenticate in. */
export const CLIENT_WORKLOAD = 'sallyport_workload';
export const CLIENT_WORKLOAD_EPOCH = 'sallyport_workload_epoch';
/** And when its keys end, by their ids; seconds since 1970. */
export const CLIENT_WORKLOAD_KEY_ENDS = 'sallyport_workload_key_ends';

/** Every one of them, for the provider's settings. */
export const CLIENT_METADATA = [
  CLIENT_ORG,
  CLIENT_MAY_INTROSPECT,
  CLIENT_THIRD_PARTY,
  CLIENT_JWT_AUDIENCE,
  CLIENT_SCIM_TOKEN_TTL,
  CLIENT_WORKLOAD,
  CLIENT_WORKLOAD_EPOCH,
  CLIENT_WORKLOAD_KEY_ENDS,
];

/** What our signing key can do. */
export type SigningAlgorithm = 'ES256' | 'RS256';

/** The one resource SCIM clients have tokens for, and nobody else. */
export const SCIM_SCOPE = 'scim';
export const scimResource = (publicOrigin: string): string => `${publicOrigin}/scim/v2`;

/** The one resource service accounts have tokens for: our own API, in every service. */
export const apiResource = (publicOrigin: string): string => `${publicOrigin}/api`;

/** A permission of the catalogue, by its form: what is not in the catalogue allows nothing. */
export const isPermission = (text: string): boolean => /^[a-z-]+:[a-z-]+$/.test(text);

/** Stands where no secret is live: no hash is this. */
const NO_SECRET = 'none';

const authentication = (client: OAuthClient & { readonly secretHashes: readonly Buffer[] }): AdapterPayload => {
  if (client.authMethod === 'none') return { token_endpoint_auth_method: 'none' };
  if (client.authMethod === 'private_key_jwt') {
    const { jwks, jwksUri } = client;
    return {
      token_endpoint_auth_method: 'private_key_jwt',
      ...(jwks === null ? {} : { jwks: jwks as unknown as NonNullable<AdapterPayload['jwks']> }),
      ...(jwksUri === null ? {} : { jwks_uri: jwksUri }),
    };
  }
  const hashes = client.secretHashes.map((hash) => hash.toString('hex'));
  return {
    token_endpoint_auth_method: 'client_secret_basic',
    client_secret: hashes.length === 0 ? NO_SECRET : hashes.join(','),
  };
};

/**
 * A client as oidc-provider wants it. The secret is the hash of the real one, or of both (compared by ours,
 * provider.ts): no algorithm that would need the secret itself is offered.
 */
export const clientMetadata = (
  client: OAuthClient & { readonly secretHashes: readonly Buffer[] },
  signingAlgorithm: SigningAlgorithm,
): AdapterPayload => ({
  client_id: client.id,
  client_name: client.name,
  application_type: 'web', // Redirect URIs are compared to the letter; "native" would let any loopback port through.
  redirect_uris: client.redirectUris,
  post_logout_redirect_uris: client.postLogoutRedirectUris,
  response_types: ['code'],
  grant_types: ['authorization_code', 'refresh_token'],
  id_token_signed_response_alg: signingAlgorithm,
  require_pushed_authorization_requests: client.requirePar,
  ...authentication(client),
  ...(client.backchannelLogoutUri === null
    ? {}
    : { backchannel_logout_uri: client.backchannelLogoutUri, backchannel_logout_session_required: true }),
  [CLIENT_ORG]: client.orgId,
  [CLIENT_MAY_INTROSPECT]: client.mayIntrospect,
  [CLIENT_THIRD_PARTY]: client.thirdParty,
  ...(client.jwtAudience === null ? {} : { [CLIENT_JWT_AUDIENCE]: client.jwtAudience }),
});

/**
 * A directory's client: nothing but the token endpoint, nothing but client credentials. `client_secret` holds the hashes
 * of the live secrets, compared by ours (provider.ts).
 */
export const scimClientMetadata = (
  client: AuthenticatingScimClient,
  signingAlgorithm: SigningAlgorithm,
): AdapterPayload => ({
  id_token_signed_response_alg: signingAlgorithm, // It has none, and the library wants to know how they are signed.
  client_id: client.id,
  redirect_uris: [],
  response_types: [],
  grant_types: ['client_credentials'],
  token_endpoint_auth_method: 'client_secret_basic', // The library takes the secret in the form (client_secret_post) too.
  client_secret: client.secretHashes.map((hash) => hash.toString('hex')).join(','),
  [CLIENT_ORG]: client.orgId,
  [CLIENT_SCIM_TOKEN_TTL]: client.tokenTtlSeconds,
});

/** When the key of this id ends; undefined for every other client, and for no such key. */
export const keyEndOf = (client: Client, kid: string): number | undefined => {
  const ends = client[CLIENT_WORKLOAD_KEY_ENDS];
  const found = typeof ends === 'object' && ends !== null ? Object.entries(ends).find(([id]) => id === kid) : undefined;
  return found === undefined ? undefined : Number(found[1]);
};

const keySetOf = ({ keys }: WorkloadClient): NonNullable<AdapterPayload['jwks']> => {
  const set: unknown = { keys: keys.map(({ jwk }) => jwk) };
  return set as NonNullable<AdapterPayload['jwks']>;
};

/** A service account: nothing but the token endpoint, nothing but client credentials, shown by a key of its own. */
export const workloadClientMetadata = (
  clientId: string,
  workload: WorkloadClient,
  signingAlgorithm: SigningAlgorithm,
): AdapterPayload => ({
  id_token_signed_response_alg: signingAlgorithm,
  client_id: clientId,
  redirect_uris: [],
  response_types: [],
  grant_types: ['client_credentials'],
  token_endpoint_auth_method: 'private_key_jwt',
  jwks: keySetOf(workload),
  [CLIENT_ORG]: workload.orgId,
  [CLIENT_WORKLOAD]: workload.accountId,
  [CLIENT_WORKLOAD_EPOCH]: workload.epoch.toString(),
  [CLIENT_WORKLOAD_KEY_ENDS]: Object.fromEntries(
    workload.keys.map(({ kid, expiresAt }) => [kid, Math.floor(expiresAt.getTime() / 1000)]),
  ),
});
