import type { ReadTx } from '@sallyport/storage';

/** Active local accounts of people, the break-glass Owners left out; in the order of their ids. */
export const listOrdinaryLocalAccounts = async (
  tx: ReadTx,
  page: { readonly orgId: string; readonly after: string | null; readonly limit: number },
): Promise<string[]> => {
  const rows = await tx.query<{ id: string }>(
    `SELECT id FROM account
      WHERE org_id = $1 AND connection_id IS NULL AND kind = 'user' AND NOT break_glass AND status = 'active'
        AND ($2::uuid IS NULL OR id > $2)
      ORDER BY id LIMIT $3`,
    [page.orgId, page.after, page.limit],
  );
  return rows.map(({ id }) => id);
};
