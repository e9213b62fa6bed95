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
  clockTolerance,
  customFetch,
  discovery,
  fetchUserInfo,
  None,
  type ClientAuth,
  type ServerMetadata,
} from 'openid-client';

import type { GuardedFetch } from '../outbound/index.ts';
import { checkIdToken, CLOCK_SKEW_S } from './check-id-token.ts';
import type { OidcFacet } from './facet-store.ts';
import { IssuerKeys } from './issuer-keys.ts';
import { checkLogoutToken, type LogoutNotice } from './logout-token.ts';
import { OidcRefusal } from './reasons.ts';
import { SIGNING_ALGORITHMS, verifySignature } from './verify-signature.ts';

const MINUTE_MS = 60_000;
const DISCOVERY_MS = 10 * MINUTE_MS;
const RETRY_MS = MINUTE_MS;
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

/** How recent and how strong a sign-in at the IdP has to be. */
export interface LoginDemand {
  /** Seconds; null: any sign-in will do. */
  readonly maxAgeSeconds: number | null;
}

/** Where a login comes back to, and whether the person is to sign in anew, whatever session the IdP has. */
export interface LoginAddress {
  readonly redirectUri: string;
  /** @see OpenID Connect Core 1.0 §3.1.2.1 (`prompt=login`, `max_age=0`) */
  readonly signInAnew: boolean;
}

