import { AppError } from '@sallyport/errors';
import { route, type Route } from '@sallyport/http';
import { z } from 'zod';

import type { DecisionPoint } from './check.ts';

const name = z.string().min(1).max(256);

const question = z.object({
  subject: z.object({ type: z.enum(['user', 'service_account']), id: name }),
  action: name,
  projectId: name.optional(),
  environmentId: name.optional(),
});

const answer = z.object({
  decision: z.enum(['allow', 'deny']),
  reason: z.string(),
  explanation: z.string(),
  matchedGrant: z.string().nullable(),
  matchedRole: z.string().nullable(),
  policyRevision: z.string(),
  validForMs: z.number(),
});

/** Decisions about a named subject, for who may see everybody's grants. */
export const checkRoutes = (point: DecisionPoint): Route[] => [
  route({
    method: 'POST',
    path: '/api/policy/v1/check',
    permission: 'grant:read',
    surface: 'api',
    summary: 'May this subject do this here, and why.',
    body: question,
    responses: { 200: answer },
    handler: async ({ body, context }) => {
      if (context.principal === null) throw new AppError('UNAUTHENTICATED', 'Authentication is required.');
      const decision = point.decide({
        orgId: context.principal.orgId,
        // Nobody shows a credential of the subject here.
        subject: { ...body.subject, epoch: 0n },
        action: body.action,
        projectId: body.projectId ?? '',
        environmentId: body.environmentId ?? '',
      });
      const { reason, explanation, matchedGrant, matchedRole, policyRevision, validForMs } = decision;
      return await Promise.resolve({
        status: 200,
        body: {
          decision: decision.allowed ? 'allow' : 'deny',
          reason,
          explanation,
          matchedGrant,
          matchedRole,
          policyRevision,
          validForMs,
        },
      });
    },
  }),
];
