import type { ReadTx, WriteTx } from '@sallyport/storage';

import type { Ownership } from './owner-rule.ts';

/** One change of who owns the organisation at a time, until the transaction ends. */
export const lockOwners = async (tx: WriteTx, orgId: string): Promise<void> => {
  await tx.query("SELECT pg_advisory_xact_lock(hashtextextended('sallyport.owners' || $1, 0))", [orgId]);
};

/**
 * Whether anybody active besides the break-glass Owner is an Owner, by themselves or by a group. Stops at the first.
 */
export const hasOwner = async (tx: ReadTx, orgId: string, ownership: Ownership): Promise<boolean> => {
  const rows = await tx.query(
    `SELECT a.id FROM (
       SELECT unnest($2::uuid[]) AS id
       UNION ALL
       SELECT m.account_id FROM group_member m WHERE m.org_id = $1 AND m.group_id = ANY ($3::uuid[])
     ) AS candidate JOIN account a ON a.org_id = $1 AND a.id = candidate.id
      WHERE a.kind = 'user' AND a.status = 'active' AND NOT a.break_glass AND NOT a.id = ANY ($4::uuid[])
        AND NOT EXISTS (SELECT FROM group_member d
                         WHERE d.org_id = $1 AND d.account_id = a.id AND d.group_id = ANY ($5::uuid[]))
      LIMIT 1`,
    [orgId, ownership.ownerUserIds, ownership.ownerGroupIds, ownership.deniedUserIds, ownership.deniedGroupIds],
  );
  return rows.length > 0;
};
