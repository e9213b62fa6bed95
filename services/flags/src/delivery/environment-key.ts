/** server: every flag of the environment. client: flags marked as client-visible, for browsers and apps. */
export type KeyKind = 'server' | 'client';

/** What secrets of each kind start with, so that a scanner recognises them and their kind. */
export const KEY_PREFIX: Readonly<Record<KeyKind, string>> = Object.freeze({
  server: 'sp_env_s_',
  client: 'sp_env_c_',
});

/** A key as it is listed: never the secret, of which only a hash is kept. */
export interface EnvironmentKey {
  readonly keyId: string;
  readonly environmentId: string;
  readonly kind: KeyKind;
  readonly name: string;
  readonly createdBy: string;
  readonly createdAt: Date;
  readonly lastUsedAt: Date | null;
  readonly revokedAt: Date | null;
}

/** What a valid key opens. */
export interface KeyGrant {
  readonly keyId: string;
  readonly orgId: string;
  readonly environmentId: string;
  readonly kind: KeyKind;
}
