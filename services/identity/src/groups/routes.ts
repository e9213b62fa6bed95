import { AppError } from '@sallyport/errors';
import { decodeCursor, encodeCursor, listOf, listQuery, route, type Route } from '@sallyport/http';
import { z } from 'zod';

import { refuseDirectoryOwned } from '../accounts/index.ts';
import type { IdentityContext } from '../context.ts';
import { changeGroup } from './change-group.ts';
import type { Group } from './group.ts';
import { listMembers } from './member-store.ts';
import { findGroup, listGroups, lockGroup } from './store.ts';

const BASE = '/api/identity/v1/groups';

const groupSchema = z.object({
  id: z.string(),
  connectionId: z.string(),
  externalId: z.string().nullable(),
  displayName: z.string(),
  createdAt: z.string(),
  updatedAt: z.string(),
});

const memberSchema = z.object({
  accountId: z.string(),
  userName: z.string(),
  displayName: z.string(),
  status: z.enum(['active', 'inactive']),
});

const params = z.object({ groupId: z.uuid() });

const render = (group: Group): z.output<typeof groupSchema> => ({
  id: group.id,
  connectionId: group.connectionId,
  externalId: group.externalId,
  displayName: group.displayName,
  createdAt: group.createdAt.toISOString(),
  updatedAt: group.updatedAt.toISOString(),
});

const afterOf = (cursor: string | undefined): { after?: string } =>
  cursor === undefined ? {} : { after: decodeCursor(z.uuid(), cursor) };

/** One item more than asked for was read, if there is one: then the list goes on. */
const pageOf = <T>(items: readonly T[], limit: number, idOf: (item: T) => string) => {
  const page = items.slice(0, limit);
  const last = page.at(-1);
  return { page, nextCursor: items.length > limit && last !== undefined ? encodeCursor(idOf(last)) : null };
};

const groupOf = async ({ db }: IdentityContext, orgId: string, id: string): Promise<Group> => {
  const group = await db.read(orgId, (tx) => findGroup(tx, orgId, id));
  if (group === undefined) throw new AppError('NOT_FOUND', 'There is no such group.');
  return group;
};

const renameRoute = (service: IdentityContext): Route =>
  route({
    method: 'PATCH',
    path: `${BASE}/:groupId`,
    permission: 'account:manage',
    surface: 'api',
    summary: 'Renames a group that no directory owns any more. While one does, it is changed there and is a 409 here.',
    params,
    body: z.strictObject({ displayName: z.string().trim().min(1).max(500) }),
    responses: { 200: groupSchema, 409: null },
    handler: async ({ params: { groupId }, body: { displayName }, context }) => {
      const { value: group } = await service.audit.mutate(context.auditContext(), async (tx) => {
        if (context.decision !== null) tx.fence(context.decision);
        const locked = await lockGroup(tx, tx.orgId, groupId);
        if (locked === undefined) throw new AppError('NOT_FOUND', 'There is no such group.');
        await refuseDirectoryOwned(tx, locked);
        return await changeGroup(tx, service, locked, { ...locked, displayName, members: [] });
      });
      return { status: 200, body: render(group) };
    },
  });

/** `/api/identity/v1/groups`: to look at; groups are changed in the directory that owns them. */
export const groupRoutes = (service: IdentityContext): Route[] => [
  renameRoute(service),
  route({
    method: 'GET',
    path: BASE,
    permission: 'account:read',
    surface: 'api',
    summary: 'Lists groups in order of creation.',
    query: listQuery.extend({ connectionId: z.uuid().optional(), displayName: z.string().min(1).max(500).optional() }),
    responses: { 200: listOf(groupSchema) },
    handler: async ({ query: { limit, cursor, connectionId, displayName }, context }) => {
      const { orgId } = context.auditContext();
      const filter = {
        limit: limit + 1,
        ...afterOf(cursor),
        ...(connectionId === undefined ? {} : { connectionId }),
        ...(displayName === undefined ? {} : { displayName }),
      };
      const groups = await service.db.read(orgId, (tx) => listGroups(tx, orgId, filter));
      const { page, nextCursor } = pageOf(groups, limit, ({ id }) => id);
      return { status: 200, body: { items: page.map(render), nextCursor } };
    },
  }),
  route({
    method: 'GET',
    path: `${BASE}/:groupId`,
    permission: 'account:read',
    surface: 'api',
    summary: 'Shows one group.',
    params,
    responses: { 200: groupSchema },
    handler: async ({ params: { groupId }, context }) => ({
      status: 200,
      body: render(await groupOf(service, context.auditContext().orgId, groupId)),
    }),
  }),
  route({
    method: 'GET',
    path: `${BASE}/:groupId/members`,
    permission: 'account:read',
    surface: 'api',
    summary: 'Lists the members of a group.',
    params,
    query: listQuery,
    responses: { 200: listOf(memberSchema) },
    handler: async ({ params: { groupId }, query: { limit, cursor }, context }) => {
      const { orgId } = context.auditContext();
      const group = await groupOf(service, orgId, groupId);
      const page = { limit: limit + 1, ...afterOf(cursor) };
      const members = await service.db.read(orgId, (tx) => listMembers(tx, group, page));
      const { page: items, nextCursor } = pageOf(members, limit, ({ accountId }) => accountId);
      return { status: 200, body: { items, nextCursor } };
    },
  }),
];
