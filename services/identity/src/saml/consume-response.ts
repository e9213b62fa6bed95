import { constantTimeEqual, secretHash, type WriteTx } from '@sallyport/storage';

import type { IdentityContext } from '../context.ts';
import {
  completeLogin,
  consumeAssertion,
  consumePendingLogin,
  findPendingLogin,
  type AccountRefusal,
  type Browser,
  type ExternalLogin,
  type LoginOrigin,
  type PendingLogin,
} from '../login/index.ts';
import type { OpenedSession } from '../sessions/index.ts';
import type { MessageFacet } from './facet/facet-store.ts';
import type { SamlReason } from './reasons.ts';
import { acsUrlOf, entityIdOf } from './service-provider.ts';
import { subjectKeyOf } from './logout/subject-key.ts';
import { SKEW_MS, type Verdict, type VerifiedLogin } from './verify/login.ts';

/** A response as it was posted. */
export interface PostedResponse {
  readonly facet: MessageFacet;
  readonly samlResponse: string;
  readonly relayState: string | null;
  /** The browser that posts; null when it has started no login. */
  readonly browser: Browser | null;
  readonly origin: LoginOrigin;
}

export type Consumed =
  | { readonly ok: true; readonly session: OpenedSession; readonly returnTo: string | null }
  /** It answers a test, which nothing else said: the identity provider has dropped the relay state. Nothing was used. */
  | { readonly ok: false; readonly test: PendingLogin }
  | {
      readonly ok: false;
      readonly reason: SamlReason | AccountRefusal;
      readonly where: string | null;
      readonly recorded: boolean;
    };

const refused = (reason: SamlReason, where: string | null = null): Consumed => ({
  ok: false,
  reason,
  where,
  recorded: false,
});

/**
 * Turns a posted response into a session, or says why not.
 *
 * 1. The strict layer verifies it off the main thread; from here on only what it read from signed bytes counts.
 * 2. It answers a request of this connection and this browser that has not been answered. 3. Request and assertion are
 * used up, before anything is opened and in the transaction that opens it: of any number of posts on any node one goes
 * on. 4. The account is found and the session opened.
 */
export const consumeResponse = async (context: IdentityContext, posted: PostedResponse): Promise<Consumed> => {
  const { facet } = posted;
  const verdict = await verifyPosted(context, posted); // 1
  if (!verdict.ok) return refused(verdict.reason, verdict.where);
  const { login } = verdict;
  const request = await correlate(context, posted, login); // 2
  if (typeof request === 'string') return refused(request);
  if (request?.purpose === 'test') return { ok: false, test: request };
  const completed = await completeLogin(context, externalLogin(facet, login), {
    origin: posted.origin,
    pending: request,
    useUp: async (tx) => await useUp(tx, { facet, login, request, now: context.clock.now() }), // 3
  }); // 4
  if (completed.ok) return { ok: true, session: completed.session, returnTo: request?.returnTo ?? null };
  return { ...completed, where: null };
};

/** What the strict layer makes of a message, with everything it must agree with. */
export const verifyPosted = async (context: IdentityContext, posted: PostedResponse): Promise<Verdict> => {
  const { facet, samlResponse } = posted;
  const nowMs = context.clock.now().getTime();
  return await context.samlVerifier.verify(facet.connectionId, samlResponse, {
    idpEntityId: facet.idpEntityId,
    spEntityId: entityIdOf(context.samlServiceProvider, facet.connectionId),
    acsUrl: acsUrlOf(context.samlServiceProvider, facet.connectionId),
    certificates: facet.certificates,
    requireSignedResponse: facet.requireSignedResponse,
    requireSignedAssertion: facet.requireSignedAssertion,
    allowUnsolicited: facet.allowIdpInitiated,
    maxAuthenticationAgeMs: null,
    nowMs,
  });
};

/** The pending login a response answers, null for a permitted unsolicited one, or why it answers none of ours. */
export const correlate = async (
  context: IdentityContext,
  { facet, browser, relayState }: PostedResponse,
  login: VerifiedLogin,
): Promise<PendingLogin | SamlReason | null> => {
  if (login.inResponseTo === null) return facet.allowIdpInitiated ? null : 'UNSOLICITED_FORBIDDEN';
  const key = { orgId: facet.orgId, connectionId: facet.connectionId, requestKey: login.inResponseTo };
  const request = await context.db.readOne(facet.orgId, async (tx) => await findPendingLogin(tx, key));
  if (request?.protocol !== 'saml') return 'REQUEST_UNKNOWN';
  if (browser === null || !constantTimeEqual(browser.hash, request.browserHash)) return 'REQUEST_OTHER_BROWSER';
  if (request.consumedAt !== null) return 'REQUEST_CONSUMED';
  if (context.clock.now() >= request.expiresAt) return 'REQUEST_EXPIRED';
  if (!isEchoed(request, relayState)) return 'RELAY_STATE_MISMATCH';
  return login.issuedAtMs < request.createdAt.getTime() - SKEW_MS ? 'ISSUED_BEFORE_REQUEST' : request;
};

/** An IdP echoes RelayState (Bindings §3.5.3). It opens nothing, so one that drops it is let off; another one is not. */
const isEchoed = ({ relayStateHash }: PendingLogin, relayState: string | null): boolean =>
  relayState === null ||
  relayState === '' ||
  (relayStateHash !== null && constantTimeEqual(secretHash(relayState), relayStateHash));

/** What a login uses up. */
export interface Used {
  readonly facet: MessageFacet;
  readonly login: VerifiedLogin;
  readonly request: PendingLogin | null;
  readonly now: Date;
}

/** Uses request and assertion up; answers why that was not possible. Both statements go in one flight. */
export const useUp = async (tx: WriteTx, { facet, login, request, now }: Used): Promise<SamlReason | null> => {
  const { orgId, connectionId } = facet;
  const { assertionId } = login;
  const assertion = { orgId, connectionId, assertionId, expiresAt: new Date(login.unusableFromMs) };
  const [isOpen, isFirst] = await Promise.all([
    request === null ? true : consumePendingLogin(tx, request, now),
    consumeAssertion(tx, assertion),
  ]);
  if (!isOpen) return 'REQUEST_CONSUMED';
  return isFirst ? null : 'ASSERTION_REPLAYED';
};

/** Whom a verified assertion vouches for. */
export const externalLogin = (facet: MessageFacet, login: VerifiedLogin): ExternalLogin => ({
  orgId: facet.orgId,
  connectionId: facet.connectionId,
  method: 'saml',
  rule: facet.accountRule,
  subject: login.nameId.value,
  subjectKey: subjectKeyOf(login),
  attributes: login.attributes,
  authenticatedAt: new Date(login.authenticatedAtMs),
  provenAt: new Date(login.authenticatedAtMs),
  issuedAt: new Date(login.issuedAtMs),
  acr: login.authnContextClass,
  amr: [],
  idpSession: login.sessionIndex,
  idpSessionEndsAtMs: login.sessionNotOnOrAfterMs,
});
