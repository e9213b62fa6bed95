import type { AuditContext } from '@sallyport/audit';
import { isAppError } from '@sallyport/errors';
import { PUBLIC, STEP_UP_PATH, route, type RequestContext, type Route, type RouteResponse } from '@sallyport/http';
import type Koa from 'koa';
import { z } from 'zod';

import type { IdentityContext } from '../context.ts';
import {
  assertFresh,
  enrolledFactors,
  finishTotp,
  hasSecondFactor,
  nameMyPasskey,
  removePasskey,
  removeTotp,
  renewRecoveryCodes,
  startTotp,
  type FactorOwner,
} from '../factors/index.ts';
import { originOf } from '../login/index.ts';
import { sessionOfRequest } from '../sessions/index.ts';
import { changePassword } from './change-password.ts';
import { signInMethods } from './factors-view.ts';
import { codesPage, securityPage, totpPage, type SecurityNotice } from './pages.ts';

const HOME = '/account/security';
const html = z.string();
const PAGE = { 200: html, 303: null, 400: html, 403: html, 404: html, 409: html, 429: html } as const;

/** Who looks at the page, from a session that is recent and complete. */
interface Viewer {
  readonly owner: FactorOwner;
  readonly sessionId: string;
  readonly audit: AuditContext;
}

const to = (location: string): RouteResponse => ({ status: 303, headers: { location } });

type Work = (viewer: Viewer) => Promise<RouteResponse>;

/**
 * Serves somebody who signed in lately with all factors there are; everybody else is sent to do so. What can be put
 * right is said on the page again.
 */
const forViewer =
  (context: IdentityContext) =>
  async (ctx: Koa.Context, request: RequestContext, work: Work): Promise<RouteResponse> => {
    const standing = await sessionOfRequest(context, ctx);
    if (standing === null) return to(`/login?${new URLSearchParams({ returnTo: HOME }).toString()}`);
    const { orgId, accountId, epochAtIssue: epoch, id, authenticatedAt, amr } = standing.session;
    const owner = { orgId, accountId, epoch };
    const actor = { type: 'user', id: accountId, via: `session:${id}`, session: id } as const;
    const viewer = { owner, sessionId: id, audit: { orgId, actor, ...originOf(request) } };
    try {
      const enrolled = await context.db.read(orgId, async (tx) => await enrolledFactors(tx, owner));
      assertFresh({ authenticatedAt, amr }, { hasFactor: hasSecondFactor(enrolled), now: context.clock.now() });
      return await work(viewer);
    } catch (error) {
      if (!isAppError(error) || error.kind.http >= 500) throw error;
      if (error.code === 'STEP_UP_REQUIRED')
        return to(`${STEP_UP_PATH}?${new URLSearchParams({ returnTo: HOME }).toString()}`);
      return await show(context, viewer, { alert: error.message }, error.kind.http);
    }
  };

const show = async (
  context: IdentityContext,
  { owner }: Viewer,
  notice: SecurityNotice,
  status = 200,
): Promise<RouteResponse> => {
  const methods = await context.db.read(owner.orgId, async (tx) => await signInMethods(tx, owner));
  return { status, body: securityPage(methods, notice) };
};

const DONE: Readonly<Record<string, string>> = {
  password: 'Your password is changed. Your other sessions have ended.',
  removed: 'It is removed.',
  renamed: 'It is renamed.',
};

const row = { permission: PUBLIC, surface: 'browser', responses: PAGE } as const;

const passkeyRoutes = (context: IdentityContext, serve: ReturnType<typeof forViewer>): Route[] => [
  route({
    ...row,
    method: 'POST',
    path: `${HOME}/passkeys/:passkeyId/rename`,
    summary: 'Renames one of my passkeys.',
    params: z.object({ passkeyId: z.uuid() }),
    body: z.object({ name: z.string().trim().min(1).max(100) }),
    handler: async ({ params, body, ctx, context: request }) =>
      await serve(ctx, request, async ({ owner, audit }) => {
        await nameMyPasskey(context, owner, { id: params.passkeyId, name: body.name }, audit);
        return to(`${HOME}?done=renamed`);
      }),
  }),
  route({
    ...row,
    method: 'POST',
    path: `${HOME}/passkeys/:passkeyId/remove`,
    summary: 'Removes one of my passkeys.',
    params: z.object({ passkeyId: z.uuid() }),
    handler: async ({ params, ctx, context: request }) =>
      await serve(ctx, request, async ({ owner, audit }) => {
        await removePasskey(context, owner, params.passkeyId, audit);
        return to(`${HOME}?done=removed`);
      }),
  }),
];

