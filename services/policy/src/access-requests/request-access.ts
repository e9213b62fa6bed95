import { AppError } from '@sallyport/errors';
import type { AuditContext, Principal } from '@sallyport/http';
import { newId } from '@sallyport/storage';

import { standsAtCommit } from '../approvals/index.ts';
import { assertGrantable, knownScope, type GrantScope } from '../grants/index.ts';
import { describeRequest, wishHash, type AccessRequest, type AccessRequestDependencies } from './access-request.ts';
import { countPending, insertRequest, lockRequester } from './store.ts';

const MINUTE_MS = 60 * 1_000;
const DAY_MS = 24 * 60 * MINUTE_MS;

/** For longer, a role is given by an administrator. */
const MAX_ACCESS_MS = 30 * DAY_MS;
const MAX_UNANSWERED_MS = 7 * DAY_MS;
/** Of one requester, unanswered. */
const MAX_PENDING = 20;

export interface RequestInput {
  readonly roleKey: string;
  readonly scope: GrantScope;
  readonly validUntil: Date;
  readonly reason: string;
  /** Void when unanswered then; null: after seven days, or when the access would end. */
  readonly expiresAt: Date | null;
}

const invalid = (pointer: string, code: string, detail: string): AppError =>
  new AppError('INVALID_REQUEST', detail, { fields: [{ pointer, code, detail }] });

const expiryOf = ({ validUntil, expiresAt }: RequestInput, now: Date): Date => {
  if (validUntil <= now || validUntil.getTime() > now.getTime() + MAX_ACCESS_MS)
    throw invalid('/validUntil', 'NOT_A_PERIOD', 'Access is asked for until a moment within the next 30 days.');
  const latest = new Date(Math.min(validUntil.getTime(), now.getTime() + MAX_UNANSWERED_MS));
  if (expiresAt === null) return latest;
  if (expiresAt <= now || expiresAt > latest)
    throw invalid(
      '/expiresAt',
      'NOT_A_PERIOD',
      'It can be answered for 7 days at most, and not after access would end.',
    );
  return expiresAt;
};

/**
 * Asks for a role for oneself. Nothing is given: somebody else has to approve.
 *
 * @throws NOT_FOUND for an unknown scope, INVALID_REQUEST for a role that cannot be given there or a period that is too
 *   long, TOO_MANY
 */
export const requestAccess = async (
  dependencies: AccessRequestDependencies,
  { principal, context }: { readonly principal: Principal; readonly context: AuditContext },
  input: RequestInput,
): Promise<AccessRequest> => {
  const { audit, clock, knowledge } = dependencies;
  const { orgId, subjectId, type, epoch, sponsorIds = [] } = principal;
  const index = knowledge.organization(orgId);
  if (index === undefined) throw new AppError('UNAVAILABLE', 'It cannot be told right now which roles there are.');
  const now = clock.now();
  const expiresAt = expiryOf(input, now);
  const scope = knownScope(index, input.scope);
  assertGrantable(index, input.roleKey, scope);
  const wish = {
    requester: { type, id: subjectId, epoch },
    roleKey: input.roleKey,
    scope,
    validUntil: input.validUntil,
    reason: input.reason,
  };
  const request: AccessRequest = {
    ...wish,
    requestId: newId(),
    sponsorIds,
    hash: wishHash(index, wish),
    createdAt: now,
    expiresAt,
    state: 'pending',
    answeredAt: null,
    answeredBy: null,
    answer: null,
    failure: null,
    grantId: null,
  };
  await audit.mutate(context, async (tx) => {
    tx.fence(standsAtCommit(dependencies, orgId, request.requester));
    // Of several at once each counts those before it.
    await lockRequester(tx, orgId, subjectId);
    if ((await countPending(tx, orgId, subjectId, now)) >= MAX_PENDING)
      throw new AppError('TOO_MANY', `At most ${String(MAX_PENDING)} requests wait for an answer at once.`);
    await insertRequest(tx, orgId, request);
    tx.record({
      action: 'access-request.created',
      target: { type: 'access-request', id: request.requestId },
      after: describeRequest(request),
    });
  });
  return request;
};
