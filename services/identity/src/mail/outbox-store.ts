import type { WriteTx } from '@sallyport/storage';

/** A mail that has been written and not been sent. */
export interface OutboxMail {
  readonly orgId: string;
  readonly id: string;
  readonly kind: string;
  readonly sealed: Buffer;
  /** How often it was tried, this time included. */
  readonly attempts: number;
}

export const insertMail = async (
  tx: WriteTx,
  mail: Omit<OutboxMail, 'attempts'> & { readonly at: Date; readonly expiresAt: Date },
): Promise<void> => {
  await tx.query(
    `INSERT INTO mail_outbox (org_id, id, kind, message_sealed, next_attempt_at, created_at, expires_at)
     VALUES ($1, $2, $3, $4, $5, $5, $6)`,
    [mail.orgId, mail.id, mail.kind, mail.sealed, mail.at, mail.expiresAt],
  );
};

/**
 * Takes mails that are due, for this process alone until `until`: whoever dies while sending leaves them to the next.
 * Expired ones are deleted: a link that does not work is of no use to anybody.
 */
export const claimDueMails = async (
  tx: WriteTx,
  window: { readonly now: Date; readonly until: Date; readonly limit: number },
): Promise<OutboxMail[]> => {
  await tx.query('DELETE FROM mail_outbox WHERE expires_at <= $1', [window.now]);
  const rows = await tx.query<{ org_id: string; id: string; kind: string; message_sealed: Buffer; attempts: number }>(
    `UPDATE mail_outbox SET attempts = attempts + 1, next_attempt_at = $2
      WHERE id IN (SELECT id FROM mail_outbox WHERE next_attempt_at <= $1
                    ORDER BY next_attempt_at LIMIT $3 FOR UPDATE SKIP LOCKED)
      RETURNING org_id, id, kind, message_sealed, attempts`,
    [window.now, window.until, window.limit],
  );
  return rows.map((row) => ({
    orgId: row.org_id,
    id: row.id,
    kind: row.kind,
    sealed: row.message_sealed,
    attempts: row.attempts,
  }));
};

export const deleteMail = async (tx: WriteTx, { orgId, id }: Pick<OutboxMail, 'orgId' | 'id'>): Promise<void> => {
  await tx.query('DELETE FROM mail_outbox WHERE org_id = $1 AND id = $2', [orgId, id]);
};

export const postponeMail = async (
  tx: WriteTx,
  { orgId, id }: Pick<OutboxMail, 'orgId' | 'id'>,
  until: Date,
): Promise<void> => {
  await tx.query('UPDATE mail_outbox SET next_attempt_at = $3 WHERE org_id = $1 AND id = $2', [orgId, id, until]);
};