const totpRoutes = (context: IdentityContext, serve: ReturnType<typeof forViewer>): Route[] => [
  route({
    ...row,
    method: 'POST',
    path: `${HOME}/totp`,
    summary: 'Begins to set up an authenticator app.',
    handler: async ({ ctx, context: request }) =>
      await serve(ctx, request, async ({ owner }) => ({
        status: 200,
        body: totpPage({ enrolment: await startTotp(context, owner, 'signed-in') }),
      })),
  }),
  route({
    ...row,
    method: 'POST',
    path: `${HOME}/totp/confirm`,
    summary: 'Confirms the authenticator app with a code it shows.',
    body: z.object({ code: z.string().min(1).max(40) }),
    handler: async ({ body, ctx, context: request }) =>
      await serve(ctx, request, async ({ owner, audit }) => {
        try {
          const { recoveryCodes } = await finishTotp(context, owner, { code: body.code, by: 'signed-in' }, audit);
          return recoveryCodes === null ? to(HOME) : { status: 200, body: codesPage(recoveryCodes) };
        } catch (error) {
          if (!isAppError(error) || error.code !== 'INVALID_VALUE') throw error;
          return { status: 400, body: totpPage({ enrolment: null, problem: error.message }) };
        }
      }),
  }),
  route({
    ...row,
    method: 'POST',
    path: `${HOME}/totp/remove`,
    summary: 'Removes my authenticator app.',
    handler: async ({ ctx, context: request }) =>
      await serve(ctx, request, async ({ owner, audit }) => {
        await removeTotp(context, owner, audit);
        return to(`${HOME}?done=removed`);
      }),
  }),
  route({
    ...row,
    method: 'POST',
    path: `${HOME}/recovery-codes`,
    summary: 'Makes new recovery codes and shows them once.',
    handler: async ({ ctx, context: request }) =>
      await serve(ctx, request, async ({ owner, audit }) => ({
        status: 200,
        body: codesPage(await renewRecoveryCodes(context, owner, audit)),
      })),
  }),
];

const passwordRoute = (context: IdentityContext, serve: ReturnType<typeof forViewer>): Route =>
  route({
    ...row,
    method: 'POST',
    path: `${HOME}/password`,
    summary: 'Changes my password.',
    body: z.object({ current: z.string().max(1024), password: z.string().max(1024) }),
    handler: async ({ body, ctx, context: request }) =>
      await serve(ctx, request, async (viewer) => {
        const { owner, sessionId, audit } = viewer;
        try {
          await changePassword(context, owner, { current: body.current, next: body.password, sessionId }, audit);
          return to(`${HOME}?done=password`);
        } catch (error) {
          if (!isAppError(error) || error.code !== 'INVALID_VALUE') throw error;
          const field = error.fields[0]?.pointer === '/current' ? 'current' : 'password';
          return await show(context, viewer, { problem: { field, text: error.message } }, 400);
        }
      }),
  });

/** The pages on which I change how I sign in; they work without a script, but for making passkeys. */
export const securityPageRoutes = (context: IdentityContext): Route[] => {
  const serve = forViewer(context);
  return [
    route({
      ...row,
      method: 'GET',
      path: HOME,
      summary: 'How I sign in.',
      query: z.object({ done: z.string().optional() }),
      handler: async ({ query, ctx, context: request }) =>
        await serve(ctx, request, async (viewer) => {
          const status = DONE[query.done ?? ''];
          return await show(context, viewer, status === undefined ? {} : { status });
        }),
    }),
    ...passkeyRoutes(context, serve),
    ...totpRoutes(context, serve),
    passwordRoute(context, serve),
  ];
};
