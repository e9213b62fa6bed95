import type { ReadTx, WriteTx } from '@sallyport/storage';

/** Gives an account a password (a hash of password.ts), in place of the one it may have had. */
export const putPasswordHash = async (
  tx: WriteTx,
  credential: { readonly orgId: string; readonly accountId: string; readonly passwordHash: string; readonly at: Date },
): Promise<void> => {
  await tx.query(
    `INSERT INTO local_credential (org_id, account_id, password_hash, changed_at) VALUES ($1, $2, $3, $4)
     ON CONFLICT (org_id, account_id) DO UPDATE SET password_hash = excluded.password_hash, changed_at = excluded.changed_at`,
    [credential.orgId, credential.accountId, credential.passwordHash, credential.at],
  );
};

/** Exchanges the hash of an unchanged password for a better one, unless the password was changed meanwhile. */
export const upgradePasswordHash = async (
  tx: WriteTx,
  credential: { readonly orgId: string; readonly accountId: string; readonly from: string; readonly to: string },
): Promise<void> => {
  await tx.query(
    'UPDATE local_credential SET password_hash = $4 WHERE org_id = $1 AND account_id = $2 AND password_hash = $3',
    [credential.orgId, credential.accountId, credential.from, credential.to],
  );
};

/** The password hash of an account, and since when; null when it has none. */
export const findPassword = async (
  tx: ReadTx,
  orgId: string,
  accountId: string,
): Promise<{ readonly hash: string; readonly changedAt: Date } | null> => {
  const [row] = await tx.query<{ password_hash: string; changed_at: Date }>(
    'SELECT password_hash, changed_at FROM local_credential WHERE org_id = $1 AND account_id = $2',
    [orgId, accountId],
  );
  return row === undefined ? null : { hash: row.password_hash, changedAt: row.changed_at };
};

/** A local account somebody may be trying to sign in to. */
export interface LocalCandidate {
  readonly orgId: string;
  readonly orgName: string;
  readonly accountId: string;
  readonly epoch: bigint;
  readonly breakGlass: boolean;
  readonly userName: string;
  readonly displayName: string;
  /** Null when the account has no password: it was invited with a passkey, or its factors were reset. */
  readonly passwordHash: string | null;
}

interface CandidateRow {
  readonly org_id: string;
  readonly org_name: string;
  readonly id: string;
  readonly epoch: string;
  readonly break_glass: boolean;
  readonly user_name: string;
  readonly display_name: string;
  readonly password_hash: string | null;
}

/**
 * Active local accounts of this user name, of every organisation or of the one with this slug. Read across
 * organisations, because who signs in has not said yet where.
 */
export const listLocalCandidates = async (
  tx: ReadTx,
  login: { readonly userNameKey: string; readonly organization: string | null; readonly limit: number },
): Promise<LocalCandidate[]> => {
  const rows = await tx.query<CandidateRow>(
    `SELECT a.org_id, o.display_name AS org_name, a.id, a.epoch, a.break_glass, a.user_name, a.display_name,
            c.password_hash
       FROM account a
       LEFT JOIN local_credential c ON c.org_id = a.org_id AND c.account_id = a.id
       JOIN organization o ON o.org_id = a.org_id
      WHERE a.user_name_key = $1 AND a.status = 'active' AND a.connection_id IS NULL AND a.kind = 'user'
        AND ($2::text IS NULL OR o.slug = $2)
      ORDER BY a.created_at LIMIT $3`,
    [login.userNameKey, login.organization, login.limit],
  );
  return rows.map((row) => ({
    orgId: row.org_id,
    orgName: row.org_name,
    accountId: row.id,
    epoch: BigInt(row.epoch),
    breakGlass: row.break_glass,
    userName: row.user_name,
    displayName: row.display_name,
    passwordHash: row.password_hash,
  }));
};
