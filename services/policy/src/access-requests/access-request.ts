import type { JsonObject } from '@sallyport/audit';
import { personal } from '@sallyport/audit';
import type { Database } from '@sallyport/storage';

import { contentHash, stands, type StandingKnowledge } from '../approvals/index.ts';
import type { GrantDependencies, GrantInput, GrantScope } from '../grants/index.ts';
import type { OrganizationIndex } from '../model/index.ts';

export type AccessRequestDependencies = GrantDependencies & StandingKnowledge & { readonly db: Database };

/** pending → approved | denied | expired | cancelled | failed: the states of the AuthZEN access request profile. */
export const REQUEST_STATES = ['pending', 'approved', 'denied', 'expired', 'cancelled', 'failed'] as const;
export type RequestState = (typeof REQUEST_STATES)[number];

export interface Requester {
  readonly type: 'user' | 'service_account';
  readonly id: string;
  readonly epoch: bigint;
}

/** What is asked for. */
export interface Wish {
  readonly requester: Requester;
  readonly roleKey: string;
  readonly scope: GrantScope;
  /** Exclusive. */
  readonly validUntil: Date;
  readonly reason: string;
}

/** A request as it is stored. */
export interface AccessRequest extends Wish {
  readonly requestId: string;
  /** The people behind a machine that asks. */
  readonly sponsorIds: readonly string[];
  /** Of the wish, and of what the role meant when it was asked for. */
  readonly hash: string;
  readonly createdAt: Date;
  /** Unanswered until then, it is void. */
  readonly expiresAt: Date;
  readonly state: RequestState;
  readonly answeredAt: Date | null;
  /** Subject id, or the name of a service. */
  readonly answeredBy: string | null;
  readonly answer: string | null;
  /** Why it failed, or was cancelled by the service: a code. */
  readonly failure: string | null;
  readonly grantId: string | null;
}

/** Hash of everything an approval is bound to; another one when the role has come to mean something else. */
export const wishHash = (index: OrganizationIndex, wish: Wish): string => {
  const role = index.roles.get(wish.roleKey);
  return contentHash('access-request', {
    organization: index.orgId,
    requester: { type: wish.requester.type, id: wish.requester.id, epoch: wish.requester.epoch.toString() },
    role: wish.roleKey,
    permissions: role === undefined ? null : { ...role.permissions },
    projectId: wish.scope.projectId,
    environmentId: wish.scope.environmentId,
    validUntil: wish.validUntil.toISOString(),
    reason: wish.reason,
  });
};

/** The grant it would be. */
export const toGrantInput = ({ requester, roleKey, scope, validUntil }: Wish): GrantInput => ({
  subjectType: requester.type,
  subjectId: requester.id,
  roleKey,
  scope,
  effect: 'allow',
  tier: null,
  resourceType: null,
  condition: null,
  source: 'direct',
  validFrom: null,
  validUntil,
});

/** Whoever may not decide about it. */
export const involvedIn = ({ requester, sponsorIds }: AccessRequest): readonly string[] => [
  requester.id,
  ...sponsorIds,
];

export const REQUESTER_GONE = 'REQUESTER_GONE';

/** What has become of an unanswered request by itself: null while it can still be answered. */
export const endedByItself = (
  request: AccessRequest,
  orgId: string,
  known: Pick<StandingKnowledge, 'standing' | 'clock'>,
): Pick<AccessRequest, 'state' | 'failure'> | null => {
  if (request.state !== 'pending') return null;
  if (!stands(known, orgId, request.requester)) return { state: 'cancelled', failure: REQUESTER_GONE };
  return request.expiresAt <= known.clock.now() ? { state: 'expired', failure: null } : null;
};

/** The request as it is now, also when nobody has written down yet that it has ended. */
export const asItIs = (
  request: AccessRequest,
  orgId: string,
  known: Pick<StandingKnowledge, 'standing' | 'clock'>,
): AccessRequest => ({ ...request, ...endedByItself(request, orgId, known) });

/** What the audit log says about a request. What somebody wrote is theirs. */
export const describeRequest = (request: AccessRequest): JsonObject => ({
  requesterType: request.requester.type,
  requesterId: request.requester.id,
  role: request.roleKey,
  projectId: request.scope.projectId,
  environmentId: request.scope.environmentId,
  validUntil: request.validUntil.toISOString(),
  expiresAt: request.expiresAt.toISOString(),
  reason: personal(request.requester.id, request.reason),
  hash: request.hash,
  state: request.state,
});
