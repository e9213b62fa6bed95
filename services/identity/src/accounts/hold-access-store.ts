import { sqlState, type Tx } from '@sallyport/storage';

const LOCK_NOT_AVAILABLE = '55P03';
const nothingToRelease = (): undefined => undefined;

/**
 * Keeps the access of whoever acts from ending until the transaction has: the account's row is locked against the one
 * door, and looked at under that lock. Never waits for the lock: whoever holds it may be ending the access just now.
 *
 * @returns null when the access has ended since the credential was issued, or may be ending
 */
export const holdAccess = async (
  tx: Pick<Tx, 'query'>,
  actor: { readonly orgId: string; readonly subjectId: string; readonly epoch: bigint },
): Promise<(() => void) | null> => {
  try {
    // A row that this transaction itself has changed is its own doing: people may end their own access.
    const rows = await tx.query(
      `SELECT FROM account WHERE org_id = $1 AND id = $2
          AND (status = 'active' AND epoch = $3 OR xmin::text = pg_current_xact_id()::xid::text)
        FOR SHARE NOWAIT`,
      [actor.orgId, actor.subjectId, actor.epoch],
    );
    return rows.length === 1 ? nothingToRelease : null;
  } catch (error) {
    if (sqlState(error) === LOCK_NOT_AVAILABLE) return null;
    throw error;
  }
};
