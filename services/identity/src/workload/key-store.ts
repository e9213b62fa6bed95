import { statement, type ReadTx, type WriteTx } from '@sallyport/storage';

/** What the client id of a service account begins with. */
export const WORKLOAD_PREFIX = 'sp_sa_';

/** The client id of a service account. */
export const workloadClientId = (accountId: string): string => WORKLOAD_PREFIX + accountId.replaceAll('-', '');

/** A public key of a service account. */
export interface WorkloadKey {
  readonly id: string;
  readonly accountId: string;
  /** What an assertion names it by. */
  readonly kid: string;
  readonly jwk: Readonly<Record<string, unknown>>;
  readonly name: string;
  readonly createdAt: Date;
  readonly expiresAt: Date;
}

interface KeyRow {
  readonly id: string;
  readonly account_id: string;
  readonly kid: string;
  readonly jwk: Record<string, unknown>;
  readonly name: string;
  readonly created_at: Date;
  readonly expires_at: Date;
}

const COLUMNS = 'id, account_id, kid, jwk, name, created_at, expires_at';

const toKey = (row: KeyRow): WorkloadKey => ({
  id: row.id,
  accountId: row.account_id,
  kid: row.kid,
  jwk: row.jwk,
  name: row.name,
  createdAt: row.created_at,
  expiresAt: row.expires_at,
});

/** A service account at the token endpoint. */
export interface WorkloadClient {
  readonly orgId: string;
  readonly accountId: string;
  readonly epoch: bigint;
  readonly keys: readonly Pick<WorkloadKey, 'kid' | 'jwk' | 'expiresAt'>[];
}

/** The service account with this client id, its live keys and its epoch; null while it or its owner is not active. */
export const findWorkloadClient = async (tx: ReadTx, clientId: string, now: Date): Promise<WorkloadClient | null> => {
  const hex = clientId.slice(WORKLOAD_PREFIX.length);
  if (!/^[0-9a-f]{32}$/.test(hex)) return null;
  const rows = await tx.query<
    Pick<KeyRow, 'kid' | 'jwk' | 'expires_at'> & {
      readonly org_id: string;
      readonly id: string;
      readonly epoch: string;
    }
  >(
    statement(`SELECT a.org_id, a.id, a.epoch, k.kid, k.jwk, k.expires_at FROM account a
       JOIN workload_key k ON k.org_id = a.org_id AND k.account_id = a.id AND k.revoked_at IS NULL AND k.expires_at > $2
       JOIN account o ON o.org_id = a.org_id AND o.id = a.owner_id AND o.status = 'active'
      WHERE a.id = $1::uuid AND a.kind = 'service_account' AND a.status = 'active'
      ORDER BY k.id`),
    [hex, now],
  );
  const [first] = rows;
  if (first === undefined) return null;
  const keys = rows.map(({ kid, jwk, expires_at: expiresAt }) => ({ kid, jwk, expiresAt }));
  return { orgId: first.org_id, accountId: first.id, epoch: BigInt(first.epoch), keys };
};

export const insertKey = async (
  tx: WriteTx,
  key: WorkloadKey & { readonly orgId: string; readonly createdBy: string; readonly sponsorIds: readonly string[] },
): Promise<void> => {
  await tx.query(
    `INSERT INTO workload_key (org_id, ${COLUMNS}, created_by, sponsor_ids)
     VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)`,
    [
      key.orgId,
      key.id,
      key.accountId,
      key.kid,
      key.jwk,
      key.name,
      key.createdAt,
      key.expiresAt,
      key.createdBy,
      key.sponsorIds,
    ],
  );
};

/** The keys of a service account that are not revoked, oldest first. */
export const listKeys = async (tx: ReadTx, orgId: string, accountId: string): Promise<WorkloadKey[]> => {
  const rows = await tx.query<KeyRow>(
    `SELECT ${COLUMNS} FROM workload_key WHERE org_id = $1 AND account_id = $2 AND revoked_at IS NULL ORDER BY id`,
    [orgId, accountId],
  );
  return rows.map(toKey);
};

/** Revokes a key, with the tokens had with it; null when there is none. */
export const revokeKey = async (
  tx: WriteTx,
  key: { readonly orgId: string; readonly accountId: string; readonly id: string; readonly at: Date },
): Promise<{ readonly key: WorkloadKey; readonly tokens: number } | null> => {
  const [row] = await tx.query<KeyRow>(
    `UPDATE workload_key SET revoked_at = $4
      WHERE org_id = $1 AND account_id = $2 AND id = $3 AND revoked_at IS NULL RETURNING ${COLUMNS}`,
    [key.orgId, key.accountId, key.id, key.at],
  );
  if (row === undefined) return null;
  const tokens = await tx.query<{ model: string }>(
    'DELETE FROM provider_artifact WHERE org_id = $1 AND workload_key_id = $2 RETURNING model',
    [key.orgId, key.id],
  );
  return { key: toKey(row), tokens: tokens.length };
};
