import { personal, type AuditEvent, type AuditedTx } from '@sallyport/audit';
import { AppError, isAppError } from '@sallyport/errors';

import { assertSomebodyElse, standsAtCommit } from '../approvals/index.ts';
import {
  createGrant,
  describeDecision,
  toScope,
  type Administrator,
  type Approval,
  type LockedState,
} from '../grants/index.ts';
import {
  asItIs,
  describeRequest,
  endedByItself,
  involvedIn,
  toGrantInput,
  wishHash,
  type AccessRequest,
  type AccessRequestDependencies,
} from './access-request.ts';
import { answerRequest, findRequest, lockRequest, type RequestAnswer } from './store.ts';

/** A verdict: on what exactly, and in which words. */
export interface Verdict {
  readonly requestId: string;
  /** Of what the approver looked at; null when that was a proposal, which has a hash of its own. */
  readonly hash: string | null;
  readonly answer: string | null;
}

const notFound = (): AppError => new AppError('NOT_FOUND', 'There is no such access request.');

/** The request as it is now. @throws NOT_FOUND */
export const loadRequest = async (
  dependencies: AccessRequestDependencies,
  orgId: string,
  requestId: string,
): Promise<AccessRequest> => {
  const request = await dependencies.db.read(orgId, async (tx) => await findRequest(tx, orgId, requestId));
  if (request === undefined) throw notFound();
  return asItIs(request, orgId, dependencies);
};

/** Under lock: still there to be answered, and the very thing that was looked at. @throws CONFLICT, HASH_MISMATCH */
const lockPending = async (
  tx: AuditedTx,
  dependencies: AccessRequestDependencies,
  { requestId, hash }: Pick<Verdict, 'requestId' | 'hash'>,
): Promise<AccessRequest> => {
  const request = await lockRequest(tx, tx.orgId, requestId);
  if (request === undefined) throw notFound();
  const { state } = endedByItself(request, tx.orgId, dependencies) ?? request;
  if (state !== 'pending') throw new AppError('CONFLICT', `The access request is ${state}.`, { metadata: { state } });
  if (hash !== null && request.hash !== hash) throw new AppError('HASH_MISMATCH', 'The answer is to another request.');
  return request;
};

/** Writes the answer, and says so. */
const close = async (
  tx: AuditedTx,
  request: AccessRequest,
  answer: RequestAnswer,
  more: Pick<AuditEvent, 'decision'> = {},
): Promise<void> => {
  await answerRequest(tx, tx.orgId, answer);
  const { state, failure, grantId, answeredBy } = answer;
  const words = answer.answer === null || answeredBy === null ? null : personal(answeredBy, answer.answer);
  tx.record({
    action: `access-request.${state}`,
    target: { type: 'access-request', id: request.requestId },
    before: describeRequest(request),
    after: {
      state,
      answer: words,
      ...(grantId === null ? {} : { grantId, validUntil: request.validUntil.toISOString() }),
    },
    ...(failure === null ? {} : { reason: failure }),
    ...more,
  });
};

/** What an approval has to be when the role is given: see {@link approveRequest}. */
const approvalOf = (
  dependencies: AccessRequestDependencies,
  { principal }: Administrator,
  { requestId, hash, answer }: Verdict,
  also: Approval | undefined,
): Approval => ({
  ref: also?.ref ?? `access-request:${requestId}`,
  // Who asks need not be somebody who could give it: one of two people would decide.
  isFourEyes: also?.isFourEyes ?? false,
  confirm: async (tx: AuditedTx, state: LockedState, grantId: string) => {
    await also?.confirm(tx, state, grantId);
    const request = await lockPending(tx, dependencies, { requestId, hash });
    assertSomebodyElse(principal, involvedIn(request));
    if (wishHash(state.before, request) !== request.hash)
      throw new AppError('STALE_BASE', 'The role has changed since it was asked for. It has to be asked for again.');
    tx.fence(standsAtCommit(dependencies, tx.orgId, request.requester));
    const answered = {
      state: 'approved',
      answeredAt: dependencies.clock.now(),
      answeredBy: principal.subjectId,
    } as const;
    await close(tx, request, { requestId, ...answered, answer, failure: null, grantId });
  },
});

/** Reasons for which nobody could give what was asked for: the request has failed, whoever approves. */
const FINAL: ReadonlySet<string> = new Set([
  'SEPARATION_OF_DUTIES',
  'ALREADY_EXISTS',
  'STALE_BASE',
  'INVALID_REQUEST',
  'NOT_FOUND',
]);

const fail = async (
  dependencies: AccessRequestDependencies,
  { context }: Administrator,
  { requestId, hash }: Verdict,
  failure: string,
): Promise<void> => {
  const { audit, clock } = dependencies;
  const auditContext = context.auditContext();
  await audit.mutate(auditContext, async (tx) => {
    const request = await lockRequest(tx, tx.orgId, requestId);
    if (request?.state !== 'pending' || (hash !== null && request.hash !== hash)) {
      tx.unchanged();
      return;
    }
    const answered = { state: 'failed', answeredAt: clock.now(), answeredBy: auditContext.actor.id } as const;
    await close(tx, request, { requestId, ...answered, answer: null, failure, grantId: null });
  });
};

/** What is refused here is on the record. */
const recordRefusal = async (
  { audit }: AccessRequestDependencies,
  { context }: Administrator,
  requestId: string,
  error: AppError,
): Promise<void> => {
  await audit.recordDenied(context.auditContext(), {
    action: 'access-request.answer-refused',
    target: { type: 'access-request', id: requestId },
    reason: error.code,
  });
};

