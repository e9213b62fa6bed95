import type { WriteTx } from '@sallyport/storage';

/** Creates the organisation with its revision counter; false when it is there already. */
export const insertOrganization = async (
  tx: WriteTx,
  organization: { readonly orgId: string; readonly slug: string; readonly createdAt: Date },
): Promise<boolean> => {
  const { orgId, slug, createdAt } = organization;
  const created = await tx.query(
    'INSERT INTO organization (org_id, slug, created_at) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING RETURNING org_id',
    [orgId, slug, createdAt],
  );
  if (created.length === 0) return false;
  await tx.query('INSERT INTO grants_head (org_id) VALUES ($1)', [orgId]);
  return true;
};
