import { GUARDED, route, type Route } from '@sallyport/http';
import { isId } from '@sallyport/storage';
import { z } from 'zod';

import type { IdentityContext } from '../../context.ts';
import { findGroup, listMembers, searchGroups, type Group, type GroupCriterion } from '../../groups/index.ts';
import type { ScimCaller } from '../caller.ts';
import { readCriteria } from '../protocol/criteria.ts';
import { GROUP } from '../protocol/group-schema.ts';
import type { Document } from '../protocol/json.ts';
import { MAX_GROUP_MEMBERS } from '../protocol/members.ts';
import { isSelected, readSelection, type Selection } from '../protocol/selection.ts';
import { etagOf, listResponse, matchesEtag, readPage, readQuery, searchQuery } from '../request.ts';
import type { Guard } from '../users/routes.ts';
import { locationOf, renderGroup } from './render.ts';
import { createScimGroup, deleteScimGroup, patchScimGroup, replaceScimGroup, requireGroup } from './write-group.ts';

const BASE = '/scim/v2/Groups';
/** Lists of members are long: 100,000 of them in one request. */
const MEMBERS_BODY_BYTES = 16 * 1024 * 1024;
const params = z.object({ id: z.string() });
const resource = z.record(z.string(), z.unknown());
const SEARCHABLE = new Map<string, GroupCriterion['field']>([
  ['id', 'id'],
  ['displayName', 'displayName'],
  ['externalId', 'externalId'],
  ['members', 'member'],
  ['members.value', 'member'],
]);

const render = async ({ db, config }: IdentityContext, group: Group, selection: Selection): Promise<Document> => {
  const members = isSelected(selection, 'members')
    ? await db.read(group.orgId, (tx) => listMembers(tx, group, { limit: MAX_GROUP_MEMBERS }))
    : undefined;
  return renderGroup(group, members, { origin: config.publicOrigin, selection });
};

const answer = async (
  service: IdentityContext,
  group: Group,
  { status, selection }: { readonly status: number; readonly selection: Selection },
) => ({
  status,
  body: await render(service, group, selection),
  headers: { location: locationOf(service.config.publicOrigin, group.id), etag: etagOf(group.version) },
});

const getGroup = async ({ db }: IdentityContext, caller: ScimCaller, id: string): Promise<Group> => {
  const found = isId(id) ? await db.read(caller.orgId, (tx) => findGroup(tx, caller.orgId, id)) : undefined;
  return requireGroup(found, caller);
};

const readRoutes = (service: IdentityContext, guard: Guard): Route[] => [
  route({
    method: 'GET',
    path: BASE,
    permission: GUARDED,
    guard,
    surface: 'scim',
    summary: 'Lists the groups of the connection, or looks them up by an eq filter.',
    query: searchQuery,
    responses: { 200: resource },
    handler: async ({ query, guarded: caller }) => {
      const selection = readSelection(GROUP, query);
      const criteria = readCriteria(GROUP, SEARCHABLE, query.filter);
      const page = readPage(query);
      const { total, groups } = await service.db.read(caller.orgId, (tx) => searchGroups(tx, caller, criteria, page));
      const resources: Document[] = [];
      for (const group of groups) resources.push(await render(service, group, selection));
      return { status: 200, body: listResponse(page, total, resources) };
    },
  }),
  route({
    method: 'GET',
    path: `${BASE}/:id`,
    permission: GUARDED,
    guard,
    surface: 'scim',
    summary: 'Shows one group.',
    params,
    query: readQuery,
    responses: { 200: resource, 304: null },
    handler: async ({ params: { id }, query, guarded: caller, ctx }) => {
      const selection = readSelection(GROUP, query);
      const group = await getGroup(service, caller, id);
      const ifNoneMatch = ctx.get('if-none-match');
      if (ifNoneMatch !== '' && matchesEtag(ifNoneMatch, group.version))
        return { status: 304, headers: { etag: etagOf(group.version) } };
      return await answer(service, group, { status: 200, selection });
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
    summary: 'Creates a group.',
    query: readQuery,
    body: z.unknown(),
    bodyLimitBytes: MEMBERS_BODY_BYTES,
    responses: { 201: resource, 409: null },
    handler: async ({ query, body, guarded: caller }) => {
      const selection = readSelection(GROUP, query);
      return await answer(service, await createScimGroup(service, caller, body), { status: 201, selection });
    },
  }),
  route({
    method: 'PUT',
    path: `${BASE}/:id`,
    permission: GUARDED,
    guard,
    surface: 'scim',
    summary: 'Replaces a group with its members.',
    params,
    query: readQuery,
    body: z.unknown(),
    bodyLimitBytes: MEMBERS_BODY_BYTES,
    responses: { 200: resource, 409: null, 412: null },
    handler: async ({ params: { id }, query, body, guarded: caller, ctx }) => {
      const selection = readSelection(GROUP, query);
      const group = await replaceScimGroup(service, caller, { id, ifMatch: ctx.get('if-match') }, body);
      return await answer(service, group, { status: 200, selection });
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
    summary: 'Changes a group, wholly or not at all; answers without a body unless attributes are asked for.',
    params,
    query: readQuery,
    body: z.unknown(),
    bodyLimitBytes: MEMBERS_BODY_BYTES,
    responses: { 200: resource, 204: null, 409: null, 412: null },
    handler: async ({ params: { id }, query, body, guarded: caller, ctx }) => {
      const selection = readSelection(GROUP, query);
      const group = await patchScimGroup(service, caller, { id, ifMatch: ctx.get('if-match') }, body);
      // Entra wants 204; a body would also load the members a change is meant not to touch (RFC 7644 §3.5.2).
      if (selection.kind !== 'only') return { status: 204, headers: { etag: etagOf(group.version) } };
      return await answer(service, group, { status: 200, selection });
    },
  }),
  route({
    method: 'DELETE',
    path: `${BASE}/:id`,
    permission: GUARDED,
    guard,
    surface: 'scim',
    summary: 'Removes a group.',
    params,
    responses: { 204: null, 412: null },
    handler: async ({ params: { id }, guarded: caller, ctx }) => {
      await deleteScimGroup(service, caller, { id, ifMatch: ctx.get('if-match') });
      return { status: 204 };
    },
  }),
];

/** `/scim/v2/Groups` */
export const scimGroupRoutes = (service: IdentityContext, guard: Guard): Route[] => [
  ...readRoutes(service, guard),
  ...writeRoutes(service, guard),
  ...changeRoutes(service, guard),
];
