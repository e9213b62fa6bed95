import { isAppError } from '@sallyport/errors';
import { PUBLIC, route, type RequestContext, type Route, type RouteResponse } from '@sallyport/http';
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
  startQuery,
  startRules,
  tracePage,
} from '../login/index.ts';
import { sessionCookie } from '../sessions/index.ts';
import { receiveLogout, recordRefusedLogout } from './backchannel-logout.ts';
import { findOidcFacet, type OidcFacet } from './facet-store.ts';
import { finishOidcLogin, startOidcLogin } from './login.ts';
import { OidcRefusal } from './reasons.ts';
import { findOidcFacetUnderTest } from './test-login.ts';

const params = z.object({ connectionId: z.string().max(64) });

/** The facet of an enabled connection; null for everything else. */
const openFacet = async ({ db }: IdentityContext, connectionId: string): Promise<OidcFacet | null> => {
  if (!z.uuid().safeParse(connectionId).success) return null;
  return await db.readAcrossOrganizations('a sign-in address names a connection only', async (tx) => {
    const connection = await findLoginConnection(tx, connectionId);
    return connection?.enabled === true ? await findOidcFacet(tx, connection.orgId, connection.id) : null;
  });
};

const refusal = (request: RequestContext, status: 403 | 429 = 403): RouteResponse => ({
  status,
  body: refusedPage(request.requestId),
});

interface Refused {
  readonly reason: string;
  readonly where: string | null;
}

const recordAndRefuse = async (
  context: IdentityContext,
  facet: OidcFacet,
  { reason, where }: Refused,
  request: RequestContext,
): Promise<RouteResponse> => {
  const { orgId, connectionId } = facet;
  await recordRefusedLogin(context, { orgId, connectionId, method: 'oidc', reason, where }, originOf(request));
  return refusal(request);
};

const startRoute = (context: IdentityContext): Route =>
  route({
    method: 'GET',
    path: '/login/oidc/:connectionId/start',
    permission: PUBLIC,
    surface: 'browser',
    summary: 'Starts a sign-in: sends the browser to the identity provider.',
    params,
    query: startQuery,
    responses: { 303: null, 403: z.string(), 429: z.string() },
    handler: async ({ params: { connectionId }, query, context: request, ctx }) => {
      const facet = await openFacet(context, connectionId);
      if (facet === null) return refusal(request);
      const browser = browserForLogin(ctx.req);
      try {
        await countedAttempt(context, startRules(request.ip));
        const start = await loginStartOf(context, { connectionId, query, ctx });
        const location = await startOidcLogin(context, { ...start, facet, browser });
        return { status: 303, headers: { location, 'set-cookie': loginCookie(browser) } };
      } catch (error) {
        if (error instanceof OidcRefusal) return await recordAndRefuse(context, facet, error, request);
        if (isAppError(error) && error.code === 'RATE_LIMITED') return refusal(request, 429);
        throw error;
      }
    },
  });

const callbackRoute = (context: IdentityContext): Route =>
  route({
    method: 'GET',
    path: '/login/oidc/:connectionId/callback',
    permission: PUBLIC,
    surface: 'browser',
    summary: 'Takes the answer of the identity provider.',
    params,
    responses: { 200: z.string(), 303: null, 403: z.string(), 429: z.string() },
    handler: async ({ params: { connectionId }, context: request, ctx }) => {
      const facet =
        (await openFacet(context, connectionId)) ??
        (await findOidcFacetUnderTest(context, connectionId, ctx.querystring));
      if (facet === null) return refusal(request);
      try {
        const attempt = await countedAttempt(context, federatedRules(connectionId, request.ip));
        const answer = { facet, query: ctx.querystring, browser: findBrowser(ctx.req), origin: originOf(request) };
        const finished = await finishOidcLogin(context, answer);
        if (!finished.ok)
          return finished.recorded ? refusal(request) : await recordAndRefuse(context, facet, finished, request);
        if ('trace' in finished) return { status: 200, body: tracePage(finished.trace) };
        await attempt.succeeded();
        const headers = { location: finished.returnTo, 'set-cookie': sessionCookie(finished.session.token) };
        return { status: 303, headers };
      } catch (error) {
        if (isAppError(error) && error.code === 'RATE_LIMITED') return refusal(request, 429);
        throw error;
      }
    },
  });

const NO_STORE = { 'cache-control': 'no-store' };
const rejected = (error: string, status: 400 | 429 = 400): RouteResponse => ({
  status,
  body: { error },
  headers: NO_STORE,
});

const logoutRoute = (context: IdentityContext): Route =>
  route({
    method: 'POST',
    path: '/login/oidc/:connectionId/backchannel-logout',
    permission: PUBLIC,
    surface: 'oauth',
    crossSite: 'allowed', // Called by the identity provider itself; what counts is the signature of the token.
    summary: 'Takes a logout token of the identity provider and ends the sessions it names.',
    params,
    body: z.object({ logout_token: z.union([z.string(), z.array(z.string())]).optional() }).default({}),
    responses: { 200: null, 400: z.object({ error: z.string() }), 429: z.object({ error: z.string() }) },
    handler: async ({ params: { connectionId }, body, context: request }) => {
      const facet = await openFacet(context, connectionId);
      const token = body.logout_token;
      if (facet === null || typeof token !== 'string') return rejected('invalid_request');
      try {
        const attempt = await countedAttempt(context, federatedRules(connectionId, request.ip));
        await receiveLogout(context, facet, { token, origin: originOf(request) });
        await attempt.succeeded();
        return { status: 200, headers: NO_STORE };
      } catch (error) {
        if (isAppError(error) && error.code === 'RATE_LIMITED') return rejected('temporarily_unavailable', 429);
        if (!(error instanceof OidcRefusal)) throw error;
        await recordRefusedLogout(context, facet, error, originOf(request));
        return rejected('invalid_request');
      }
    },
  });

/** `/login/oidc/:connectionId/…`: what browsers call on the way to an identity provider and back, and what it calls. */
export const oidcRoutes = (context: IdentityContext): Route[] => [
  startRoute(context),
  callbackRoute(context),
  logoutRoute(context),
];
