import { PUBLIC, route, type RequestContext, type Route, type RouteResponse } from '@sallyport/http';
import { isAppError } from '@sallyport/errors';
import type Koa from 'koa';
import { z } from 'zod';

import type { IdentityContext } from '../context.ts';
import {
  browserForLogin,
  countedAttempt,
  federatedRules,
  findBrowser,
  findLoginConnection,
  loginCookie,
  loginStartOf,
  originOf,
  recordRefusedLogin,
  refusedPage,
  safeReturnTo,
  startQuery,
  startRules,
  tracePage,
  type PendingLogin,
} from '../login/index.ts';
import { sessionCookie } from '../sessions/index.ts';
import { consumeResponse, type PostedResponse } from './consume-response.ts';
import type { MessageFacet } from './facet/facet-store.ts';
import { formField, textOfField, type FormField } from './form-field.ts';
import { logoutRoutes } from './logout/logout-routes.ts';
import { findOpenFacet } from './facet/open-facet.ts';
import { serviceProviderMetadata } from './metadata/sp-metadata.ts';
import { startSamlLogin } from './start-login.ts';
import { findSamlTest, finishSamlTest } from './test-login.ts';

const params = z.object({ connectionId: z.string().max(64) });

const refusal = (request: RequestContext, status: 403 | 429 = 403): RouteResponse => ({
  status,
  body: refusedPage(request.requestId),
});

/** Too many attempts look like every other refusal, but for the status. */
const unlessThrottled = async (request: RequestContext, work: () => Promise<RouteResponse>): Promise<RouteResponse> => {
  try {
    return await work();
  } catch (error) {
    if (isAppError(error) && error.code === 'RATE_LIMITED') return refusal(request, 429);
    throw error;
  }
};

const metadataRoute = (context: IdentityContext): Route =>
  route({
    method: 'GET',
    path: '/saml/:connectionId/metadata',
    permission: PUBLIC,
    surface: 'browser',
    summary: 'Our metadata for one connection, to set its identity provider up with.',
    params,
    responses: { 200: z.string(), 404: z.string() },
    handler: async ({ params: { connectionId } }) => {
      // Before the IdP is known, too: it is set up with this document first.
      const exists = z.uuid().safeParse(connectionId).success && (await hasConnection(context, connectionId));
      if (!exists) return { status: 404, body: 'There is no such connection.' };
      const headers = { 'content-type': 'application/samlmetadata+xml; charset=utf-8' };
      return {
        status: 200,
        body: serviceProviderMetadata(context.samlServiceProvider, connectionId, context.clock.now()),
        headers,
      };
    },
  });

const hasConnection = async ({ db }: IdentityContext, connectionId: string): Promise<boolean> =>
  await db.readAcrossOrganizations('a metadata address names a connection only', async (tx) => {
    return (await findLoginConnection(tx, connectionId)) !== null;
  });

const loginRoute = (context: IdentityContext): Route =>
  route({
    method: 'GET',
    path: '/saml/:connectionId/login',
    permission: PUBLIC,
    surface: 'browser',
    summary: 'Starts a sign-in: sends the browser to the identity provider.',
    params,
    query: startQuery,
    responses: { 303: null, 403: z.string(), 429: z.string() },
    handler: async ({ params: { connectionId }, query, context: request, ctx }) => {
      const facet = await findOpenFacet(context, connectionId);
      if (facet === null) return refusal(request);
      return await unlessThrottled(request, async () => {
        await countedAttempt(context, startRules(request.ip));
        const browser = browserForLogin(ctx.req);
        const start = await loginStartOf(context, { connectionId, query, ctx });
        const location = await startSamlLogin(context, { facet, browser, ...start });
        return { status: 303, headers: { location, 'set-cookie': loginCookie(browser) } };
      });
    },
  });

const acsRoute = (context: IdentityContext): Route =>
  route({
    method: 'POST',
    path: '/saml/:connectionId/acs',
    permission: PUBLIC,
    surface: 'browser',
    crossSite: 'allowed', // Posted by the IdP's page; bound to the browser by InResponseTo and the login cookie.
    summary: 'Takes the answer of the identity provider (HTTP-POST binding).',
    params,
    body: z.object({ SAMLResponse: formField, RelayState: formField }).default({}),
    responses: { 200: z.string(), 303: null, 403: z.string(), 429: z.string() },
    handler: async ({ params: { connectionId }, body, context: request, ctx }) => {
      const test = await findSamlTest(context, connectionId, {
        relayState: textOfField(body.RelayState),
        browser: findBrowser(ctx.req),
      });
      if (test !== null) return await answerTest(context, { ...test, body, request, ctx });
      const facet = await findOpenFacet(context, connectionId);
      if (facet === null) return refusal(request);
      return await unlessThrottled(request, async () => {
        const attempt = await countedAttempt(context, federatedRules(connectionId, request.ip));
        const response = await answer(context, { facet, body, request, ctx });
        if (response.status === 303) await attempt.succeeded();
        return response;
      });
    },
  });

interface Posted {
  readonly facet: MessageFacet;
  readonly body: {
    readonly SAMLResponse?: FormField;
    readonly RelayState?: FormField;
  };
  readonly request: RequestContext;
  readonly ctx: Koa.Context;
}

const postedBy = ({ facet, body, request, ctx }: Posted): PostedResponse => ({
  facet,
  samlResponse: textOfField(body.SAMLResponse) ?? '',
  relayState: textOfField(body.RelayState),
  browser: findBrowser(ctx.req),
  origin: originOf(request),
});

/** The administrator who tests a connection is told what a person who signs in never is. */
const answerTest = async (
  context: IdentityContext,
  posted: Posted & { readonly pending: PendingLogin },
): Promise<RouteResponse> =>
  await unlessThrottled(posted.request, async () => {
    await countedAttempt(context, federatedRules(posted.facet.connectionId, posted.request.ip));
    return { status: 200, body: tracePage(await finishSamlTest(context, postedBy(posted), posted.pending)) };
  });

const answer = async (context: IdentityContext, posted: Posted): Promise<RouteResponse> => {
  const { facet, request } = posted;
  const consumed = await consumeResponse(context, postedBy(posted));
  if (consumed.ok) {
    const location = consumed.returnTo ?? safeReturnTo(undefined, context.config.publicOrigin);
    return { status: 303, headers: { location, 'set-cookie': sessionCookie(consumed.session.token) } };
  }
  if ('test' in consumed) return await answerTest(context, { ...posted, pending: consumed.test });
  const { reason, where, recorded } = consumed;
  const { orgId, connectionId } = facet;
  if (!recorded)
    await recordRefusedLogin(context, { orgId, connectionId, method: 'saml', reason, where }, originOf(request));
  return refusal(request, reason === 'VERIFIER_BUSY' ? 429 : 403);
};

/** `/saml/:connectionId/…`: what identity providers and browsers call. */
export const samlRoutes = (context: IdentityContext): Route[] => [
  metadataRoute(context),
  loginRoute(context),
  acsRoute(context),
  ...logoutRoutes(context),
];
