/** Whose factors: an account in its epoch. What is begun in one epoch is not finished in another. */
export interface FactorOwner {
  readonly orgId: string;
  readonly accountId: string;
  readonly epoch: bigint;
}

/** An authenticator app, once it is confirmed. */
export interface TotpFactor {
  readonly confirmedAt: Date;
  readonly lastUsedAt: Date | null;
  /** Too many wrong codes in a row: it proves nothing until it is set up anew. */
  readonly isLocked: boolean;
}

/** A passkey as its owner knows it. */
export interface Passkey {
  readonly id: string;
  readonly name: string;
  readonly createdAt: Date;
  readonly lastUsedAt: Date | null;
  /** Lives on several devices, through the account of its vendor. */
  readonly isSynced: boolean;
}

/** All second factors of an account; no secret is in it. */
export interface EnrolledFactors {
  readonly totp: TotpFactor | null;
  readonly passkeys: readonly Passkey[];
  readonly recoveryCodesLeft: number;
}

/** Whether somebody signing in must show more than a password. Recovery codes alone are no factor. */
export const hasSecondFactor = ({ totp, passkeys }: Pick<EnrolledFactors, 'totp' | 'passkeys'>): boolean =>
  totp !== null || passkeys.length > 0;

/** Wrong codes in a row after which an authenticator app is of no use any more (NIST SP 800-63B-4 §3.2.2). */
export const MAX_TOTP_FAILURES = 100;
/** Of one account. */
export const MAX_PASSKEYS = 20;
