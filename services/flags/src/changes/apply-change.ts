import { AppError, isAppError } from '@sallyport/errors';
import type { Decision, GrantedDecision } from '@sallyport/http';

import { type Caller, describeDecision, requireIn } from '../edge/index.ts';
import type { Environment } from '../projects/index.ts';
import { BUCKETING_VERSION } from '../targeting/index.ts';
import { type Change, permits, type Subject } from './change.ts';
import { requirementsOf } from './content.ts';
import { describeApplied, onlyEnvironment } from './describe-change.ts';
import { refused } from './refuse-change.ts';
import type { ChangeDependencies } from './submit-change.ts';
import { applyStoredChange, type ConfirmedReview, lockChange, setState } from './store.ts';

interface Application {
  readonly change: Change;
  readonly environments: readonly Environment[];
  /** Hash the applier looked at; left out, whatever is current. */
  readonly hash?: string;
}

// Nobody shows a credential of theirs now. In the epoch in which they acted: access that has ended since voids the act,
// also when the account was opened again.
const actingIn = (
  orgId: string,
  { type, id }: Subject,
  epoch: bigint,
): Parameters<ChangeDependencies['decisions']['decide']>[0] => ({ orgId, type, subjectId: id, epoch });

/** The applier needs `change:apply` wherever the change takes effect. */
const authorizeApplier = async (
  caller: Caller,
  { change, environments }: Application,
): Promise<readonly [GrantedDecision, ...GrantedDecision[]]> => {
  const { projectId, content } = change;
  const ids = new Set(content.environments.map(({ environmentId }) => environmentId));
  const [first = null, ...others] = environments.filter(({ environmentId }) => ids.has(environmentId));
  const granted: [GrantedDecision, ...GrantedDecision[]] = [
    await requireIn(caller, 'change:apply', { projectId, environment: first }),
  ];
  for (const environment of others) granted.push(await requireIn(caller, 'change:apply', { projectId, environment }));
  return granted;
};

/** The author of the revision must still be somebody who may make this change. */
const confirmAuthor = async (
  { decisions }: ChangeDependencies,
  caller: Caller,
  { projectId, content, revisionAuthor, revisionAuthorEpoch }: Change,
): Promise<readonly Decision[]> => {
  const author = actingIn(caller.subject.orgId, revisionAuthor, revisionAuthorEpoch);
  const answers: Decision[] = [];
  for (const { permission, environmentId } of requirementsOf(content)) {
    const scope = environmentId === null ? { projectId } : { projectId, environmentId };
    const decision = await decisions.decide(author, permission, scope, caller.requestId);
    if (!decision.allowed)
      throw new AppError(
        'CONFLICT',
        'The author may no longer make this change; somebody who may must write a revision.',
        {
          metadata: { reason: decision.reason, permission },
        },
      );
    answers.push(decision);
  }
  return answers;
};

interface Confirmation {
  readonly confirmed: readonly ConfirmedReview[];
  readonly decisions: readonly Decision[];
}

/** Which approvals policy confirms now: by accounts that were active ever since and may still review there. */
const confirmReviewers = async (
  { decisions }: ChangeDependencies,
  caller: Caller,
  { projectId, reviews }: Change,
): Promise<Confirmation> => {
  const { orgId } = caller.subject;
  const pairs = reviews
    .filter(({ verdict }) => verdict === 'approve')
    .flatMap(({ reviewer, reviewerEpoch, environments }) =>
      environments.map((environmentId) => ({ reviewer, reviewerEpoch, environmentId })),
    );
  const answers = await Promise.all(
    pairs.map(async ({ reviewer, reviewerEpoch, environmentId }) => {
      const scope = { projectId, environmentId };
      const subject = actingIn(orgId, reviewer, reviewerEpoch);
      const decision = await decisions.decide(subject, 'change:review', scope, caller.requestId);
      return { decision, confirmed: { reviewer: reviewer.id, environment: environmentId } };
    }),
  );
  const allowed = answers.filter(({ decision }) => decision.allowed);
  return { confirmed: allowed.map(({ confirmed }) => confirmed), decisions: allowed.map(({ decision }) => decision) };
};

