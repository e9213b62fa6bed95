import type { Database } from '@sallyport/storage';

import { contentHash } from '../approvals/index.ts';
import { itemHash, type Review, type ReviewItem } from './review.ts';
import { countItems, listItems } from './store.ts';
import { toItemBody, toReviewBody } from './wire.ts';

const PAGE = 500;

/** Everything a review says, as one transaction saw it. */
export interface Evidence {
  readonly review: Review;
  readonly items: readonly ReviewItem[];
  readonly counts: Parameters<typeof toReviewBody>[1];
  /** Of the review and of every item with its decision, in their order. */
  readonly hash: string;
}

export const gatherEvidence = async (db: Database, orgId: string, review: Review): Promise<Evidence> =>
  await db.read(orgId, async (tx) => {
    const items: ReviewItem[] = [];
    for (let page: readonly ReviewItem[] = [], after: string | undefined; ; after = page.at(-1)?.grantId) {
      page = await listItems(tx, orgId, { reviewId: review.reviewId, after, limit: PAGE });
      items.push(...page);
      if (page.length < PAGE) break;
    }
    const hash = contentHash('review-evidence', {
      organization: orgId,
      review: review.reviewId,
      title: review.title,
      projectId: review.scope.projectId,
      environmentId: review.scope.environmentId,
      role: review.roleKey,
      reviewers: review.reviewerIds,
      deadline: review.deadline.toISOString(),
      createdAt: review.createdAt.toISOString(),
      createdBy: review.createdBy,
      approvalRef: review.approvalRef,
      state: review.state,
      closedAt: review.closedAt?.toISOString() ?? null,
      items: items.map((item) => itemHash(orgId, item)),
    });
    return { review, items, counts: await countItems(tx, orgId, review.reviewId), hash };
  });

export const toEvidenceJson = (orgId: string, { review, items, counts, hash }: Evidence): object => ({
  review: toReviewBody(review, counts),
  items: items.map((item) => toItemBody(orgId, item)),
  hash,
});

const COLUMNS = [
  'grantId',
  'subjectType',
  'subjectId',
  'members',
  'role',
  'projectId',
  'environmentId',
  'validUntil',
  'grantedBy',
  'state',
  'decidedBy',
  'decidedAt',
  'reason',
  'failure',
  'hash',
] as const;

const textOf = (value: unknown): string => (typeof value === 'string' ? value : '');

/** RFC 4180. What a spreadsheet would take for a formula stays a text: reasons are what people wrote. */
const cell = (text: string): string => {
  const harmless = /^[=+\-@\t\r]/.test(text) ? `'${text}` : text;
  return /[",\r\n]/.test(harmless) ? `"${harmless.replaceAll('"', '""')}"` : harmless;
};

/** A row for each grant; the last row has the hash of everything. */
export const toEvidenceCsv = (orgId: string, { review, items, hash }: Evidence): string => {
  const rows = items.map((item) => {
    const body = toItemBody(orgId, item);
    const cells: Readonly<Record<(typeof COLUMNS)[number], string>> = {
      grantId: body.grantId,
      subjectType: item.subjectType,
      subjectId: item.subjectId,
      members: body.members.join(' '),
      role: textOf(body.grant['role']),
      projectId: textOf(body.grant['projectId']),
      environmentId: textOf(body.grant['environmentId']),
      validUntil: textOf(body.grant['validUntil']),
      grantedBy: body.grantedBy,
      state: body.state,
      decidedBy: body.decidedBy ?? '',
      decidedAt: body.decidedAt ?? '',
      reason: body.reason ?? '',
      failure: body.failure ?? '',
      hash: body.hash,
    };
    return COLUMNS.map((name) => cell(cells[name])).join(',');
  });
  const summary = ['review', review.reviewId, review.state, ...COLUMNS.slice(4).map(() => ''), hash];
  return `${[COLUMNS.join(','), ...rows, summary.join(',')].join('\r\n')}\r\n`;
};
