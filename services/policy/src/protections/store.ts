import type { ReadTx, WriteTx } from '@sallyport/storage';

import type { Protection, Reach } from './protection.ts';

interface ProtectionRow {
  readonly protection_id: string;
  readonly project_id: string | null;
  readonly environment_id: string | null;
  readonly required_approvals: number;
  readonly version: number;
  readonly created_at: Date;
  readonly changed_at: Date;
  readonly changed_by: string;
}

const toProtection = (row: ProtectionRow): Protection => ({
  protectionId: row.protection_id,
  projectId: row.project_id,
  environmentId: row.environment_id,
  requiredApprovals: row.required_approvals,
  version: row.version,
  createdAt: row.created_at,
  changedAt: row.changed_at,
  changedBy: row.changed_by,
});

/** Those in force. */
export const allProtections = async (tx: ReadTx, orgId: string): Promise<readonly Protection[]> => {
  const rows = await tx.query<ProtectionRow>(
    'SELECT * FROM scope_protection WHERE org_id = $1 AND required_approvals > 0',
    [orgId],
  );
  return rows.map(toProtection);
};

/** Those in force, oldest first. */
export const listProtections = async (
  tx: ReadTx,
  orgId: string,
  page: { readonly after?: string; readonly limit: number },
): Promise<readonly Protection[]> => {
  const rows = await tx.query<ProtectionRow>(
    `SELECT * FROM scope_protection
      WHERE org_id = $1 AND required_approvals > 0 AND ($2::uuid IS NULL OR protection_id > $2)
      ORDER BY protection_id LIMIT $3`,
    [orgId, page.after ?? null, page.limit],
  );
  return rows.map(toProtection);
};

export const findProtection = async (
  tx: ReadTx,
  orgId: string,
  protectionId: string,
): Promise<Protection | undefined> => {
  const [row] = await tx.query<ProtectionRow>(
    'SELECT * FROM scope_protection WHERE org_id = $1 AND protection_id = $2',
    [orgId, protectionId],
  );
  return row === undefined ? undefined : toProtection(row);
};

/** The one of exactly this scope, also when it was lifted. */
export const findProtectionAt = async (
  tx: ReadTx,
  orgId: string,
  { projectId, environmentId }: Reach,
): Promise<Protection | undefined> => {
  const [row] = await tx.query<ProtectionRow>(
    `SELECT * FROM scope_protection WHERE org_id = $1 AND project_id IS NOT DISTINCT FROM $2
        AND environment_id IS NOT DISTINCT FROM $3`,
    [orgId, projectId, environmentId],
  );
  return row === undefined ? undefined : toProtection(row);
};

export const insertProtection = async (tx: WriteTx, orgId: string, protection: Protection): Promise<void> => {
  await tx.query(
    `INSERT INTO scope_protection (org_id, protection_id, project_id, environment_id, required_approvals, version,
                                   created_at, changed_at, changed_by)
     VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)`,
    [
      orgId,
      protection.protectionId,
      protection.projectId,
      protection.environmentId,
      protection.requiredApprovals,
      protection.version,
      protection.createdAt,
      protection.changedAt,
      protection.changedBy,
    ],
  );
};

export const updateProtection = async (tx: WriteTx, orgId: string, protection: Protection): Promise<void> => {
  await tx.query(
    `UPDATE scope_protection SET required_approvals = $3, version = $4, changed_at = $5, changed_by = $6
      WHERE org_id = $1 AND protection_id = $2`,
    [
      orgId,
      protection.protectionId,
      protection.requiredApprovals,
      protection.version,
      protection.changedAt,
      protection.changedBy,
    ],
  );
};
