import type { ReadTx, WriteTx } from '@sallyport/storage';

/** A credential of a directory that is about to expire. */
export interface ExpiringCredential {
  readonly orgId: string;
  readonly connectionId: string;
  readonly kind: 'scim_token' | 'scim_client_secret';
  readonly id: string;
  readonly expiresAt: Date;
}

interface Period {
  readonly now: Date;
  readonly until: Date;
}

// Live: neither it nor what it belongs to is revoked or removed. A disabled connection may be enabled again.
const EXPIRING = `
  SELECT t.org_id, t.connection_id, 'scim_token' AS kind, t.id, t.expires_at, t.expiry_warned_at
    FROM scim_token t
    JOIN connection c ON c.org_id = t.org_id AND c.id = t.connection_id AND c.deleted_at IS NULL
   WHERE t.revoked_at IS NULL AND t.expires_at > $1 AND t.expires_at < $2
  UNION ALL
  SELECT s.org_id, k.connection_id, 'scim_client_secret', s.id, s.expires_at, s.expiry_warned_at
    FROM scim_client_secret s
    JOIN scim_client k ON k.org_id = s.org_id AND k.id = s.client_id AND k.revoked_at IS NULL
    JOIN connection c ON c.org_id = k.org_id AND c.id = k.connection_id AND c.deleted_at IS NULL
   WHERE s.revoked_at IS NULL AND s.expires_at > $1 AND s.expires_at < $2`;

/** Those nobody has been warned of yet. */
export const listUnwarned = async (
  tx: ReadTx,
  { now, until }: Period,
  limit: number,
): Promise<ExpiringCredential[]> => {
  const rows = await tx.query<{
    org_id: string;
    connection_id: string;
    kind: ExpiringCredential['kind'];
    id: string;
    expires_at: Date;
  }>(
    `SELECT org_id, connection_id, kind, id, expires_at FROM (${EXPIRING}) e WHERE expiry_warned_at IS NULL LIMIT $3`,
    [now, until, limit],
  );
  return rows.map((row) => ({
    orgId: row.org_id,
    connectionId: row.connection_id,
    kind: row.kind,
    id: row.id,
    expiresAt: row.expires_at,
  }));
};

export const countExpiring = async (tx: ReadTx, { now, until }: Period): Promise<number> => {
  const [row] = await tx.query<{ count: number }>(`SELECT count(*)::int AS count FROM (${EXPIRING}) e`, [now, until]);
  return row?.count ?? 0;
};

/** Notes that somebody is being warned; false when somebody else already was. */
export const markWarned = async (tx: WriteTx, { orgId, kind, id }: ExpiringCredential, at: Date): Promise<boolean> => {
  const rows = await tx.query<{ id: string }>(
    `UPDATE ${kind} SET expiry_warned_at = $3 WHERE org_id = $1 AND id = $2 AND expiry_warned_at IS NULL RETURNING id`,
    [orgId, id, at],
  );
  return rows.length > 0;
};
