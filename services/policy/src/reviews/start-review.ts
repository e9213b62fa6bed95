import { AppError } from '@sallyport/errors';
import { newId, type ReadTx } from '@sallyport/storage';

import {
  changeGrants,
  describeApproval,
  describeDecision,
  describeGrant,
  knownScope,
  listGrants,
  momentOf,
  refuseBeyondOwn,
  toRow,
  toScope,
  type Administrator,
  type Approval,
  type Grant,
  type GrantScope,
  type LockedState,
  type Population,
} from '../grants/index.ts';
import { findGivers, type Givers } from '../approvals/index.ts';
import { isNeutral, type Review, type ReviewDependencies, type ReviewItem } from './review.ts';
import { insertItems, insertReview } from './store.ts';

const MINUTE_MS = 60 * 1_000;
const DAY_MS = 24 * 60 * MINUTE_MS;
const MAX_LENGTH_MS = 180 * DAY_MS;
const MAX_ITEMS = 5_000;
/** Through groups, of all grants together: each is written down with its grant. */
const MAX_HOLDERS = 1_000_000;
const PAGE = 500;

export interface ReviewInput {
  readonly title: string;
  readonly scope: GrantScope;
  readonly roleKey: string | null;
  readonly reviewerIds: readonly string[];
  readonly deadline: Date;
}

const invalid = (pointer: string, code: string, detail: string): AppError =>
  new AppError('INVALID_REQUEST', detail, { fields: [{ pointer, code, detail }] });

/** The living grants within a scope, as the transaction sees them. @throws TOO_MANY */
const populationIn = async (
  tx: ReadTx,
  orgId: string,
  { scope, roleKey }: Pick<Review, 'scope' | 'roleKey'>,
  now: Date,
): Promise<readonly Grant[]> => {
  const found: Grant[] = [];
  for (let page: readonly Grant[] = [], after: string | undefined; ; after = page.at(-1)?.grantId) {
    page = await listGrants(tx, orgId, { ...toScope(scope), ...(after === undefined ? {} : { after }), limit: PAGE });
    found.push(...page.filter((grant) => grant.effect === 'allow' && (roleKey ?? grant.roleKey) === grant.roleKey));
    if (found.length > MAX_ITEMS)
      throw new AppError(
        'TOO_MANY',
        `A review has at most ${String(MAX_ITEMS)} grants: choose a narrower scope or a role.`,
      );
    if (page.length < PAGE) return found.filter(({ validUntil }) => validUntil === null || validUntil > now);
  }
};

const toItem = (reviewId: string, grant: Grant, memberIds: readonly string[]): ReviewItem => ({
  reviewId,
  grantId: grant.grantId,
  grantText: JSON.stringify(describeGrant(grant)),
  source: grant.source,
  subjectType: grant.subjectType,
  subjectId: grant.subjectId,
  grantedBy: grant.createdBy,
  memberIds,
  state: 'open',
  decidedAt: null,
  decidedBy: null,
  reason: null,
  failure: null,
});

/** The grants with who holds them through groups. @throws TOO_MANY */
export const itemsOf = (
  reviewId: string,
  grants: readonly Grant[],
  population: Pick<Population, 'members'>,
): readonly ReviewItem[] => {
  const members = new Map<string, readonly string[]>();
  let holders = 0;
  return grants.map((grant) => {
    if (grant.subjectType !== 'group') return toItem(reviewId, grant, []);
    const { subjectId } = grant;
    const memberIds = members.get(subjectId) ?? population.members(subjectId);
    members.set(subjectId, memberIds);
    holders += memberIds.length;
    if (holders > MAX_HOLDERS)
      throw new AppError('TOO_MANY', `A review has at most ${String(MAX_HOLDERS)} holders through groups, all told.`);
    return toItem(reviewId, grant, memberIds);
  });
};

/** What nobody answers is taken back: so somebody else has to be able to answer it, and who starts it to take it back. */
const assertReviewable = (
  { before, actor, nowMs }: LockedState,
  grants: readonly Grant[],
  items: readonly ReviewItem[],
  { reviewerIds, givers }: { readonly reviewerIds: readonly string[]; readonly givers: Givers },
): void => {
  const orphan = items.find((item) => !reviewerIds.some((id) => isNeutral(item, id, { groupIds: [], givers })));
  if (orphan !== undefined)
    throw new AppError('CONFLICT', 'Every grant needs a reviewer who neither holds nor gave it.', {
      metadata: { grant: orphan.grantId },
    });
  for (const grant of grants) {
    const refusal = refuseBeyondOwn(before, actor, toRow(grant), momentOf(nowMs));
    if (refusal !== null) throw refusal;
  }
};

const checkInput = ({ standing, clock }: ReviewDependencies, orgId: string, input: ReviewInput): void => {
  const now = clock.now().getTime();
  if (input.deadline.getTime() <= now || input.deadline.getTime() > now + MAX_LENGTH_MS)
    throw invalid('/deadline', 'NOT_A_PERIOD', 'A review ends within the next 180 days.');
  for (const [index, id] of input.reviewerIds.entries()) {
    const found = standing.find(orgId, id);
    if (found?.type !== 'user' || !found.active)
      throw invalid(`/reviewers/${String(index)}`, 'UNKNOWN_REVIEWER', 'Reviewers are active people.');
  }
};

/**
 * Starts a review of the grants within a scope: they are frozen as they are now, groups with their members.
 *
 * Needs `grant:manage` there, and for every grant what taking it back needs; in a protected scope, what others agreed to.
 *
 * @throws PERMISSION_DENIED, ESCALATION, APPROVAL_REQUIRED, INVALID_REQUEST, TOO_MANY; CONFLICT when a grant would have no
 *   reviewer who is neutral, or there is none at all
 */
export const startReview = async (
  dependencies: ReviewDependencies,
  administrator: Administrator,
  input: ReviewInput,
  approval?: Approval,
): Promise<Review> => {
  const { knowledge, clock } = dependencies;
  const { orgId, subjectId } = administrator.principal;
  checkInput(dependencies, orgId, input);
  const scope = knownScope(knowledge.organization(orgId), input.scope);
  const review: Review = {
    ...input,
    reviewId: newId(),
    scope,
    createdAt: clock.now(),
    createdBy: subjectId,
    approvalRef: approval?.ref ?? null,
    state: 'open',
    closedAt: null,
  };
  const event = { action: 'review.started', target: { type: 'review', id: review.reviewId } };
  const change = { permission: 'grant:manage', scope: toScope(scope), attempt: event, reach: scope, approval };
  return await changeGrants(dependencies, administrator, change, async (tx, state, decision) => {
    const grants = await populationIn(tx, orgId, review, review.createdAt);
    const items = itemsOf(review.reviewId, grants, state.population);
    if (items.length === 0) throw new AppError('CONFLICT', 'There is no grant to be reviewed.');
    const grantIds = grants.map(({ grantId }) => grantId);
    const givers = await findGivers(tx, orgId, grantIds);
    assertReviewable(state, grants, items, { reviewerIds: input.reviewerIds, givers });
    await insertReview(tx, orgId, review);
    await insertItems(tx, orgId, items);
    tx.record({
      ...event,
      ...describeApproval(approval),
      after: {
        title: review.title,
        ...scope,
        role: review.roleKey,
        reviewers: review.reviewerIds,
        deadline: review.deadline.toISOString(),
        grants: items.length,
      },
      decision: describeDecision(decision),
    });
    return review;
  });
};
