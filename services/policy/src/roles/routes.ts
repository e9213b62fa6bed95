import { AppError } from '@sallyport/errors';
import { route, type Route, type Scope } from '@sallyport/http';
import type { Database } from '@sallyport/storage';
import { z } from 'zod';

import { administratorOf, id, type GrantDependencies, type GrantKnowledge } from '../grants/index.ts';
import { BUILT_IN_ROLES, PERMISSIONS, PERMISSION_NAMES, PLACES, findRole } from '../model/index.ts';
import { createRole, deleteRole, updateRole } from './manage-roles.ts';
import type { Role } from './role.ts';
import { findStoredRole, listRoles } from './store.ts';
import {
  baseOf,
  etagOf,
  newRoleShape,
  roleBodyShape,
  roleShape,
  toBuiltInBody,
  toDefinition,
  toRoleBody,
} from './wire.ts';

const BASE = '/api/policy/v1';

export type RoleRouteDependencies = GrantDependencies & { readonly db: Database };

const permissionShape = z.object({
  name: z.string(),
  description: z.string(),
  places: z.array(z.enum(PLACES)),
  writes: z.boolean(),
});

const query = z.object({ projectId: id.optional() });
const params = z.object({ role: z.string() });

/** Who administers one project may look up what the roles mean there. */
const scopeOf =
  (knowledge: GrantKnowledge) =>
  ({ query: { projectId }, principal }: { query: z.output<typeof query>; principal: { orgId: string } }): Scope => {
    if (projectId === undefined) return {};
    if (knowledge.organization(principal.orgId)?.projects.has(projectId) !== true)
      throw new AppError('NOT_FOUND', 'There is no such project.');
    return { projectId };
  };

const answerOf = (status: number, role: Role) => ({
  status,
  body: toRoleBody(role),
  headers: { etag: etagOf(role), ...(status === 201 ? { location: `${BASE}/roles/${role.key}` } : {}) },
});

const listRolesRoute = ({ knowledge, db }: RoleRouteDependencies): Route =>
  route({
    method: 'GET',
    path: `${BASE}/roles`,
    permission: 'role:read',
    surface: 'api',
    summary: "The built-in roles and the organisation's own, and what each permits, per place.",
    query,
    scope: scopeOf(knowledge),
    responses: { 200: z.object({ items: z.array(roleShape), nextCursor: z.null() }) },
    handler: async ({ context }) => {
      const { orgId } = administratorOf(context).principal;
      const own = await db.read(orgId, async (tx) => await listRoles(tx, orgId));
      return {
        status: 200,
        body: { items: [...BUILT_IN_ROLES.map(toBuiltInBody), ...own.map(toRoleBody)], nextCursor: null },
      };
    },
  });

const getRoleRoute = ({ knowledge, db }: RoleRouteDependencies): Route =>
  route({
    method: 'GET',
    path: `${BASE}/roles/:role`,
    permission: 'role:read',
    surface: 'api',
    summary: 'One role, with its version as an ETag when it is an own one.',
    params,
    query,
    scope: scopeOf(knowledge),
    responses: { 200: roleShape },
    handler: async ({ params: { role: key }, context }) => {
      const { orgId } = administratorOf(context).principal;
      const builtIn = findRole(key);
      if (builtIn !== undefined) return { status: 200, body: toBuiltInBody(builtIn) };
      const role = await db.read(orgId, async (tx) => await findStoredRole(tx, orgId, key));
      if (role === undefined) throw new AppError('NOT_FOUND', 'There is no such role.');
      return answerOf(200, role);
    },
  });

const changeRoutes = (dependencies: RoleRouteDependencies): Route[] => [
  route({
    method: 'POST',
    path: `${BASE}/roles`,
    permission: 'role:manage',
    scope: 'deferred',
    surface: 'api',
    summary: 'Makes a role of permissions of the catalogue; never beyond what its maker holds.',
    body: newRoleShape,
    responses: { 201: roleShape, 409: null },
    handler: async ({ body: { key, ...body }, context }) =>
      answerOf(201, await createRole(dependencies, administratorOf(context), toDefinition(key, body))),
  }),
  route({
    method: 'PUT',
    path: `${BASE}/roles/:role`,
    permission: 'role:manage',
    scope: 'deferred',
    surface: 'api',
    summary: 'Changes a role for everybody who holds it; If-Match says which version.',
    params,
    body: roleBodyShape,
    responses: { 200: roleShape, 409: null, 412: null, 428: null },
    handler: async ({ params: { role: key }, body, context, ctx }) => {
      const change = { definition: toDefinition(key, body), base: baseOf(ctx.get('if-match')) };
      return answerOf(200, await updateRole(dependencies, administratorOf(context), change));
    },
  }),
  route({
    method: 'DELETE',
    path: `${BASE}/roles/:role`,
    permission: 'role:manage',
    scope: 'deferred',
    surface: 'api',
    summary: 'Deletes a role nobody holds; If-Match says which version.',
    params,
    responses: { 204: null, 409: null, 412: null, 428: null },
    handler: async ({ params: { role: key }, context, ctx }) => {
      await deleteRole(dependencies, administratorOf(context), { key, base: baseOf(ctx.get('if-match')) });
      return { status: 204 };
    },
  }),
];

/** Roles and permissions over HTTP: what can be granted, what it means, and making one's own. */
export const roleRoutes = (dependencies: RoleRouteDependencies): Route[] => [
  listRolesRoute(dependencies),
  getRoleRoute(dependencies),
  ...changeRoutes(dependencies),
  route({
    method: 'GET',
    path: `${BASE}/permissions`,
    permission: 'role:read',
    surface: 'api',
    summary: 'The permission catalogue.',
    query,
    scope: scopeOf(dependencies.knowledge),
    responses: { 200: z.object({ items: z.array(permissionShape), nextCursor: z.null() }) },
    handler: async () => {
      const items = PERMISSION_NAMES.map((name) => ({ name, ...PERMISSIONS[name] }));
      return await Promise.resolve({ status: 200, body: { items, nextCursor: null } });
    },
  }),
];
