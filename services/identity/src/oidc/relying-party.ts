/**
 * The relying party: the only file that speaks openid-client.
 *
 * @see OpenID Connect Core 1.0 §3.1, Discovery 1.0 §4; RFC 7636 (PKCE), RFC 9207 (iss)
 */
import type { Clock } from '@sallyport/storage';
import {
  allowInsecureRequests,
  authorizationCodeGrant,
  buildAuthorizationUrl,
  calculatePKCECodeChallenge,
  ClientSecretBasic,
  ClientSecretPost,
  Configuration,
  customFetch,
  discovery,
  enableNonRepudiationChecks,
  fetchUserInfo,
  None,
  type ClientAuth,
  type ServerMetadata,
} from 'openid-client';

import type { GuardedFetch } from '../outbound/index.ts';
import type { OidcFacet } from './facet-store.ts';
import { OidcRefusal } from './reasons.ts';

const MINUTE_MS = 60_000;
const DISCOVERY_MS = 10 * MINUTE_MS;
const MAX_DISCOVERIES = 1_000;

/** A facet with its secret opened. */
export interface ClientOf {
  readonly facet: OidcFacet;
  readonly clientSecret: string | null;
}

/** The secrets of one login; each is derived from the browser's own. */
export interface LoginSecrets {
  readonly state: string;
  readonly nonce: string;
  readonly codeVerifier: string;
}

/** What an id_token (and userinfo, where asked for) says. */
export interface VerifiedIdentity {
  readonly issuer: string;
  readonly subject: string;
  readonly claims: ReadonlyMap<string, unknown>;
  readonly issuedAtSeconds: number;
}

export interface RelyingParty {
  /** The address of the IdP for a login that starts now. @throws OidcRefusal */
  authorizationUrl(client: ClientOf, request: LoginSecrets & { readonly redirectUri: string }): Promise<string>;
  /**
   * Exchanges the code of an answer and verifies the id_token. `answer` is our redirect address with the parameters as
   * they came. @throws OidcRefusal
   */
  redeem(
    client: ClientOf,
    answer: URL,
    expected: LoginSecrets & { readonly wantsUserInfo: (claims: ReadonlyMap<string, unknown>) => boolean },
  ): Promise<VerifiedIdentity>;
}

interface Discovered {
  readonly metadata: ServerMetadata;
  readonly fetchedAtMs: number;
}

export interface RelyingPartyOptions {
  readonly fetch: GuardedFetch;
  readonly allowPlainHttp: boolean;
  readonly clock: Clock;
}

/** Makes the relying party; it keeps discovery documents, nothing else. */
export const createRelyingParty = (options: RelyingPartyOptions): RelyingParty => {
  const metadataOf = keepingDiscovery(options);

  /** A new one for every login: its keys are fetched anew, so a rotation at the IdP never fails a login. */
  const configurationOf = async (client: ClientOf): Promise<Configuration> => {
    const metadata = await metadataOf(client.facet.issuer);
    const configuration = new Configuration(metadata, client.facet.clientId, undefined, clientAuthOf(client, metadata));
    configuration[customFetch] = fetchWith(options.fetch);
    if (options.allowPlainHttp) allowInsecureRequests(configuration);
    // The library trusts TLS for id_tokens from the token endpoint; we check the signature as well (ASVS 9.1.1).
    enableNonRepudiationChecks(configuration);
    return configuration;
  };

  return {
    authorizationUrl: async (client, { state, nonce, codeVerifier, redirectUri }) => {
      const url = buildAuthorizationUrl(await configurationOf(client), {
        redirect_uri: redirectUri,
        scope: client.facet.scopes.join(' '),
        state,
        nonce,
        code_challenge: await calculatePKCECodeChallenge(codeVerifier),
        code_challenge_method: 'S256',
      });
      return url.href;
    },
    redeem: async (client, answer, expected) => {
      const configuration = await configurationOf(client);
      checkIssuerParameter(answer, client.facet.issuer);
      try {
        return await exchange(configuration, answer, expected);
      } catch (error) {
        throw error instanceof OidcRefusal ? error : refusalOf(error);
      }
    },
  };
};

