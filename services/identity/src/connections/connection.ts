/** One IdP of one organisation, with up to three facets: SAML, OIDC (sign-in) and SCIM (directory). */
export interface Connection {
  readonly orgId: string;
  readonly id: string;
  readonly name: string;
  readonly enabled: boolean;
  readonly version: bigint;
  readonly createdAt: Date;
  readonly updatedAt: Date;
  /** The SCIM facet; null when this connection has no directory. */
  readonly scim: ScimFacet | null;
}

/** The dialects a directory can be held to; what each accepts: scim/profiles/. */
export const SCIM_PROFILES = [
  'auto',
  'okta-oin',
  'okta-aiw',
  'entra',
  'entra-062020',
  'interop-strict',
  'rfc',
] as const;
export type ScimProfile = (typeof SCIM_PROFILES)[number];

export interface ScimFacet {
  /** Which dialects are accepted; `auto`: every documented one. */
  readonly profile: ScimProfile;
  /** The only networks requests may come from; empty: any. */
  readonly allowedNetworks: readonly string[];
}

/** A bearer token of a connection's directory, without its secret. */
export interface ScimToken {
  readonly orgId: string;
  readonly id: string;
  readonly connectionId: string;
  readonly name: string;
  /** The first characters of the secret, to tell tokens apart. */
  readonly prefix: string;
  readonly createdAt: Date;
  readonly createdBy: string;
  readonly expiresAt: Date;
  readonly lastUsedAt: Date | null;
  readonly revokedAt: Date | null;
}

/** What a directory authenticates with: a bearer token, or an access token of one of its OAuth clients. */
export type ScimCredentialClass = 'scim_token' | 'scim_client';

/** A credential as it was presented, with all that decides whether it may be used. */
export interface PresentedCredential {
  readonly orgId: string;
  readonly connectionId: string;
  readonly class: ScimCredentialClass;
  /** Of the bearer token or of the client. */
  readonly id: string;
  readonly expiresAt: Date;
  readonly revokedAt: Date | null;
  readonly connectionEnabled: boolean;
  readonly connectionRemoved: boolean;
  /** The dialect of the directory; null when the connection has none (any more). */
  readonly profile: ScimProfile | null;
  /** The only networks requests may come from; empty: any. */
  readonly allowedNetworks: readonly string[];
}

/** Two live tokens let a directory be moved from the old one to the new one without a gap. */
export const MAX_LIVE_SCIM_TOKENS = 2;
/** Starts every SCIM token, for secret scanners. */
export const SCIM_TOKEN_PREFIX = 'sp_scim_';
