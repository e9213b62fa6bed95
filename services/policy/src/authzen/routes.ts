import { AppError } from '@sallyport/errors';
import { GUARDED, PUBLIC, route, type Route } from '@sallyport/http';
import type { Clock } from '@sallyport/storage';
import type { Context } from 'koa';
import { z } from 'zod';

import type { Decision, DecisionPoint } from '../decide/index.ts';
import { verifyDecisionToken, type DecisionClient } from '../decision-tokens/index.ts';
import type { GrantKnowledge } from '../grants/index.ts';
import { evaluationShape, toQuestion } from './evaluation.ts';

export interface AuthzenDependencies {
  readonly knowledge: GrantKnowledge;
  readonly decisions: DecisionPoint;
  readonly clock: Clock;
  /** Scheme, host and port: metadata never comes from the Host header. */
  readonly publicOrigin: string;
}

const EVALUATION_PATH = '/access/v1/evaluation';
/** Asks for reasons without touching the body. */
const REASONS_HEADER = 'sallyport-reasons';
const BODY_LIMIT_BYTES = 64 * 1024;

const reasonsShape = z.object({
  reason: z.string(),
  reason_user: z.object({ en: z.string() }),
  reason_admin: z.object({ en: z.string() }),
  matched_grant: z.string().optional(),
  matched_role: z.string().optional(),
  policy_revision: z.string(),
  valid_for_ms: z.number(),
});

const answerShape = z.object({ decision: z.boolean(), context: reasonsShape.optional() });

const describe = (decision: Decision): z.input<typeof reasonsShape> => {
  const { reason, explanation, matchedGrant, matchedRole, policyRevision } = decision;
  const by = matchedGrant === null ? '' : ` by grant ${matchedGrant} of role ${matchedRole ?? ''}`;
  return {
    reason,
    reason_user: { en: explanation },
    reason_admin: { en: `${reason}${by} at ${policyRevision}` },
    // AuthZEN: what has no value is left out.
    ...(matchedGrant === null ? {} : { matched_grant: matchedGrant }),
    ...(matchedRole === null ? {} : { matched_role: matchedRole }),
    policy_revision: policyRevision,
    valid_for_ms: decision.validForMs,
  };
};

const evaluationRoute = ({ knowledge, decisions, clock }: AuthzenDependencies): Route =>
  route({
    method: 'POST',
    path: EVALUATION_PATH,
    permission: GUARDED,
    surface: 'authzen',
    summary: 'AuthZEN 1.0 Access Evaluation.',
    body: evaluationShape,
    bodyLimitBytes: BODY_LIMIT_BYTES,
    responses: { 200: answerShape },
    guard: async (ctx: Context): Promise<DecisionClient> => {
      const client = verifyDecisionToken(knowledge, clock, ctx.req.headers.authorization);
      if (client === null) throw new AppError('UNAUTHENTICATED', 'A valid decision token is required.');
      // Names in the question are looked up in the index before it is asked.
      await knowledge.ensure(client.orgId);
      return client;
    },
    handler: async ({ body, guarded: { orgId }, ctx }) => {
      const question = toQuestion(orgId, knowledge.organization(orgId), body);
      const decision = 'reason' in question ? decisions.refuse(orgId, question.reason) : await decisions.ask(question);
      const wantsReasons = body.options?.reasons === true || ctx.req.headers[REASONS_HEADER] === 'true';
      return {
        status: 200,
        body: { decision: decision.allowed, ...(wantsReasons ? { context: describe(decision) } : {}) },
        headers: { 'cache-control': 'no-store' },
      };
    },
  });

const metadataRoute = ({ publicOrigin }: AuthzenDependencies): Route =>
  route({
    method: 'GET',
    path: '/.well-known/authzen-configuration',
    permission: PUBLIC,
    surface: 'authzen',
    summary: 'AuthZEN 1.0 metadata of this decision point.',
    responses: { 200: z.object({ policy_decision_point: z.string(), access_evaluation_endpoint: z.string() }) },
    handler: async () =>
      await Promise.resolve({
        status: 200,
        body: {
          policy_decision_point: publicOrigin,
          access_evaluation_endpoint: `${publicOrigin}${EVALUATION_PATH}`,
        },
      }),
  });

/** AuthZEN over HTTP. */
export const authzenRoutes = (dependencies: AuthzenDependencies): Route[] => [
  evaluationRoute(dependencies),
  metadataRoute(dependencies),
];
