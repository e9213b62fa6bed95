import type { AuditContext } from '@sallyport/audit';
import { AppError } from '@sallyport/errors';
import type { RequestContext } from '@sallyport/http';

import type { IdentityContext } from '../context.ts';
import { assertFresh, enrolledFactors, hasSecondFactor, ownerOf, type FactorOwner } from '../factors/index.ts';

/** Somebody who may change how they sign in. */
export interface FreshOwner {
  readonly owner: FactorOwner;
  readonly sessionId: string;
  readonly audit: AuditContext;
}

/** What passkey ceremonies of a session are bound to, beside its account. */
export const anchorOf = ({ sessionId }: Pick<FreshOwner, 'sessionId'>): string => `session:${sessionId}`;

/**
 * The caller, who signed in lately with all the factors they have (ASVS 7.5.1).
 * @throws PERMISSION_DENIED for tokens, which change nobody's way to sign in; STEP_UP_REQUIRED
 */
export const freshOwner = async ({ db, clock }: IdentityContext, request: RequestContext): Promise<FreshOwner> => {
  const { principal } = request;
  const owner = ownerOf(principal);
  if (owner === null || principal === null)
    throw new AppError('PERMISSION_DENIED', 'How you sign in is changed in a browser session, not with a token.');
  const enrolled = await db.read(owner.orgId, async (tx) => await enrolledFactors(tx, owner));
  assertFresh(principal, { hasFactor: hasSecondFactor(enrolled), now: clock.now() });
  return { owner, sessionId: principal.credentialId, audit: request.auditContext() };
};
