import { statement, type WriteTx } from '@sallyport/storage';

/** Each finds what was issued while the one before it waited; nothing is issued on the old session after the first. */
const MAX_ROUNDS = 10;

/**
 * Hangs what an application holds on the session that takes the place of another: signing in once more in the middle of
 * a session signs nobody out of the applications they use, also while they renew their tokens.
 */
export const carryOver = async (
  tx: WriteTx,
  session: { readonly orgId: string; readonly accountId: string; readonly from: string; readonly to: string },
): Promise<void> => {
  for (let round = 0; round < MAX_ROUNDS; round += 1) {
    const carried = await tx.query<{ model: string }>(
      statement(
        `UPDATE provider_artifact SET browser_session_id = $4
          WHERE org_id = $1 AND account_id = $2 AND browser_session_id = $3 RETURNING model`,
      ),
      [session.orgId, session.accountId, session.from, session.to],
    );
    if (carried.length === 0) return;
  }
};
