import type { ReadTx } from '@sallyport/storage';

/** A session that was opened on the word of an identity provider its connection has no longer. */
export interface OutlivedSession {
  readonly orgId: string;
  readonly connectionId: string;
  readonly accountId: string;
  readonly sessionId: string;
}

/**
 * The key of a session begins with the protocol and its IdP, length-prefixed (composeKey). The second condition keeps
 * the look small: a session lasts a day at most, so a facet that has been as it is for longer has none of these.
 */
const outlived = (protocol: 'saml' | 'oidc', issuer: 'idp_entity_id' | 'issuer'): string => `
  SELECT s.org_id, s.connection_id, s.account_id, s.id
    FROM ${protocol}_facet f
    JOIN browser_session s ON s.org_id = f.org_id AND s.connection_id = f.connection_id
   WHERE s.ended_at IS NULL AND s.method = '${protocol}' AND f.updated_at > $1::timestamptz - interval '2 days'
     AND NOT starts_with(s.idp_subject_key, '4:${protocol}' || octet_length(f.${issuer}) || ':' || f.${issuer})
     AND ($2::uuid IS NULL OR f.connection_id = $2) AND ($3::uuid IS NULL OR s.id > $3)`;

/** Of one connection, or (null) of all the transaction reaches; in the order of their ids. */
export const listOutlivedSessions = async (
  tx: ReadTx,
  which: {
    readonly connectionId: string | null;
    readonly after: string | null;
    readonly now: Date;
    readonly limit: number;
  },
): Promise<OutlivedSession[]> => {
  const rows = await tx.query<{ org_id: string; connection_id: string; account_id: string; id: string }>(
    `${outlived('saml', 'idp_entity_id')} UNION ALL ${outlived('oidc', 'issuer')} ORDER BY id LIMIT $4`,
    [which.now, which.connectionId, which.after, which.limit],
  );
  return rows.map((row) => ({
    orgId: row.org_id,
    connectionId: row.connection_id,
    accountId: row.account_id,
    sessionId: row.id,
  }));
};
