import { isAppError } from '@sallyport/errors';
import { PUBLIC, route, type Route, type RouteResponse } from '@sallyport/http';
import { z } from 'zod';

import type { IdentityContext } from '../context.ts';
import { enrolledFactors, startTotp } from '../factors/index.ts';
import {
  browserForLogin,
  findBrowser,
  goOnPage,
  loginCookie,
  originOf,
  replacedSession,
  safeReturnTo,
  signInPage,
} from '../login/index.ts';
import { sessionCookie } from '../sessions/index.ts';
import { finishWithEnrolment, finishWithFactor, getHalfLogin, ownerOfHalf } from './half-login.ts';
import { loginWithPassword } from './login-with-password.ts';
import { enrolPage, enrolTotpPage, recoveryCodesPage, secondFactorPage } from './pages.ts';

const html = z.string();
const half = z.uuid();
const code = z.string().min(1).max(40);
const EXPECTED: ReadonlySet<string> = new Set(['LOGIN_REFUSED', 'RATE_LIMITED', 'INVALID_VALUE', 'CONFLICT']);

const credentials = z.object({
  email: z.string().max(254),
  password: z.string().max(1024),
  organization: z.string().max(63).optional(),
});

const slugOf = (organization = ''): string | null => (organization.trim() === '' ? null : organization.trim());

/** Where a completed sign-in leads. */
const signedIn = (returnTo: string, token: string): RouteResponse => {
  const headers = { 'set-cookie': sessionCookie(token) };
  // An application's redirect would count as part of this form's submission: see goOnPage.
  const leadsAway = returnTo.startsWith('/login/interaction/');
  return leadsAway
    ? { status: 200, body: goOnPage(returnTo), headers }
    : { status: 303, headers: { ...headers, location: returnTo } };
};

/** A page again, with what went wrong; anything unexpected goes on. */
const again = (error: unknown, body: (problem: string) => string): RouteResponse => {
  if (!isAppError(error) || !EXPECTED.has(error.code)) throw error;
  return { status: error.kind.http, body: body(error.message) };
};

const passwordPage = (context: IdentityContext): Route =>
  route({
    method: 'POST',
    path: '/login/password',
    permission: PUBLIC,
    surface: 'browser',
    summary: 'Signs in with a local account, or goes on to its second factor.',
    body: credentials.extend({ returnTo: z.string().optional() }),
    responses: { 200: html, 303: null, 403: html, 429: html },
    handler: async ({ body, context: request, ctx }) => {
      const returnTo = safeReturnTo(body.returnTo, context.config.publicOrigin);
      const browser = browserForLogin(ctx.req);
      try {
        const outcome = await loginWithPassword(context, {
          email: body.email,
          password: body.password,
          organization: slugOf(body.organization),
          origin: originOf(request),
          replaces: await replacedSession(context, ctx),
          next: { by: 'page', browser, returnTo },
        });
        if (outcome.step === 'done') return signedIn(returnTo, outcome.session.token);
        const path = outcome.step === 'enrol' ? '/login/enrol' : '/login/second-factor';
        const headers = { location: `${path}?half=${outcome.halfLoginId}`, 'set-cookie': loginCookie(browser) };
        return { status: 303, headers };
      } catch (error) {
        const tried = { form: 'local', email: body.email } as const;
        return again(error, (alert) => signInPage(returnTo, { alert, tried }));
      }
    },
  });

const passwordApi = (context: IdentityContext): Route =>
  route({
    method: 'POST',
    path: '/api/identity/v1/login',
    permission: PUBLIC,
    surface: 'api',
    summary:
      'Signs in with a local account and, where it has a second factor, a code; the session is in the cookie of the answer.',
    body: credentials.extend({ code: code.optional() }),
    responses: { 200: z.object({ sessionId: z.uuid(), expiresAt: z.iso.datetime() }), 403: null, 429: null },
    handler: async ({ body, context: request, ctx }) => {
      const outcome = await loginWithPassword(context, {
        email: body.email,
        password: body.password,
        organization: body.organization ?? null,
        origin: originOf(request),
        replaces: await replacedSession(context, ctx),
        next: { by: 'request', code: body.code ?? null },
      });
      // With `next.by` request a sign-in is complete or refused.
      if (outcome.step !== 'done') return { status: 403 };
      const { session } = outcome;
      return {
        status: 200,
        body: { sessionId: session.sessionId, expiresAt: session.expiresAt.toISOString() },
        headers: { 'set-cookie': sessionCookie(session.token) },
      };
    },
  });

