import { statement, type ReadTx, type WriteTx } from '@sallyport/storage';

import type { NewArtifact } from './artifact-store.ts';

const USE_UP = `INSERT INTO provider_artifact (model, id_hash, payload, created_at, expires_at)
  SELECT 'ReplayDetection', $11, $12, $5, $13 WHERE $11::bytea IS NOT NULL ON CONFLICT (model, id_hash) DO NOTHING
  RETURNING model`;

/** Whom a token of a service account is for, and what it showed. */
export interface WorkloadProof {
  readonly orgId: string;
  readonly accountId: string;
  readonly epoch: bigint;
  readonly kid: string;
}

/**
 * Writes an access token of a service account, had with the key of this id in this epoch, and uses up the assertion it
 * showed, in one statement; left out, the assertion is used up already. Writes no token when the assertion was used
 * before, or when account, epoch, owner or key is not (any more) what it has to be.
 */
export const insertWorkloadToken = async (
  tx: WriteTx,
  artifact: NewArtifact,
  by: WorkloadProof,
  assertion?: NewArtifact,
): Promise<{ readonly isUsedUp: boolean; readonly isWritten: boolean }> => {
  const [row] = await tx.query<{ used_up: boolean; written: boolean }>(
    statement(`WITH used AS (${USE_UP}), token AS (
     INSERT INTO provider_artifact (model, id_hash, org_id, account_id, epoch_at_issue, client_id, payload, created_at,
       expires_at, workload_key_id)
     SELECT $1, $2, a.org_id, a.id, a.epoch, $3, $4, $5, least($6, k.expires_at), k.id
       FROM account a
       JOIN workload_key k ON k.org_id = a.org_id AND k.account_id = a.id AND k.kid = $10
        AND k.revoked_at IS NULL AND k.expires_at > $5
       JOIN account o ON o.org_id = a.org_id AND o.id = a.owner_id AND o.status = 'active'
      WHERE a.org_id = $7 AND a.id = $8 AND a.epoch = $9 AND a.status = 'active'
        AND ($11::bytea IS NULL OR EXISTS (SELECT FROM used))
     RETURNING model)
     SELECT $11::bytea IS NULL OR EXISTS (SELECT FROM used) AS used_up, EXISTS (SELECT FROM token) AS written`),
    [
      artifact.model,
      artifact.idHash,
      artifact.clientId,
      artifact.payload,
      artifact.createdAt,
      artifact.expiresAt,
      by.orgId,
      by.accountId,
      by.epoch.toString(),
      by.kid,
      assertion?.idHash ?? null,
      assertion?.payload ?? null,
      assertion?.expiresAt ?? null,
    ],
  );
  return { isUsedUp: row?.used_up ?? false, isWritten: row?.written ?? false };
};

/** What stands behind an access token of a service account. */
export interface WorkloadTokenStanding {
  readonly orgId: string;
  readonly orgSlug: string;
  readonly accountId: string;
  readonly epoch: bigint;
  readonly displayName: string;
  readonly clientId: string;
  readonly keyId: string;
  /** The people behind it: who registered the key, and who has owned the account since. */
  readonly sponsorIds: readonly string[];
  readonly payload: Record<string, unknown>;
}

/** The live access token of a service account with this hash; null for every other. */
export const findWorkloadToken = async (
  tx: ReadTx,
  idHash: Buffer,
  now: Date,
): Promise<WorkloadTokenStanding | null> => {
  const [row] = await tx.query<{
    org_id: string;
    slug: string;
    account_id: string;
    epoch_at_issue: string;
    display_name: string;
    client_id: string;
    key_id: string;
    sponsor_ids: string[];
    payload: Record<string, unknown>;
  }>(
    statement(`SELECT p.org_id, o.slug, p.account_id, p.epoch_at_issue, a.display_name, p.client_id, k.id AS key_id, k.sponsor_ids,
            p.payload
       FROM provider_artifact p
       JOIN workload_key k ON k.org_id = p.org_id AND k.id = p.workload_key_id AND k.revoked_at IS NULL
        AND k.expires_at > $2
       JOIN account a ON a.org_id = p.org_id AND a.id = p.account_id AND a.status = 'active'
        AND a.epoch = p.epoch_at_issue
       JOIN account w ON w.org_id = a.org_id AND w.id = a.owner_id AND w.status = 'active'
       JOIN organization o ON o.org_id = p.org_id
      WHERE p.model = 'ClientCredentials' AND p.id_hash = $1 AND p.expires_at > $2`),
    [idHash, now],
  );
  if (row === undefined) return null;
  return {
    orgId: row.org_id,
    orgSlug: row.slug,
    accountId: row.account_id,
    epoch: BigInt(row.epoch_at_issue),
    displayName: row.display_name,
    clientId: row.client_id,
    keyId: row.key_id,
    sponsorIds: row.sponsor_ids,
    payload: row.payload,
  };
};