export interface RelyingParty {
  /** The address of the IdP for a login that starts now. @throws OidcRefusal */
  authorizationUrl(client: ClientOf, request: LoginSecrets & LoginDemand & LoginAddress): Promise<string>;
  /**
   * Exchanges the code of an answer and verifies the id_token. `answer` is our redirect address with the parameters as
   * they came. @throws OidcRefusal
   */
  redeem(
    client: ClientOf,
    answer: URL,
    expected: LoginSecrets &
      LoginDemand & { readonly wantsUserInfo: (claims: ReadonlyMap<string, unknown>) => boolean },
  ): Promise<VerifiedIdentity>;
  /** Verifies a logout token of this connection's IdP; whether it was used before is for the caller. @throws OidcRefusal */
  verifyLogoutToken(facet: OidcFacet, token: string): Promise<LogoutNotice>;
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

/** Makes the relying party; it keeps discovery documents and public keys, nothing else. */
export const createRelyingParty = (options: RelyingPartyOptions): RelyingParty => {
  const metadataOf = keepingDiscovery(options);
  const keys = new IssuerKeys(options);
  const nowSeconds = (): number => Math.floor(options.clock.now().getTime() / 1000);

  const configurationOf = async (client: ClientOf): Promise<Configuration> => {
    const metadata = await metadataOf(client.facet.issuer);
    const settings = { [clockTolerance]: CLOCK_SKEW_S };
    const configuration = new Configuration(metadata, client.facet.clientId, settings, clientAuthOf(client, metadata));
    configuration[customFetch] = fetchWith(options.fetch);
    if (options.allowPlainHttp) allowInsecureRequests(configuration);
    return configuration;
  };

  return {
    authorizationUrl: async (client, request) => {
      const { state, nonce, codeVerifier, redirectUri, signInAnew } = request;
      const maxAgeSeconds = signInAnew ? 0 : request.maxAgeSeconds;
      const url = buildAuthorizationUrl(await configurationOf(client), {
        redirect_uri: redirectUri,
        scope: client.facet.scopes.join(' '),
        state,
        nonce,
        code_challenge: await calculatePKCECodeChallenge(codeVerifier),
        code_challenge_method: 'S256',
        ...(signInAnew ? { prompt: 'login' } : {}),
        ...(maxAgeSeconds === null ? {} : { max_age: String(maxAgeSeconds) }),
        ...(client.facet.acrValues.length === 0 ? {} : { acr_values: client.facet.acrValues.join(' ') }),
      });
      return url.href;
    },
    redeem: async (client, answer, expected) => {
      const configuration = await configurationOf(client);
      checkIssuerParameter(answer, configuration.serverMetadata());
      const demand = { ...expected, acrValues: client.facet.acrValues, nowSeconds };
      return await exchange(configuration, { answer, demand, keys });
    },
    verifyLogoutToken: async (facet, token) => {
      const metadata = await metadataOf(facet.issuer);
      const signed = await verifySignature(token, keys.keyFinder(metadata.jwks_uri ?? ''));
      return checkLogoutToken(signed, { issuer: facet.issuer, clientId: facet.clientId, nowSeconds: nowSeconds() });
    },
  };
};

/**
 * Discovery documents, each used for a while. When a new one cannot be had, the last good one goes on, and is asked for
 * again a minute later only: an address that hangs holds up one login, not all. Whoever asks at the same time shares
 * one request, as anybody can start a login.
 */
const keepingDiscovery = (options: RelyingPartyOptions): ((issuer: string) => Promise<ServerMetadata>) => {
  const discovered = new Map<string, Discovered>();
  const underWay = new Map<string, Promise<ServerMetadata>>();
  const read = async (issuer: string): Promise<ServerMetadata> => {
    const nowMs = options.clock.monotonicMs();
    try {
      const metadata = await discover(issuer, options);
      if (discovered.size >= MAX_DISCOVERIES) discovered.clear();
      discovered.set(issuer, { metadata, fetchedAtMs: nowMs });
      return metadata;
    } catch (error) {
      if (error instanceof OidcRefusal) throw error;
      const kept = discovered.get(issuer);
      if (kept === undefined) throw new OidcRefusal('DISCOVERY_FAILED', codeOf(error));
      discovered.set(issuer, { ...kept, fetchedAtMs: nowMs - DISCOVERY_MS + RETRY_MS });
      return kept.metadata;
    }
  };
  return async (issuer) => {
    const kept = discovered.get(issuer);
    if (kept !== undefined && options.clock.monotonicMs() - kept.fetchedAtMs < DISCOVERY_MS) return kept.metadata;
    const running = underWay.get(issuer) ?? read(issuer).finally(() => underWay.delete(issuer));
    underWay.set(issuer, running);
    return await running;
  };
};

interface Exchange {
  readonly answer: URL;
  readonly demand: Parameters<RelyingParty['redeem']>[2] & {
    readonly acrValues: readonly string[];
    readonly nowSeconds: () => number;
  };
  readonly keys: IssuerKeys;
}

const exchange = async (
  configuration: Configuration,
  { answer, demand, keys }: Exchange,
): Promise<VerifiedIdentity> => {
  const tokens = await refusing('ANSWER_INVALID', async () => {
    return await authorizationCodeGrant(configuration, answer, {
      expectedState: demand.state,
      expectedNonce: demand.nonce,
      pkceCodeVerifier: demand.codeVerifier,
      idTokenExpected: true,
    });
  });
  const idToken = tokens.claims();
  if (idToken === undefined || tokens.id_token === undefined) throw new OidcRefusal('ID_TOKEN_MISSING');
  // The library trusts TLS for id_tokens from the token endpoint; we check the signature as well (ASVS 9.1.1).
  const metadata = configuration.serverMetadata();
  const signed = await verifySignature(tokens.id_token, keys.keyFinder(metadata.jwks_uri ?? ''));
  const { client_id: clientId } = configuration.clientMetadata();
  checkIdToken(signed, {
    clientId,
    accessToken: tokens.access_token,
    maxAgeSeconds: demand.maxAgeSeconds,
    acrValues: demand.acrValues,
    nowSeconds: demand.nowSeconds(),
  });
  const claims = new Map(signed.claims);
  if (metadata.userinfo_endpoint !== undefined && demand.wantsUserInfo(claims)) {
    const more = await refusing('USERINFO_INVALID', async () => {
      // The library refuses a userinfo whose sub is not the id_token's (Core §5.3.2).
      return await fetchUserInfo(configuration, tokens.access_token, idToken.sub);
    });
    for (const [name, value] of Object.entries(more)) if (!claims.has(name)) claims.set(name, value);
  }
  return { issuer: idToken.iss, subject: idToken.sub, claims, issuedAtSeconds: idToken.iat };
};

const refusing = async <T>(reason: 'ANSWER_INVALID' | 'USERINFO_INVALID', work: () => Promise<T>): Promise<T> => {
  try {
    return await work();
  } catch (error) {
    throw error instanceof OidcRefusal ? error : refusalOf(reason, error);
  }
};

const discover = async (issuer: string, options: RelyingPartyOptions): Promise<ServerMetadata> => {
  const configuration = await discovery(new URL(issuer), 'discovery-only', undefined, None(), {
    [customFetch]: fetchWith(options.fetch),
    execute: options.allowPlainHttp ? [allowInsecureRequests] : [],
  });
  const metadata = configuration.serverMetadata();
  if (metadata.issuer !== issuer) throw new OidcRefusal('ISSUER_MISMATCH', 'discovery');
  for (const name of ENDPOINTS) checkEndpoint(name, metadata[name], options.allowPlainHttp);
  // Which algorithms count is ours to say, whatever the document offers.
  return Object.assign(metadata, { id_token_signing_alg_values_supported: [...SIGNING_ALGORITHMS] });
};

const ENDPOINTS = ['authorization_endpoint', 'token_endpoint', 'jwks_uri', 'userinfo_endpoint'] as const;

/** Where the document sends browsers and ourselves: absolute and encrypted. Only userinfo may be missing. */
const checkEndpoint = (
  name: (typeof ENDPOINTS)[number],
  address: string | undefined,
  allowPlainHttp: boolean,
): void => {
  if (address === undefined && name === 'userinfo_endpoint') return;
  const protocol = URL.parse(address ?? '')?.protocol;
  if (protocol === 'https:' || (allowPlainHttp && protocol === 'http:')) return;
  throw new OidcRefusal('DISCOVERY_FAILED', name);
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
  const said: unknown = metadata.token_endpoint_auth_methods_supported;
  const methods: unknown[] = Array.isArray(said) ? said : ['client_secret_basic'];
  return methods.includes('client_secret_basic') ? ClientSecretBasic(clientSecret) : ClientSecretPost(clientSecret);
};

/** Whether announced or not: an `iss` that is not this IdP's is a mix-up; announced, it has to be there (RFC 9207 §2.4). */
const checkIssuerParameter = (answer: URL, metadata: ServerMetadata): void => {
  const named = answer.searchParams.getAll('iss');
  if (named.some((value) => value !== metadata.issuer)) throw new OidcRefusal('ISSUER_MISMATCH', 'response');
  const isAnnounced = metadata.authorization_response_iss_parameter_supported === true;
  if (isAnnounced && named.length !== 1) throw new OidcRefusal('ISSUER_MISSING');
};

const codeOf = (error: unknown): string | null => {
  const code = (error as { code?: unknown } | null)?.code;
  return typeof code === 'string' ? code : null;
};

/** The library's code, and the name of the claim it is about: both are words of the library. */
const refusalOf = (reason: 'ANSWER_INVALID' | 'USERINFO_INVALID', error: unknown): OidcRefusal => {
  const isProviderError = error instanceof Error && error.name === 'AuthorizationResponseError';
  const inner =
    error instanceof Error ? (error.cause as { claim?: unknown; cause?: { claim?: unknown } } | null) : null;
  const claim = inner?.claim ?? inner?.cause?.claim;
  const code = codeOf(error);
  const where = code !== null && typeof claim === 'string' ? `${code}:${claim}` : code;
  return new OidcRefusal(isProviderError ? 'PROVIDER_REFUSED' : reason, where);
};
