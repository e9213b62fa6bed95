import { statement, statementByKey, type ReadTx, type WriteTx } from '@sallyport/storage';

import type { NewArtifact } from './artifact-store.ts';
import type { Locked } from './token-store.ts';

/** Whom a token of a service account is for, and what it showed. */
export interface WorkloadProof {
  readonly orgId: string;
  readonly accountId: string;
  readonly epoch: bigint;
  readonly kid: string;
}

/** An access token of a service account. Without an assertion: it is used up already. */
export interface WorkloadIssue {
  readonly artifact: NewArtifact;
  readonly by: WorkloadProof;
  readonly assertion?: NewArtifact;
}

/** What became of it. */
export interface WorkloadIssueResult {
  readonly isUsedUp: boolean;
  readonly isWritten: boolean;
}

// Organisations are compared as no index does: of those of accounts only that of the id is left, which is planned while the
// table is small, when all of them cost the same.
const issuing = (locked: Locked) =>
  statementByKey(`WITH asked AS (
         SELECT * FROM unnest($1::text[], $2::bytea[], $3::text[], $4::jsonb[], $5::timestamptz[], $6::timestamptz[], $7::uuid[],
           $8::uuid[], $9::bigint[], $10::text[], $11::bytea[], $12::jsonb[], $13::timestamptz[])
           WITH ORDINALITY AS n (model, id_hash, client_id, payload, created_at, expires_at, org_id, account_id, epoch, kid,
             used_hash, used_payload, used_expires_at, number)),
       held AS (
         SELECT n.number, a.epoch, a.status, a.owner_id FROM asked n
           JOIN account a ON a.id = n.account_id AND a.org_id IS NOT DISTINCT FROM n.org_id FOR KEY SHARE OF a ${locked}),
       first AS (
         SELECT DISTINCT ON (used_hash) * FROM asked
          WHERE used_hash IS NOT NULL AND ('${locked}' = '' OR number IN (SELECT number FROM held))
          ORDER BY used_hash, number),
       inserted AS (
         INSERT INTO provider_artifact (model, id_hash, payload, created_at, expires_at)
         SELECT 'ReplayDetection', used_hash, used_payload, created_at, used_expires_at FROM first ORDER BY used_hash
         ON CONFLICT (model, id_hash) DO NOTHING RETURNING id_hash),
       used AS (
         SELECT number FROM first JOIN inserted i ON i.id_hash = first.used_hash
         UNION ALL
         SELECT number FROM asked WHERE used_hash IS NULL),
       token AS (
         INSERT INTO provider_artifact (model, id_hash, org_id, account_id, epoch_at_issue, client_id, payload, created_at,
           expires_at, workload_key_id)
         SELECT n.model, n.id_hash, n.org_id, n.account_id, a.epoch, n.client_id, n.payload, n.created_at,
                least(n.expires_at, k.expires_at), k.id
           FROM used u
           JOIN asked n ON n.number = u.number
           JOIN held a ON a.number = n.number AND a.epoch = n.epoch AND a.status = 'active'
           JOIN workload_key k ON k.org_id = n.org_id AND k.account_id = n.account_id AND k.kid = n.kid
            AND k.revoked_at IS NULL AND k.expires_at > n.created_at
           JOIN account o ON o.id = a.owner_id AND o.org_id IS NOT DISTINCT FROM n.org_id AND o.status = 'active'
         RETURNING id_hash)
       SELECT ARRAY(SELECT number::int FROM used) AS used,
              ARRAY(SELECT n.number::int FROM token t JOIN asked n ON n.id_hash = t.id_hash) AS written`);

const WAITING = issuing('');
const PASSING = issuing('SKIP LOCKED');

const insert = async (
  tx: WriteTx,
  text: typeof WAITING,
  issues: readonly WorkloadIssue[],
): Promise<readonly WorkloadIssueResult[]> => {
  const each = <T>(value: (issue: WorkloadIssue) => T): T[] => issues.map(value);
  const [row] = await tx.query<{ used: number[]; written: number[] }>(text, [
    each(({ artifact }) => artifact.model),
    each(({ artifact }) => artifact.idHash),
    each(({ artifact }) => artifact.clientId),
    each(({ artifact }) => JSON.stringify(artifact.payload)),
    each(({ artifact }) => artifact.createdAt),
    each(({ artifact }) => artifact.expiresAt),
    each(({ by }) => by.orgId),
    each(({ by }) => by.accountId),
    each(({ by }) => by.epoch.toString()),
    each(({ by }) => by.kid),
    each(({ assertion }) => assertion?.idHash ?? null),
    each(({ assertion }) => (assertion === undefined ? null : JSON.stringify(assertion.payload))),
    each(({ assertion }) => assertion?.expiresAt ?? null),
  ]);
  const used = new Set(row?.used);
  const written = new Set(row?.written);
  return issues.map((_, index) => ({ isUsedUp: used.has(index + 1), isWritten: written.has(index + 1) }));
};

/**
 * Writes an access token of a service account, had with the key of this id in this epoch, and uses up the assertion it
 * showed, in one statement. Writes no token when the assertion was used before, or when account, epoch, owner or key is
 * not (any more) what it has to be.
 */
export const insertWorkloadToken = async (tx: WriteTx, issue: WorkloadIssue): Promise<WorkloadIssueResult> => {
  const [result = { isUsedUp: false, isWritten: false }] = await insert(tx, WAITING, [issue]);
  return result;
};

/**
 * {@link insertWorkloadToken} of several, in their order. Waits for nobody who has hold of an account; where the assertion
 * is not used up by that (also when two of these show the same), the answer is null: {@link insertWorkloadToken} tells.
 */
export const insertWorkloadTokens = async (
  tx: WriteTx,
  issues: readonly WorkloadIssue[],
): Promise<readonly (WorkloadIssueResult | null)[]> => {
  const results = await insert(tx, PASSING, issues);
  return results.map((result) => (result.isUsedUp ? result : null));
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
