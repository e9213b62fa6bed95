import type { ReadTx, WriteTx } from '@sallyport/storage';

import { portionsOf } from './portions.ts';
import type { ItemState, Review, ReviewItem, ReviewState } from './review.ts';

interface ReviewRow {
  readonly review_id: string;
  readonly title: string;
  readonly project_id: string | null;
  readonly environment_id: string | null;
  readonly role_key: string | null;
  readonly reviewer_ids: readonly string[];
  readonly deadline: Date;
  readonly created_at: Date;
  readonly created_by: string;
  readonly approval_ref: string | null;
  readonly state: ReviewState;
  readonly closed_at: Date | null;
}

const toReview = (row: ReviewRow): Review => ({
  reviewId: row.review_id,
  title: row.title,
  scope: { projectId: row.project_id, environmentId: row.environment_id },
  roleKey: row.role_key,
  reviewerIds: row.reviewer_ids,
  deadline: row.deadline,
  createdAt: row.created_at,
  createdBy: row.created_by,
  approvalRef: row.approval_ref,
  state: row.state,
  closedAt: row.closed_at,
});

interface ItemRow {
  readonly review_id: string;
  readonly grant_id: string;
  readonly grant_text: string;
  readonly source: ReviewItem['source'];
  readonly subject_type: ReviewItem['subjectType'];
  readonly subject_id: string;
  readonly granted_by: string;
  readonly member_ids: readonly string[];
  readonly state: ItemState;
  readonly decided_at: Date | null;
  readonly decided_by: string | null;
  readonly reason: string | null;
  readonly failure: string | null;
}

const toItem = (row: ItemRow): ReviewItem => ({
  reviewId: row.review_id,
  grantId: row.grant_id,
  grantText: row.grant_text,
  source: row.source,
  subjectType: row.subject_type,
  subjectId: row.subject_id,
  grantedBy: row.granted_by,
  memberIds: row.member_ids,
  state: row.state,
  decidedAt: row.decided_at,
  decidedBy: row.decided_by,
  reason: row.reason,
  failure: row.failure,
});

export const insertReview = async (tx: WriteTx, orgId: string, review: Review): Promise<void> => {
  await tx.query(
    `INSERT INTO review (org_id, review_id, title, project_id, environment_id, role_key, reviewer_ids, deadline,
                         created_at, created_by, approval_ref, state)
     VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)`,
    [
      orgId,
      review.reviewId,
      review.title,
      review.scope.projectId,
      review.scope.environmentId,
      review.roleKey,
      review.reviewerIds,
      review.deadline,
      review.createdAt,
      review.createdBy,
      review.approvalRef,
      review.state,
    ],
  );
};

/** Rows of one statement, a group's members counted as rows: more of them would hold the event loop too long. */
const MAX_ROWS_TOGETHER = 10_000;

/** What is reviewed. */
export const insertItems = async (tx: WriteTx, orgId: string, items: readonly ReviewItem[]): Promise<void> => {
  const rowsOf = ({ memberIds }: ReviewItem): number => 1 + memberIds.length;
  for (const portion of portionsOf(items, rowsOf, MAX_ROWS_TOGETHER)) await insertTogether(tx, orgId, portion);
};

const insertTogether = async (tx: WriteTx, orgId: string, items: readonly ReviewItem[]): Promise<void> => {
  const rows = items.map((item) => ({
    review_id: item.reviewId,
    grant_id: item.grantId,
    grant_text: item.grantText,
    source: item.source,
    subject_type: item.subjectType,
    subject_id: item.subjectId,
    granted_by: item.grantedBy,
    member_ids: item.memberIds,
    state: item.state,
  }));
  await tx.query(
    `INSERT INTO review_item (org_id, review_id, grant_id, grant_text, source, subject_type, subject_id, granted_by,
                              member_ids, state)
     SELECT $1, review_id, grant_id, grant_text, source, subject_type, subject_id, granted_by, member_ids, state
       FROM jsonb_to_recordset($2) AS item (review_id uuid, grant_id uuid, grant_text text, source text,
                                            subject_type text, subject_id uuid, granted_by text, member_ids uuid[],
                                            state text)`,
    [orgId, JSON.stringify(rows)],
  );
};

export const findReview = async (tx: ReadTx, orgId: string, reviewId: string): Promise<Review | undefined> => {
  const [row] = await tx.query<ReviewRow>('SELECT * FROM review WHERE org_id = $1 AND review_id = $2', [
    orgId,
    reviewId,
  ]);
  return row === undefined ? undefined : toReview(row);
};

/** Until COMMIT it is not closed, and nothing is decided in it. */
export const lockReview = async (tx: WriteTx, orgId: string, reviewId: string): Promise<Review | undefined> => {
  const [row] = await tx.query<ReviewRow>('SELECT * FROM review WHERE org_id = $1 AND review_id = $2 FOR UPDATE', [
    orgId,
    reviewId,
  ]);
  return row === undefined ? undefined : toReview(row);
};

