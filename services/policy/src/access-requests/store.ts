import type { ReadTx, WriteTx } from '@sallyport/storage';

import type { AccessRequest, RequestState } from './access-request.ts';

interface RequestRow {
  readonly request_id: string;
  readonly requester_type: AccessRequest['requester']['type'];
  readonly requester_id: string;
  readonly requester_epoch: string;
  readonly sponsor_ids: readonly string[];
  readonly role_key: string;
  readonly project_id: string | null;
  readonly environment_id: string | null;
  readonly valid_until: Date;
  readonly reason: string;
  readonly content_hash: string;
  readonly created_at: Date;
  readonly expires_at: Date;
  readonly state: RequestState;
  readonly answered_at: Date | null;
  readonly answered_by: string | null;
  readonly answer: string | null;
  readonly failure: string | null;
  readonly grant_id: string | null;
}

const toRequest = (row: RequestRow): AccessRequest => ({
  requestId: row.request_id,
  requester: { type: row.requester_type, id: row.requester_id, epoch: BigInt(row.requester_epoch) },
  sponsorIds: row.sponsor_ids,
  roleKey: row.role_key,
  scope: { projectId: row.project_id, environmentId: row.environment_id },
  validUntil: row.valid_until,
  reason: row.reason,
  hash: row.content_hash,
  createdAt: row.created_at,
  expiresAt: row.expires_at,
  state: row.state,
  answeredAt: row.answered_at,
  answeredBy: row.answered_by,
  answer: row.answer,
  failure: row.failure,
  grantId: row.grant_id,
});

export const insertRequest = async (tx: WriteTx, orgId: string, request: AccessRequest): Promise<void> => {
  await tx.query(
    `INSERT INTO access_request (org_id, request_id, requester_type, requester_id, requester_epoch, sponsor_ids, role_key,
                                 project_id, environment_id, valid_until, reason, content_hash, created_at, expires_at,
                                 state)
     VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15)`,
    [
      orgId,
      request.requestId,
      request.requester.type,
      request.requester.id,
      request.requester.epoch.toString(),
      request.sponsorIds,
      request.roleKey,
      request.scope.projectId,
      request.scope.environmentId,
      request.validUntil,
      request.reason,
      request.hash,
      request.createdAt,
      request.expiresAt,
      request.state,
    ],
  );
};

/** Until COMMIT nobody else makes a request of this requester; nothing else waits. */
export const lockRequester = async (tx: WriteTx, orgId: string, requesterId: string): Promise<void> => {
  await tx.query('SELECT pg_advisory_xact_lock(hashtextextended($1, 0))', [`access-request ${orgId} ${requesterId}`]);
};

/** Unanswered requests of somebody that are not over. */
export const countPending = async (tx: ReadTx, orgId: string, requesterId: string, now: Date): Promise<number> => {
  const [row] = await tx.query<{ count: number }>(
    `SELECT count(*)::int AS count FROM access_request
      WHERE org_id = $1 AND requester_id = $2 AND state = 'pending' AND expires_at > $3`,
    [orgId, requesterId, now],
  );
  return row?.count ?? 0;
};

export const findRequest = async (tx: ReadTx, orgId: string, requestId: string): Promise<AccessRequest | undefined> => {
  const [row] = await tx.query<RequestRow>('SELECT * FROM access_request WHERE org_id = $1 AND request_id = $2', [
    orgId,
    requestId,
  ]);
  return row === undefined ? undefined : toRequest(row);
};

/** Until COMMIT nobody else answers it. */
export const lockRequest = async (
  tx: WriteTx,
  orgId: string,
  requestId: string,
): Promise<AccessRequest | undefined> => {
  const [row] = await tx.query<RequestRow>(
    'SELECT * FROM access_request WHERE org_id = $1 AND request_id = $2 FOR UPDATE',
    [orgId, requestId],
  );
  return row === undefined ? undefined : toRequest(row);
};

/** What was answered. */
export type RequestAnswer = Pick<
  AccessRequest,
  'requestId' | 'state' | 'answeredAt' | 'answeredBy' | 'answer' | 'failure' | 'grantId'
>;

export const answerRequest = async (tx: WriteTx, orgId: string, answer: RequestAnswer): Promise<void> => {
  await tx.query(
    `UPDATE access_request SET state = $3, answered_at = $4, answered_by = $5, answer = $6, failure = $7, grant_id = $8
      WHERE org_id = $1 AND request_id = $2`,
    [
      orgId,
      answer.requestId,
      answer.state,
      answer.answeredAt,
      answer.answeredBy,
      answer.answer,
      answer.failure,
      answer.grantId,
    ],
  );
};

/** Which requests a list shows. */
export interface RequestPage {
  readonly after?: string | undefined;
  readonly limit: number;
  readonly requesterId?: string | undefined;
  readonly state?: RequestState | undefined;
  readonly projectId?: string | undefined;
  readonly environmentId?: string | undefined;
}

/** Oldest first. */
export const listRequests = async (tx: ReadTx, orgId: string, page: RequestPage): Promise<readonly AccessRequest[]> => {
  const rows = await tx.query<RequestRow>(
    `SELECT * FROM access_request
      WHERE org_id = $1 AND ($2::uuid IS NULL OR request_id > $2) AND ($3::uuid IS NULL OR requester_id = $3)
        AND ($4::text IS NULL OR state = $4) AND ($5::uuid IS NULL OR project_id = $5)
        AND ($6::uuid IS NULL OR environment_id = $6)
      ORDER BY request_id LIMIT $7`,
    [
      orgId,
      page.after ?? null,
      page.requesterId ?? null,
      page.state ?? null,
      page.projectId ?? null,
      page.environmentId ?? null,
      page.limit,
    ],
  );
  return rows.map(toRequest);
};

/** Unanswered requests of every organisation, in the order of their keys. */
export const listPending = async (
  tx: ReadTx,
  after: { readonly orgId: string; readonly requestId: string } | undefined,
  limit: number,
): Promise<readonly (AccessRequest & { readonly orgId: string })[]> => {
  const rows = await tx.query<RequestRow & { readonly org_id: string }>(
    `SELECT * FROM access_request WHERE state = 'pending' AND ($1::uuid IS NULL OR (org_id, request_id) > ($1, $2::uuid))
      ORDER BY org_id, request_id LIMIT $3`,
    [after?.orgId ?? null, after?.requestId ?? null, limit],
  );
  return rows.map((row) => ({ ...toRequest(row), orgId: row.org_id }));
};
