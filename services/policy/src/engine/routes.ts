import type { AuditLog } from '@sallyport/audit';
import { AppError } from '@sallyport/errors';
import { route, type Route } from '@sallyport/http';
import type { Clock } from '@sallyport/storage';
import type { Standing } from '@sallyport/subject-feed';
import { z } from 'zod';

import { describeDecision, type GrantKnowledge } from '../grants/index.ts';
import { inTurns } from '../turns/index.ts';
import { changeEngine } from './change-engine.ts';
import { exportPolicy } from './export-policy.ts';

const PATH = '/api/policy/v1/index';

const statusShape = z.object({
  revision: z.string().nullable(),
  state: z.enum(['current', 'held']),
  engine: z.enum(['index', 'casbin']),
  grants: z.number(),
  memoryBytes: z.number(),
  quarantined: z.array(z.object({ table: z.string(), id: z.string(), problem: z.string(), mayDeny: z.boolean() })),
});

export interface EngineRouteDependencies {
  readonly audit: AuditLog;
  readonly clock: Clock;
  readonly knowledge: GrantKnowledge;
  readonly standing: Standing;
}

const exportShape = z.object({
  revision: z.string(),
  model: z.string(),
  policy: z.string(),
  functions: z.string(),
  leftOut: z.number(),
});

const exportRoute = ({ knowledge, standing, clock }: EngineRouteDependencies): Route =>
  route({
    method: 'GET',
    path: '/api/policy/v1/export',
    permission: 'grant:read',
    surface: 'api',
    summary: 'The policy for any Casbin: model.conf, policy.csv and the condition function.',
    responses: { 200: exportShape },
    handler: async ({ context: { principal } }) => {
      const index = principal === null ? undefined : knowledge.organization(principal.orgId);
      if (index === undefined) throw new AppError('UNAVAILABLE', 'The policy cannot be read right now.');
      const exported = await inTurns(exportPolicy(index, standing), clock);
      return { status: 200, body: { revision: String(index.revision), ...exported } };
    },
  });

const statusOf = (knowledge: GrantKnowledge, orgId: string): z.input<typeof statusShape> => {
  const { state, index, bytes, quarantined } = knowledge.status(orgId);
  return {
    revision: index === undefined ? null : String(index.revision),
    state,
    engine: index?.engine ?? 'index',
    grants: index?.grants.length ?? 0,
    memoryBytes: bytes,
    quarantined: quarantined.map(({ table, id, problem, denies }) => ({ table, id, problem, mayDeny: denies })),
  };
};

/** How the organisation's decisions are made: its index, rows left out of it, and which engine decides. */
export const engineRoutes = (dependencies: EngineRouteDependencies): Route[] => [
  exportRoute(dependencies),
  route({
    method: 'GET',
    path: PATH,
    permission: 'grant:read',
    surface: 'api',
    summary: 'The decision index: revision, rows that make no sense, and whether the index or Casbin decides.',
    responses: { 200: statusShape },
    handler: async ({ context: { principal } }) => {
      if (principal === null) throw new AppError('UNAUTHENTICATED', 'Authentication is required.');
      return await Promise.resolve({ status: 200, body: statusOf(dependencies.knowledge, principal.orgId) });
    },
  }),
  route({
    method: 'POST',
    path: `${PATH}/reset`,
    permission: 'grant:manage',
    scope: 'deferred',
    surface: 'api',
    summary: 'Lets the index decide again, after it was seen to differ from Casbin.',
    responses: { 200: statusShape },
    handler: async ({ context }) => {
      if (context.principal === null) throw new AppError('UNAUTHENTICATED', 'Authentication is required.');
      const fence = await context.require('grant:manage', {});
      await changeEngine(dependencies, context.auditContext(), {
        engine: 'index',
        reason: 'RESET',
        decision: describeDecision(fence),
        fence,
      });
      return { status: 200, body: statusOf(dependencies.knowledge, context.principal.orgId) };
    },
  }),
];
