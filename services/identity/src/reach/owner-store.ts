import type { ReadTx } from '@sallyport/storage';

import type { IdentityContext } from '../context.ts';

/** Whom grants make an Owner, as policy says. */
export type Ownership = NonNullable<Awaited<ReturnType<IdentityContext['askOwnership']>>>;

/** Whether grants make this account an Owner, by itself or by a group, whatever its status. */
export const isOwnerByGrants = async (
  tx: ReadTx,
  orgId: string,
  ownership: Ownership,
  accountId: string,
): Promise<boolean> => {
  const [row] = await tx.query<{ owns: boolean }>(
    `SELECT (a.id = ANY ($3::uuid[])
         OR EXISTS (SELECT FROM group_member m
                     WHERE m.org_id = $1 AND m.account_id = a.id AND m.group_id = ANY ($4::uuid[])))
        AND NOT a.id = ANY ($5::uuid[])
        AND NOT EXISTS (SELECT FROM group_member d
                         WHERE d.org_id = $1 AND d.account_id = a.id AND d.group_id = ANY ($6::uuid[])) AS owns
       FROM account a WHERE a.org_id = $1 AND a.id = $2 AND a.kind = 'user'`,
    [
      orgId,
      accountId,
      ownership.ownerUserIds,
      ownership.ownerGroupIds,
      ownership.deniedUserIds,
      ownership.deniedGroupIds,
    ],
  );
  return row?.owns ?? false;
};

/** Whether this is a break-glass Owner, who is one as long as the organisation is. */
export const isBreakGlass = async (tx: ReadTx, orgId: string, accountId: string): Promise<boolean> => {
  const rows = await tx.query('SELECT id FROM account WHERE org_id = $1 AND id = $2 AND break_glass', [
    orgId,
    accountId,
  ]);
  return rows.length > 0;
};

/** Who answers for a service account, null when nobody does; undefined when there is no such service account. */
export const findSponsor = async (tx: ReadTx, orgId: string, accountId: string): Promise<string | null | undefined> => {
  const [row] = await tx.query<{ owner_id: string | null }>(
    `SELECT owner_id FROM account WHERE org_id = $1 AND id = $2 AND kind = 'service_account' AND status <> 'deleted'`,
    [orgId, accountId],
  );
  return row === undefined ? undefined : row.owner_id;
};
