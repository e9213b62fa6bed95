/** An OAuth 2.0 client that speaks for the directory of one connection (client credentials, RFC 6749 §4.4). */
export interface ScimClient {
  readonly orgId: string;
  /** Also its `client_id`. */
  readonly id: string;
  readonly connectionId: string;
  readonly name: string;
  /** How long its access tokens live. */
  readonly tokenTtlSeconds: number;
  readonly createdAt: Date;
  readonly createdBy: string;
  readonly lastUsedAt: Date | null;
  readonly revokedAt: Date | null;
}

/** A secret of a SCIM client, without the secret itself. */
export interface ScimClientSecret {
  readonly orgId: string;
  readonly id: string;
  readonly clientId: string;
  /** Its first characters, to tell secrets apart. */
  readonly prefix: string;
  readonly createdAt: Date;
  readonly createdBy: string;
  readonly expiresAt: Date;
  readonly revokedAt: Date | null;
}

/** Two live secrets let a directory be moved from the old one to the new one without a gap. */
export const MAX_LIVE_CLIENT_SECRETS = 2;
/** Of one connection. */
export const MAX_LIVE_CLIENTS = 20;
/** Starts every client id of a directory: tells it from the applications people sign in to. */
export const SCIM_CLIENT_PREFIX = 'sp_scl_';
/** Starts every secret, for secret scanners. */
export const SCIM_CLIENT_SECRET_PREFIX = 'sp_scs_';
/** What Microsoft's gallery asks for (facts: 60 to 360 minutes). */
export const TOKEN_TTL_MINUTES = { min: 60, max: 360, default: 60 } as const;
