import { decodeCursor, encodeCursor, listQuery, route, type Route } from '@sallyport/http';
import { z } from 'zod';

import { previewMapping, type MappingPreview } from './preview-mapping.ts';
import { administratorOf, type GrantRouteDependencies } from './routes.ts';
import { newMappingShape, scopeShape } from './wire.ts';

const memberShape = z.object({
  type: z.enum(['user', 'service_account']),
  id: z.string(),
  active: z.boolean(),
  gains: z.array(z.string()),
  violations: z.array(z.object({ rule: z.string(), name: z.string(), roles: z.array(z.string()) })),
});

const previewShape = z.object({
  groupId: z.string(),
  role: z.string(),
  scope: scopeShape,
  revision: z.string(),
  /** Members of the group, all pages together. */
  total: z.number(),
  /** Why it would be refused now; empty: it would not. */
  refusals: z.array(z.object({ code: z.string(), detail: z.string() })),
  items: z.array(memberShape),
  nextCursor: z.string().nullable(),
});

const cursorShape = z.strictObject({ after: z.string().max(256) });

const pageOf = ({ members, isLast }: MappingPreview): Pick<z.input<typeof previewShape>, 'items' | 'nextCursor'> => {
  const last = isLast ? undefined : members.at(-1);
  return {
    items: members.map(({ type, id, active, gains, violations }) => ({
      type,
      id,
      active,
      gains: [...gains],
      violations: violations.map(({ ruleId, ruleName, roleKeys }) => ({
        rule: ruleId,
        name: ruleName,
        roles: [...roleKeys],
      })),
    })),
    nextCursor: last === undefined ? null : encodeCursor({ after: last.id }),
  };
};

/** What a group mapping would do, before it is made. */
export const mappingPreviewRoute = (dependencies: GrantRouteDependencies): Route =>
  route({
    method: 'POST',
    path: '/api/policy/v1/group-mappings/preview',
    permission: 'mapping:manage',
    surface: 'api',
    summary: 'Who would gain what by a group mapping, and what would refuse it; nothing is written.',
    query: listQuery,
    body: newMappingShape,
    responses: { 200: previewShape },
    handler: async ({ body, query, context }) => {
      const { groupId, role, scope } = body;
      const { limit, cursor } = query;
      const { after } = cursor === undefined ? { after: '' } : decodeCursor(cursorShape, cursor);
      const where = { projectId: scope.projectId ?? null, environmentId: scope.environmentId ?? null };
      const proposal = { groupId, roleKey: role, scope: where };
      const preview = previewMapping(dependencies, administratorOf(context), proposal, { after, limit });
      return await Promise.resolve({
        status: 200,
        body: {
          groupId,
          role,
          scope,
          revision: preview.revision.toString(),
          total: preview.total,
          refusals: preview.refusals.map((each) => ({ ...each })),
          ...pageOf(preview),
        },
      });
    },
  });
