import { AppError, type ErrorCode } from '@sallyport/errors';
import { isUniqueViolation, type ReadTx, sqlState, type WriteTx } from '@sallyport/storage';

import type { ApprovalCount, Change, ChangeState, Review, Subject, Verdict } from './change.ts';
import { type ChangeContent, contentText, parseContent } from './content.ts';

interface ChangeRow {
  readonly change_id: string;
  readonly project_id: string;
  readonly title: string;
  readonly description: string;
  readonly state: ChangeState;
  readonly revision: number;
  readonly direct: boolean;
  readonly author_type: Subject['type'];
  readonly author_id: string;
  readonly created_at: Date;
  readonly updated_at: Date;
  readonly applied_at: Date | null;
  readonly applied_by: string | null;
  readonly revision_author_type: Subject['type'];
  readonly revision_author_id: string;
  readonly revision_author_epoch: string;
  readonly content: Buffer;
  readonly content_hash: Buffer;
  readonly contributors: readonly string[];
  readonly reviews: readonly {
    readonly reviewerId: string;
    readonly reviewerType: Subject['type'];
    readonly reviewerEpoch: string;
    readonly verdict: Verdict;
    readonly environments: readonly string[];
    readonly comment: string;
    readonly createdAt: string;
  }[];
}

const CHANGE = `
  SELECT r.change_id, r.project_id, r.title, r.description, r.state, r.revision, r.direct, r.author_type, r.author_id,
         r.created_at, r.updated_at, r.applied_at, r.applied_by,
         v.author_type AS revision_author_type, v.author_id AS revision_author_id,
         v.author_epoch AS revision_author_epoch, v.content, v.content_hash,
         (SELECT coalesce(jsonb_agg(DISTINCT p.id), '[]')
            FROM change_revision a CROSS JOIN LATERAL unnest(a.author_sponsors || a.author_id) AS p (id)
           WHERE a.org_id = r.org_id AND a.change_id = r.change_id) AS contributors,
         (SELECT coalesce(jsonb_agg(jsonb_build_object('reviewerId', w.reviewer_id, 'reviewerType', w.reviewer_type,
                   'reviewerEpoch', w.reviewer_epoch::text, 'verdict', w.verdict, 'environments', w.environments, 'comment', w.comment,
                   'createdAt', w.created_at) ORDER BY w.created_at, w.reviewer_id), '[]')
            FROM change_review w
           WHERE w.org_id = r.org_id AND w.change_id = r.change_id AND w.revision = r.revision) AS reviews
    FROM change_request r
    JOIN change_revision v ON v.org_id = r.org_id AND v.change_id = r.change_id AND v.revision = r.revision`;

const toReview = (row: ChangeRow['reviews'][number]): Review => ({
  reviewer: { type: row.reviewerType, id: row.reviewerId },
  reviewerEpoch: BigInt(row.reviewerEpoch),
  verdict: row.verdict,
  environments: row.environments,
  comment: row.comment,
  createdAt: new Date(row.createdAt),
});

const toChange = (row: ChangeRow): Change => ({
  changeId: row.change_id,
  projectId: row.project_id,
  title: row.title,
  description: row.description,
  state: row.state,
  revision: row.revision,
  direct: row.direct,
  author: { type: row.author_type, id: row.author_id },
  revisionAuthor: { type: row.revision_author_type, id: row.revision_author_id },
  revisionAuthorEpoch: BigInt(row.revision_author_epoch),
  contributors: row.contributors,
  content: parseContent(row.content.toString('utf8')),
  hash: row.content_hash.toString('hex'),
  reviews: row.reviews.map(toReview),
  createdAt: row.created_at,
  updatedAt: row.updated_at,
  appliedAt: row.applied_at,
  appliedBy: row.applied_by,
});

export const findChange = async (tx: ReadTx, orgId: string, changeId: string): Promise<Change | undefined> => {
  const [row] = await tx.query<ChangeRow>(`${CHANGE} WHERE r.org_id = $1 AND r.change_id = $2`, [orgId, changeId]);
  return row && toChange(row);
};

export interface ChangePage {
  readonly projectId: string;
  readonly state: ChangeState | undefined;
  /** Before this id: newest first. */
  readonly before: string | undefined;
  readonly limit: number;
}

