/** Who calls: an account of one organisation, and the credential it showed. */
export interface Principal {
  readonly orgId: string;
  readonly orgSlug: string;
  readonly subjectId: string;
  readonly type: 'user' | 'service_account';
  /** Epoch of the credential; an account whose epoch has moved on has lost it. */
  readonly epoch: bigint;
  /** `session` is what a browser sends by itself; everything else is sent on purpose. */
  readonly credentialType: 'session' | 'api_token' | 'access_token';
  /** Names the credential for audit and revocation; never the secret. */
  readonly credentialId: string;
  /** Permissions the credential is limited to; empty: only the principal's own grants limit it. */
  readonly scopes: readonly string[];
  readonly authenticatedAt: Date;
  readonly expiresAt: Date;
  readonly displayName: string;
  readonly acr?: string;
  readonly amr?: readonly string[];
  /**
   * Actions that are refused until their subject has signed in once more (STEP_UP_REQUIRED): permissions, and the names
   * routes give in `stepUp`. What identity says at this moment; absent: none.
   */
  readonly stepUpDue?: readonly string[];
  /** The people behind a service account: who owns it, who issued the credential. Absent for people. */
  readonly sponsorIds?: readonly string[];
}

/** Where a permission is asked. Neither: the organisation. */
export interface Scope {
  readonly projectId?: string;
  readonly environmentId?: string;
}

/** The answer of policy. A denial is an answer, not an error. */
export interface Decision {
  readonly allowed: boolean;
  /** Stable code such as GRANTED, NO_GRANT, SUBJECT_REVOKED. */
  readonly reason: string;
  /** One sentence that may be shown to the subject. */
  readonly explanation: string;
  readonly matchedGrant?: string | null;
  readonly matchedRole?: string | null;
  readonly policyRevision: string;
  /** ms the answer may be acted upon, counted from the moment it was asked for. */
  readonly validForMs: number;
  readonly decidedAtMonotonicMs: number;
  /**
   * Asked inside a transaction right before it commits what was decided: null when the subject's access has ended
   * since, else what to call when the commit has ended.
   */
  readonly hold?: (transaction: CommittingTransaction) => Promise<(() => void) | null>;
}

/** The transaction that is about to commit; a Tx of @sallyport/storage, which this package does not import. */
export interface CommittingTransaction {
  query<Row extends object>(sql: string, params?: readonly unknown[]): Promise<Row[]>;
}

export type GrantedDecision = Decision & { readonly allowed: true };

/** Same shape as the context of @sallyport/audit, which this package does not import. */
export interface AuditContext {
  readonly orgId: string;
  readonly actor: {
    readonly type: 'user' | 'service_account';
    readonly id: string;
    readonly via: string;
    readonly session?: string;
  };
  readonly ip?: string;
  readonly userAgent?: string;
  readonly requestId: string;
}
