import type { ReadTx } from '@sallyport/storage';

/** Which grants of an organisation are group mappings. */
export const readMappingIds = async (tx: ReadTx, orgId: string): Promise<ReadonlySet<string>> => {
  const rows = await tx.query<{ grant_id: string }>(
    `SELECT grant_id FROM role_grant WHERE org_id = $1 AND source = 'mapping'`,
    [orgId],
  );
  return new Set(rows.map(({ grant_id: grantId }) => grantId));
};
