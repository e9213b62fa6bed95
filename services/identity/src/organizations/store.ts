import { isUniqueViolation, type ReadTx, type WriteTx } from '@sallyport/storage';

export interface Organization {
  readonly orgId: string;
  readonly slug: string;
  readonly displayName: string;
}

interface OrganizationRow {
  readonly org_id: string;
  readonly slug: string;
  readonly display_name: string;
}

const toOrganization = (row: OrganizationRow): Organization => ({
  orgId: row.org_id,
  slug: row.slug,
  displayName: row.display_name,
});

export const insertOrganization = async (tx: WriteTx, organization: Organization, at: Date): Promise<void> => {
  await tx.query('INSERT INTO organization (org_id, slug, display_name, created_at) VALUES ($1, $2, $3, $4)', [
    organization.orgId,
    organization.slug,
    organization.displayName,
    at,
  ]);
};

export const isSlugTaken = (error: unknown): boolean => isUniqueViolation(error, 'organization_slug_key');

/** By slug, before the organisation is known. */
export const findOrganizationBySlug = async (tx: ReadTx, slug: string): Promise<Organization | undefined> => {
  const [row] = await tx.query<OrganizationRow>('SELECT org_id, slug, display_name FROM organization WHERE slug = $1', [
    slug,
  ]);
  return row === undefined ? undefined : toOrganization(row);
};

export const findOrganization = async (tx: ReadTx, orgId: string): Promise<Organization | undefined> => {
  const [row] = await tx.query<OrganizationRow>(
    'SELECT org_id, slug, display_name FROM organization WHERE org_id = $1',
    [orgId],
  );
  return row === undefined ? undefined : toOrganization(row);
};

/** The first local Owner of an organisation. */
export const findFirstOwner = async (tx: ReadTx, orgId: string): Promise<string | undefined> => {
  const [row] = await tx.query<{ id: string }>(
    'SELECT id FROM account WHERE org_id = $1 AND break_glass ORDER BY id LIMIT 1',
    [orgId],
  );
  return row?.id;
};
