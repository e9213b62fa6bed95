import type { ReadTx } from '@sallyport/storage';

/** Who proposed a grant and who agreed to it, with who is behind a machine that proposed; none where nobody did. */
export type Givers = ReadonlyMap<string, ReadonlySet<string>>;

/** By grant, of those that came about by a proposal. */
export const findGivers = async (tx: ReadTx, orgId: string, grantIds: readonly string[]): Promise<Givers> => {
  const rows = await tx.query<{ grant_id: string; giver_ids: readonly string[] }>(
    `SELECT p.result_id AS grant_id,
            array_agg(a.approver_id) FILTER (WHERE a.approver_id IS NOT NULL) || p.proposer_id || p.sponsor_ids AS giver_ids
       FROM proposal p
       LEFT JOIN proposal_approval a ON a.org_id = p.org_id AND a.proposal_id = p.proposal_id
            AND a.content_hash = p.content_hash
      WHERE p.org_id = $1 AND p.state = 'applied' AND p.result_id = ANY ($2::uuid[])
      GROUP BY p.org_id, p.proposal_id`,
    [orgId, grantIds],
  );
  return new Map(rows.map((row) => [row.grant_id, new Set(row.giver_ids)]));
};
