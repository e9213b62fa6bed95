import type { ReadTx, WriteTx } from '@sallyport/storage';

import type { DomainProof } from './challenge.ts';

/** What a connection says of a mail domain, and what speaks for it. */
export interface DomainClaim {
  readonly orgId: string;
  readonly connectionId: string;
  readonly domain: string;
  readonly challenge: string;
  readonly verifiedAt: Date | null;
  /** `dns`, or the operator who vouches for it. */
  readonly verifiedBy: string | null;
  readonly checkedAt: Date | null;
  readonly problem: Exclude<DomainProof, 'PROVEN'> | null;
  readonly failingSince: Date | null;
}

interface ClaimRow {
  readonly org_id: string;
  readonly connection_id: string;
  readonly domain: string;
  readonly challenge: string;
  readonly verified_at: Date | null;
  readonly verified_by: string | null;
  readonly checked_at: Date | null;
  readonly problem: DomainClaim['problem'];
  readonly failing_since: Date | null;
}

const COLUMNS =
  'org_id, connection_id, domain, challenge, verified_at, verified_by, checked_at, problem, failing_since';

const toClaim = (row: ClaimRow): DomainClaim => ({
  orgId: row.org_id,
  connectionId: row.connection_id,
  domain: row.domain,
  challenge: row.challenge,
  verifiedAt: row.verified_at,
  verifiedBy: row.verified_by,
  checkedAt: row.checked_at,
  problem: row.problem,
  failingSince: row.failing_since,
});

/** Names one claim. */
export interface ClaimKey {
  readonly orgId: string;
  readonly connectionId: string;
  readonly domain: string;
}

export const listClaims = async (tx: ReadTx, orgId: string, connectionId: string): Promise<DomainClaim[]> => {
  const rows = await tx.query<ClaimRow>(
    `SELECT ${COLUMNS} FROM connection_domain WHERE org_id = $1 AND connection_id = $2 ORDER BY domain`,
    [orgId, connectionId],
  );
  return rows.map(toClaim);
};

/** A claim, locked until the transaction ends; null when the connection does not list the domain (any more). */
export const lockClaim = async (tx: WriteTx, key: ClaimKey): Promise<DomainClaim | null> => {
  const [row] = await tx.query<ClaimRow>(
    `SELECT ${COLUMNS} FROM connection_domain WHERE org_id = $1 AND connection_id = $2 AND domain = $3 FOR UPDATE`,
    [key.orgId, key.connectionId, key.domain],
  );
  return row === undefined ? null : toClaim(row);
};

export const findClaim = async (tx: ReadTx, key: ClaimKey): Promise<DomainClaim | null> =>
  (await listClaims(tx, key.orgId, key.connectionId)).find(({ domain }) => domain === key.domain) ?? null;

/** Writes how a look at DNS went, and whether the claim counts from now on. */
export const updateClaim = async (tx: WriteTx, claim: DomainClaim): Promise<void> => {
  await tx.query(
    `UPDATE connection_domain SET verified_at = $4, verified_by = $5, checked_at = $6, problem = $7, failing_since = $8
      WHERE org_id = $1 AND connection_id = $2 AND domain = $3`,
    [
      claim.orgId,
      claim.connectionId,
      claim.domain,
      claim.verifiedAt,
      claim.verifiedBy,
      claim.checkedAt,
      claim.problem,
      claim.failingSince,
    ],
  );
};

/**
 * Taking and giving back wait for each other until the transaction ends: what is judged to be free by one is not being
 * taken by the other. It happens a few times a day.
 */
const lockOwners = async (tx: WriteTx): Promise<void> => {
  await tx.query(`SELECT pg_advisory_xact_lock(hashtextextended('sallyport.domain-owners', 0))`);
};

/** Takes a domain for an organisation; false when it is another one's. Of two at the same time one gets it. */
export const takeDomain = async (tx: WriteTx, orgId: string, domain: string, at: Date): Promise<boolean> => {
  await lockOwners(tx);
  await tx.query('INSERT INTO domain_owner (domain, org_id, since) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING', [
    domain,
    orgId,
    at,
  ]);
  const rows = await tx.query<{ domain: string }>('SELECT domain FROM domain_owner WHERE org_id = $1 AND domain = $2', [
    orgId,
    domain,
  ]);
  return rows.length > 0;
};

/** Gives back the domains of an organisation, or of all (null), that no connection there has proven any more. */
export const releaseDomains = async (tx: WriteTx, orgId: string | null): Promise<void> => {
  await lockOwners(tx);
  await tx.query(
    `DELETE FROM domain_owner o WHERE ($1::uuid IS NULL OR o.org_id = $1) AND NOT EXISTS (
       SELECT FROM connection_domain d
         JOIN connection c ON c.org_id = d.org_id AND c.id = d.connection_id AND c.deleted_at IS NULL
        WHERE d.org_id = o.org_id AND d.domain = o.domain AND d.verified_at IS NOT NULL)`,
    [orgId],
  );
};

/** Claims proven by DNS that nobody has looked at since, longest first, over all organisations. */
export const listDue = async (tx: ReadTx, checkedBefore: Date, limit: number): Promise<ClaimKey[]> => {
  const rows = await tx.query<{ org_id: string; connection_id: string; domain: string }>(
    `SELECT d.org_id, d.connection_id, d.domain FROM connection_domain d
       JOIN connection c ON c.org_id = d.org_id AND c.id = d.connection_id AND c.deleted_at IS NULL
      WHERE d.verified_by = 'dns' AND d.checked_at < $1 ORDER BY d.checked_at LIMIT $2`,
    [checkedBefore, limit],
  );
  return rows.map((row) => ({ orgId: row.org_id, connectionId: row.connection_id, domain: row.domain }));
};
