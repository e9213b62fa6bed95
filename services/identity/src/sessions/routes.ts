import { SELF, listOf, listQuery, route, type Principal, type Route } from '@sallyport/http';
import { AppError } from '@sallyport/errors';
import { z } from 'zod';

import { closeSession } from '../accounts/index.ts';
import type { IdentityContext } from '../context.ts';
import { sessionPage, sessionSchema } from './session-view.ts';
import { hasOpenSession, listUnendedSessions } from './store.ts';

const meSchema = z.object({
  orgId: z.uuid(),
  orgSlug: z.string(),
  subjectId: z.uuid(),
  type: z.enum(['user', 'service_account']),
  displayName: z.string(),
  credentialType: z.enum(['session', 'api_token', 'access_token']),
  credentialId: z.string(),
  /** The application an access token was issued to. */
  clientId: z.string().nullable(),
  scopes: z.array(z.string()),
  epoch: z.string(),
  authenticatedAt: z.iso.datetime(),
  expiresAt: z.iso.datetime(),
  acr: z.string().nullable(),
  amr: z.array(z.string()),
  /** What is refused until I sign in once more, at /login/step-up. */
  stepUpDue: z.array(z.string()),
  /** The people behind a service account; what it does, they do not approve. */
  sponsorIds: z.array(z.string()),
});

const callerOf = (principal: Principal | null): Principal => {
  if (principal === null) throw new AppError('UNAUTHENTICATED', 'Authentication is required.');
  return principal;
};

const whoAmI = (): Route =>
  route({
    method: 'GET',
    path: '/api/identity/v1/me',
    permission: SELF,
    surface: 'api',
    summary: 'Who the credential of this request stands for.',
    responses: { 200: meSchema },
    handler: ({ context: request }) => {
      const { acr, amr, stepUpDue, sponsorIds, authenticatedAt, expiresAt, epoch, ...who } = callerOf(
        request.principal,
      );
      const times = { authenticatedAt: authenticatedAt.toISOString(), expiresAt: expiresAt.toISOString() };
      const clientId = 'clientId' in who && typeof who.clientId === 'string' ? who.clientId : null;
      const proof = { acr: acr ?? null, amr: amr ?? [], stepUpDue: stepUpDue ?? [] };
      const body = { ...who, ...times, ...proof, clientId, epoch: epoch.toString(), sponsorIds: sponsorIds ?? [] };
      return Promise.resolve({ status: 200, body });
    },
  });

const listMine = (context: IdentityContext): Route =>
  route({
    method: 'GET',
    path: '/api/identity/v1/sessions',
    permission: SELF,
    surface: 'api',
    summary: 'My open sessions, newest first.',
    query: listQuery,
    responses: { 200: listOf(sessionSchema) },
    handler: async ({ query, context: request }) => {
      const { orgId, subjectId, credentialId } = callerOf(request.principal);
      const whose = { orgId, accountId: subjectId, current: credentialId };
      return { status: 200, body: await sessionPage(context, whose, query) };
    },
  });

const endMine = (context: IdentityContext): Route =>
  route({
    method: 'DELETE',
    path: '/api/identity/v1/sessions/:sessionId',
    permission: SELF,
    surface: 'api',
    summary: 'Ends one of my sessions, with everything that hangs on it.',
    params: z.object({ sessionId: z.uuid() }),
    responses: { 204: null, 404: null },
    handler: async ({ params, context: request }) => {
      const { orgId, subjectId } = callerOf(request.principal);
      await context.audit.mutate(request.auditContext(), async (tx) => {
        const key = { orgId, accountId: subjectId, id: params.sessionId };
        if (!(await hasOpenSession(tx, key))) throw new AppError('NOT_FOUND', 'There is no such session.');
        await closeSession(tx, context, { subjectId, sessionId: params.sessionId, cause: 'session.ended-by-owner' });
      });
      return { status: 204 };
    },
  });

const endOthersOfMine = (context: IdentityContext): Route =>
  route({
    method: 'DELETE',
    path: '/api/identity/v1/sessions',
    permission: SELF,
    surface: 'api',
    summary: 'Ends every session of mine but the one that asks, with everything that hangs on them.',
    responses: { 204: null },
    handler: async ({ context: request }) => {
      const { orgId, subjectId, credentialId } = callerOf(request.principal);
      await context.audit.mutate(request.auditContext(), async (tx) => {
        const others = (await listUnendedSessions(tx, orgId, subjectId)).filter((id) => id !== credentialId);
        if (others.length === 0) tx.unchanged();
        for (const sessionId of others)
          await closeSession(tx, context, { subjectId, sessionId, cause: 'session.ended-by-owner' });
      });
      return { status: 204 };
    },
  });

/** Who I am, and my own sessions. */
export const sessionRoutes = (context: IdentityContext): Route[] => [
  whoAmI(),
  listMine(context),
  endMine(context),
  endOthersOfMine(context),
];
