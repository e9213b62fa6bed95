import type { AuditContext } from '@sallyport/audit';

import { closeSession } from '../../accounts/index.ts';
import type { IdentityContext } from '../../context.ts';
import { consumeAssertion, type LoginOrigin } from '../../login/index.ts';
import type { MessageFacet } from '../facet/facet-store.ts';
import { logoutResponse, type Outgoing } from './logout-messages.ts';
import { consumePendingLogout, listSessionsOf } from './logout-store.ts';
import type { SamlReason } from '../reasons.ts';
import { sloUrlOf } from '../service-provider.ts';
import { looseKeyOf, subjectKeyOf } from './subject-key.ts';
import type { SentLogout, VerifiedLogoutRequest, VerifiedLogoutResponse } from '../verify/logout.ts';

const MAX_RELAY_STATE_BYTES = 512;

/** A logout message as it reached us. */
export interface ReceivedLogout {
  readonly facet: MessageFacet;
  readonly sent: SentLogout;
  /** What came with a form; a query's is inside its signature. */
  readonly formRelayState: string | null;
  readonly origin: LoginOrigin;
}

export type LogoutAnswer =
  /** The IdP asked: sessions have ended, and this is our answer (null where it takes none). */
  | { readonly kind: 'ended'; readonly sessionIds: readonly string[]; readonly answer: Outgoing | null }
  /** The IdP answered us. */
  | { readonly kind: 'answered'; readonly outcome: VerifiedLogoutResponse['outcome'] }
  | { readonly kind: 'refused'; readonly reason: SamlReason; readonly where: string | null };

const refused = (reason: SamlReason, where: string | null = null): LogoutAnswer => ({ kind: 'refused', reason, where });

/**
 * Takes a logout message of an IdP.
 * 1. The strict layer verifies it off the main thread; 2. a request is used once, in the transaction that ends the
 * sessions it names, through the one door: those of that subject (and index) through this connection, no others; 3. an
 * answer belongs to a request of this connection that has not been answered. It ends nothing: ours has ended already.
 */
export const receiveLogout = async (context: IdentityContext, received: ReceivedLogout): Promise<LogoutAnswer> => {
  const { facet, sent } = received;
  const verdict = await context.samlVerifier.verifyLogout(facet.connectionId, sent, {
    idpEntityId: facet.idpEntityId,
    sloUrl: sloUrlOf(context.samlServiceProvider, facet.connectionId),
    certificates: facet.certificates,
    nowMs: context.clock.now().getTime(),
  }); // 1
  if (!verdict.ok) return refused(verdict.reason, verdict.where);
  const { logout } = verdict;
  if (logout.kind === 'LogoutResponse') return await takeAnswer(context, received, logout); // 3
  const relayState = verdict.relayState ?? received.formRelayState;
  if (relayState !== null && Buffer.byteLength(relayState) > MAX_RELAY_STATE_BYTES)
    return refused('RELAY_STATE_TOO_LONG');
  const ended = await endSessions(context, received, logout); // 2
  if (ended === null) return refused('LOGOUT_REPLAYED');
  return { kind: 'ended', sessionIds: ended, answer: answerTo(context, facet, { id: logout.id, relayState }) };
};

const auditContext = ({ facet, origin }: ReceivedLogout): AuditContext => ({
  orgId: facet.orgId,
  actor: { type: 'connection', id: facet.connectionId, via: 'saml' },
  ...origin,
});

/** The sessions that ended; null when the request was used before. */
const endSessions = async (
  context: IdentityContext,
  received: ReceivedLogout,
  request: VerifiedLogoutRequest,
): Promise<string[] | null> => {
  const { orgId, connectionId } = received.facet;
  const { value } = await context.audit.mutate(auditContext(received), async (tx) => {
    // IDs of requests and of assertions are kept apart: neither may use up the other's.
    const used = { assertionId: `logout:${request.id}`, expiresAt: new Date(request.unusableFromMs) };
    if (!(await consumeAssertion(tx, { orgId, connectionId, ...used }))) {
      tx.unchanged();
      return null;
    }
    const sessions = await listSessionsOf(tx, {
      orgId,
      connectionId,
      subjectKey: subjectKeyOf(request),
      looseKey: looseKeyOf(request),
      sessionIndexes: request.sessionIndexes,
    });
    for (const { id, accountId } of sessions) {
      await closeSession(tx, context, { subjectId: accountId, sessionId: id, cause: 'session.ended-by-idp' });
    }
    tx.record({
      action: 'logout.received',
      target: { type: 'connection', id: connectionId },
      after: { sessions: sessions.length },
    });
    return sessions.map(({ id }) => id);
  });
  return value;
};

const answerTo = (
  { samlServiceProvider: sp, clock }: IdentityContext,
  { connectionId, logout: endpoint }: MessageFacet,
  request: { readonly id: string; readonly relayState: string | null },
): Outgoing | null =>
  endpoint === null
    ? null
    : logoutResponse(
        { sp, connectionId, endpoint, now: clock.now() },
        { inResponseTo: request.id, succeeded: true, relayState: request.relayState },
      );

const ANSWER_REASONS = {
  unknown: 'REQUEST_UNKNOWN',
  used: 'REQUEST_CONSUMED',
  expired: 'REQUEST_EXPIRED',
} as const satisfies Record<string, SamlReason>;

const takeAnswer = async (
  context: IdentityContext,
  received: ReceivedLogout,
  { inResponseTo, outcome }: VerifiedLogoutResponse,
): Promise<LogoutAnswer> => {
  const { orgId, connectionId } = received.facet;
  const { value } = await context.audit.mutate(auditContext(received), async (tx) => {
    const now = context.clock.now();
    const state = await consumePendingLogout(tx, { orgId, connectionId, requestKey: inResponseTo, now });
    if (state !== 'consumed') tx.unchanged();
    else
      tx.record({
        action: 'logout.answered',
        target: { type: 'connection', id: connectionId },
        after: { outcome },
        outcome: outcome === 'success' ? 'success' : 'failed',
      });
    return state;
  });
  return value === 'consumed' ? { kind: 'answered', outcome } : refused(ANSWER_REASONS[value]);
};