export const listChanges = async (tx: ReadTx, orgId: string, page: ChangePage): Promise<Change[]> => {
  const rows = await tx.query<ChangeRow>(
    `${CHANGE} WHERE r.org_id = $1 AND r.project_id = $2 AND NOT r.direct AND ($3::text IS NULL OR r.state = $3)
        AND ($4::uuid IS NULL OR r.change_id < $4) ORDER BY r.change_id DESC LIMIT $5`,
    [orgId, page.projectId, page.state ?? null, page.before ?? null, page.limit],
  );
  return rows.map(toChange);
};

/** The approval rule's own arithmetic, asked of the database so that there is one. */
export const approvalCounts = async (tx: ReadTx, orgId: string, changeId: string): Promise<ApprovalCount[]> => {
  const rows = await tx.query<{ environment_id: string; required: number; counted: number }>(
    'SELECT environment_id, required, counted FROM approval_counts($1, $2, NULL) ORDER BY environment_id',
    [orgId, changeId],
  );
  return rows.map(({ environment_id: environmentId, required, counted }) => ({ environmentId, required, counted }));
};

export interface NewChange {
  readonly changeId: string;
  readonly projectId: string;
  readonly title: string;
  readonly description: string;
  readonly direct: boolean;
  readonly author: Subject;
  readonly authorEpoch: bigint;
  /** Of a machine: the people behind it. */
  readonly sponsors: readonly string[];
  readonly content: ChangeContent;
  readonly at: Date;
}

/** Stores a change set as revision 1, in review. Returns the hash PostgreSQL computed over what it stored. */
export const insertChange = async (tx: WriteTx, orgId: string, change: NewChange): Promise<string> => {
  await tx.query(
    `INSERT INTO change_request (org_id, change_id, project_id, title, description, direct, author_type, author_id,
                                 created_at, updated_at)
       VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $9)`,
    [
      orgId,
      change.changeId,
      change.projectId,
      change.title,
      change.description,
      change.direct,
      change.author.type,
      change.author.id,
      change.at,
    ],
  );
  return await insertRevision(tx, orgId, { ...change, revision: 1 });
};

type NewRevision = Pick<NewChange, 'changeId' | 'author' | 'authorEpoch' | 'sponsors' | 'content' | 'at'> & {
  readonly revision: number;
};

const insertRevision = async (tx: WriteTx, orgId: string, revision: NewRevision): Promise<string> => {
  const [row] = await tx.query<{ content_hash: Buffer }>(
    `INSERT INTO change_revision (org_id, change_id, revision, content, author_type, author_id, created_at, author_epoch,
                                  author_sponsors)
       VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9) RETURNING content_hash`,
    [
      orgId,
      revision.changeId,
      revision.revision,
      Buffer.from(contentText(revision.content), 'utf8'),
      revision.author.type,
      revision.author.id,
      revision.at,
      revision.authorEpoch.toString(),
      revision.sponsors,
    ],
  );
  if (row === undefined) throw new TypeError('the insert returns its row');
  return row.content_hash.toString('hex');
};

/** Locks a change for the rest of the transaction. */
export const lockChange = async (
  tx: WriteTx,
  orgId: string,
  changeId: string,
): Promise<Pick<Change, 'state' | 'revision'> | undefined> => {
  const [row] = await tx.query<{ state: ChangeState; revision: number }>(
    'SELECT state, revision FROM change_request WHERE org_id = $1 AND change_id = $2 FOR UPDATE',
    [orgId, changeId],
  );
  return row;
};

/** Adds a revision and makes it the current one: the approvals of the old one count no more. */
export const addRevision = async (tx: WriteTx, orgId: string, revision: NewRevision): Promise<string> => {
  const hash = await insertRevision(tx, orgId, revision);
  await tx.query(
    `UPDATE change_request SET revision = $3, state = 'in_review', updated_at = $4
      WHERE org_id = $1 AND change_id = $2`,
    [orgId, revision.changeId, revision.revision, revision.at],
  );
  return hash;
};

/** Title and description: what no approval is bound to. */
export const describeChange = async (
  tx: WriteTx,
  orgId: string,
  change: { readonly changeId: string; readonly title: string; readonly description: string; readonly at: Date },
): Promise<void> => {
  await tx.query(
    `UPDATE change_request SET title = $3, description = $4, updated_at = $5 WHERE org_id = $1 AND change_id = $2`,
    [orgId, change.changeId, change.title, change.description, change.at],
  );
};

