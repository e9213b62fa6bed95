import type { AuditContext } from '@sallyport/audit';
import { AppError, isAppError } from '@sallyport/errors';
import type { Principal, RequestContext } from '@sallyport/http';
import type { ReadTx } from '@sallyport/storage';

import type { IdentityContext } from '../context.ts';
import { findSponsor, isBreakGlass, isOwnerByGrants, type Ownership } from './owner-store.ts';

/** The caller of a request, and who Owners are by what policy says. */
export interface Reach {
  readonly caller: Principal;
  readonly ownership: Ownership;
}

/**
 * Asks policy who the Owners are, before any lock is held.
 * @throws DECISION_UNAVAILABLE when it cannot be asked, UNAUTHENTICATED
 */
export const askReach = async (
  { askOwnership }: Pick<IdentityContext, 'askOwnership'>,
  { principal, requestId }: Pick<RequestContext, 'principal' | 'requestId'>,
): Promise<Reach> => {
  if (principal === null) throw new AppError('UNAUTHENTICATED', 'Authentication is required.');
  const ownership = await askOwnership(principal.orgId, requestId);
  if (ownership === null) throw new AppError('DECISION_UNAVAILABLE', 'Policy cannot be asked right now. Try again.');
  return { caller: principal, ownership };
};

/** Does something, and records it when it would have reached too far: in an entry of its own, since nothing else remains. */
export const recordingEscalation = async <T>(
  { audit }: Pick<IdentityContext, 'audit'>,
  who: AuditContext,
  target: { readonly type: 'account' | 'oauth_client'; readonly id: string },
  work: () => Promise<T>,
): Promise<T> => {
  try {
    return await work();
  } catch (error) {
    if (isAppError(error) && error.code === 'ESCALATION')
      await audit.recordDenied(who, {
        action: `${target.type.replace('_', '-')}.escalation-refused`,
        target,
        reason: error.code,
      });
    throw error;
  }
};

const isOwner = async (tx: ReadTx, { caller, ownership }: Reach): Promise<boolean> =>
  caller.type === 'user' && (await isOwnerByGrants(tx, caller.orgId, ownership, caller.subjectId));

/**
 * Passes whoever may have a credential of a service account in hand: the person who answers for it, whom everybody sees
 * who gives it a role, and Owners, who hold everything. Not whoever may just administer accounts, and no machine: that
 * would be a way to whatever any service account may do.
 * @throws ESCALATION
 */
export const assertMayHold = async (tx: ReadTx, reach: Reach, accountId: string): Promise<void> => {
  const { caller } = reach;
  const sponsor = await findSponsor(tx, caller.orgId, accountId);
  // An account of a person, or none: for the command to refuse.
  if (sponsor === undefined || (caller.type === 'user' && sponsor === caller.subjectId)) return;
  if (!(await isOwner(tx, reach)))
    throw new AppError(
      'ESCALATION',
      'Credentials of a service account are for the person who owns it, and for Owners of the organisation.',
    );
};

/**
 * Passes whoever may take away what protects an account, or open it again: of an Owner only another Owner.
 * @throws ESCALATION
 */
export const assertMayLoosen = async (tx: ReadTx, reach: Reach, accountId: string): Promise<void> => {
  const { orgId } = reach.caller;
  const isOfOwner =
    (await isBreakGlass(tx, orgId, accountId)) ||
    (await isOwnerByGrants(tx, orgId, { ...reach.ownership, ...NOBODY_DENIED }, accountId));
  if (isOfOwner && !(await isOwner(tx, reach)))
    throw new AppError('ESCALATION', 'This account is an Owner of the organisation: only an Owner may do this to it.');
};

/**
 * Passes Owners: an application whose tokens act for people at our own API gets, by whoever signs in to it, what that
 * person may do, and people are not asked for the organisation's own applications.
 * @throws ESCALATION
 */
export const assertMayActForAll = async (tx: ReadTx, reach: Reach): Promise<void> => {
  if (!(await isOwner(tx, reach)))
    throw new AppError('ESCALATION', 'Applications that act for people at our own API are for Owners to set up.');
};

/** Whoever is denied something may still hold the rest: careful with what protects them, not with what they may do. */
const NOBODY_DENIED = { deniedUserIds: [], deniedGroupIds: [] } as const;

/**
 * Passes a credential made with another that is neither wider nor longer-lived (ASVS 8.3.3). What is made with an access
 * token would outlive what that hangs on.
 * @param scopes permissions the new one is limited to; empty: not limited
 * @throws ESCALATION
 */
export const assertNotWider = (caller: Principal, scopes: readonly string[], expiresAt: Date): void => {
  if (caller.credentialType === 'session') return;
  if (caller.credentialType === 'access_token')
    throw new AppError(
      'ESCALATION',
      'An access token makes no other credential: it would outlive what it was made with.',
    );
  const isWider =
    caller.scopes.length > 0 && (scopes.length === 0 || scopes.some((scope) => !caller.scopes.includes(scope)));
  if (isWider || expiresAt > caller.expiresAt) {
    throw new AppError('ESCALATION', 'A token made with a token is neither wider nor longer-lived than that one.');
  }
};
