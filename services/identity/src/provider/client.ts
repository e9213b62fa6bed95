import type { AdapterPayload } from 'oidc-provider';

import type { AuthenticatingScimClient } from '../connections/index.ts';
import type { OAuthClient } from './client-store.ts';

/** Metadata of ours on a client, next to the standard ones. */
export const CLIENT_ORG = 'sallyport_org_id';
export const CLIENT_MAY_INTROSPECT = 'sallyport_may_introspect';
/** Only on SCIM clients: seconds their access tokens live. */
export const CLIENT_SCIM_TOKEN_TTL = 'sallyport_scim_token_ttl';

/** The one resource SCIM clients have tokens for, and nobody else. */
export const SCIM_SCOPE = 'scim';
export const scimResource = (publicOrigin: string): string => `${publicOrigin}/scim/v2`;

/**
 * A client as oidc-provider wants it. The secret is the hash of the real one (compared by ours, provider.ts): no
 * algorithm that would need the secret itself is offered.
 */
export const clientMetadata = (client: OAuthClient, signingAlgorithm: 'ES256' | 'RS256'): AdapterPayload => ({
  client_id: client.id,
  client_name: client.name,
  application_type: 'web', // Redirect URIs are compared to the letter; "native" would let any loopback port through.
  redirect_uris: client.redirectUris,
  post_logout_redirect_uris: client.postLogoutRedirectUris,
  response_types: ['code'],
  grant_types: ['authorization_code', 'refresh_token'],
  id_token_signed_response_alg: signingAlgorithm,
  token_endpoint_auth_method: client.kind === 'public' ? 'none' : 'client_secret_basic',
  ...(client.secretHash === null ? {} : { client_secret: client.secretHash.toString('hex') }),
  ...(client.backchannelLogoutUri === null
    ? {}
    : { backchannel_logout_uri: client.backchannelLogoutUri, backchannel_logout_session_required: true }),
  [CLIENT_ORG]: client.orgId,
  [CLIENT_MAY_INTROSPECT]: client.mayIntrospect,
});

/**
 * A directory's client: nothing but the token endpoint, nothing but client credentials. `client_secret` holds the hashes
 * of the live secrets, compared by ours (provider.ts).
 */
export const scimClientMetadata = (client: AuthenticatingScimClient): AdapterPayload => ({
  client_id: client.id,
  redirect_uris: [],
  response_types: [],
  grant_types: ['client_credentials'],
  token_endpoint_auth_method: 'client_secret_basic', // The library takes the secret in the form (client_secret_post) too.
  client_secret: client.secretHashes.map((hash) => hash.toString('hex')).join(','),
  [CLIENT_ORG]: client.orgId,
  [CLIENT_SCIM_TOKEN_TTL]: client.tokenTtlSeconds,
});
