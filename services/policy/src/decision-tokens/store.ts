import type { ReadTx, WriteTx } from '@sallyport/storage';

/** A token with which a policy enforcement point asks for decisions about one organisation. */
export interface DecisionTokenRecord {
  readonly tokenId: string;
  readonly name: string;
  /** Exclusive; null: until revoked. */
  readonly expiresAt: Date | null;
  readonly createdAt: Date;
  readonly createdBy: string;
}

interface TokenRow {
  readonly token_id: string;
  readonly name: string;
  readonly expires_at: Date | null;
  readonly created_at: Date;
  readonly created_by: string;
}

const COLUMNS = 'token_id, name, expires_at, created_at, created_by';

const toRecord = (row: TokenRow): DecisionTokenRecord => ({
  tokenId: row.token_id,
  name: row.name,
  expiresAt: row.expires_at,
  createdAt: row.created_at,
  createdBy: row.created_by,
});

export const insertToken = async (
  tx: WriteTx,
  orgId: string,
  token: DecisionTokenRecord & { readonly hash: Buffer },
): Promise<void> => {
  await tx.query(
    `INSERT INTO decision_token (org_id, token_id, name, token_hash, expires_at, created_at, created_by)
     VALUES ($1, $2, $3, $4, $5, $6, $7)`,
    [orgId, token.tokenId, token.name, token.hash, token.expiresAt, token.createdAt, token.createdBy],
  );
};

/** Live tokens, oldest first. */
export const listTokens = async (
  tx: ReadTx,
  orgId: string,
  page: { readonly after?: string; readonly limit: number },
): Promise<readonly DecisionTokenRecord[]> => {
  const rows = await tx.query<TokenRow>(
    `SELECT ${COLUMNS} FROM decision_token
      WHERE org_id = $1 AND revoked_at IS NULL AND ($2::uuid IS NULL OR token_id > $2) ORDER BY token_id LIMIT $3`,
    [orgId, page.after ?? null, page.limit],
  );
  return rows.map(toRecord);
};

/** Tokens that count: neither revoked nor expired for so long that nobody keeps them in memory. */
export const countTokens = async (tx: ReadTx, orgId: string): Promise<number> => {
  const [row] = await tx.query<{ count: number }>(
    `SELECT count(*)::int AS count FROM decision_token
      WHERE org_id = $1 AND revoked_at IS NULL AND (expires_at IS NULL OR expires_at > now() - interval '1 day')`,
    [orgId],
  );
  return row?.count ?? 0;
};

/** Revokes a live token; undefined when there is none of that id. */
export const revokeToken = async (
  tx: WriteTx,
  orgId: string,
  tokenId: string,
  at: Date,
): Promise<DecisionTokenRecord | undefined> => {
  const [row] = await tx.query<TokenRow>(
    `UPDATE decision_token SET revoked_at = $3
      WHERE org_id = $1 AND token_id = $2 AND revoked_at IS NULL RETURNING ${COLUMNS}`,
    [orgId, tokenId, at],
  );
  return row === undefined ? undefined : toRecord(row);
};
