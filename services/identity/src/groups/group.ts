/** A group of one connection's directory. */
export interface Group {
  readonly orgId: string;
  readonly id: string;
  readonly connectionId: string;
  readonly externalId: string | null;
  readonly displayName: string;
  /** Counts effective changes, of members too; the SCIM version. */
  readonly version: bigint;
  readonly createdAt: Date;
  readonly updatedAt: Date;
}

/** One change of membership, in the order of a request; `clear` removes everybody. */
export type MembershipStep =
  | { readonly kind: 'add' | 'remove' | 'replace'; readonly ids: readonly string[] }
  | { readonly kind: 'clear' };
