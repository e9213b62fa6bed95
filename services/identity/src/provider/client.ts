import type { AdapterPayload } from 'oidc-provider';

import type { OAuthClient } from './client-store.ts';

/** Metadata of ours on a client, next to the standard ones. */
export const CLIENT_ORG = 'sallyport_org_id';
export const CLIENT_MAY_INTROSPECT = 'sallyport_may_introspect';

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
