import { AppError } from '@sallyport/errors';

import type { IdentityContext } from '../context.ts';
import { releaseDomains, takeDomain } from '../domains/index.ts';
import { findLoginConnection, markDomainVerified } from './identity-store.ts';

export interface VerifyDomain {
  readonly orgId: string;
  readonly connectionId: string;
  readonly domain: string;
  /** False takes the word back. */
  readonly verified: boolean;
}

/**
 * The operator of the deployment vouches that a mail domain a connection lists belongs to the organisation. Only then
 * may the connection's directory be given an account of nobody that goes by an address of it. Idempotent.
 *
 * @throws CONFLICT when the domain is proven for another organisation; NOT_FOUND when there is no such connection, or the domain is none of its domains
 */
export const verifyDomain = async (
  { audit, clock }: Pick<IdentityContext, 'audit' | 'clock'>,
  { orgId, connectionId, domain, verified }: VerifyDomain,
  request: { readonly requestId: string; readonly operator: string },
): Promise<void> => {
  const { requestId, operator } = request;
  const actor = { type: 'operator', id: operator } as const;
  await audit.mutate({ orgId, actor, requestId }, async (tx) => {
    const key = { orgId, connectionId, domain: domain.toLowerCase() };
    const known = await findLoginConnection(tx, connectionId);
    const marked =
      known?.orgId === orgId &&
      (await markDomainVerified(tx, key, verified ? { at: clock.now(), by: operator } : null));
    if (!marked) throw new AppError('NOT_FOUND', 'The connection does not list this domain.');
    if (verified && !(await takeDomain(tx, orgId, key.domain, clock.now())))
      throw new AppError('CONFLICT', 'This domain is proven for another organisation.');
    if (!verified) await releaseDomains(tx, orgId);
    tx.record({
      action: verified ? 'connection.domain-verified' : 'connection.domain-unverified',
      target: { type: 'connection', id: connectionId },
      after: { domain: key.domain },
    });
  });
};
