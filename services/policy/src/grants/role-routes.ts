import { AppError } from '@sallyport/errors';
import { route, type Route, type Scope } from '@sallyport/http';
import { z } from 'zod';

import { BUILT_IN_ROLES, PERMISSIONS, PERMISSION_NAMES, PLACES, SCOPE_LEVELS } from '../model/index.ts';
import type { GrantKnowledge } from './knowledge.ts';
import { id } from './wire.ts';

const BASE = '/api/policy/v1';

const roleShape = z.object({
  key: z.string(),
  name: z.string(),
  description: z.string(),
  builtIn: z.boolean(),
  levels: z.array(z.enum(SCOPE_LEVELS)),
  permissions: z.record(z.enum(PLACES), z.array(z.string())),
});

const permissionShape = z.object({
  name: z.string(),
  description: z.string(),
  places: z.array(z.enum(PLACES)),
  writes: z.boolean(),
});

const query = z.object({ projectId: id.optional() });

/** Who administers one project may look up what the roles mean there. */
const scopeOf =
  (knowledge: GrantKnowledge) =>
  ({ query: { projectId }, principal }: { query: z.output<typeof query>; principal: { orgId: string } }): Scope => {
    if (projectId === undefined) return {};
    if (knowledge.organization(principal.orgId)?.projects.has(projectId) !== true)
      throw new AppError('NOT_FOUND', 'There is no such project.');
    return { projectId };
  };

/** Roles and permissions over HTTP: what can be granted, and what it means. */
export const roleRoutes = (knowledge: GrantKnowledge): Route[] => [
  route({
    method: 'GET',
    path: `${BASE}/roles`,
    permission: 'role:read',
    surface: 'api',
    summary: 'The roles and what each permits, per place.',
    query,
    scope: scopeOf(knowledge),
    responses: { 200: z.object({ items: z.array(roleShape), nextCursor: z.null() }) },
    handler: async () => {
      const items = BUILT_IN_ROLES.map((role) => ({ ...role, builtIn: true }));
      return await Promise.resolve({ status: 200, body: { items, nextCursor: null } });
    },
  }),
  route({
    method: 'GET',
    path: `${BASE}/permissions`,
    permission: 'role:read',
    surface: 'api',
    summary: 'The permission catalogue.',
    query,
    scope: scopeOf(knowledge),
    responses: { 200: z.object({ items: z.array(permissionShape), nextCursor: z.null() }) },
    handler: async () => {
      const items = PERMISSION_NAMES.map((name) => ({ name, ...PERMISSIONS[name] }));
      return await Promise.resolve({ status: 200, body: { items, nextCursor: null } });
    },
  }),
];
