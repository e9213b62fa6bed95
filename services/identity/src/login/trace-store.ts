import type { ReadTx, WriteTx } from '@sallyport/storage';

import type { LoginTrace } from './trace.ts';

/** How many traces a connection keeps, and for how long. */
export const MAX_TRACES = 20;
export const TRACE_LIFE_MS = 24 * 60 * 60 * 1_000;

export interface StoredTrace extends LoginTrace {
  readonly orgId: string;
  readonly id: string;
  readonly connectionId: string;
  readonly protocol: 'saml' | 'oidc';
  readonly startedBy: string;
  readonly passed: boolean;
  readonly reason: string | null;
  readonly at: Date;
}

/** Keeps a trace, and no more than the newest of its connection. */
export const insertTrace = async (tx: WriteTx, trace: StoredTrace): Promise<void> => {
  const { orgId, id, connectionId, protocol, startedBy, passed, reason, at, ...found } = trace;
  await tx.query(
    `INSERT INTO login_trace (org_id, id, connection_id, protocol, started_by, passed, reason, trace, created_at, expires_at)
     VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)`,
    [orgId, id, connectionId, protocol, startedBy, passed, reason, found, at, new Date(at.getTime() + TRACE_LIFE_MS)],
  );
  await tx.query(
    `DELETE FROM login_trace WHERE org_id = $1 AND connection_id = $2 AND id NOT IN (
       SELECT id FROM login_trace WHERE org_id = $1 AND connection_id = $2 ORDER BY id DESC LIMIT $3)`,
    [orgId, connectionId, MAX_TRACES],
  );
};

/** The traces of a connection that have not expired, newest first. */
export const listTraces = async (
  tx: ReadTx,
  key: { readonly orgId: string; readonly connectionId: string; readonly now: Date },
): Promise<StoredTrace[]> => {
  const rows = await tx.query<{
    id: string;
    protocol: StoredTrace['protocol'];
    started_by: string;
    passed: boolean;
    reason: string | null;
    trace: LoginTrace;
    created_at: Date;
  }>(
    `SELECT id, protocol, started_by, passed, reason, trace, created_at FROM login_trace
      WHERE org_id = $1 AND connection_id = $2 AND expires_at > $3 ORDER BY id DESC LIMIT $4`,
    [key.orgId, key.connectionId, key.now, MAX_TRACES],
  );
  return rows.map((row) => ({
    ...row.trace,
    orgId: key.orgId,
    connectionId: key.connectionId,
    id: row.id,
    protocol: row.protocol,
    startedBy: row.started_by,
    passed: row.passed,
    reason: row.reason,
    at: row.created_at,
  }));
};

export const deleteExpiredTraces = async (tx: WriteTx, now: Date): Promise<void> => {
  await tx.query('DELETE FROM login_trace WHERE expires_at <= $1', [now]);
};
