import type { WriteTx } from '@sallyport/storage';

/** Creates the organisation's row; false when it is there already. */
export const insertOrganization = async (tx: WriteTx, orgId: string, slug: string, at: Date): Promise<boolean> => {
  const rows = await tx.query<{ org_id: string }>(
    `INSERT INTO organization (org_id, slug, created_at) VALUES ($1, $2, $3)
       ON CONFLICT (org_id) DO NOTHING RETURNING org_id`,
    [orgId, slug, at],
  );
  return rows.length > 0;
};
