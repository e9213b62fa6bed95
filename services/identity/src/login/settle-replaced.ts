import type { AuditedTx } from '@sallyport/audit';

import type { CredentialVoiders } from '../accounts/index.ts';
import { carryOver } from '../provider/index.ts';

/** A session that has just been opened in the place of another one of its browser. */
export interface Replacement {
  readonly replaced: { readonly accountId: string; readonly sessionId: string } | null;
  readonly sessionId: string;
  /** The same person has proved to be there once more: what applications hold hangs on the new session from now on. */
  readonly isContinued: boolean;
}

/**
 * What becomes of the applications of a session that was replaced: they go on with the new one, or what they hold ends
 * and they are told, as of every session that ends.
 */
export const settleReplaced = async (
  tx: AuditedTx,
  { credentialVoiders }: { readonly credentialVoiders: CredentialVoiders },
  { replaced, sessionId, isContinued }: Replacement,
): Promise<void> => {
  if (replaced === null) return;
  const { orgId } = tx;
  if (isContinued) {
    await carryOver(tx, { orgId, accountId: replaced.accountId, from: replaced.sessionId, to: sessionId });
    return;
  }
  const which = { subjectIds: [replaced.accountId], sessionId: replaced.sessionId, scope: 'session' } as const;
  await credentialVoiders.providerArtifacts(tx, { orgId, ...which, cause: 'session.replaced' });
};
