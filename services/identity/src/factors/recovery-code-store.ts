import type { ReadTx, WriteTx } from '@sallyport/storage';

import type { FactorOwner } from './factor.ts';

type Key = Pick<FactorOwner, 'orgId' | 'accountId'>;

/** New codes in place of all old ones. */
export const replaceRecoveryCodes = async (
  tx: WriteTx,
  { orgId, accountId }: Key,
  hashes: readonly Buffer[],
  at: Date,
): Promise<void> => {
  await tx.query('DELETE FROM recovery_code WHERE org_id = $1 AND account_id = $2', [orgId, accountId]);
  await tx.query(
    `INSERT INTO recovery_code (org_id, account_id, code_hash, created_at)
     SELECT $1, $2, hash, $4 FROM unnest($3::bytea[]) AS hash`,
    [orgId, accountId, hashes, at],
  );
};

/** Uses a code up; of two who show the same one exactly one gets true. */
export const useRecoveryCode = async (
  tx: WriteTx,
  { orgId, accountId }: Key,
  hash: Buffer,
  at: Date,
): Promise<boolean> => {
  const rows = await tx.query<{ account_id: string }>(
    `UPDATE recovery_code SET used_at = $4
      WHERE org_id = $1 AND account_id = $2 AND code_hash = $3 AND used_at IS NULL RETURNING account_id`,
    [orgId, accountId, hash, at],
  );
  return rows.length > 0;
};

export const countRecoveryCodes = async (tx: ReadTx, { orgId, accountId }: Key): Promise<number> => {
  const [row] = await tx.query<{ count: number }>(
    `SELECT count(*)::int AS count FROM recovery_code WHERE org_id = $1 AND account_id = $2 AND used_at IS NULL`,
    [orgId, accountId],
  );
  return row?.count ?? 0;
};

export const deleteRecoveryCodes = async (tx: WriteTx, { orgId, accountId }: Key): Promise<void> => {
  await tx.query('DELETE FROM recovery_code WHERE org_id = $1 AND account_id = $2', [orgId, accountId]);
};
