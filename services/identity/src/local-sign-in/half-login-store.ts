import type { ReadTx, WriteTx } from '@sallyport/storage';

import type { ReplacedSession } from '../login/index.ts';

/** A sign-in whose password was right and whose second factor is due. */
export interface HalfLogin {
  readonly orgId: string;
  readonly id: string;
  readonly accountId: string;
  readonly epochAtIssue: bigint;
  readonly breakGlass: boolean;
  readonly browserHash: Buffer;
  readonly returnTo: string;
  readonly replaces: ReplacedSession | null;
  readonly createdAt: Date;
  readonly expiresAt: Date;
}

export const insertHalfLogin = async (tx: WriteTx, half: Omit<HalfLogin, 'breakGlass'>): Promise<void> => {
  const replaces = half.replaces?.orgId === half.orgId ? half.replaces : null;
  await tx.query(
    `INSERT INTO half_login (org_id, id, account_id, epoch_at_issue, browser_hash, return_to, replaces_account_id,
       replaces_session_id, created_at, expires_at)
     VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)`,
    [
      half.orgId,
      half.id,
      half.accountId,
      half.epochAtIssue.toString(),
      half.browserHash,
      half.returnTo,
      replaces?.accountId ?? null,
      replaces?.sessionId ?? null,
      half.createdAt,
      half.expiresAt,
    ],
  );
};

interface HalfLoginRow {
  readonly org_id: string;
  readonly id: string;
  readonly account_id: string;
  readonly epoch_at_issue: string;
  readonly break_glass: boolean;
  readonly browser_hash: Buffer;
  readonly return_to: string;
  readonly replaces_account_id: string | null;
  readonly replaces_session_id: string | null;
  readonly created_at: Date;
  readonly expires_at: Date;
}

/**
 * The half-finished sign-in of this browser. Null when it is of another browser, used, expired, or when its account was
 * closed or its epoch has moved on since: account and epoch are joined, as for every credential.
 */
export const findHalfLogin = async (
  tx: ReadTx,
  key: { readonly id: string; readonly browserHash: Buffer; readonly now: Date },
): Promise<HalfLogin | null> => {
  const [row] = await tx.query<HalfLoginRow>(
    `SELECT h.org_id, h.id, h.account_id, h.epoch_at_issue, a.break_glass, h.browser_hash, h.return_to,
            h.replaces_account_id, h.replaces_session_id, h.created_at, h.expires_at
       FROM half_login h JOIN account a ON a.org_id = h.org_id AND a.id = h.account_id
      WHERE h.id = $1 AND h.browser_hash = $2 AND h.expires_at > $3 AND h.consumed_at IS NULL
        AND a.status = 'active' AND a.epoch = h.epoch_at_issue`,
    [key.id, key.browserHash, key.now],
  );
  if (row === undefined) return null;
  const { replaces_account_id: replacedAccount, replaces_session_id: replacedSession } = row;
  return {
    orgId: row.org_id,
    id: row.id,
    accountId: row.account_id,
    epochAtIssue: BigInt(row.epoch_at_issue),
    breakGlass: row.break_glass,
    browserHash: row.browser_hash,
    returnTo: row.return_to,
    replaces:
      replacedAccount === null || replacedSession === null
        ? null
        : { orgId: row.org_id, accountId: replacedAccount, sessionId: replacedSession },
    createdAt: row.created_at,
    expiresAt: row.expires_at,
  };
};

/** Uses it up; of two at the same time exactly one gets true. */
export const consumeHalfLogin = async (
  tx: WriteTx,
  half: Pick<HalfLogin, 'orgId' | 'id'>,
  at: Date,
): Promise<boolean> => {
  const rows = await tx.query<{ id: string }>(
    'UPDATE half_login SET consumed_at = $3 WHERE org_id = $1 AND id = $2 AND consumed_at IS NULL RETURNING id',
    [half.orgId, half.id, at],
  );
  return rows.length > 0;
};

/** Ends all that are under way for an account: what they began with is not what it was. */
export const endHalfLogins = async (
  tx: WriteTx,
  account: { readonly orgId: string; readonly accountId: string },
): Promise<void> => {
  await tx.query('DELETE FROM half_login WHERE org_id = $1 AND account_id = $2', [account.orgId, account.accountId]);
};

export const deleteExpiredHalfLogins = async (tx: WriteTx, now: Date): Promise<void> => {
  await tx.query('DELETE FROM half_login WHERE expires_at <= $1', [now]);
};
