import { AppError } from '@sallyport/errors';
import { SELF, route, type Route } from '@sallyport/http';
import { z } from 'zod';

import { adminProperties, type DecisionPoint } from '../decide/index.ts';
import type { GrantKnowledge } from '../grants/index.ts';

const environmentShape = z.object({ id: z.string(), key: z.string(), tier: z.enum(['non-production', 'production']) });
const projectShape = z.object({ id: z.string(), key: z.string(), environments: z.array(environmentShape) });

/** The projects and environments grants can name, as far as the caller may see them. */
export const scopeRoutes = (knowledge: GrantKnowledge, decisions: DecisionPoint): Route[] => [
  route({
    method: 'GET',
    path: '/api/policy/v1/scopes',
    // Filtered one by one: what the caller may not see is not there.
    permission: SELF,
    surface: 'api',
    summary: 'Projects and environments the caller may see, with their tiers.',
    responses: { 200: z.object({ items: z.array(projectShape), nextCursor: z.null() }) },
    handler: async ({ context: { principal, ip } }) => {
      if (principal === null) throw new AppError('UNAUTHENTICATED', 'Authentication is required.');
      const { orgId, subjectId: id, type, epoch, scopes } = principal;
      const given = adminProperties(principal, ip);
      const mayRead = (action: string, projectId: string, environmentId = ''): boolean =>
        (scopes.length === 0 || scopes.includes(action)) &&
        decisions.decide({ orgId, subject: { type, id, epoch }, action, projectId, environmentId, given }).allowed;
      const index = knowledge.organization(orgId);
      const items = [...(index?.projects.values() ?? [])]
        .filter(({ projectId }) => mayRead('project:read', projectId))
        .map(({ projectId, key }) => ({
          id: projectId,
          key,
          environments: [...(index?.environments.values() ?? [])]
            .filter((each) => each.projectId === projectId)
            .filter(({ environmentId }) => mayRead('environment:read', projectId, environmentId))
            .map(({ environmentId, key: environmentKey, tier }) => ({ id: environmentId, key: environmentKey, tier })),
        }));
      return await Promise.resolve({ status: 200, body: { items, nextCursor: null } });
    },
  }),
];
