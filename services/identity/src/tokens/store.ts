import type { ReadTx, WriteTx } from '@sallyport/storage';

/** An API token as it is stored; the secret itself is not. */
export interface ApiToken {
  readonly orgId: string;
  readonly id: string;
  readonly accountId: string;
  readonly epochAtIssue: bigint;
  readonly name: string;
  readonly scopes: readonly string[];
  readonly createdAt: Date;
  readonly expiresAt: Date;
  readonly lastUsedAt: Date | null;
  readonly revokedAt: Date | null;
}

/** What stands around a token and can end it. */
export interface ApiTokenStanding {
  readonly token: ApiToken;
  readonly accountStatus: string;
  readonly accountEpoch: bigint;
  readonly accountType: 'user' | 'service_account';
  readonly displayName: string;
  readonly orgSlug: string;
  /** Of a service account: whoever can have the token in their hands; empty for people. */
  readonly sponsorIds: readonly string[];
  /** False when somebody owns the account and is not active. */
  readonly hasStandingOwner: boolean;
}

interface TokenRow {
  readonly org_id: string;
  readonly id: string;
  readonly account_id: string;
  readonly epoch_at_issue: string;
  readonly name: string;
  readonly scopes: string[];
  readonly created_at: Date;
  readonly expires_at: Date;
  readonly last_used_at: Date | null;
  readonly revoked_at: Date | null;
}

const COLUMNS = `t.org_id, t.id, t.account_id, t.epoch_at_issue, t.name, t.scopes, t.created_at, t.expires_at,
  t.last_used_at, t.revoked_at`;

const toToken = (row: TokenRow): ApiToken => ({
  orgId: row.org_id,
  id: row.id,
  accountId: row.account_id,
  epochAtIssue: BigInt(row.epoch_at_issue),
  name: row.name,
  scopes: row.scopes,
  createdAt: row.created_at,
  expiresAt: row.expires_at,
  lastUsedAt: row.last_used_at,
  revokedAt: row.revoked_at,
});

/** The token behind a secret, with everything that can end it, in one statement on the primary. */
export const findTokenByHash = async (tx: ReadTx, tokenHash: Buffer): Promise<ApiTokenStanding | null> => {
  const [row] = await tx.query<
    TokenRow & {
      status: string;
      epoch: string;
      kind: ApiTokenStanding['accountType'];
      display_name: string;
      slug: string;
      sponsor_ids: string[];
      owner_stands: boolean;
    }
  >(
    `SELECT ${COLUMNS}, a.status, a.epoch, a.kind, a.display_name, o.slug, t.sponsor_ids,
            a.owner_id IS NULL OR coalesce(w.status = 'active', false) AS owner_stands
       FROM api_token t
       JOIN account a ON a.org_id = t.org_id AND a.id = t.account_id
       LEFT JOIN account w ON w.org_id = a.org_id AND w.id = a.owner_id
       JOIN organization o ON o.org_id = t.org_id
      WHERE t.token_hash = $1`,
    [tokenHash],
  );
  if (row === undefined) return null;
  return {
    token: toToken(row),
    accountStatus: row.status,
    accountEpoch: BigInt(row.epoch),
    accountType: row.kind,
    displayName: row.display_name,
    orgSlug: row.slug,
    sponsorIds: row.sponsor_ids,
    hasStandingOwner: row.owner_stands,
  };
};

/** What is stored of a new token. */
export type NewApiToken = Omit<ApiToken, 'lastUsedAt' | 'revokedAt'> & {
  readonly tokenHash: Buffer;
  readonly createdBy: string;
  readonly sponsorIds: readonly string[];
};

export const insertToken = async (tx: WriteTx, token: NewApiToken): Promise<void> => {
  await tx.query(
    `INSERT INTO api_token (org_id, id, token_hash, account_id, epoch_at_issue, name, scopes, created_at, created_by, expires_at,
                            sponsor_ids)
     VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)`,
    [
      token.orgId,
      token.id,
      token.tokenHash,
      token.accountId,
      token.epochAtIssue.toString(),
      token.name,
      token.scopes,
      token.createdAt,
      token.createdBy,
      token.expiresAt,
      token.sponsorIds,
    ],
  );
};

/** Notes that a token was used. Moves forward only. */
export const touchToken = async (tx: WriteTx, orgId: string, id: string, at: Date): Promise<void> => {
  await tx.query('UPDATE api_token SET last_used_at = greatest(last_used_at, $3) WHERE org_id = $1 AND id = $2', [
    orgId,
    id,
    at,
  ]);
};

/** One page of the account's tokens that are not revoked, in order of creation; those of an older epoch are gone. */
export const listTokens = async (
  tx: ReadTx,
  page: { readonly orgId: string; readonly accountId: string; readonly after: string | null; readonly limit: number },
): Promise<ApiToken[]> => {
  const rows = await tx.query<TokenRow>(
    `SELECT ${COLUMNS} FROM api_token t JOIN account a ON a.org_id = t.org_id AND a.id = t.account_id
      WHERE t.org_id = $1 AND t.account_id = $2 AND t.revoked_at IS NULL AND t.epoch_at_issue = a.epoch
        AND ($3::uuid IS NULL OR t.id > $3)
      ORDER BY t.id LIMIT $4`,
    [page.orgId, page.accountId, page.after, page.limit],
  );
  return rows.map(toToken);
};

/** How many live tokens the account has. */
export const countTokens = async (tx: ReadTx, orgId: string, accountId: string): Promise<number> => {
  const [row] = await tx.query<{ count: number }>(
    `SELECT count(*)::int AS count FROM api_token
      WHERE org_id = $1 AND account_id = $2 AND revoked_at IS NULL AND expires_at > clock_timestamp()`,
    [orgId, accountId],
  );
  return row?.count ?? 0;
};

/** Revokes the open tokens of these accounts, or only the one named; answers what it revoked. */
export const revokeTokens = async (
  tx: WriteTx,
  which: { readonly orgId: string; readonly accountIds: readonly string[]; readonly tokenId: string | null },
): Promise<ApiToken[]> => {
  const rows = await tx.query<TokenRow>(
    `UPDATE api_token t SET revoked_at = clock_timestamp()
      WHERE t.org_id = $1 AND t.account_id = ANY($2::uuid[]) AND ($3::uuid IS NULL OR t.id = $3) AND t.revoked_at IS NULL
      RETURNING ${COLUMNS}`,
    [which.orgId, which.accountIds, which.tokenId],
  );
  return rows.map(toToken);
};
