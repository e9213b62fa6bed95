import type { ReadTx, WriteTx } from '@sallyport/storage';

/** A forgotten password whose owner asked for a new one. */
export interface PasswordReset {
  readonly orgId: string;
  readonly id: string;
  readonly accountId: string;
  readonly epochAtIssue: bigint;
  readonly expiresAt: Date;
}

export const insertReset = async (
  tx: WriteTx,
  reset: PasswordReset & { readonly tokenHash: Buffer; readonly createdAt: Date },
): Promise<void> => {
  await tx.query(
    `INSERT INTO password_reset (org_id, id, token_hash, account_id, epoch_at_issue, created_at, expires_at)
     VALUES ($1, $2, $3, $4, $5, $6, $7)`,
    [
      reset.orgId,
      reset.id,
      reset.tokenHash,
      reset.accountId,
      reset.epochAtIssue.toString(),
      reset.createdAt,
      reset.expiresAt,
    ],
  );
};

/** How many an account was sent since then. */
export const countResetsSince = async (
  tx: ReadTx,
  key: { readonly orgId: string; readonly accountId: string; readonly since: Date },
): Promise<number> => {
  const [row] = await tx.query<{ count: number }>(
    'SELECT count(*)::int AS count FROM password_reset WHERE org_id = $1 AND account_id = $2 AND created_at > $3',
    [key.orgId, key.accountId, key.since],
  );
  return row?.count ?? 0;
};

/**
 * The reset behind a secret, which names no organisation. Null when it was used, has expired, or its account was closed,
 * is not local, or has a newer epoch: account and epoch are joined, as for every credential.
 */
export const findOpenReset = async (
  tx: ReadTx,
  key: { readonly tokenHash: Buffer; readonly now: Date },
): Promise<PasswordReset | null> => {
  const [row] = await tx.query<{
    org_id: string;
    id: string;
    account_id: string;
    epoch_at_issue: string;
    expires_at: Date;
  }>(
    `SELECT r.org_id, r.id, r.account_id, r.epoch_at_issue, r.expires_at
       FROM password_reset r JOIN account a ON a.org_id = r.org_id AND a.id = r.account_id
      WHERE r.token_hash = $1 AND r.expires_at > $2 AND r.used_at IS NULL
        AND a.status = 'active' AND a.epoch = r.epoch_at_issue AND a.connection_id IS NULL`,
    [key.tokenHash, key.now],
  );
  if (row === undefined) return null;
  return {
    orgId: row.org_id,
    id: row.id,
    accountId: row.account_id,
    epochAtIssue: BigInt(row.epoch_at_issue),
    expiresAt: row.expires_at,
  };
};

/** Uses a reset up; of two at the same time exactly one gets true. */
export const useReset = async (
  tx: WriteTx,
  use: { readonly orgId: string; readonly id: string; readonly at: Date },
): Promise<boolean> => {
  const rows = await tx.query<{ id: string }>(
    `UPDATE password_reset SET used_at = $3
      WHERE org_id = $1 AND id = $2 AND used_at IS NULL AND expires_at > $3 RETURNING id`,
    [use.orgId, use.id, use.at],
  );
  return rows.length > 0;
};

/** Uses up all that an account was sent: its password has been changed since. They count on. */
export const endResets = async (
  tx: WriteTx,
  account: { readonly orgId: string; readonly accountId: string; readonly at: Date },
): Promise<void> => {
  await tx.query('UPDATE password_reset SET used_at = $3 WHERE org_id = $1 AND account_id = $2 AND used_at IS NULL', [
    account.orgId,
    account.accountId,
    account.at,
  ]);
};

/** Kept for a day after they expired, for counting. */
export const deleteOldResets = async (tx: WriteTx, now: Date): Promise<void> => {
  await tx.query(`DELETE FROM password_reset WHERE expires_at < $1::timestamptz - interval '1 day'`, [now]);
};
