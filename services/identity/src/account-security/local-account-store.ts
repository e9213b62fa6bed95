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

/** Those of them who hold a session, a token or anything of the OpenID Provider in their epoch; in the order of their ids. */
export const listOrdinaryLocalHolders = async (
  tx: ReadTx,
  page: { readonly orgId: string; readonly after: string | null; readonly limit: number },
): Promise<string[]> => {
  const rows = await tx.query<{ id: string }>(
    `SELECT a.id FROM account a
      WHERE a.org_id = $1 AND a.connection_id IS NULL AND a.kind = 'user' AND NOT a.break_glass AND a.status = 'active'
        AND ($2::uuid IS NULL OR a.id > $2)
        AND (EXISTS (SELECT FROM browser_session s WHERE s.org_id = a.org_id AND s.account_id = a.id
               AND s.epoch_at_issue = a.epoch AND s.ended_at IS NULL)
          OR EXISTS (SELECT FROM api_token t WHERE t.org_id = a.org_id AND t.account_id = a.id
               AND t.epoch_at_issue = a.epoch AND t.revoked_at IS NULL)
          OR EXISTS (SELECT FROM provider_artifact p WHERE p.org_id = a.org_id AND p.account_id = a.id
               AND p.epoch_at_issue = a.epoch))
      ORDER BY a.id LIMIT $3`,
    [page.orgId, page.after, page.limit],
  );
  return rows.map(({ id }) => id);
};
