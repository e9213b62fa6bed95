import type { Flavor } from '../config.ts';
import type { Group, Person } from '../directory/people.ts';

/** The request dialects of the SCIM client; each flavour has a default and one variant. */
export type ScimProfile = 'okta-oin' | 'okta-aiw' | 'entra' | 'entra-062020';

/** Where provisioning goes. */
export interface ScimTarget {
  baseUrl: string;
  token: string;
  /** null = the flavour's default (`okta-oin` or `entra`). */
  profile: ScimProfile | null;
}

/** The one SAML service provider this identity provider answers. */
export interface SamlTarget {
  spEntityId: string;
  acsUrl: string;
  /** Read lazily for the keys that sign requests; null = signatures of requests are not checked. */
  spMetadataUrl: string | null;
}

/** The one OpenID Connect client. */
export interface OidcTarget {
  clientId: string;
  clientSecret: string;
  redirectUris: string[];
}

export interface Targets {
  scim: ScimTarget | null;
  saml: SamlTarget | null;
  oidc: OidcTarget | null;
}

/** `primary` and `secondary` are RSA (the second one is for rollover), `ec` is P-256. */
export type SamlKeyName = 'primary' | 'secondary' | 'ec';
export type SignMode = 'response' | 'assertion' | 'both' | 'none';

/** How the identity provider behaves; the defaults are those of a healthy one. */
export interface Behavior {
  /** Plays an identity provider that has not noticed yet: deactivated people can still sign in. */
  inactiveMaySignIn: boolean;
  /** Keeps a sign-in in the browser, so that the next one asks nothing. */
  rememberSignIn: boolean;
  /** null = the flavour's habit (Okta: both, Entra: assertion). */
  samlSign: SignMode | null;
  samlKey: SamlKeyName;
  /** Keys listed in the SAML metadata. */
  samlPublishedKeys: SamlKeyName[];
  /** Assertions are encrypted for the service provider, with the key its metadata names. */
  samlEncrypt: boolean;
  /** What the NameID carries: the immutable id (persistent) or the user name. */
  samlNameId: 'id' | 'userName';
  /** null = the flavour's habit (Okta: names, Entra: object ids). */
  groupsClaim: 'names' | 'ids' | null;
}

/** Answer to the last provisioning action on a person, shown on the page. */
export interface SyncOutcome {
  action: string;
  ok: boolean;
  /** HTTP status of the last answer; null = no answer came. */
  status: number | null;
  /** Time until the final answer, retries included. */
  ms: number;
  at: string;
  message: string | null;
}

export interface PushedUser {
  scimId: string;
  /** What the target was last told, by attribute path; compared before sending again. */
  pushed: Record<string, string | boolean>;
}

export interface PushedGroup {
  scimId: string;
  name: string;
  /** Keys of the people the target was told are members. */
  members: string[];
}

/** What this client knows about the target's copies; forgotten when the target or the flavour changes. */
export interface Ledger {
  targetKey: string;
  users: Record<string, PushedUser>;
  groups: Record<string, PushedGroup>;
}

export interface StoredKeyPair {
  privateKeyPem: string;
  certificatePem: string;
}

export interface StoredKeys {
  saml: Partial<Record<SamlKeyName, StoredKeyPair>>;
  oidcPrivateKeyPem: string | null;
  cookieSecret: string | null;
}

/** Everything that outlives a restart. */
export interface DemoState {
  version: 1;
  flavor: Flavor;
  behavior: Behavior;
  targets: Targets;
  people: Person[];
  groups: Group[];
  outcomes: Record<string, SyncOutcome>;
  ledger: Ledger;
  keys: StoredKeys;
}

export const DEFAULT_BEHAVIOR: Readonly<Behavior> = {
  inactiveMaySignIn: false,
  rememberSignIn: false,
  samlSign: null,
  samlKey: 'primary',
  samlPublishedKeys: ['primary'],
  samlEncrypt: false,
  samlNameId: 'id',
  groupsClaim: null,
};
