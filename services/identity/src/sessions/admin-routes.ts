import { AppError } from '@sallyport/errors';
import { listOf, listQuery, route, type Route } from '@sallyport/http';
import type { ReadTx } from '@sallyport/storage';
import { z } from 'zod';

import { closeSession, findAccount } from '../accounts/index.ts';
import type { IdentityContext } from '../context.ts';
import { sessionPage, sessionSchema } from './session-view.ts';
import { hasOpenSession, listUnendedSessions } from './store.ts';

const PATH = '/api/identity/v1/accounts/:accountId/sessions';
const params = z.object({ accountId: z.uuid() });
const CAUSE = 'session.ended-by-administrator';

/** @throws NOT_FOUND: nobody's sessions are not the same as no sessions */
const assertAccount = async (tx: ReadTx, orgId: string, accountId: string): Promise<void> => {
  if ((await findAccount(tx, orgId, accountId)) === undefined)
    throw new AppError('NOT_FOUND', 'There is no such account.');
};

/** Sessions of others, for administrators (ASVS 7.4.5). To end tokens as well, the account is deactivated. */
export const sessionAdminRoutes = (context: IdentityContext): Route[] => [
  route({
    method: 'GET',
    path: PATH,
    permission: 'session:manage',
    surface: 'api',
    summary: 'The open sessions of an account, newest first.',
    params,
    query: listQuery,
    responses: { 200: listOf(sessionSchema), 404: null },
    handler: async ({ params: { accountId }, query, context: request }) => {
      const { orgId, actor } = request.auditContext();
      await context.db.read(orgId, async (tx) => {
        await assertAccount(tx, orgId, accountId);
      });
      const whose = { orgId, accountId, current: actor.session ?? '' };
      return { status: 200, body: await sessionPage(context, whose, query) };
    },
  }),
  route({
    method: 'DELETE',
    path: `${PATH}/:sessionId`,
    permission: 'session:manage',
    surface: 'api',
    summary: 'Ends one session of an account, with everything that hangs on it.',
    params: params.extend({ sessionId: z.uuid() }),
    responses: { 204: null, 404: null },
    handler: async ({ params: { accountId, sessionId }, context: request }) => {
      const who = request.auditContext();
      await context.audit.mutate(who, async (tx) => {
        if (request.decision !== null) tx.fence(request.decision);
        const isOpen = await hasOpenSession(tx, { orgId: who.orgId, accountId, id: sessionId });
        if (!isOpen) throw new AppError('NOT_FOUND', 'There is no such session.');
        await closeSession(tx, context, { subjectId: accountId, sessionId, cause: CAUSE });
      });
      return { status: 204 };
    },
  }),
  route({
    method: 'DELETE',
    path: PATH,
    permission: 'session:manage',
    surface: 'api',
    summary: 'Ends every session of an account.',
    params,
    responses: { 204: null, 404: null },
    handler: async ({ params: { accountId }, context: request }) => {
      const who = request.auditContext();
      await context.audit.mutate(who, async (tx) => {
        if (request.decision !== null) tx.fence(request.decision);
        await assertAccount(tx, who.orgId, accountId);
        const sessions = await listUnendedSessions(tx, who.orgId, accountId);
        if (sessions.length === 0) tx.unchanged();
        for (const id of sessions)
          await closeSession(tx, context, { subjectId: accountId, sessionId: id, cause: CAUSE });
      });
      return { status: 204 };
    },
  }),
];
