import { AppError } from '@sallyport/errors';
import { decodeCursor, encodeCursor, listOf, listQuery, route, type RequestContext, type Route } from '@sallyport/http';
import { z } from 'zod';

import { callerOf } from '../approvals/index.ts';
import { id, scopeShape, type Administrator } from '../grants/index.ts';
import { listProtections, type Protection } from '../protections/index.ts';
import { changeProtection, protectScope } from './change-protection.ts';
import { approvalCount, type ProposalDependencies } from './proposal.ts';

const PATH = '/api/policy/v1/protections';

const protectionShape = z.object({
  id: z.string(),
  scope: z.object({ projectId: z.string().nullable(), environmentId: z.string().nullable() }),
  requiredApprovals: z.number(),
  createdAt: z.string(),
  changedAt: z.string(),
  changedBy: z.string(),
});

const toBody = (protection: Protection): z.input<typeof protectionShape> => ({
  id: protection.protectionId,
  scope: { projectId: protection.projectId, environmentId: protection.environmentId },
  requiredApprovals: protection.requiredApprovals,
  createdAt: protection.createdAt.toISOString(),
  changedAt: protection.changedAt.toISOString(),
  changedBy: protection.changedBy,
});

const administratorOf = (context: RequestContext): Administrator => ({ principal: callerOf(context), context });

const required = approvalCount.min(1);
const cursorShape = z.strictObject({ after: id });

const listRoute = (dependencies: ProposalDependencies): Route =>
  route({
    method: 'GET',
    path: PATH,
    permission: 'grant:read',
    surface: 'api',
    summary: 'The scopes in which nobody gives or takes roles alone.',
    query: listQuery,
    responses: { 200: listOf(protectionShape) },
    handler: async ({ query: { limit, cursor }, context }) => {
      const { orgId } = callerOf(context);
      const after = cursor === undefined ? {} : decodeCursor(cursorShape, cursor);
      const found = await dependencies.db.read(
        orgId,
        async (tx) => await listProtections(tx, orgId, { ...after, limit: limit + 1 }),
      );
      const items = found.slice(0, limit);
      const last = found.length > limit ? items.at(-1) : undefined;
      const nextCursor = last === undefined ? null : encodeCursor({ after: last.protectionId });
      return { status: 200, body: { items: items.map(toBody), nextCursor } };
    },
  });

const createRoute = (dependencies: ProposalDependencies): Route =>
  route({
    method: 'POST',
    path: PATH,
    permission: 'grant:manage',
    surface: 'api',
    summary: 'Protects a scope: others have to agree to every change of roles that reaches into it.',
    body: z.object({ scope: scopeShape.default({}), requiredApprovals: required }),
    responses: { 201: protectionShape, 409: null },
    handler: async ({ body, context }) => {
      const protection = await protectScope(dependencies, administratorOf(context), {
        scope: { projectId: body.scope.projectId ?? null, environmentId: body.scope.environmentId ?? null },
        requiredApprovals: body.requiredApprovals,
      });
      return { status: 201, body: toBody(protection), headers: { location: `${PATH}/${protection.protectionId}` } };
    },
  });

const changeRoute = (dependencies: ProposalDependencies): Route =>
  route({
    method: 'PATCH',
    path: `${PATH}/:protectionId`,
    permission: 'grant:manage',
    surface: 'api',
    summary: 'Demands more approvals. Fewer, or none, has to be proposed.',
    params: z.object({ protectionId: z.string() }),
    body: z.object({ requiredApprovals: required }),
    responses: { 200: protectionShape, 409: null },
    handler: async ({ params, body, context }) => {
      const protectionId = id.safeParse(params.protectionId);
      if (!protectionId.success) throw new AppError('NOT_FOUND', 'There is no such protection.');
      const input = { protectionId: protectionId.data, requiredApprovals: body.requiredApprovals };
      return { status: 200, body: toBody(await changeProtection(dependencies, administratorOf(context), input)) };
    },
  });

/** Protected scopes over HTTP. */
export const protectionRoutes = (dependencies: ProposalDependencies): Route[] => [
  listRoute(dependencies),
  createRoute(dependencies),
  changeRoute(dependencies),
];