const startAgain = (error: unknown): RouteResponse =>
  again(error, (alert) => signInPage(safeReturnTo(undefined, 'http://localhost'), { alert }));

const secondFactorRoutes = (context: IdentityContext): Route[] => [
  route({
    method: 'GET',
    path: '/login/second-factor',
    permission: PUBLIC,
    surface: 'browser',
    summary: 'Asks for the second factor of a sign-in under way.',
    query: z.object({ half }),
    responses: { 200: html, 403: html },
    handler: async ({ query, ctx }) => {
      try {
        return { status: 200, body: await factorPage(context, query.half, ctx) };
      } catch (error) {
        return startAgain(error);
      }
    },
  }),
  route({
    method: 'POST',
    path: '/login/second-factor',
    permission: PUBLIC,
    surface: 'browser',
    summary: 'Finishes a sign-in with a code of an authenticator app or a recovery code.',
    body: z.object({ half, code }),
    responses: { 200: html, 303: null, 403: html, 429: html },
    handler: async ({ body, context: request, ctx }) => {
      const browser = findBrowser(ctx.req);
      try {
        const where = { id: body.half, browser, origin: originOf(request) };
        const { session, returnTo } = await finishWithFactor(context, where, { code: body.code });
        return signedIn(returnTo, session.token);
      } catch (error) {
        if (!isAppError(error) || !EXPECTED.has(error.code)) throw error;
        // The sign-in may have ended with this attempt: then the page says so instead.
        const page = await factorPage(context, body.half, ctx, error.message).catch(() => null);
        return page === null ? startAgain(error) : { status: error.kind.http, body: page };
      }
    },
  }),
];

const factorPage = async (
  context: IdentityContext,
  id: string,
  ctx: Parameters<Route['handler']>[0]['ctx'],
  problem?: string,
): Promise<string> => {
  const found = await getHalfLogin(context, { id, browser: findBrowser(ctx.req) });
  const enrolled = await context.db.read(found.orgId, async (tx) => await enrolledFactors(tx, found));
  return secondFactorPage(id, enrolled, problem);
};

const enrolRoutes = (context: IdentityContext): Route[] => [
  route({
    method: 'GET',
    path: '/login/enrol',
    permission: PUBLIC,
    surface: 'browser',
    summary: 'Lets somebody choose a first second factor in the middle of a sign-in.',
    query: z.object({ half }),
    responses: { 200: html, 403: html },
    handler: async ({ query, ctx }) => {
      try {
        await getHalfLogin(context, { id: query.half, browser: findBrowser(ctx.req) });
        return { status: 200, body: enrolPage(query.half) };
      } catch (error) {
        return startAgain(error);
      }
    },
  }),
  route({
    method: 'POST',
    path: '/login/enrol/totp',
    permission: PUBLIC,
    surface: 'browser',
    summary: 'Begins to set up an authenticator app in the middle of a sign-in.',
    body: z.object({ half }),
    responses: { 200: html, 403: html, 409: html },
    handler: async ({ body, ctx }) => {
      try {
        const found = await getHalfLogin(context, { id: body.half, browser: findBrowser(ctx.req) });
        const enrolment = await startTotp(context, ownerOfHalf(found), 'password-only');
        return { status: 200, body: enrolTotpPage(body.half, { enrolment }) };
      } catch (error) {
        return startAgain(error);
      }
    },
  }),
  route({
    method: 'POST',
    path: '/login/enrol/totp/confirm',
    permission: PUBLIC,
    surface: 'browser',
    summary: 'Confirms the authenticator app and finishes the sign-in with it.',
    body: z.object({ half, code }),
    responses: { 200: html, 400: html, 403: html, 409: html, 429: html },
    handler: async ({ body, context: request, ctx }) => {
      const where = { id: body.half, browser: findBrowser(ctx.req), origin: originOf(request) };
      try {
        const { session, returnTo, recoveryCodes } = await finishWithEnrolment(context, where, { code: body.code });
        const headers = { 'set-cookie': sessionCookie(session.token) };
        return { status: 200, body: recoveryCodesPage(recoveryCodes, returnTo), headers };
      } catch (error) {
        const isTypo = isAppError(error) && error.code === 'INVALID_VALUE';
        return isTypo
          ? again(error, (problem) => enrolTotpPage(body.half, { enrolment: null, problem }))
          : startAgain(error);
      }
    },
  }),
];

/** Pages and API of local sign-in; what passkeys' script calls is in passkey-routes.ts. */
export const localSignInRoutes = (context: IdentityContext): Route[] => [
  passwordPage(context),
  passwordApi(context),
  ...secondFactorRoutes(context),
  ...enrolRoutes(context),
];
