import { AppError } from '@sallyport/errors';
import type { ReadTx, WriteTx } from '@sallyport/storage';

/** Who answers for a service account. */
export interface Ownership {
  readonly ownerId: string | null;
  /** Null without an owner. */
  readonly ownerStatus: string | null;
}

/** Who owns a service account; null when there is no such one in the organisation. */
export const findOwnership = async (tx: ReadTx, orgId: string, accountId: string): Promise<Ownership | null> => {
  const [row] = await tx.query<{ owner_id: string | null; status: string | null }>(
    `SELECT a.owner_id, o.status FROM account a
       LEFT JOIN account o ON o.org_id = a.org_id AND o.id = a.owner_id
      WHERE a.org_id = $1 AND a.id = $2 AND a.kind = 'service_account' AND a.status <> 'deleted'`,
    [orgId, accountId],
  );
  return row === undefined ? null : { ownerId: row.owner_id, ownerStatus: row.status };
};

/**
 * Locks the owner of a service account for the issue of a credential, before the account itself is locked: the door
 * locks in this order. Answers who that is; null when there is no such service account.
 * @throws CONFLICT when nobody active owns it
 */
export const lockOwnerForIssue = async (tx: WriteTx, orgId: string, accountId: string): Promise<string | null> => {
  const ownership = await findOwnership(tx, orgId, accountId);
  if (ownership === null) return null;
  if (ownership.ownerId !== null && (await lockOwner(tx, orgId, ownership.ownerId))) return ownership.ownerId;
  throw new AppError('CONFLICT', 'Nobody active owns the service account: give it an owner first.');
};

/**
 * Passes a credential whose account is locked by now, while it still has the owner that was locked before it: whoever may
 * make one was decided by that.
 * @throws CONFLICT when it was handed over in between
 */
export const assertOwnedBy = async (
  tx: ReadTx,
  account: { readonly orgId: string; readonly id: string },
  ownerId: string | null,
): Promise<void> => {
  const now = await findOwnership(tx, account.orgId, account.id);
  if ((now?.ownerId ?? null) !== ownerId)
    throw new AppError('CONFLICT', 'The service account was handed over meanwhile. Try again.');
};

/** The active person that is to own something, locked against the door; false when there is none. */
export const lockOwner = async (tx: WriteTx, orgId: string, id: string): Promise<boolean> => {
  const rows = await tx.query<{ id: string }>(
    `SELECT id FROM account WHERE org_id = $1 AND id = $2 AND kind = 'user' AND status = 'active' FOR SHARE`,
    [orgId, id],
  );
  return rows.length > 0;
};

/**
 * Hands a service account over. Who has owned it while a credential lived stays behind that credential: they may have
 * kept it, and the new owner can have it too.
 */
export const setOwner = async (tx: WriteTx, orgId: string, accountId: string, ownerId: string): Promise<void> => {
  const values = [orgId, accountId, ownerId];
  await tx.query(`UPDATE account SET owner_id = $3 WHERE org_id = $1 AND id = $2 AND kind = 'service_account'`, values);
  for (const table of ['api_token', 'workload_key'])
    await tx.query(
      `UPDATE ${table} SET sponsor_ids = sponsor_ids || $3::uuid
        WHERE org_id = $1 AND account_id = $2 AND revoked_at IS NULL AND $3 <> ALL (sponsor_ids)`,
      values,
    );
};

/** Who is behind something a caller does: the person, or the people behind the machine. */
export const peopleBehind = (
  caller: { readonly type: string; readonly subjectId: string; readonly sponsorIds?: readonly string[] } | null,
): readonly string[] => (caller?.type === 'user' ? [caller.subjectId] : (caller?.sponsorIds ?? []));

/** The active service accounts of these people, in the order of their ids. */
export const listOwned = async (tx: ReadTx, orgId: string, ownerIds: readonly string[]): Promise<string[]> => {
  const rows = await tx.query<{ id: string }>(
    `SELECT id FROM account WHERE org_id = $1 AND owner_id = ANY($2::uuid[]) AND status = 'active' ORDER BY id`,
    [orgId, ownerIds],
  );
  return rows.map(({ id }) => id);
};
