import { AppError } from '@sallyport/errors';
import { route, type Route } from '@sallyport/http';
import { z } from 'zod';

import type { DecisionPoint } from './check.ts';
import type { Freshness } from './freshness.ts';

const name = z.string().min(1).max(256);

const MAX_PROPERTIES = 64;
const properties = z
  .record(z.string().max(64), z.unknown())
  .refine((given) => Object.keys(given).length <= MAX_PROPERTIES, `at most ${String(MAX_PROPERTIES)} properties`);

const question = z.object({
  subject: z.object({
    type: z.enum(['user', 'service_account']),
    id: name,
    properties: properties.optional(),
  }),
  action: name,
  projectId: name.optional(),
  environmentId: name.optional(),
  /** For conditions only: project and environment say where. */
  resource: z
    .object({
      type: z.string().max(256).default(''),
      id: z.string().max(256).default(''),
      properties: properties.optional(),
    })
    .optional(),
  context: properties.optional(),
  /** A revision the answer has to know of. */
  atLeastAsFresh: z.string().max(400).optional(),
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
export const checkRoutes = (point: DecisionPoint, freshness: Freshness): Route[] => [
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
      const { orgId } = context.principal;
      const asked = {
        orgId,
        // Nobody shows a credential of the subject here.
        subject: { type: body.subject.type, id: body.subject.id, epoch: 0n },
        action: body.action,
        projectId: body.projectId ?? '',
        environmentId: body.environmentId ?? '',
        ...(body.resource === undefined ? {} : { resource: { type: body.resource.type, id: body.resource.id } }),
        given: { subject: body.subject.properties, resource: body.resource?.properties, context: body.context },
        asker: { kind: 'account', id: context.principal.subjectId, requestId: context.requestId },
      } as const;
      const token = body.atLeastAsFresh;
      const stale = token === undefined ? null : await freshness(orgId, token, context);
      const decision = stale === null ? await point.ask(asked) : point.refuse(orgId, stale, asked);
      const { reason, explanation, matchedGrant, matchedRole, policyRevision, validForMs } = decision;
      return {
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
      };
    },
  }),
];
