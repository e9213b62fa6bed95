import type { AuditContext } from '@sallyport/audit';
import { secretHash } from '@sallyport/storage';

import { closeSession } from '../accounts/index.ts';
import type { IdentityContext } from '../context.ts';
import { composeKey, consumeAssertion, type LoginOrigin } from '../login/index.ts';
import type { OidcFacet } from './facet-store.ts';
import { listIdpSessions } from './idp-session-store.ts';
import { OidcRefusal } from './reasons.ts';

/**
 * Takes the word of an identity provider that a session there has ended, and ends ours that hang on it.
 *
 * 1. The logout token is of this connection's identity provider and for us; 2. it is used once; 3. the sessions of the
 * connection that it names are closed. 2 and 3 commit together: a token that was not carried through is no replay.
 * @throws OidcRefusal
 * @see OpenID Connect Back-Channel Logout 1.0 §2.6
 */
export const receiveLogout = async (
  context: IdentityContext,
  facet: OidcFacet,
  request: { readonly token: string; readonly origin: LoginOrigin },
): Promise<void> => {
  const notice = await context.relyingParty.verifyLogoutToken(facet, request.token); // 1
  const { orgId, connectionId } = facet;
  const actor = { type: 'connection', id: connectionId, via: 'oidc-logout' } as const;
  const auditContext: AuditContext = { orgId, actor, ...request.origin };
  await context.audit.mutate(auditContext, async (tx) => {
    const isFirst = await consumeAssertion(tx, {
      orgId,
      connectionId,
      assertionId: `logout:${secretHash(notice.jti).toString('hex')}`,
      expiresAt: new Date(notice.expiresAtSeconds * 1000),
    });
    if (!isFirst) throw new OidcRefusal('LOGOUT_REPLAYED'); // 2
    const sessions = await listIdpSessions(tx, {
      orgId,
      connectionId,
      subjectKey: notice.subject === null ? null : composeKey('oidc', facet.issuer, notice.subject),
      idpSession: notice.session,
    });
    for (const { id, accountId } of sessions) {
      await closeSession(tx, context, { subjectId: accountId, sessionId: id, cause: 'oidc.backchannel-logout' });
    }
    tx.record({
      action: 'login.idp-logout-received',
      target: { type: 'connection', id: connectionId },
      after: { sessions: sessions.length },
    });
  }); // 3
};

/** Records that a logout token was refused; whoever sent it learns no more than that. */
export const recordRefusedLogout = async (
  context: IdentityContext,
  { orgId, connectionId }: OidcFacet,
  { reason, where }: OidcRefusal,
  origin: LoginOrigin,
): Promise<void> => {
  context.logger.info({ connectionId, reason }, 'logout refused');
  await context.audit.recordDenied(
    { orgId, actor: { type: 'anonymous', id: 'anonymous', via: 'oidc-logout' }, ...origin },
    {
      action: 'login.idp-logout-refused',
      target: { type: 'connection', id: connectionId },
      reason,
      ...(where === null ? {} : { after: { where } }),
    },
  );
};
