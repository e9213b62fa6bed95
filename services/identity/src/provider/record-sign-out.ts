import type { AuditLog } from '@sallyport/audit';
import type { Clock } from '@sallyport/storage';

import { closeSession, type CredentialVoiders } from '../accounts/index.ts';
import { insertNotice } from './logout-notice-store.ts';
import type { SignedOut } from './provider.ts';
import { NOTICE_LIFE_MS } from './void-artifacts.ts';

const CAUSE = 'session.signed-out';

/**
 * Ends the browser session of somebody who signed out through an application, and notes in the same transaction which
 * applications are to be told.
 */
export const recordSignOut = async (
  {
    audit,
    clock,
    credentialVoiders,
  }: { readonly audit: AuditLog; readonly clock: Clock; readonly credentialVoiders: CredentialVoiders },
  { session, isEverything, applications, origin }: SignedOut,
): Promise<void> => {
  const { orgId, id, accountId } = session;
  const actor = { type: 'user', id: accountId, via: `session:${id}`, session: id } as const;
  const now = clock.now();
  const expiresAt = new Date(now.getTime() + NOTICE_LIFE_MS);
  await audit.mutate({ orgId, actor, ...origin }, async (tx) => {
    for (const { clientId, sid } of applications)
      await insertNotice(tx, { orgId, accountId, clientId, sid, cause: CAUSE, now, expiresAt });
    if (isEverything) {
      await closeSession(tx, { credentialVoiders, clock }, { subjectId: accountId, sessionId: id, cause: CAUSE });
      return;
    }
    tx.record({
      action: 'session.application-signed-out',
      target: { type: 'session', id },
      after: { clientIds: applications.map(({ clientId }) => clientId) },
    });
  });
};
