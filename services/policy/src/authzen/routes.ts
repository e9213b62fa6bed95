import { AppError } from '@sallyport/errors';
import { GUARDED, route, type Route, type RouteResponse } from '@sallyport/http';
import type { Clock } from '@sallyport/storage';
import { z } from 'zod';

import type { DecisionPoint } from '../decide/index.ts';
import { answerShape, toAnswer } from './answer.ts';
import { callerOf, wantsReasons } from './caller.ts';
import { evaluateMany, evaluationsShape, singleOf } from './evaluate-many.ts';
import { decideEvaluation, evaluationShape } from './evaluation.ts';
import { metadataRoute, PATHS } from './metadata.ts';
import { pageAnswerShape } from './search-page.ts';
import {
  actionSearchShape,
  resourceSearchShape,
  searchActions,
  searchResources,
  searchSubjects,
  subjectSearchShape,
  type SearchDependencies,
} from './search.ts';

export interface AuthzenDependencies extends SearchDependencies {
  readonly decisions: DecisionPoint;
  readonly clock: Clock;
  /** Scheme, host and port: metadata never comes from the Host header. */
  readonly publicOrigin: string;
}

const KIB = 1024;
const BODY_LIMIT_BYTES = 64 * KIB;
/** A thousand items with entities of their own. */
const BATCH_LIMIT_BYTES = 1024 * KIB;

/** A decision is for now; §10.1 names the media type without parameters, and some clients compare it. */
const HEADERS = { 'content-type': 'application/json', 'cache-control': 'no-store' };

const ok = (body: object): RouteResponse => ({ status: 200, body, headers: HEADERS });

const evaluationRoute = (dependencies: AuthzenDependencies): Route =>
  route({
    method: 'POST',
    path: PATHS.evaluation,
    permission: GUARDED,
    surface: 'authzen',
    summary: 'AuthZEN 1.0 Access Evaluation.',
    body: evaluationShape,
    bodyLimitBytes: BODY_LIMIT_BYTES,
    responses: { 200: answerShape },
    guard: callerOf(dependencies),
    handler: async ({ body, guarded, ctx }) =>
      ok(toAnswer(await decideEvaluation(dependencies, guarded, body), wantsReasons(body, ctx))),
  });

const evaluationsRoute = (dependencies: AuthzenDependencies): Route =>
  route({
    method: 'POST',
    path: PATHS.evaluations,
    permission: GUARDED,
    surface: 'authzen',
    summary: 'AuthZEN 1.0 Access Evaluations: many at once; without items the same as Access Evaluation.',
    body: evaluationsShape,
    bodyLimitBytes: BATCH_LIMIT_BYTES,
    responses: { 200: z.union([z.object({ evaluations: z.array(answerShape) }), answerShape]) },
    guard: callerOf(dependencies),
    handler: async ({ body, guarded, ctx }) => {
      const withReasons = wantsReasons(body, ctx);
      if (body.evaluations !== undefined && body.evaluations.length > 0)
        return ok({ evaluations: await evaluateMany(dependencies, guarded, body, withReasons) });
      const single = singleOf(body);
      if (single === null) throw new AppError('INVALID_REQUEST', 'Subject, action and resource are required.');
      return ok(toAnswer(await decideEvaluation(dependencies, guarded, single), withReasons));
    },
  });

const searchAnswerShape = (result: z.ZodType) =>
  z.object({
    page: pageAnswerShape.optional(),
    context: z.object({ policy_revision: z.string() }).optional(),
    results: z.array(result),
  });

const foundThing = z.object({ type: z.string(), id: z.string() });

/** What the searches have in common. */
const searched = (dependencies: AuthzenDependencies) =>
  ({
    method: 'POST',
    permission: GUARDED,
    surface: 'authzen',
    bodyLimitBytes: BODY_LIMIT_BYTES,
    guard: callerOf(dependencies),
  }) as const;

const searchRoutes = (dependencies: AuthzenDependencies): Route[] => [
  route({
    ...searched(dependencies),
    path: PATHS.searchSubject,
    summary: 'AuthZEN 1.0 Subject Search: who may do this here.',
    body: subjectSearchShape,
    responses: { 200: searchAnswerShape(foundThing) },
    handler: async ({ body, guarded: caller, ctx, context: { signal } }) =>
      ok(await searchSubjects(dependencies, body, { caller, wantsReasons: wantsReasons(body, ctx), signal })),
  }),
  route({
    ...searched(dependencies),
    path: PATHS.searchResource,
    summary: 'AuthZEN 1.0 Resource Search: where somebody may do this.',
    body: resourceSearchShape,
    responses: { 200: searchAnswerShape(foundThing) },
    handler: async ({ body, guarded: caller, ctx, context: { signal } }) =>
      ok(await searchResources(dependencies, body, { caller, wantsReasons: wantsReasons(body, ctx), signal })),
  }),
  route({
    ...searched(dependencies),
    path: PATHS.searchAction,
    summary: 'AuthZEN 1.0 Action Search: what somebody may do here.',
    body: actionSearchShape,
    responses: { 200: searchAnswerShape(z.object({ name: z.string() })) },
    handler: async ({ body, guarded: caller, ctx, context: { signal } }) =>
      ok(await searchActions(dependencies, body, { caller, wantsReasons: wantsReasons(body, ctx), signal })),
  }),
];

/** AuthZEN over HTTP. */
export const authzenRoutes = (dependencies: AuthzenDependencies): Route[] => [
  evaluationRoute(dependencies),
  evaluationsRoute(dependencies),
  ...searchRoutes(dependencies),
  metadataRoute(dependencies.publicOrigin),
];
