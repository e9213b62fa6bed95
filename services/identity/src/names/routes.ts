import { SELF, route, type Route } from '@sallyport/http';
import { z } from 'zod';

import type { IdentityContext } from '../context.ts';
import { namesOfIds } from './store.ts';

const MAX_IDS = 100;
const idSchema = z.uuid();

const namesSchema = z.object({
  items: z.array(
    z.object({
      id: idSchema,
      type: z.enum(['user', 'service_account', 'group']),
      /** An account's user name, a group's display name. */
      name: z.string(),
      displayName: z.string().nullable(),
    }),
  ),
});

/**
 * Whoever is asked to approve, review or explain is shown ids of people they may not administer, and decides about
 * people: an id that somebody has been shown may be named to them, nobody can be searched for. A credential that is
 * limited to some permissions needs `account:read` among them, and to have it.
 */
export const nameRoutes = ({ db }: IdentityContext): Route[] => [
  route({
    method: 'GET',
    path: '/api/identity/v1/names',
    permission: SELF,
    surface: 'api',
    summary: 'What accounts and groups are called, by their ids: up to 100 at once, unknown ones left out.',
    query: z.object({ id: z.union([idSchema, z.array(idSchema).max(MAX_IDS)]) }),
    responses: { 200: namesSchema },
    handler: async ({ query: { id }, context }) => {
      if ((context.principal?.scopes.length ?? 0) > 0) await context.require('account:read');
      const { orgId } = context.auditContext();
      const ids = [...new Set([id].flat())];
      return { status: 200, body: { items: await db.read(orgId, (tx) => namesOfIds(tx, orgId, ids)) } };
    },
  }),
];
