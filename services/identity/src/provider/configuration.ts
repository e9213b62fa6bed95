/**
 * Every setting of oidc-provider that differs from its default, and why.
 * @see OpenID Connect Core 1.0, RFC 6749, RFC 7636 (PKCE), RFC 7662, RFC 9700
 */
import { isId, type Clock, type Database } from '@sallyport/storage';
import {
  errors,
  interactionPolicy,
  type Account,
  type Client,
  type ClientAuthMethod,
  type Configuration,
  type Grant,
  type KoaContextWithOIDC,
} from 'oidc-provider';

import type { GuardedFetch } from '../outbound/index.ts';
import { findSubject } from './account-store.ts';
import { adapterFactory, type AdapterDependencies } from './adapter.ts';
import {
  apiResource,
  CLIENT_JWT_AUDIENCE,
  CLIENT_MAY_INTROSPECT,
  CLIENT_METADATA,
  CLIENT_ORG,
  CLIENT_SCIM_TOKEN_TTL,
  CLIENT_THIRD_PARTY,
  CLIENT_WORKLOAD_EPOCH,
  isPermission,
  keyEndOf,
  SCIM_SCOPE,
  scimResource,
} from './client.ts';
import { assertClientAssertion } from './client-assertion.ts';
import { jwtClaims } from './jwt-claims.ts';
import { INTERACTION_PATH } from './mount.ts';
import { renderLoggedOut, renderLogoutQuestion, renderProviderError } from './pages.ts';
import { providerRequest } from './request-session.ts';

const MINUTE_S = 60;
const DAY_S = 24 * 60 * MINUTE_S;
/** A JWT cannot be taken back: nothing outlives its epoch for longer than this. */
const MAX_JWT_S = MINUTE_S;
/** Tokens of service accounts. */
const WORKLOAD_TOKEN_S = 60 * MINUTE_S;
/** An authorization request in progress; it ends with a sign-in or not at all. */
const INTERACTION_S = 10 * MINUTE_S;

export interface ProviderOptions extends AdapterDependencies {
  readonly db: Database;
  readonly clock: Clock;
  readonly cookieKeys: readonly string[];
  readonly jwks: NonNullable<Configuration['jwks']>;
  readonly fetch: GuardedFetch;
  readonly publicOrigin: string;
}

/** The configuration; a pure function of its options. */
export const providerConfiguration = (options: ProviderOptions): Configuration => ({
  adapter: adapterFactory(options),
  jwks: options.jwks,
  cookies: cookies(options.cookieKeys),
  clientAuthMethods: [
    'none',
    'client_secret_basic',
    'client_secret_post',
    'private_key_jwt',
  ] satisfies ClientAuthMethod[],
  enabledJWA: { clientAuthSigningAlgValues: ['RS256', 'PS256', 'ES256', 'EdDSA', 'Ed25519'] },
  assertJwtClientAuthClaimsAndHeader: assertClientAssertion(options),
  extraTokenClaims: jwtClaims(options),
  clientBasedCORS: (_ctx, origin, client) =>
    (client.redirectUris ?? []).some((uri) => URL.parse(uri)?.origin === origin),
  claims: {
    openid: ['sub', 'acr', 'amr', 'auth_time'],
    profile: ['name', 'preferred_username', 'org_id'],
    email: ['email'],
  },
  scopes: ['openid', 'offline_access', 'profile', 'email'],
  responseTypes: ['code'],
  pkce: { required: () => true }, // For confidential clients too (RFC 9700 §2.1.1).
  rotateRefreshToken: true, // Every use; a second use of one ends the grant (adapter.consume).
  expiresWithSession: () => true, // offline_access included: nothing outlives the browser session.
  features: features(options),
  interactions: { url: (_ctx, interaction) => `${INTERACTION_PATH}/${interaction.uid}`, policy: policy() },
  findAccount: findAccount(options),
  loadExistingGrant,
  renderError: (ctx, out) => {
    renderProviderError(ctx, out);
  },
  extraClientMetadata: { properties: CLIENT_METADATA },
  fetch: async (input, init) => await options.fetch(input instanceof Request ? input.url : input, init as never),
  ttl: ttl(options.clock),
});

const cookies = (keys: readonly string[]): NonNullable<Configuration['cookies']> => ({
  keys,
  names: {
    session: '__Host-sallyport_op',
    // Bound to the path of one authorization request each, which the __Host- prefix would not allow.
    interaction: '__Secure-sallyport_op_interaction',
    resume: '__Secure-sallyport_op_resume',
  },
  long: { httpOnly: true, secure: true, sameSite: 'lax', signed: true, path: '/' },
  short: { httpOnly: true, secure: true, sameSite: 'lax', signed: true },
});

