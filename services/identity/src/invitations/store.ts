import { isUniqueViolation, type ReadTx, type WriteTx } from '@sallyport/storage';

import type { Invitation } from './invitation.ts';

interface InvitationRow {
  readonly org_id: string;
  readonly id: string;
  readonly email: string;
  readonly display_name: string;
  readonly invited_by: string;
  readonly created_at: Date;
  readonly expires_at: Date;
  readonly accepted_at: Date | null;
  readonly account_id: string | null;
  readonly revoked_at: Date | null;
}

const COLUMNS = `org_id, id, email, display_name, invited_by, created_at, expires_at, accepted_at, account_id, revoked_at`;

const toInvitation = (row: InvitationRow): Invitation => ({
  orgId: row.org_id,
  id: row.id,
  email: row.email,
  displayName: row.display_name,
  invitedBy: row.invited_by,
  createdAt: row.created_at,
  expiresAt: row.expires_at,
  acceptedAt: row.accepted_at,
  accountId: row.account_id,
  revokedAt: row.revoked_at,
});

/** A clash with an open invitation of the same address surfaces as {@link isInvitedAlready}. */
export const insertInvitation = async (
  tx: WriteTx,
  invitation: Omit<Invitation, 'acceptedAt' | 'accountId' | 'revokedAt'> & {
    readonly tokenHash: Buffer;
    readonly emailKey: string;
  },
): Promise<void> => {
  await tx.query(
    `INSERT INTO invitation (org_id, id, token_hash, email, email_key, display_name, invited_by, created_at, expires_at)
     VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)`,
    [
      invitation.orgId,
      invitation.id,
      invitation.tokenHash,
      invitation.email,
      invitation.emailKey,
      invitation.displayName,
      invitation.invitedBy,
      invitation.createdAt,
      invitation.expiresAt,
    ],
  );
};

/** Whether an insert failed on an open invitation of the same address. */
export const isInvitedAlready = (error: unknown): boolean => isUniqueViolation(error, 'invitation_open');

/** Takes back what expired, so that the address can be invited anew. */
export const revokeExpiredInvitations = async (
  tx: WriteTx,
  key: { readonly orgId: string; readonly emailKey: string; readonly now: Date },
): Promise<void> => {
  await tx.query(
    `UPDATE invitation SET revoked_at = $3
      WHERE org_id = $1 AND email_key = $2 AND expires_at <= $3 AND accepted_at IS NULL AND revoked_at IS NULL`,
    [key.orgId, key.emailKey, key.now],
  );
};

/** Newest first. */
export const listInvitations = async (
  tx: ReadTx,
  page: { readonly orgId: string; readonly before: string | null; readonly limit: number },
): Promise<Invitation[]> => {
  const rows = await tx.query<InvitationRow>(
    `SELECT ${COLUMNS} FROM invitation WHERE org_id = $1 AND ($2::uuid IS NULL OR id < $2) ORDER BY id DESC LIMIT $3`,
    [page.orgId, page.before, page.limit],
  );
  return rows.map(toInvitation);
};

/** Takes an open invitation back; null when there is none of this id that could be. */
export const revokeInvitation = async (
  tx: WriteTx,
  key: { readonly orgId: string; readonly id: string; readonly at: Date },
): Promise<Invitation | null> => {
  const [row] = await tx.query<InvitationRow>(
    `UPDATE invitation SET revoked_at = $3
      WHERE org_id = $1 AND id = $2 AND accepted_at IS NULL AND revoked_at IS NULL RETURNING ${COLUMNS}`,
    [key.orgId, key.id, key.at],
  );
  return row === undefined ? null : toInvitation(row);
};

/** The open invitation behind a secret, which names no organisation; null when it was used, revoked or has expired. */
export const findOpenInvitation = async (
  tx: ReadTx,
  key: { readonly tokenHash: Buffer; readonly now: Date },
): Promise<(Invitation & { readonly orgName: string }) | null> => {
  const [row] = await tx.query<InvitationRow & { readonly org_name: string }>(
    `SELECT ${COLUMNS.split(', ')
      .map((column) => `i.${column.trim()}`)
      .join(', ')}, o.display_name AS org_name
       FROM invitation i JOIN organization o ON o.org_id = i.org_id
      WHERE i.token_hash = $1 AND i.expires_at > $2 AND i.accepted_at IS NULL AND i.revoked_at IS NULL`,
    [key.tokenHash, key.now],
  );
  return row === undefined ? null : { ...toInvitation(row), orgName: row.org_name };
};

/** Uses an invitation up for the account made of it; of two at the same time exactly one gets true. */
export const acceptInvitationRow = async (
  tx: WriteTx,
  use: { readonly orgId: string; readonly id: string; readonly accountId: string; readonly at: Date },
): Promise<boolean> => {
  const rows = await tx.query<{ id: string }>(
    `UPDATE invitation SET accepted_at = $4, account_id = $3
      WHERE org_id = $1 AND id = $2 AND accepted_at IS NULL AND revoked_at IS NULL AND expires_at > $4 RETURNING id`,
    [use.orgId, use.id, use.accountId, use.at],
  );
  return rows.length > 0;
};