/** Discovery documents, each used for a while; when a new one cannot be had, the last good one goes on. */
const keepingDiscovery = (options: RelyingPartyOptions): ((issuer: string) => Promise<ServerMetadata>) => {
  const discovered = new Map<string, Discovered>();
  return async (issuer) => {
    const kept = discovered.get(issuer);
    const nowMs = options.clock.monotonicMs();
    if (kept !== undefined && nowMs - kept.fetchedAtMs < DISCOVERY_MS) return kept.metadata;
    try {
      const metadata = await discover(issuer, options);
      if (discovered.size >= MAX_DISCOVERIES) discovered.clear();
      discovered.set(issuer, { metadata, fetchedAtMs: nowMs });
      return metadata;
    } catch (error) {
      if (error instanceof OidcRefusal) throw error;
      if (kept !== undefined) return kept.metadata;
      throw new OidcRefusal('DISCOVERY_FAILED', codeOf(error));
    }
  };
};

const exchange = async (
  configuration: Configuration,
  answer: URL,
  { state, nonce, codeVerifier, wantsUserInfo }: Parameters<RelyingParty['redeem']>[2],
): Promise<VerifiedIdentity> => {
  const tokens = await authorizationCodeGrant(configuration, answer, {
    expectedState: state,
    expectedNonce: nonce,
    pkceCodeVerifier: codeVerifier,
    idTokenExpected: true,
  });
  const idToken = tokens.claims();
  if (idToken === undefined) throw new OidcRefusal('ID_TOKEN_MISSING');
  const claims = new Map<string, unknown>(Object.entries(idToken));
  const hasUserInfo = configuration.serverMetadata().userinfo_endpoint !== undefined;
  if (hasUserInfo && wantsUserInfo(claims)) {
    // The library refuses a userinfo whose sub is not the id_token's (Core §5.3.2).
    const more = await fetchUserInfo(configuration, tokens.access_token, idToken.sub);
    for (const [name, value] of Object.entries(more)) if (!claims.has(name)) claims.set(name, value);
  }
  return { issuer: idToken.iss, subject: idToken.sub, claims, issuedAtSeconds: idToken.iat };
};

const discover = async (issuer: string, options: RelyingPartyOptions): Promise<ServerMetadata> => {
  const configuration = await discovery(new URL(issuer), 'discovery-only', undefined, None(), {
    [customFetch]: fetchWith(options.fetch),
    execute: options.allowPlainHttp ? [allowInsecureRequests] : [],
  });
  const metadata = configuration.serverMetadata();
  if (metadata.issuer !== issuer) throw new OidcRefusal('ISSUER_MISMATCH', 'discovery');
  return metadata;
};

const fetchWith =
  (fetch: GuardedFetch) =>
  async (
    url: string,
    { method, headers, body, signal }: Parameters<NonNullable<Configuration[typeof customFetch]>>[1],
  ): Promise<Response> =>
    await fetch(url, {
      method,
      headers,
      body: body as string | URLSearchParams | Uint8Array | null,
      signal: signal ?? null,
    });

const clientAuthOf = ({ clientSecret }: ClientOf, metadata: ServerMetadata): ClientAuth => {
  if (clientSecret === null) return None();
  const methods = metadata.token_endpoint_auth_methods_supported ?? ['client_secret_basic'];
  return methods.includes('client_secret_basic') ? ClientSecretBasic(clientSecret) : ClientSecretPost(clientSecret);
};

/** Whether announced or not: an `iss` in the answer that is not this IdP's is a mix-up (RFC 9207 §2.4). */
const checkIssuerParameter = (answer: URL, issuer: string): void => {
  const named = answer.searchParams.getAll('iss');
  if (named.some((value) => value !== issuer)) throw new OidcRefusal('ISSUER_MISMATCH', 'response');
};

const codeOf = (error: unknown): string | null => {
  const code = (error as { code?: unknown } | null)?.code;
  return typeof code === 'string' ? code : null;
};

const refusalOf = (error: unknown): OidcRefusal => {
  const isProviderError = error instanceof Error && error.name === 'AuthorizationResponseError';
  return new OidcRefusal(isProviderError ? 'PROVIDER_REFUSED' : 'ANSWER_INVALID', codeOf(error));
};