const features = (options: ProviderOptions): NonNullable<Configuration['features']> => ({
  devInteractions: { enabled: false },
  clientCredentials: { enabled: true },
  resourceIndicators: resourceIndicators(options),
  claimsParameter: { enabled: false },
  // For whoever wants it; applications that are registered so have to (RFC 9126).
  pushedAuthorizationRequests: { enabled: true, requirePushedAuthorizationRequests: false },
  backchannelLogout: { enabled: true },
  revocation: { enabled: true, allowedPolicy: (_ctx, client, token) => token.clientId === client.clientId },
  introspection: {
    enabled: true,
    // One's own tokens, or as a resource server those of the same organisation; never for anonymous clients.
    allowedPolicy: async (ctx, client, token) => {
      // What a directory holds says nothing about anybody, and a directory learns nothing about the tokens of others.
      if (client.clientAuthMethod === 'none' || isMachine(client) || token.kind === 'ClientCredentials') return false;
      if (token.clientId === client.clientId) return true;
      const owner = await ctx.oidc.provider.Client.find(token.clientId ?? '');
      return client[CLIENT_MAY_INTROSPECT] === true && owner?.[CLIENT_ORG] === client[CLIENT_ORG];
    },
  },
  rpInitiatedLogout: { enabled: true, logoutSource: renderLogoutQuestion, postLogoutSuccessSource: renderLoggedOut },
});

/** The scope of a request that names none, or names ours (RFC 6749 §3.3). */
const scimScopeOf = (requested: unknown): string => {
  if (requested === undefined || requested === '' || requested === SCIM_SCOPE) return SCIM_SCOPE;
  throw new errors.InvalidScope('only the scope scim can be had', SCIM_SCOPE);
};

/**
 * What a service account wants its token limited to; none: whatever the account may do. It is policy that says what that
 * is: a scope takes away and never adds.
 */
const permissionsOf = (requested: unknown): string => {
  const scope = typeof requested === 'string' ? requested : '';
  const wrong = scope.split(' ').find((each) => each !== '' && !isPermission(each));
  if (wrong !== undefined) throw new errors.InvalidScope('a scope is a permission, like flag:read', wrong);
  return scope;
};

const isScimClient = (client: Client): boolean => client[CLIENT_SCIM_TOKEN_TTL] !== undefined;
const isWorkload = (client: Client): boolean => client[CLIENT_WORKLOAD_EPOCH] !== undefined;
const isMachine = (client: Client): boolean => isScimClient(client) || isWorkload(client);

type ResourceIndicators = NonNullable<NonNullable<Configuration['features']>['resourceIndicators']>;

/**
 * What a token can be for besides our own endpoints: SCIM for directories, our API for service accounts, one service of
 * its own for an application.
 */
const resourceIndicators = ({ publicOrigin, signingAlgorithm }: ProviderOptions): ResourceIndicators => {
  const [scim, api] = [scimResource(publicOrigin), apiResource(publicOrigin)];
  return {
    enabled: true,
    // A machine need not name what its tokens are for: there is one thing they can be for.
    defaultResource: (_ctx, client) => {
      if (isScimClient(client)) return scim;
      return isWorkload(client) ? api : [];
    },
    useGrantedResource: () => false,
    getResourceServerInfo: (ctx, resource, client) => {
      if (!isMachine(client) && resource === client[CLIENT_JWT_AUDIENCE]) {
        const jwt = { sign: { alg: signingAlgorithm } };
        return { scope: '', audience: resource, accessTokenFormat: 'jwt', accessTokenTTL: MAX_JWT_S, jwt };
      }
      if (isWorkload(client) && resource === api)
        return { scope: permissionsOf(ctx.oidc.params?.['scope']), audience: api, accessTokenFormat: 'opaque' };
      if (!isScimClient(client) || resource !== scim) throw new errors.InvalidTarget();
      if (ctx.oidc.params !== undefined) ctx.oidc.params['scope'] = scimScopeOf(ctx.oidc.params['scope']);
      return { scope: SCIM_SCOPE, audience: scim, accessTokenFormat: 'opaque' };
    },
  };
};

