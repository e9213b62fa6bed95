import type { WriteTx } from '@sallyport/storage';

/**
 * Hangs what an application holds on the session that takes the place of another: signing in once more in the middle of
 * a session signs nobody out of the applications they use.
 */
export const carryOver = async (
  tx: WriteTx,
  session: { readonly orgId: string; readonly from: string; readonly to: string },
): Promise<void> => {
  await tx.query('UPDATE provider_artifact SET browser_session_id = $3 WHERE org_id = $1 AND browser_session_id = $2', [
    session.orgId,
    session.from,
    session.to,
  ]);
};
