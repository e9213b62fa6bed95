import { PUBLIC, route, type RequestContext, type Route } from '@sallyport/http';
import { z } from 'zod';

import { closeSession } from '../accounts/index.ts';
import type { IdentityContext } from '../context.ts';
import { STYLE_PATH } from '../pages/index.ts';
import { clearedSessionCookie, sessionOfRequest } from '../sessions/index.ts';
import type { LoginOrigin } from './complete-login.ts';
import { listHomeRealms } from './identity-store.ts';
import { accountPage, choicePage, signInPage } from './pages.ts';
import { safeReturnTo } from './return-to.ts';

const MAX_REALMS = 20;
const html = z.string();

/** Where a request comes from, for the record. */
export const originOf = ({ requestId, ip, userAgent }: RequestContext): LoginOrigin => ({
  requestId,
  ip,
  ...(userAgent === undefined ? {} : { userAgent }),
});

const startPages = (context: IdentityContext): Route[] => [
  route({
    method: 'GET',
    path: '/login',
    permission: PUBLIC,
    surface: 'browser',
    summary: 'The sign-in page.',
    query: z.object({ returnTo: z.string().optional(), signedOut: z.string().optional() }),
    responses: { 200: html },
    handler: ({ query }) => {
      const notice = query.signedOut === undefined ? {} : { status: 'You are signed out.' };
      const body = signInPage(safeReturnTo(query.returnTo, context.config.publicOrigin), notice);
      return Promise.resolve({ status: 200, body });
    },
  }),
  route({
    method: 'POST',
    path: '/login/start',
    permission: PUBLIC,
    surface: 'browser',
    summary: 'Finds where somebody signs in, by the domain of their work address.',
    body: z.object({ email: z.string().max(254), returnTo: z.string().optional() }),
    responses: { 200: html },
    handler: async ({ body }) => {
      const returnTo = safeReturnTo(body.returnTo, context.config.publicOrigin);
      const domain = body.email
        .slice(body.email.lastIndexOf('@') + 1)
        .trim()
        .toLowerCase();
      // By domain only: the answer is the same for every address of it, whether somebody has it or not.
      const realms = await context.db.readAcrossOrganizations('a mail domain leads to its connections', async (tx) => {
        return await listHomeRealms(tx, domain, MAX_REALMS);
      });
      const alert = 'No identity provider is set up for this domain. A local account signs in below.';
      return {
        status: 200,
        body:
          realms.length === 0
            ? signInPage(returnTo, { alert, tried: { form: 'work', email: body.email } })
            : choicePage(realms, returnTo),
      };
    },
  }),
  route({
    method: 'GET',
    path: STYLE_PATH,
    permission: PUBLIC,
    surface: 'browser',
    summary: 'The style sheet of the pages.',
    responses: { 200: z.string() },
    handler: () => {
      const headers = { 'content-type': 'text/css; charset=utf-8', 'cache-control': 'public, max-age=3600' };
      return Promise.resolve({ status: 200, body: context.styleSheet, headers });
    },
  }),
];

const accountPages = (context: IdentityContext): Route[] => [
  route({
    method: 'GET',
    path: '/account',
    permission: PUBLIC,
    surface: 'browser',
    summary: 'Who is signed in in this browser, if anybody.',
    responses: { 200: html },
    handler: async ({ ctx }) => ({ status: 200, body: accountPage(await sessionOfRequest(context, ctx)) }),
  }),
  route({
    method: 'POST',
    path: '/logout',
    permission: PUBLIC,
    surface: 'browser',
    summary: 'Ends the session of this browser, with everything that hangs on it.',
    responses: { 200: html, 303: null },
    handler: async ({ ctx, context: request }) => {
      const standing = await sessionOfRequest(context, ctx);
      if (standing !== null) {
        const { orgId, id, accountId } = standing.session;
        const actor = { type: 'user', id: accountId, via: `session:${id}`, session: id } as const;
        await context.audit.mutate({ orgId, actor, ...originOf(request) }, async (tx) => {
          await closeSession(tx, context, { subjectId: accountId, sessionId: id, cause: 'session.signed-out' });
        });
        const onward = await logoutAtIdp(context, { orgId, id });
        if (onward !== null) {
          return {
            status: 200,
            body: onward.body,
            headers: { ...onward.headers, 'set-cookie': clearedSessionCookie() },
          };
        }
      }
      return { status: 303, headers: { location: '/login?signedOut=1', 'set-cookie': clearedSessionCookie() } };
    },
  }),
];

/** Our session is over by now: a logout that cannot be sent on is logged, and nobody is kept signed in for it. */
const logoutAtIdp = async (
  context: IdentityContext,
  session: { readonly orgId: string; readonly id: string },
): ReturnType<IdentityContext['singleLogout']> => {
  try {
    return await context.singleLogout(session);
  } catch (error) {
    context.logger.warn({ err: error, orgId: session.orgId }, 'a logout could not be sent to the identity provider');
    return null;
  }
};

const redirects = (): Route[] =>
  [
    ['/', '/account', "The start page: one's account."] as const,
    [
      '/.well-known/openid-configuration',
      '/oidc/.well-known/openid-configuration',
      'Leads to the discovery document.',
    ] as const,
  ].map(([path, location, summary]) =>
    route({
      method: 'GET',
      path,
      permission: PUBLIC,
      surface: 'browser',
      summary,
      responses: { 303: null },
      handler: () => Promise.resolve({ status: 303, headers: { location } }),
    }),
  );

/** Pages and API of signing in and out. */
export const loginRoutes = (context: IdentityContext): Route[] => [
  ...startPages(context),
  ...accountPages(context),
  ...redirects(),
];