const ttl = (clock: Clock): NonNullable<Configuration['ttl']> => ({
  AccessToken: (_ctx, token) => token.resourceServer?.accessTokenTTL ?? 10 * MINUTE_S,
  AuthorizationCode: MINUTE_S,
  ClientCredentials: (_ctx, _token, client) => {
    const keyEnd = keyEndOf(client, providerRequest()?.workload?.kid ?? '');
    if (keyEnd === undefined) return Number(client[CLIENT_SCIM_TOKEN_TTL] ?? WORKLOAD_TOKEN_S);
    return Math.max(1, Math.min(WORKLOAD_TOKEN_S, keyEnd - Math.floor(clock.now().getTime() / 1000)));
  },
  PushedAuthorizationRequest: MINUTE_S,
  IdToken: 10 * MINUTE_S,
  Interaction: INTERACTION_S,
  Grant: DAY_S,
  // Rotation hands on what is left: a refresh token has an absolute end (ASVS 10.4.8).
  RefreshToken: (ctx) => ctx.oidc.entities.RotatedRefreshToken?.remainingTTL ?? DAY_S,
  Session: () => {
    const session = providerRequest()?.session;
    if (session === undefined || session === null) return INTERACTION_S;
    return Math.max(1, Math.floor((session.expiresAt.getTime() - clock.now().getTime()) / 1000));
  },
});

const CONSENT_REASONS: ReadonlySet<string> = new Set(['op_scopes_missing', 'rs_scopes_missing']);

const isOfClient = (ctx: KoaContextWithOIDC, account: Account | undefined): boolean =>
  account !== undefined && account['orgId'] === ctx.oidc.client?.[CLIENT_ORG];

/** Signing in is asked of whoever is not signed in, and of those who are signed in to another organisation. */
const policy = (): interactionPolicy.Prompt[] => {
  const { Check, Prompt } = interactionPolicy;
  const prompts = interactionPolicy.base();
  const otherOrganization = new Check(
    'other_organization',
    'the person is signed in to another organisation',
    'access_denied',
    (ctx) => ctx.oidc.session?.accountId !== undefined && !isOfClient(ctx, ctx.oidc.account),
  );
  prompts.get('login')?.checks.add(otherOrganization);
  // To the organisation's own applications consent was given by whoever registered them: their grant is there already
  // (loadExistingGrant). Of the others people are asked.
  const checks = prompts.get('consent')?.checks.filter(({ reason }) => CONSENT_REASONS.has(reason)) ?? [];
  prompts.remove('consent');
  prompts.add(new Prompt({ name: 'consent', requestable: true }, ...checks));
  return prompts;
};

/** Whoever is active. Beyond the authorization endpoint (which asks to sign in anew) only those of the client's organisation. */
const findAccount =
  ({ db }: ProviderOptions): NonNullable<Configuration['findAccount']> =>
  async (ctx, accountId, token) => {
    if (!isId(accountId)) return undefined;
    const read = providerRequest()?.token?.takeSubject(accountId);
    const subject =
      read ??
      (await db.readOneAcrossOrganizations('a subject names no organisation', async (tx) => {
        return await findSubject(tx, accountId);
      }));
    if (subject === null) return undefined;
    const account: Account = {
      accountId,
      orgId: subject.orgId,
      claims: () => ({
        sub: accountId,
        name: subject.displayName,
        preferred_username: subject.userName,
        org_id: subject.orgId,
        ...(subject.email === null ? {} : { email: subject.email }),
      }),
    };
    return token === undefined || isOfClient(ctx, account) ? account : undefined;
  };

type GrantContext = Parameters<NonNullable<Configuration['loadExistingGrant']>>[0];

const grantIdOf = ({ oidc: { client, result, session } }: GrantContext): string | undefined =>
  result?.consent?.grantId ?? session?.grantIdFor(client?.clientId ?? '');

/** The grant this session has for this client, or the one somebody has just given; undefined when there is none. */
const findGrant = async (ctx: GrantContext): Promise<Grant | undefined> => {
  const { account, client, provider } = ctx.oidc;
  const grantId = grantIdOf(ctx);
  const existing = grantId === undefined ? undefined : await provider.Grant.find(grantId);
  const isOfBoth = existing?.accountId === account?.accountId && existing?.clientId === client?.clientId;
  return isOfBoth ? existing : undefined;
};

/** The grant of this session for this client; made or widened without a question for the organisation's own. */
const loadExistingGrant: NonNullable<Configuration['loadExistingGrant']> = async (ctx) => {
  const { account, client, provider } = ctx.oidc;
  if (account === undefined || client === undefined || !isOfClient(ctx, account)) return undefined;
  const existing = await findGrant(ctx);
  if (client[CLIENT_THIRD_PARTY] === true) return existing;
  const grant = existing ?? new provider.Grant({ accountId: account.accountId, clientId: client.clientId });
  const granted = new Set(grant.getOIDCScope().split(' '));
  const missing = [...ctx.oidc.requestParamOIDCScopes].filter((scope) => !granted.has(scope));
  if (existing !== undefined && missing.length === 0) return grant;
  grant.addOIDCScope(missing.join(' '));
  await grant.save();
  return grant;
};