const assertMayAnswer = async (
  dependencies: AccessRequestDependencies,
  administrator: Administrator,
  request: AccessRequest,
): Promise<void> => {
  try {
    assertSomebodyElse(administrator.principal, involvedIn(request));
  } catch (error) {
    if (isAppError(error)) await recordRefusal(dependencies, administrator, request.requestId, error);
    throw error;
  }
  if (request.state !== 'pending')
    throw new AppError('CONFLICT', `The access request is ${request.state}.`, { metadata: { state: request.state } });
};

/**
 * Approves a request and gives the role, in one transaction.
 *
 * 1. The approver could give it themselves: everything {@link createGrant} demands of them.
 * 2. It is somebody else, a person, and not who is behind the machine that asked.
 * 3. The request is unanswered and in time, and the hash is that of what was looked at; what the role means is part of it.
 * 4. Who asked has been active ever since, until COMMIT.
 * 5. Exclusive roles are looked at now.
 *
 * @param also what others agreed to beyond that
 * @throws SELF_APPROVAL, CONFLICT, HASH_MISMATCH, PERMISSION_DENIED, ESCALATION, APPROVAL_REQUIRED: it stays unanswered;
 *   SEPARATION_OF_DUTIES, ALREADY_EXISTS, STALE_BASE, NOT_FOUND, INVALID_REQUEST: it has failed
 */
export const approveRequest = async (
  dependencies: AccessRequestDependencies,
  administrator: Administrator,
  verdict: Verdict,
  also?: Approval,
): Promise<AccessRequest> => {
  const { orgId } = administrator.principal;
  const request = await loadRequest(dependencies, orgId, verdict.requestId);
  await administrator.context.require('grant:manage', toScope(request.scope));
  await assertMayAnswer(dependencies, administrator, request);
  try {
    await createGrant(
      dependencies,
      administrator,
      toGrantInput(request),
      approvalOf(dependencies, administrator, verdict, also),
    );
  } catch (error) {
    // Whatever is wrong with a proposal says nothing about the request.
    if (also === undefined && isAppError(error) && FINAL.has(error.code))
      await fail(dependencies, administrator, verdict, error.code);
    throw error;
  }
  return await loadRequest(dependencies, orgId, verdict.requestId);
};

/** Denies a request. @throws SELF_APPROVAL, CONFLICT, HASH_MISMATCH, PERMISSION_DENIED, NOT_FOUND */
export const denyRequest = async (
  dependencies: AccessRequestDependencies,
  administrator: Administrator,
  verdict: Verdict,
): Promise<AccessRequest> => {
  const { audit, clock } = dependencies;
  const { principal, context } = administrator;
  const { orgId, subjectId } = principal;
  const { requestId, answer } = verdict;
  const request = await loadRequest(dependencies, orgId, requestId);
  const decision = await context.require('grant:manage', toScope(request.scope));
  await assertMayAnswer(dependencies, administrator, request);
  await audit.mutate(context.auditContext(), async (tx) => {
    tx.fence(decision);
    const locked = await lockPending(tx, dependencies, verdict);
    const answered = { state: 'denied', answeredAt: clock.now(), answeredBy: subjectId } as const;
    const denied = { requestId, ...answered, answer, failure: null, grantId: null };
    await close(tx, locked, denied, { decision: describeDecision(decision) });
  });
  return await loadRequest(dependencies, orgId, requestId);
};

/** Takes one's own request back. Of somebody else's it is not even said that there is one. @throws NOT_FOUND, CONFLICT */
export const cancelRequest = async (
  dependencies: AccessRequestDependencies,
  { principal, context }: Administrator,
  requestId: string,
): Promise<AccessRequest> => {
  const { audit, clock } = dependencies;
  const { orgId, subjectId, epoch } = principal;
  await audit.mutate(context.auditContext(), async (tx) => {
    tx.fence(standsAtCommit(dependencies, orgId, { id: subjectId, epoch }));
    const request = await lockRequest(tx, orgId, requestId);
    if (request?.requester.id !== subjectId) throw notFound();
    const { state } = endedByItself(request, orgId, dependencies) ?? request;
    if (state !== 'pending') throw new AppError('CONFLICT', `The access request is ${state}.`, { metadata: { state } });
    const answered = { state: 'cancelled', answeredAt: clock.now(), answeredBy: subjectId } as const;
    await close(tx, request, { requestId, ...answered, answer: null, failure: null, grantId: null });
  });
  return await loadRequest(dependencies, orgId, requestId);
};

/** Writes down that a request has ended by itself. Does nothing when it has not, or somebody was first. */
export const endRequest = async (
  dependencies: AccessRequestDependencies,
  context: Parameters<AccessRequestDependencies['audit']['mutate']>[0],
  requestId: string,
): Promise<void> => {
  const { audit, clock } = dependencies;
  await audit.mutate(context, async (tx) => {
    const request = await lockRequest(tx, tx.orgId, requestId);
    const ended = request === undefined ? null : endedByItself(request, tx.orgId, dependencies);
    if (request === undefined || ended === null) {
      tx.unchanged();
      return;
    }
    const answered = { answeredAt: clock.now(), answeredBy: context.actor.id, answer: null, grantId: null };
    await close(tx, request, { requestId, ...ended, ...answered });
  });
};
