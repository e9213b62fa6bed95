import { PUBLIC, STEP_UP_PATH, route, type Route } from '@sallyport/http';
import { z } from 'zod';

import { findAccount } from '../accounts/index.ts';
import type { IdentityContext } from '../context.ts';
import { sessionOfRequest } from '../sessions/index.ts';
import { safeReturnTo } from './return-to.ts';
import { stepUpPage } from './step-up-page.ts';

/**
 * Where an action that needs a recent sign-in sends a browser. A local account signs in as always, second factor and
 * all; at an identity provider the person is asked for anew. Either way a new session takes the place of this one.
 */
export const stepUpRoutes = (context: IdentityContext): Route[] => [
  route({
    method: 'GET',
    path: STEP_UP_PATH,
    permission: PUBLIC,
    surface: 'browser',
    summary: 'Asks somebody who is signed in to sign in once more.',
    query: z.object({ returnTo: z.string().optional() }),
    responses: { 200: z.string(), 303: null },
    handler: async ({ query, ctx }) => {
      const returnTo = safeReturnTo(query.returnTo, context.config.publicOrigin);
      const standing = await sessionOfRequest(context, ctx);
      if (standing === null) {
        const location = `/login?${new URLSearchParams({ returnTo }).toString()}`;
        return { status: 303, headers: { location } };
      }
      const { orgId, accountId } = standing.session;
      const account = await context.db.read(orgId, async (tx) => await findAccount(tx, orgId, accountId));
      return { status: 200, body: stepUpPage(standing, account?.userName ?? '', returnTo) };
    },
  }),
];