/** Moves to a state the service may name itself; approved, rejected and applied are found out by the database. */
export const setState = async (
  tx: WriteTx,
  orgId: string,
  change: { readonly changeId: string; readonly state: 'in_review' | 'stale' | 'cancelled'; readonly at: Date },
): Promise<void> => {
  await tx.query('UPDATE change_request SET state = $3, updated_at = $4 WHERE org_id = $1 AND change_id = $2', [
    orgId,
    change.changeId,
    change.state,
    change.at,
  ]);
};

// What the functions of the schema refuse with (migrations 0004 and 0005), and what each means to a caller.
const REFUSALS: ReadonlyMap<string, readonly [code: ErrorCode, detail: string]> = new Map([
  ['FLNOF', ['NOT_FOUND', 'There is no such change request.']],
  ['FLSTA', ['CONFLICT', 'The state of the change request does not allow this.']],
  ['FLHSH', ['HASH_MISMATCH', 'The change request has another revision than the one that was looked at.']],
  ['FLSLF', ['SELF_APPROVAL', 'Nobody reviews a change they wrote themselves.']],
  ['FLSTL', ['STALE_BASE', 'What the change builds on was changed meanwhile.']],
  ['FLAPR', ['APPROVAL_REQUIRED', 'Approvals by others are missing.']],
  ['FLOBJ', ['APPROVAL_REQUIRED', 'A reviewer asked for changes; the objection stands.']],
]);

const refusing = async <T>(work: Promise<T>): Promise<T> => {
  try {
    return await work;
  } catch (error) {
    const refusal = REFUSALS.get(sqlState(error) ?? '');
    if (refusal !== undefined) throw new AppError(...refusal, { cause: error });
    if (isUniqueViolation(error, 'flag_key_taken'))
      throw new AppError('ALREADY_EXISTS', 'The project has a flag with this key already.', { cause: error });
    throw error;
  }
};

export interface NewReview {
  readonly changeId: string;
  readonly hash: string;
  readonly reviewer: Subject;
  readonly reviewerEpoch: bigint;
  readonly verdict: Verdict;
  readonly environments: readonly string[];
  readonly comment: string;
  readonly at: Date;
}

/**
 * Stores a verdict on the current revision and returns the state it leads to.
 *
 * @throws HASH_MISMATCH, SELF_APPROVAL, CONFLICT (closed or stale), NOT_FOUND: nothing is stored
 */
export const recordReview = async (tx: WriteTx, orgId: string, review: NewReview): Promise<ChangeState> => {
  const document = {
    reviewerId: review.reviewer.id,
    reviewerType: review.reviewer.type,
    reviewerEpoch: review.reviewerEpoch.toString(),
    verdict: review.verdict,
    environments: review.environments,
    comment: review.comment,
  };
  const [row] = await refusing(
    tx.query<{ record_review: ChangeState }>('SELECT record_review($1, $2, $3, $4, $5)', [
      orgId,
      review.changeId,
      Buffer.from(review.hash, 'hex'),
      JSON.stringify(document),
      review.at,
    ]),
  );
  if (row === undefined) throw new TypeError('record_review returns a state');
  return row.record_review;
};

/** A reviewer policy still lets review an environment. */
export interface ConfirmedReview {
  readonly reviewer: string;
  readonly environment: string;
}

export interface ChangeToApply {
  readonly changeId: string;
  readonly hash: string;
  readonly applier: string;
  readonly confirmed: readonly ConfirmedReview[];
  readonly at: Date;
}

/** What one operation changed: the definition or the configuration it was about. */
export interface AppliedOperation {
  readonly before: Record<string, unknown> | null;
  readonly after: Record<string, unknown> | null;
}

/**
 * Carries out a stored change set: the one way flag state changes.
 *
 * @throws STALE_BASE, APPROVAL_REQUIRED, HASH_MISMATCH, CONFLICT (not open), ALREADY_EXISTS, NOT_FOUND
 */
export const applyStoredChange = async (
  tx: WriteTx,
  orgId: string,
  change: ChangeToApply,
): Promise<readonly AppliedOperation[]> => {
  const [row] = await refusing(
    tx.query<{ apply_change: readonly AppliedOperation[] }>('SELECT apply_change($1, $2, $3, $4, $5, $6)', [
      orgId,
      change.changeId,
      Buffer.from(change.hash, 'hex'),
      change.applier,
      JSON.stringify(change.confirmed),
      change.at,
    ]),
  );
  return row?.apply_change ?? [];
};
