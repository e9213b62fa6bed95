import type { ReadTx } from '@sallyport/storage';

/** A browser session of ours that hangs on one at an identity provider. */
export interface IdpSession {
  readonly id: string;
  readonly accountId: string;
}

/** The open sessions of a connection that an identity provider's logout is about; a part that is null says nothing. */
export const listIdpSessions = async (
  tx: ReadTx,
  which: {
    readonly orgId: string;
    readonly connectionId: string;
    readonly subjectKey: string | null;
    readonly idpSession: string | null;
  },
): Promise<IdpSession[]> => {
  if (which.subjectKey === null && which.idpSession === null) return [];
  const rows = await tx.query<{ id: string; account_id: string }>(
    `SELECT id, account_id FROM browser_session
      WHERE org_id = $1 AND connection_id = $2 AND method = 'oidc' AND ended_at IS NULL
        AND ($3::text IS NULL OR idp_subject_key = $3)
        AND ($4::text IS NULL OR idp_session = $4 OR (idp_session IS NULL AND $3::text IS NOT NULL))
      ORDER BY id`,
    [which.orgId, which.connectionId, which.subjectKey, which.idpSession],
  );
  return rows.map((row) => ({ id: row.id, accountId: row.account_id }));
};
