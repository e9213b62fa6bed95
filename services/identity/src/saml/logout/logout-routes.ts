import { PUBLIC, route, type RequestContext, type Route, type RouteResponse } from '@sallyport/http';
import { isAppError } from '@sallyport/errors';
import type Koa from 'koa';
import { z } from 'zod';

import type { IdentityContext } from '../../context.ts';
import { countedAttempt, federatedRules, originOf } from '../../login/index.ts';
import { clearedSessionCookie, sessionOfRequest } from '../../sessions/index.ts';
import type { MessageFacet } from '../facet/facet-store.ts';
import { formField, textOfField, type FormField } from '../form-field.ts';
import { logoutPage, refusedLogoutPage, signedOutPage } from './logout-pages.ts';
import { findOpenFacet } from '../facet/open-facet.ts';
import { receiveLogout, type LogoutAnswer, type ReceivedLogout } from './receive-logout.ts';
import type { SamlReason } from '../reasons.ts';
import type { SentLogout } from '../verify/logout.ts';

const PATH = '/saml/:connectionId/slo';
const params = z.object({ connectionId: z.string().max(64) });
const html = z.string();
const responses = { 200: html, 303: null, 403: html, 429: html };

const refusal = (request: RequestContext, status: 403 | 429 = 403): RouteResponse => ({
  status,
  body: refusedLogoutPage(request.requestId),
});

interface Call {
  readonly connectionId: string;
  readonly request: RequestContext;
  readonly ctx: Koa.Context;
  /** What was sent, or why that is no one message. */
  readonly sent: SentLogout | SamlReason;
  readonly formRelayState: string | null;
}

const handle = async (context: IdentityContext, call: Call): Promise<RouteResponse> => {
  const { connectionId, request } = call;
  const facet = await findOpenFacet(context, connectionId);
  if (facet === null) return refusal(request);
  try {
    const attempt = await countedAttempt(context, federatedRules(connectionId, request.ip));
    const response = await answer(context, facet, call);
    if (response.status < 400) await attempt.succeeded();
    return response;
  } catch (error) {
    if (isAppError(error) && error.code === 'RATE_LIMITED') return refusal(request, 429);
    throw error;
  }
};

const answer = async (context: IdentityContext, facet: MessageFacet, call: Call): Promise<RouteResponse> => {
  const { sent, formRelayState, request, ctx } = call;
  const origin = originOf(request);
  if (typeof sent === 'string')
    return await refuseRecorded(context, { facet, origin, reason: sent, where: null }, request);
  const current = await sessionOfRequest(context, ctx); // Before it ends: its cookie goes with it.
  const answered = await receiveLogout(context, { facet, sent, formRelayState, origin });
  if (answered.kind === 'refused') return await refuseRecorded(context, { facet, origin, ...answered }, request);
  const hasEnded = answered.kind === 'ended' && answered.sessionIds.includes(current?.session.id ?? '');
  const cookie: Record<string, string> = hasEnded ? { 'set-cookie': clearedSessionCookie() } : {};
  return rendered(answered, cookie);
};

const rendered = (
  answered: Exclude<LogoutAnswer, { kind: 'refused' }>,
  cookie: Readonly<Record<string, string>>,
): RouteResponse => {
  if (answered.kind === 'answered' && answered.outcome === 'success') {
    return { status: 303, headers: { location: '/login?signedOut=1' } };
  }
  if (answered.kind === 'answered') return { status: 200, body: signedOutPage(false) };
  const outgoing = answered.answer;
  if (outgoing === null) return { status: 200, body: signedOutPage(true), headers: cookie };
  if (outgoing.binding === 'redirect') return { status: 303, headers: { ...cookie, location: outgoing.location } };
  const { body, headers } = logoutPage(outgoing);
  return { status: 200, body, headers: { ...headers, ...cookie } };
};

interface Refused extends Pick<ReceivedLogout, 'facet' | 'origin'> {
  readonly reason: SamlReason;
  /** Element names and limits; never values from the message. */
  readonly where: string | null;
}

const refuseRecorded = async (
  context: IdentityContext,
  { facet, origin, reason, where }: Refused,
  request: RequestContext,
): Promise<RouteResponse> => {
  const { orgId, connectionId } = facet;
  context.logger.info({ connectionId, reason }, 'logout refused');
  await context.audit.recordDenied(
    { orgId, actor: { type: 'anonymous', id: 'anonymous', via: 'saml' }, ...origin },
    {
      action: 'logout.refused',
      target: { type: 'connection', id: connectionId },
      reason,
      ...(where === null ? {} : { after: { where } }),
    },
  );
  return refusal(request, reason === 'VERIFIER_BUSY' ? 429 : 403);
};

/** The one message of a form, or why there is not exactly one. */
const sentByForm = (body: { readonly SAMLRequest?: FormField; readonly SAMLResponse?: FormField }): Call['sent'] => {
  const [request, response] = [textOfField(body.SAMLRequest), textOfField(body.SAMLResponse)];
  const isRepeated = Array.isArray(body.SAMLRequest) || Array.isArray(body.SAMLResponse);
  if (isRepeated || (request !== null && response !== null)) return 'PARAMETER_REPEATED';
  if (request !== null) return { binding: 'post', kind: 'LogoutRequest', message: request };
  return response === null ? 'MESSAGE_MISSING' : { binding: 'post', kind: 'LogoutResponse', message: response };
};

/** `/saml/:connectionId/slo`: where identity providers send logout requests and answers, by either binding. */
export const logoutRoutes = (context: IdentityContext): Route[] => [
  route({
    method: 'GET',
    path: PATH,
    permission: PUBLIC,
    surface: 'browser',
    summary: 'Takes a logout message of the identity provider (HTTP-Redirect binding).',
    params,
    responses,
    handler: async ({ params: { connectionId }, context: request, ctx }) => {
      const sent = { binding: 'redirect', rawQuery: ctx.querystring } as const;
      return await handle(context, { connectionId, request, ctx, sent, formRelayState: null });
    },
  }),
  route({
    method: 'POST',
    path: PATH,
    permission: PUBLIC,
    surface: 'browser',
    crossSite: 'allowed', // Posted by the IdP's page; the signature says who asks, no cookie does.
    summary: 'Takes a logout message of the identity provider (HTTP-POST binding).',
    params,
    body: z.object({ SAMLRequest: formField, SAMLResponse: formField, RelayState: formField }).default({}),
    responses,
    handler: async ({ params: { connectionId }, body, context: request, ctx }) => {
      const formRelayState = textOfField(body.RelayState);
      return await handle(context, { connectionId, request, ctx, sent: sentByForm(body), formRelayState });
    },
  }),
];
