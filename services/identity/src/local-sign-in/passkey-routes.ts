import { AppError } from '@sallyport/errors';
import { PUBLIC, route, type Route } from '@sallyport/http';
import { z } from 'zod';

import type { IdentityContext } from '../context.ts';
import {
  assertionOptions,
  assertionSchema,
  listPasskeys,
  newChallenge,
  registrationSchema,
  relyingPartyOf,
  signInBinding,
  startPasskey,
} from '../factors/index.ts';
import { browserForLogin, findBrowser, loginCookie, originOf, replacedSession, safeReturnTo } from '../login/index.ts';
import { LINK_SCRIPT, LINK_SCRIPT_PATH, PASSKEY_SCRIPT, PASSKEY_SCRIPT_PATH } from '../pages/index.ts';
import { sessionCookie } from '../sessions/index.ts';
import { countedAttempt, passkeyRules } from '../throttle/index.ts';
import {
  anchorOfHalf,
  finishWithEnrolment,
  finishWithFactor,
  getHalfLogin,
  ownerOfHalf,
  verifyBinding,
} from './half-login.ts';
import { loginWithPasskey } from './login-with-passkey.ts';

const API = '/api/identity/v1/login';
const half = z.uuid();
const optionsAnswer = z.object({ publicKey: z.looseObject({}) });
const onward = z.object({ location: z.string() });
const PASSKEY_BODY_BYTES = 64 * 1024;
/** What every row here is: called by a script of our own page before anybody is known, with the browser's cookie. */
const row = { method: 'POST', permission: PUBLIC, surface: 'api', bodyLimitBytes: PASSKEY_BODY_BYTES } as const;

const signInRoutes = (context: IdentityContext): Route[] => [
  route({
    ...row,
    path: `${API}/passkey/options`,
    summary: 'Begins to sign in with a passkey: a challenge for this browser.',
    body: z.object({ returnTo: z.string().optional() }),
    responses: { 200: optionsAnswer, 429: null },
    handler: async ({ ctx, context: request }) => {
      // Each leaves a row, so nobody may leave any number of them.
      await countedAttempt(context, passkeyRules(request.ip));
      const browser = browserForLogin(ctx.req);
      const challenge = await newChallenge(context, signInBinding(browser.secret));
      const publicKey = await assertionOptions(relyingPartyOf(context.config.publicOrigin), { challenge, allow: [] });
      return { status: 200, body: { publicKey }, headers: { 'set-cookie': loginCookie(browser) } };
    },
  }),
  route({
    ...row,
    path: `${API}/passkey`,
    summary: 'Signs in with a passkey; the session is in the cookie of the answer.',
    body: z.object({ response: assertionSchema, returnTo: z.string().optional() }),
    responses: { 200: onward, 403: null, 429: null },
    handler: async ({ body, ctx, context: request }) => {
      const session = await loginWithPasskey(context, {
        answer: body.response,
        browser: findBrowser(ctx.req),
        origin: originOf(request),
        replaces: await replacedSession(context, ctx),
      });
      const location = safeReturnTo(body.returnTo, context.config.publicOrigin);
      return { status: 200, body: { location }, headers: { 'set-cookie': sessionCookie(session.token) } };
    },
  }),
];

const secondFactorRoutes = (context: IdentityContext): Route[] => [
  route({
    ...row,
    path: `${API}/second-factor/passkey/options`,
    summary: 'Begins to finish a sign-in under way with a passkey.',
    body: z.object({ half }),
    responses: { 200: optionsAnswer, 403: null, 429: null },
    handler: async ({ body, ctx, context: request }) => {
      await countedAttempt(context, passkeyRules(request.ip));
      const browser = findBrowser(ctx.req);
      const found = await getHalfLogin(context, { id: body.half, browser });
      const allow = await context.db.read(found.orgId, async (tx) => await listPasskeys(tx, found));
      if (browser === null || allow.length === 0) throw new AppError('LOGIN_REFUSED', 'There is no passkey to use.');
      const challenge = await newChallenge(context, verifyBinding(found, browser));
      const publicKey = await assertionOptions(relyingPartyOf(context.config.publicOrigin), { challenge, allow });
      return { status: 200, body: { publicKey } };
    },
  }),
  route({
    ...row,
    path: `${API}/second-factor/passkey`,
    summary: 'Finishes a sign-in under way with a passkey; the session is in the cookie of the answer.',
    body: z.object({ half, response: assertionSchema }),
    responses: { 200: onward, 403: null, 429: null },
    handler: async ({ body, ctx, context: request }) => {
      const where = { id: body.half, browser: findBrowser(ctx.req), origin: originOf(request) };
      const { session, returnTo } = await finishWithFactor(context, where, { answer: body.response });
      return { status: 200, body: { location: returnTo }, headers: { 'set-cookie': sessionCookie(session.token) } };
    },
  }),
];

const enrolRoutes = (context: IdentityContext): Route[] => [
  route({
    ...row,
    path: `${API}/enrol/passkey/options`,
    summary: 'Begins to make a first passkey in the middle of a sign-in.',
    body: z.object({ half }),
    responses: { 200: optionsAnswer, 403: null, 409: null, 429: null },
    handler: async ({ body, ctx, context: request }) => {
      await countedAttempt(context, passkeyRules(request.ip));
      const browser = findBrowser(ctx.req);
      const found = await getHalfLogin(context, { id: body.half, browser });
      if (browser === null) throw new AppError('LOGIN_REFUSED', 'This sign-in took too long. Start again.');
      const publicKey = await startPasskey(context, ownerOfHalf(found), anchorOfHalf(found, browser));
      return { status: 200, body: { publicKey } };
    },
  }),
  route({
    ...row,
    path: `${API}/enrol/passkey`,
    summary:
      'Adds a first passkey and finishes the sign-in with it; recovery codes are in the answer and nowhere else.',
    body: z.object({ half, response: registrationSchema, name: z.string().trim().min(1).max(100).default('Passkey') }),
    responses: {
      200: onward.extend({ recoveryCodes: z.array(z.string()) }),
      400: null,
      403: null,
      409: null,
      429: null,
    },
    handler: async ({ body, ctx, context: request }) => {
      const where = { id: body.half, browser: findBrowser(ctx.req), origin: originOf(request) };
      const shown = { answer: body.response, name: body.name };
      const { session, returnTo, recoveryCodes } = await finishWithEnrolment(context, where, shown);
      const headers = { 'set-cookie': sessionCookie(session.token) };
      return { status: 200, body: { location: returnTo, recoveryCodes: [...recoveryCodes] }, headers };
    },
  }),
];

const scripts = (): Route[] =>
  (
    [
      [PASSKEY_SCRIPT_PATH, PASSKEY_SCRIPT, 'The script of pages that offer passkeys.'],
      [LINK_SCRIPT_PATH, LINK_SCRIPT, 'The script of pages a mailed link leads to.'],
    ] as const
  ).map(([path, body, summary]) =>
    route({
      method: 'GET',
      path,
      permission: PUBLIC,
      surface: 'browser',
      summary,
      responses: { 200: z.string() },
      handler: () => {
        const headers = { 'content-type': 'text/javascript; charset=utf-8', 'cache-control': 'public, max-age=3600' };
        return Promise.resolve({ status: 200, body, headers });
      },
    }),
  );

/** What the script of passkeys calls while somebody signs in, and the scripts themselves. */
export const passkeySignInRoutes = (context: IdentityContext): Route[] => [
  ...signInRoutes(context),
  ...secondFactorRoutes(context),
  ...enrolRoutes(context),
  ...scripts(),
];
