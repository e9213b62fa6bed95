/** What every secret of an invitation begins with. */
export const INVITATION_PREFIX = 'sp_inv_';
/** ms; NIST gives no number, three days cover a weekend. */
export const INVITATION_LIFE_MS = 72 * 60 * 60_000;

/** Somebody who was asked to have a local account. */
export interface Invitation {
  readonly orgId: string;
  readonly id: string;
  readonly email: string;
  readonly displayName: string;
  readonly invitedBy: string;
  readonly createdAt: Date;
  readonly expiresAt: Date;
  readonly acceptedAt: Date | null;
  readonly accountId: string | null;
  readonly revokedAt: Date | null;
}

export type InvitationStatus = 'open' | 'accepted' | 'revoked' | 'expired';

/** What became of it: once accepted or taken back, its end no longer counts. */
export const invitationStatus = ({ acceptedAt, revokedAt, expiresAt }: Invitation, now: Date): InvitationStatus => {
  if (acceptedAt !== null) return 'accepted';
  if (revokedAt !== null) return 'revoked';
  return now >= expiresAt ? 'expired' : 'open';
};
