const DAY_MS = 24 * 60 * 60 * 1_000;

/** From here on an expiry is warned about. */
export const WARN_DAYS = 14;
/** The same in ms. */
export const WARN_BEFORE_MS = WARN_DAYS * DAY_MS;

export const CREDENTIAL_WARNINGS = ['EXPIRED', 'EXPIRES_SOON', 'CREATOR_DEPROVISIONED'] as const;
export type CredentialWarning = (typeof CREDENTIAL_WARNINGS)[number];

/** Whole days until an expiry, rounded down; 0 on the last day and afterwards. */
export const daysLeft = (expiresAt: Date, now: Date): number =>
  Math.max(0, Math.floor((expiresAt.getTime() - now.getTime()) / DAY_MS));

export const expiresSoon = (expiresAt: Date, now: Date): boolean =>
  expiresAt > now && expiresAt.getTime() - now.getTime() < WARN_BEFORE_MS;

/** What an administrator should know about a credential that is not revoked. */
export const warningsOf = (
  credential: { readonly expiresAt: Date; readonly revokedAt: Date | null },
  { now, isCreatorGone }: { readonly now: Date; readonly isCreatorGone: boolean },
): CredentialWarning[] => {
  if (credential.revokedAt !== null) return [];
  return [
    ...(credential.expiresAt <= now ? (['EXPIRED'] as const) : []),
    ...(expiresSoon(credential.expiresAt, now) ? (['EXPIRES_SOON'] as const) : []),
    // The directory must go on; but whoever made the credential may still have a copy of it.
    ...(isCreatorGone ? (['CREATOR_DEPROVISIONED'] as const) : []),
  ];
};
