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
    handler: async ({ context: { principal, ip, requestId } }) => {
      if (principal === null) throw new AppError('UNAUTHENTICATED', 'Authentication is required.');
      const { orgId, subjectId, type, epoch, scopes } = principal;
      const given = adminProperties(principal, ip);
      const asker = { kind: 'listing', id: 'policy', requestId } as const;
      const mayRead = async (action: string, projectId: string, environmentId = ''): Promise<boolean> =>
        (scopes.length === 0 || scopes.includes(action)) &&
        (
          await decisions.ask({
            orgId,
            subject: { type, id: subjectId, epoch },
            action,
            projectId,
            environmentId,
            given,
            asker,
          })
        ).allowed;
      const index = knowledge.organization(orgId);
      const items: z.input<typeof projectShape>[] = [];
      for (const { projectId, key } of index?.projects.values() ?? []) {
        const environments: z.input<typeof environmentShape>[] = [];
        for (const { environmentId: id, projectId: of, ...rest } of index?.environments.values() ?? [])
          if (of === projectId && (await mayRead('environment:read', projectId, id)))
            environments.push({ id, ...rest });
        // Whoever may see one environment has to find it, by the key of its project.
        if (environments.length > 0 || (await mayRead('project:read', projectId)))
          items.push({ id: projectId, key, environments });
      }
      return { status: 200, body: { items, nextCursor: null } };
    },
  }),
];
