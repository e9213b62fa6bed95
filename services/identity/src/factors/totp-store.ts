import type { ReadTx, WriteTx } from '@sallyport/storage';

import type { FactorOwner } from './factor.ts';

type Key = Pick<FactorOwner, 'orgId' | 'accountId'>;

/** An authenticator app as it is stored. */
export interface StoredTotp {
  readonly secretSealed: Buffer;
  readonly epochAtIssue: bigint;
  readonly lastStep: bigint;
  readonly failures: number;
  readonly createdAt: Date;
  readonly confirmedAt: Date | null;
  readonly lastUsedAt: Date | null;
}

interface TotpRow {
  readonly secret_sealed: Buffer;
  readonly epoch_at_issue: string;
  readonly last_step: string;
  readonly failures: number;
  readonly created_at: Date;
  readonly confirmed_at: Date | null;
  readonly last_used_at: Date | null;
}

export const findTotp = async (tx: ReadTx, { orgId, accountId }: Key): Promise<StoredTotp | null> => {
  const [row] = await tx.query<TotpRow>(
    `SELECT secret_sealed, epoch_at_issue, last_step, failures, created_at, confirmed_at, last_used_at
       FROM totp_factor WHERE org_id = $1 AND account_id = $2`,
    [orgId, accountId],
  );
  if (row === undefined) return null;
  return {
    secretSealed: row.secret_sealed,
    epochAtIssue: BigInt(row.epoch_at_issue),
    lastStep: BigInt(row.last_step),
    failures: row.failures,
    createdAt: row.created_at,
    confirmedAt: row.confirmed_at,
    lastUsedAt: row.last_used_at,
  };
};

/** Begins, or begins anew; false when a confirmed one is there: it has to be removed first. */
export const putPendingTotp = async (
  tx: WriteTx,
  owner: FactorOwner,
  { secretSealed, at }: { readonly secretSealed: Buffer; readonly at: Date },
): Promise<boolean> => {
  const rows = await tx.query<{ account_id: string }>(
    `INSERT INTO totp_factor (org_id, account_id, secret_sealed, epoch_at_issue, created_at)
     VALUES ($1, $2, $3, $4, $5)
     ON CONFLICT (org_id, account_id) DO UPDATE
       SET secret_sealed = excluded.secret_sealed, epoch_at_issue = excluded.epoch_at_issue,
           created_at = excluded.created_at, last_step = -1, failures = 0
       WHERE totp_factor.confirmed_at IS NULL
     RETURNING account_id`,
    [owner.orgId, owner.accountId, secretSealed, owner.epoch.toString(), at],
  );
  return rows.length > 0;
};

/** Makes a pending one count, its first code used up; false when somebody else did. */
export const confirmTotp = async (tx: WriteTx, key: Key, step: bigint, at: Date): Promise<boolean> => {
  const rows = await tx.query<{ account_id: string }>(
    `UPDATE totp_factor SET confirmed_at = $4, last_step = $3, failures = 0, last_used_at = $4
      WHERE org_id = $1 AND account_id = $2 AND confirmed_at IS NULL RETURNING account_id`,
    [key.orgId, key.accountId, step.toString(), at],
  );
  return rows.length > 0;
};

/** Uses a step up; of two who show the same code exactly one gets true (RFC 6238 §5.2). */
export const useTotpStep = async (tx: WriteTx, key: Key, step: bigint, at: Date): Promise<boolean> => {
  const rows = await tx.query<{ account_id: string }>(
    `UPDATE totp_factor SET last_step = $3, failures = 0, last_used_at = $4
      WHERE org_id = $1 AND account_id = $2 AND confirmed_at IS NOT NULL AND last_step < $3 RETURNING account_id`,
    [key.orgId, key.accountId, step.toString(), at],
  );
  return rows.length > 0;
};

/** One more wrong code in a row. */
export const countTotpFailure = async (tx: WriteTx, { orgId, accountId }: Key): Promise<void> => {
  await tx.query('UPDATE totp_factor SET failures = failures + 1 WHERE org_id = $1 AND account_id = $2', [
    orgId,
    accountId,
  ]);
};

/** True when there was a confirmed one. */
export const deleteTotp = async (tx: WriteTx, { orgId, accountId }: Key): Promise<boolean> => {
  const rows = await tx.query<{ was_confirmed: boolean }>(
    `DELETE FROM totp_factor WHERE org_id = $1 AND account_id = $2 RETURNING confirmed_at IS NOT NULL AS was_confirmed`,
    [orgId, accountId],
  );
  return rows[0]?.was_confirmed ?? false;
};
