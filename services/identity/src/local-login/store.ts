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

/** A local account somebody may be trying to sign in to. */
export interface LocalCandidate {
  readonly orgId: string;
  readonly accountId: string;
  readonly passwordHash: string;
}

/**
 * Active local accounts of this user name, of every organisation or of the one with this slug. Read across
 * organisations, because who signs in has not said yet where.
 */
export const listLocalCandidates = async (
  tx: ReadTx,
  login: { readonly userNameKey: string; readonly organization: string | null; readonly limit: number },
): Promise<LocalCandidate[]> => {
  const rows = await tx.query<{ org_id: string; id: string; password_hash: string }>(
    `SELECT a.org_id, a.id, c.password_hash
       FROM account a
       JOIN local_credential c ON c.org_id = a.org_id AND c.account_id = a.id
       JOIN organization o ON o.org_id = a.org_id
      WHERE a.user_name_key = $1 AND a.status = 'active' AND a.connection_id IS NULL AND a.kind = 'user'
        AND ($2::text IS NULL OR o.slug = $2)
      ORDER BY a.created_at LIMIT $3`,
    [login.userNameKey, login.organization, login.limit],
  );
  return rows.map((row) => ({ orgId: row.org_id, accountId: row.id, passwordHash: row.password_hash }));
};
