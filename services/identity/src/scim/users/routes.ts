import { GUARDED, route, type RequestContext, type Route } from '@sallyport/http';
import { isId } from '@sallyport/storage';
import type Koa from 'koa';
import { z } from 'zod';

import { findAccount, searchUsers, type Account, type AccountCriterion } from '../../accounts/index.ts';
import type { IdentityContext } from '../../context.ts';
import { listGroupsOf, type MembershipOf } from '../../groups/index.ts';
import type { ScimCaller } from '../caller.ts';
import { readCriteria } from '../protocol/criteria.ts';
import type { Document } from '../protocol/json.ts';
import { isSelected, readSelection, type Selection } from '../protocol/selection.ts';
import { USER } from '../protocol/user-schema.ts';
import { etagOf, listResponse, matchesEtag, readPage, readQuery, searchQuery } from '../request.ts';
import { createUser } from './create-user.ts';
import { locationOf, renderUser } from './user.ts';
import { deleteUser, patchUser, replaceUser, requireUser } from './write-user.ts';

export type Guard = (ctx: Koa.Context, context: RequestContext) => Promise<ScimCaller>;

const BASE = '/scim/v2/Users';
const params = z.object({ id: z.string() });
const resource = z.record(z.string(), z.unknown());
const SEARCHABLE = new Map<string, AccountCriterion['field']>([
  ['id', 'id'],
  ['userName', 'userName'],
  ['externalId', 'externalId'],
  ['emails', 'email'],
  ['emails.value', 'email'],
]);

const renderAll = async (
  { db, config }: IdentityContext,
  { orgId }: ScimCaller,
  accounts: readonly Account[],
  selection: Selection,
): Promise<Document[]> => {
  const ids = accounts.map(({ id }) => id);
  const memberships = isSelected(selection, 'groups') ? await db.read(orgId, (tx) => listGroupsOf(tx, orgId, ids)) : [];
  const byAccount = Map.groupBy(memberships, ({ accountId }: MembershipOf) => accountId);
  const view = { origin: config.publicOrigin, selection };
  return accounts.map((account) => renderUser(account, byAccount.get(account.id) ?? [], view));
};

const answer = async (
  service: IdentityContext,
  caller: ScimCaller,
  account: Account,
  { status, selection }: { readonly status: number; readonly selection: Selection },
) => {
  const [body] = await renderAll(service, caller, [account], selection);
  const location = locationOf(service.config.publicOrigin, account.id);
  return { status, body, headers: { location, etag: etagOf(account.version) } };
};

const readRoutes = (service: IdentityContext, guard: Guard): Route[] => [
  route({
    method: 'GET',
    path: BASE,
    permission: GUARDED,
    guard,
    surface: 'scim',
    summary: 'Lists the users of the connection, or looks them up by an eq filter.',
    query: searchQuery,
    responses: { 200: resource },
    handler: async ({ query, guarded: caller }) => {
      const selection = readSelection(USER, query);
      const criteria = readCriteria(USER, SEARCHABLE, query.filter);
      const page = readPage(query);
      const found = await service.db.read(caller.orgId, (tx) => searchUsers(tx, caller, criteria, page));
      const resources = await renderAll(service, caller, found.accounts, selection);
      return { status: 200, body: listResponse(page, found.total, resources) };
    },
  }),
  route({
    method: 'GET',
    path: `${BASE}/:id`,
    permission: GUARDED,
    guard,
    surface: 'scim',
    summary: 'Shows one user.',
    params,
    query: readQuery,
    responses: { 200: resource, 304: null },
    handler: async ({ params: { id }, query, guarded: caller, ctx }) => {
      const selection = readSelection(USER, query);
      const found = isId(id)
        ? await service.db.read(caller.orgId, (tx) => findAccount(tx, caller.orgId, id))
        : undefined;
      const account = requireUser(found, caller);
      const headers = { etag: etagOf(account.version) };
      const ifNoneMatch = ctx.get('if-none-match');
      if (ifNoneMatch !== '' && matchesEtag(ifNoneMatch, account.version)) return { status: 304, headers };
      return await answer(service, caller, account, { status: 200, selection });
    },
  }),
];

const writeRoutes = (service: IdentityContext, guard: Guard): Route[] => [
  route({
    method: 'POST',
    path: BASE,
    permission: GUARDED,
    guard,
    surface: 'scim',
    summary: 'Creates a user.',
    query: readQuery,
    body: z.unknown(),
    responses: { 201: resource, 409: null },
    handler: async ({ query, body, guarded: caller }) => {
      const selection = readSelection(USER, query);
      const account = await createUser(service, caller, body);
      return await answer(service, caller, account, { status: 201, selection });
    },
  }),
  route({
    method: 'PUT',
    path: `${BASE}/:id`,
    permission: GUARDED,
    guard,
    surface: 'scim',
    summary: 'Replaces a user. A deactivation is answered when it is in force everywhere.',
    params,
    query: readQuery,
    body: z.unknown(),
    responses: { 200: resource, 409: null, 412: null },
    handler: async ({ params: { id }, query, body, guarded: caller, ctx }) => {
      const selection = readSelection(USER, query);
      const account = await replaceUser(service, caller, { id, ifMatch: ctx.get('if-match') }, body);
      return await answer(service, caller, account, { status: 200, selection });
    },
  }),
];

const changeRoutes = (service: IdentityContext, guard: Guard): Route[] => [
  route({
    method: 'PATCH',
    path: `${BASE}/:id`,
    permission: GUARDED,
    guard,
    surface: 'scim',
    summary: 'Changes a user, wholly or not at all. A deactivation is answered when it is in force everywhere.',
    params,
    query: readQuery,
    body: z.unknown(),
    responses: { 200: resource, 409: null, 412: null },
    handler: async ({ params: { id }, query, body, guarded: caller, ctx }) => {
      const selection = readSelection(USER, query);
      const account = await patchUser(service, caller, { id, ifMatch: ctx.get('if-match') }, body);
      return await answer(service, caller, account, { status: 200, selection });
    },
  }),
  route({
    method: 'DELETE',
    path: `${BASE}/:id`,
    permission: GUARDED,
    guard,
    surface: 'scim',
    summary: 'Removes a user. Answered when it is in force everywhere.',
    params,
    responses: { 204: null, 412: null },
    handler: async ({ params: { id }, guarded: caller, ctx }) => {
      await deleteUser(service, caller, { id, ifMatch: ctx.get('if-match') });
      return { status: 204 };
    },
  }),
];

/** `/scim/v2/Users` */
export const userRoutes = (service: IdentityContext, guard: Guard): Route[] => [
  ...readRoutes(service, guard),
  ...writeRoutes(service, guard),
  ...changeRoutes(service, guard),
];
