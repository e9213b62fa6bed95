import type { OrganizationIndex } from '../model/index.ts';

/** What is known of a live decision token; the secret is not among it. */
export interface DecisionToken {
  readonly tokenId: string;
  /** Base64 of the SHA-256 of the secret. */
  readonly hash: string;
  /** ms since 1970, exclusive; null: until revoked. */
  readonly expiresAtMs: number | null;
}

/** What decides, at one moment: immutable, replaced as a whole by one reference. */
export interface PolicySnapshot {
  readonly organizations: ReadonlyMap<string, OrganizationIndex>;
  /** By hash. */
  readonly tokens: ReadonlyMap<string, DecisionToken & { readonly orgId: string }>;
}

export const EMPTY_SNAPSHOT: PolicySnapshot = Object.freeze({ organizations: new Map(), tokens: new Map() });
