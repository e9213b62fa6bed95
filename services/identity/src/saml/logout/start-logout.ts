import type { IdentityContext } from '../../context.ts';
import { findLoginConnection } from '../../login/index.ts';
import { findSamlFacet } from '../facet/facet-store.ts';
import { logoutRequest, newMessageId, type Outgoing } from './logout-messages.ts';
import { findFederatedSession, insertPendingLogout } from './logout-store.ts';
import { readSubjectKey } from './subject-key.ts';

const MINUTE_MS = 60_000;
/** How long the IdP may take over its part, with a person in between. */
const PENDING_MS = 10 * MINUTE_MS;

/**
 * The request that ends, at the IdP, the session ours was opened from; null when it came from elsewhere, or the IdP
 * takes no logouts. Our own session has ended before this is called, whatever becomes of the request.
 */
export const startSamlLogout = async (
  context: Pick<IdentityContext, 'db' | 'clock' | 'samlServiceProvider'>,
  session: { readonly orgId: string; readonly id: string },
): Promise<Outgoing | null> => {
  const { db, clock, samlServiceProvider: sp } = context;
  const { orgId } = session;
  const found = await db.read(orgId, async (tx) => {
    const federated = await findFederatedSession(tx, orgId, session.id);
    if (federated === null) return null;
    const connection = await findLoginConnection(tx, federated.connectionId);
    if (connection?.enabled !== true) return null;
    const facet = await findSamlFacet(tx, orgId, federated.connectionId);
    return facet === null ? null : { federated, facet };
  });
  const subject = found === null ? null : readSubjectKey(found.federated.subjectKey);
  // Another IdP may have taken the place of the one that opened the session.
  if (found === null || found.facet.logout === null || subject?.issuer !== found.facet.idpEntityId) return null;
  const { connectionId, logout: endpoint } = found.facet;
  const requestKey = newMessageId();
  const now = clock.now();
  await db.unauditedWrite(orgId, 'a logout under way; the end of the session is audited', async (tx) => {
    const expiresAt = new Date(now.getTime() + PENDING_MS);
    await insertPendingLogout(tx, { orgId, connectionId, requestKey, createdAt: now, expiresAt });
  });
  const { sessionIndex } = found.federated;
  return logoutRequest({ sp, connectionId, endpoint, now }, { id: requestKey, subject, sessionIndex });
};
