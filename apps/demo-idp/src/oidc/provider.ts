import {
  type AccountClaims,
  type Configuration,
  interactionPolicy,
  type KoaContextWithOIDC,
  Provider,
} from 'oidc-provider';
import { maySignIn } from '../access.ts';
import type { DemoIdpContext } from '../context.ts';
import { groupClaims } from '../directory/directory.ts';
import { immutableId, type Person } from '../directory/people.ts';
import { ENTRA_TENANT_ID } from '../saml/shapes.ts';
import { problemPage } from '../web/sign-in-pages.ts';
import { createAdapterFactory } from './adapter.ts';
import { openOidcKeys } from './keys.ts';

/** Where the OpenID Provider lives below the origin; the issuer is origin + this. */
export const OIDC_PATH = '/oidc';

/** Where its sign-in page lives. */
export const OIDC_SIGN_IN_PATH = '/oidc-sign-in';

const SECOND = 1;
const MINUTE = 60 * SECOND;
const HOUR = 60 * MINUTE;
const LIFETIMES = {
  AccessToken: HOUR,
  AuthorizationCode: MINUTE,
  Grant: 8 * HOUR,
  IdToken: HOUR,
  Interaction: 10 * MINUTE,
  RefreshToken: 8 * HOUR,
  Session: 8 * HOUR,
} as const;

/** Authentication classes this provider can assert; the first is what it does unasked. */
export const ACR_VALUES = [
  'urn:okta:loa:1fa:pwd',
  'urn:okta:loa:2fa:any',
  'urn:okta:loa:2fa:any:ifpossible',
  'phr',
  'phrh',
];

/**
 * The OpenID Provider of the demo company: code flow with PKCE for the one configured client.
 * Nobody who may not sign in has a session, a grant or a token here.
 */
export async function createOidcProvider(context: DemoIdpContext): Promise<Provider> {
  const { jwk, cookieSecret } = await openOidcKeys(context.store);
  const { directory, store, clock } = context;
  const findPerson = (accountId: string): Person | null => {
    const person = directory.findPerson(accountId);
    return person !== null && maySignIn(person, store.state.behavior) ? person : null;
  };
  const provider = new Provider(`${context.origin}${OIDC_PATH}`, {
    adapter: createAdapterFactory(clock, {
      findClient: (clientId) => configuredClient(context, clientId),
      mayUse: (accountId) => findPerson(accountId) !== null,
    }),
    ...staticConfiguration(),
    cookies: {
      keys: [cookieSecret],
      // Cookies ignore ports: other names keep them apart from another provider on localhost.
      names: { session: 'demo_idp_oidc', interaction: 'demo_idp_interaction', resume: 'demo_idp_resume' },
      long: { httpOnly: true, sameSite: 'lax', signed: true },
      short: { httpOnly: true, sameSite: 'lax', signed: true },
    },
    findAccount: (_ctx, accountId) => {
      const person = findPerson(accountId);
      if (person === null) return undefined;
      return { accountId, claims: () => personClaims(context, person, accountId) };
    },
    interactions: {
      policy: signInPolicy(() => store.state.behavior.rememberSignIn),
      url: (_ctx, interaction) => `${OIDC_SIGN_IN_PATH}/${interaction.uid}`,
    },
    jwks: { keys: [jwk] },
  });
  // URLs in answers follow Host and scheme of the request; `server.ts` sets both to the configured origin.
  provider.proxy = true;
  return provider;
}

function staticConfiguration(): Configuration {
  return {
    acrValues: ACR_VALUES,
    claims: {
      openid: ['sub', 'acr', 'amr', 'auth_time', 'groups', 'oid', 'tid'],
      profile: ['name', 'given_name', 'family_name', 'preferred_username'],
      email: ['email', 'email_verified'],
      groups: ['groups'],
    },
    clientAuthMethods: ['client_secret_basic', 'client_secret_post'],
    // Both vendors put the claims into the ID token as well as into userinfo.
    conformIdTokenClaims: false,
    extraParams: ['as'],
    features: {
      devInteractions: { enabled: false },
      rpInitiatedLogout: { enabled: false },
    },
    loadExistingGrant: grantEverything,
    pkce: { required: () => true },
    renderError: (ctx, out) => {
      ctx.type = 'html';
      ctx.body = problemPage('That did not work', `${out.error}: ${out.error_description ?? 'no further explanation'}`);
    },
    responseTypes: ['code'],
    scopes: ['openid', 'offline_access', 'profile', 'email', 'groups'],
    ttl: LIFETIMES,
  };
}

/** The company consents for everybody: administrators assigned the application. */
async function grantEverything(ctx: KoaContextWithOIDC): Promise<InstanceType<Provider['Grant']> | undefined> {
  const { client, session, provider } = ctx.oidc;
  if (client === undefined || session?.accountId === undefined) return undefined;
  const grant = new provider.Grant({ clientId: client.clientId, accountId: session.accountId });
  grant.addOIDCScope('openid offline_access profile email groups');
  await grant.save();
  return grant;
}

/** The default policy, and: where sign-ins are not remembered, every request asks who it is. */
function signInPolicy(remembers: () => boolean): interactionPolicy.DefaultPolicy {
  const policy = interactionPolicy.base();
  const { Check } = interactionPolicy;
  policy
    .get('login')
    ?.checks.add(
      new Check('sign_in_not_remembered', 'End-User authentication is required', (ctx) =>
        remembers() || ctx.oidc.result?.login !== undefined ? Check.NO_NEED_TO_PROMPT : Check.REQUEST_PROMPT,
      ),
    );
  return policy;
}

function configuredClient(
  context: DemoIdpContext,
  clientId: string,
): ReturnType<Parameters<typeof createAdapterFactory>[1]['findClient']> {
  const { oidc } = context.store.state.targets;
  if (oidc === null || oidc.clientId !== clientId) return undefined;
  return {
    client_id: oidc.clientId,
    client_secret: oidc.clientSecret,
    redirect_uris: [...oidc.redirectUris],
    grant_types: ['authorization_code', 'refresh_token'],
    response_types: ['code'],
    token_endpoint_auth_method: 'client_secret_basic',
    require_auth_time: true,
  };
}

function personClaims(context: DemoIdpContext, person: Person, sub: string): AccountClaims {
  const { directory, store } = context;
  const microsoft = directory.flavor === 'entra' ? { oid: immutableId(person, 'entra'), tid: ENTRA_TENANT_ID } : {};
  return {
    sub,
    ...microsoft,
    name: person.displayName,
    given_name: person.givenName,
    family_name: person.familyName,
    preferred_username: person.userName,
    email: person.email,
    email_verified: true,
    groups: groupClaims(directory, person, store.state.behavior.groupsClaim),
  };
}
