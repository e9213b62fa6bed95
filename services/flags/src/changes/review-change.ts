import { personal } from '@sallyport/audit';
import { AppError, isAppError } from '@sallyport/errors';
import type { Decision, GrantedDecision } from '@sallyport/http';

import { type Caller, describeDecision, requireIn } from '../edge/index.ts';
import { demandsReview, type Environment } from '../projects/index.ts';
import { type Change, type ChangeState, isContributor, permits, type Verdict } from './change.ts';
import { onlyEnvironment } from './describe-change.ts';
import { refused } from './refuse-change.ts';
import type { ChangeDependencies } from './submit-change.ts';
import { lockChange, recordReview } from './store.ts';

export interface ReviewInput {
  /** Hash of the content the reviewer looked at. */
  readonly hash: string;
  readonly verdict: Verdict;
  readonly comment: string;
}

const ACTION_OF: Readonly<Record<Verdict, string>> = {
  approve: 'change.approved',
  reject: 'change.rejected',
  request_changes: 'change.objected-to',
};

interface ReviewTarget {
  readonly change: Change;
  /** Of the project. */
  readonly environments: readonly Environment[];
}

interface Entitlement {
  readonly granted: GrantedDecision;
  readonly environments: readonly { readonly environment: Environment; readonly decision: Decision }[];
}

/** Where the caller may review this change. Who may nowhere is refused, on the record. */
const entitle = async (
  { decisions }: ChangeDependencies,
  caller: Caller,
  { change, environments }: ReviewTarget,
): Promise<Entitlement> => {
  const { projectId, content } = change;
  const touched = environments.filter(({ environmentId }) =>
    content.environments.some((one) => one.environmentId === environmentId),
  );
  const concerned = touched.filter(demandsReview);
  const answers = await Promise.all(
    concerned.map(async (environment) => {
      const scope = { projectId, environmentId: environment.environmentId };
      const decision = await decisions.decide(caller.subject, 'change:review', scope, caller.requestId);
      return { environment, decision };
    }),
  );
  const entitled = answers.filter(({ decision }) => decision.allowed);
  const environment = entitled[0]?.environment ?? concerned[0] ?? touched[0] ?? null;
  return { granted: await requireIn(caller, 'change:review', { projectId, environment }), environments: entitled };
};

/** Stores the verdict and its audit entry, in one transaction. */
const write = async (
  { audit, clock }: ChangeDependencies,
  caller: Caller,
  { change, input }: { readonly change: Change; readonly input: ReviewInput },
  entitlement: Entitlement,
): Promise<ChangeState> => {
  const { orgId, subjectId, type } = caller.subject;
  const { changeId, revision, content } = change;
  const { verdict, comment, hash } = input;
  const { granted, environments } = entitlement;
  const { value } = await audit.mutate(caller.audit, async (tx) => {
    tx.fence(granted);
    for (const { decision } of environments) tx.fence(decision);
    const before = await lockChange(tx, orgId, changeId);
    const state = await recordReview(tx, orgId, {
      changeId,
      hash,
      reviewer: { type, id: subjectId },
      reviewerEpoch: caller.subject.epoch,
      verdict,
      environments: environments.map(({ environment }) => environment.environmentId),
      comment,
      at: clock.now(),
    });
    tx.record({
      action: ACTION_OF[verdict],
      target: { type: 'change', id: changeId, version: String(revision) },
      before: { state: before?.state },
      after: {
        state,
        hash,
        environments: environments.map(({ environment }) => environment.key),
        comment: personal(subjectId, comment),
      },
      ...onlyEnvironment(content),
      decision: describeDecision(granted),
    });
    return state;
  });
  return value;
};

/**
 * Gives a verdict on the current revision.
 *
 * 1. Nobody reviews what they, or a machine of theirs, wrote a revision of: no role is exempt, and no other credential
 * of theirs helps.
 * 2. Only people approve: a machine answers to whoever holds its token, and would be a second voice of theirs.
 * 3. The verdict names the hash that was looked at; another revision now means that nothing is stored.
 * 4. It counts for the environments in which policy lets the reviewer review, and for no other.
 *
 * PostgreSQL checks 1 to 3 again.
 *
 * @throws SELF_APPROVAL, HASH_MISMATCH, CONFLICT, PERMISSION_DENIED, DECISION_UNAVAILABLE, DECISION_EXPIRED
 */
export const reviewChange = async (
  dependencies: ChangeDependencies,
  caller: Caller,
  target: ReviewTarget,
  input: ReviewInput,
): Promise<ChangeState> => {
  const { change } = target;
  const entitlement = await entitle(dependencies, caller, target);
  try {
    if (isContributor(change, caller.subject.subjectId))
      throw new AppError('SELF_APPROVAL', 'Nobody reviews their own change.');
    if (input.verdict === 'approve' && caller.subject.type !== 'user')
      throw new AppError('SELF_APPROVAL', 'Only people approve; a service account may object.');
    if (!permits(change.state, 'review'))
      throw new AppError('CONFLICT', `The change request is ${change.state}: it takes no reviews.`);
    return await write(dependencies, caller, { change, input }, entitlement);
  } catch (error) {
    if (isAppError(error) && (error.code === 'SELF_APPROVAL' || error.kind.http === 409))
      throw await refused(dependencies, caller, { action: 'change.review-refused', change }, error);
    throw error;
  }
};