// A request that turned out stale, or whose approvals no longer count, says so to everybody who looks at it next.
const fallBack = async (
  { audit, clock }: ChangeDependencies,
  caller: Caller,
  { change, state }: { readonly change: Change; readonly state: 'stale' | 'in_review' },
): Promise<void> => {
  const { orgId } = caller.subject;
  const { changeId, revision } = change;
  await audit.mutate(caller.audit, async (tx) => {
    const locked = await lockChange(tx, orgId, changeId);
    const isMoot =
      locked === undefined || locked.revision !== revision || !permits(locked.state, 'apply') || locked.state === state;
    if (isMoot) {
      tx.unchanged();
      return;
    }
    await setState(tx, orgId, { changeId, state, at: clock.now() });
    tx.record({
      action: state === 'stale' ? 'change.became-stale' : 'change.approval-lapsed',
      target: { type: 'change', id: changeId, version: String(revision) },
      before: { state: locked.state },
      after: { state },
      ...onlyEnvironment(change.content),
    });
  });
};

const assertCurrent = ({ change, hash }: Application): void => {
  if (!permits(change.state, 'apply'))
    throw new AppError('CONFLICT', `The change request is ${change.state}: it cannot be applied.`);
  if (hash !== undefined && hash !== change.hash)
    throw new AppError('HASH_MISMATCH', 'The change request has another revision than the one that was looked at.');
  if (change.content.bucketing !== BUCKETING_VERSION)
    throw new AppError('STALE_BASE', 'Bucketing has changed since this revision was written.');
};

/** Writes it, in one transaction that commits only while every decision it rests on is valid. */
const write = async (
  dependencies: ChangeDependencies,
  caller: Caller,
  application: Application,
  granted: readonly [GrantedDecision, ...GrantedDecision[]],
): Promise<void> => {
  const { audit, clock } = dependencies;
  const { orgId, subjectId } = caller.subject;
  const { change } = application;
  const { changeId, revision, direct, content, hash } = change;
  const authorDecisions = await confirmAuthor(dependencies, caller, change);
  const reviewers = await confirmReviewers(dependencies, caller, change);
  await audit.mutate(caller.audit, async (tx) => {
    for (const decision of [...granted, ...authorDecisions, ...reviewers.decisions]) tx.fence(decision);
    const locked = await lockChange(tx, orgId, changeId);
    const order = { changeId, hash, applier: subjectId, confirmed: reviewers.confirmed, at: clock.now() };
    const results = await applyStoredChange(tx, orgId, order);
    tx.record({
      action: 'change.applied',
      target: { type: 'change', id: changeId, version: String(revision) },
      before: { state: locked?.state },
      after: {
        state: 'applied',
        hash,
        author: change.revisionAuthor.id,
        approvedBy: [...new Set(reviewers.confirmed.map(({ reviewer }) => reviewer))],
      },
      ...onlyEnvironment(content),
      decision: describeDecision(granted[0]),
    });
    const context = { changeId, revision, direct, content, decisionOn: () => granted[0] };
    for (const event of describeApplied(context, results)) tx.record(event);
  });
};

/**
 * Applies an approved change request.
 *
 * 1. The applier must hold `change:apply` in every touched environment. 2. Policy is asked again, now, for the author
 * and every approving reviewer. 3. One SQL function compares the base versions, counts the confirmed approvals against
 * the current rule and writes. Of concurrent applications exactly one succeeds.
 *
 * @throws APPROVAL_REQUIRED, STALE_BASE (the request is then `stale`), HASH_MISMATCH, CONFLICT, PERMISSION_DENIED,
 *   DECISION_UNAVAILABLE, DECISION_EXPIRED; in every case no flag has changed
 */
export const applyChange = async (
  dependencies: ChangeDependencies,
  caller: Caller,
  application: Application,
): Promise<void> => {
  const { change } = application;
  const granted = await authorizeApplier(caller, application);
  try {
    assertCurrent(application);
    await write(dependencies, caller, application, granted);
  } catch (error) {
    if (!isAppError(error)) throw error;
    if (error.code === 'STALE_BASE') await fallBack(dependencies, caller, { change, state: 'stale' });
    if (error.code === 'APPROVAL_REQUIRED' && change.state === 'approved')
      await fallBack(dependencies, caller, { change, state: 'in_review' });
    if (error.kind.http === 409)
      throw await refused(dependencies, caller, { action: 'change.apply-refused', change }, error);
    throw error;
  }
  await dependencies.onApplied(
    caller.subject.orgId,
    change.content.environments.map(({ environmentId }) => environmentId),
  );
};