export const findItem = async (
  tx: ReadTx,
  orgId: string,
  { reviewId, grantId }: Pick<ReviewItem, 'reviewId' | 'grantId'>,
): Promise<ReviewItem | undefined> => {
  const [row] = await tx.query<ItemRow>(
    'SELECT * FROM review_item WHERE org_id = $1 AND review_id = $2 AND grant_id = $3',
    [orgId, reviewId, grantId],
  );
  return row === undefined ? undefined : toItem(row);
};

/** Oldest first. */
export const listReviews = async (
  tx: ReadTx,
  orgId: string,
  page: { readonly after?: string; readonly limit: number; readonly reviewerId: string | null },
): Promise<readonly Review[]> => {
  const rows = await tx.query<ReviewRow>(
    `SELECT * FROM review WHERE org_id = $1 AND ($2::uuid IS NULL OR review_id > $2)
        AND ($3::uuid IS NULL OR $3 = ANY (reviewer_ids)) ORDER BY review_id LIMIT $4`,
    [orgId, page.after ?? null, page.reviewerId, page.limit],
  );
  return rows.map(toReview);
};

/** In the order of the grants' making. */
export const listItems = async (
  tx: ReadTx,
  orgId: string,
  page: {
    readonly reviewId: string;
    readonly after?: string | undefined;
    readonly limit: number;
    readonly state?: ItemState | undefined;
  },
): Promise<readonly ReviewItem[]> => {
  const rows = await tx.query<ItemRow>(
    `SELECT * FROM review_item WHERE org_id = $1 AND review_id = $2 AND ($3::uuid IS NULL OR grant_id > $3)
        AND ($4::text IS NULL OR state = $4) ORDER BY grant_id LIMIT $5`,
    [orgId, page.reviewId, page.after ?? null, page.state ?? null, page.limit],
  );
  return rows.map(toItem);
};

export const hasOpenItem = async (tx: ReadTx, orgId: string, reviewId: string): Promise<boolean> => {
  const rows = await tx.query(
    `SELECT FROM review_item WHERE org_id = $1 AND review_id = $2 AND state = 'open' LIMIT 1`,
    [orgId, reviewId],
  );
  return rows.length > 0;
};

/** How many items are in which state. */
export const countItems = async (
  tx: ReadTx,
  orgId: string,
  reviewId: string,
): Promise<Readonly<Record<ItemState, number>>> => {
  const rows = await tx.query<{ state: ItemState; count: number }>(
    'SELECT state, count(*)::int AS count FROM review_item WHERE org_id = $1 AND review_id = $2 GROUP BY state',
    [orgId, reviewId],
  );
  const counts = { open: 0, kept: 0, revoked: 0, gone: 0, failed: 0 };
  for (const { state, count } of rows) counts[state] = count;
  return counts;
};

/** What was decided about an item. */
export type Decided = Pick<
  ReviewItem,
  'reviewId' | 'grantId' | 'state' | 'decidedAt' | 'decidedBy' | 'reason' | 'failure'
>;

export const decideItem = async (tx: WriteTx, orgId: string, decided: Decided): Promise<void> => {
  await tx.query(
    `UPDATE review_item SET state = $4, decided_at = $5, decided_by = $6, reason = $7, failure = $8
      WHERE org_id = $1 AND review_id = $2 AND grant_id = $3`,
    [
      orgId,
      decided.reviewId,
      decided.grantId,
      decided.state,
      decided.decidedAt,
      decided.decidedBy,
      decided.reason,
      decided.failure,
    ],
  );
};

export const closeReview = async (
  tx: WriteTx,
  orgId: string,
  { reviewId, state, closedAt }: Pick<Review, 'reviewId' | 'state' | 'closedAt'>,
): Promise<void> => {
  await tx.query('UPDATE review SET state = $3, closed_at = $4 WHERE org_id = $1 AND review_id = $2', [
    orgId,
    reviewId,
    state,
    closedAt,
  ]);
};

/** An open item that needs nobody's answer any more: its time is over, or its grant has gone. */
export interface DueItem {
  readonly orgId: string;
  readonly reviewId: string;
  /** Null: the review has no open item left. */
  readonly grantId: string | null;
}

/** What is due in every organisation but these, those of one review together. */
export const listDue = async (
  tx: ReadTx,
  now: Date,
  { limit, except }: { readonly limit: number; readonly except: readonly string[] },
): Promise<readonly DueItem[]> => {
  const rows = await tx.query<{ org_id: string; review_id: string; grant_id: string | null }>(
    `SELECT r.org_id, r.review_id, i.grant_id FROM review r
       LEFT JOIN review_item i ON i.org_id = r.org_id AND i.review_id = r.review_id AND i.state = 'open'
       LEFT JOIN role_grant g ON g.org_id = i.org_id AND g.grant_id = i.grant_id
      WHERE r.state = 'open' AND (r.deadline <= $1 OR g.grant_id IS NULL) AND r.org_id <> ALL ($3::uuid[])
      ORDER BY r.org_id, r.review_id, i.grant_id LIMIT $2`,
    [now, limit, except],
  );
  return rows.map((row) => ({ orgId: row.org_id, reviewId: row.review_id, grantId: row.grant_id }));
};
