import { AppError } from '@sallyport/errors';
import {
  decodeCursor,
  encodeCursor,
  listOf,
  listQuery,
  route,
  SELF,
  type RequestContext,
  type Route,
} from '@sallyport/http';
import { z } from 'zod';

import { callerOf } from '../approvals/index.ts';
import { id, knownScope, scopeShape, toScope, type Administrator } from '../grants/index.ts';
import { REQUEST_STATES, asItIs, type AccessRequest, type AccessRequestDependencies } from './access-request.ts';
import { approveRequest, cancelRequest, denyRequest, loadRequest, type Verdict } from './answer-request.ts';
import { requestAccess } from './request-access.ts';
import { listRequests } from './store.ts';

export const ACCESS_REQUESTS_PATH = '/api/policy/v1/access-requests';
const PATH = ACCESS_REQUESTS_PATH;

const moment = z.iso.datetime({ offset: true }).transform((text) => new Date(text));
const words = z.string().trim().min(1).max(2_000);
const hash = z.string().regex(/^[0-9a-f]{64}$/);

const newRequestShape = z.object({
  role: z.string().max(100),
  scope: scopeShape.default({}),
  validUntil: moment,
  reason: words,
  expiresAt: moment.optional(),
});

const requestShape = z.object({
  id: z.string(),
  state: z.enum(REQUEST_STATES),
  requester: z.object({ type: z.enum(['user', 'service_account']), id: z.string() }),
  role: z.string(),
  scope: z.object({ projectId: z.string().nullable(), environmentId: z.string().nullable() }),
  validUntil: z.string(),
  reason: z.string(),
  hash: z.string(),
  createdAt: z.string(),
  expiresAt: z.string(),
  answeredAt: z.string().nullable(),
  answeredBy: z.string().nullable(),
  answer: z.string().nullable(),
  failure: z.string().nullable(),
  grant: z.object({ id: z.string(), validUntil: z.string() }).nullable(),
});

const toBody = (request: AccessRequest): z.input<typeof requestShape> => ({
  id: request.requestId,
  state: request.state,
  requester: { type: request.requester.type, id: request.requester.id },
  role: request.roleKey,
  scope: { projectId: request.scope.projectId, environmentId: request.scope.environmentId },
  validUntil: request.validUntil.toISOString(),
  reason: request.reason,
  hash: request.hash,
  createdAt: request.createdAt.toISOString(),
  expiresAt: request.expiresAt.toISOString(),
  answeredAt: request.answeredAt?.toISOString() ?? null,
  answeredBy: request.answeredBy,
  answer: request.answer,
  failure: request.failure,
  grant: request.grantId === null ? null : { id: request.grantId, validUntil: request.validUntil.toISOString() },
});

const administratorOf = (context: RequestContext): Administrator => ({ principal: callerOf(context), context });

const known = (text: string): string => {
  const parsed = id.safeParse(text);
  if (!parsed.success) throw new AppError('NOT_FOUND', 'There is no such access request.');
  return parsed.data;
};

const requestParams = z.object({ requestId: z.string() });
const verdictShape = z.object({ hash, comment: words.optional() });
const cursorShape = z.strictObject({ after: id });

const createRoute = (dependencies: AccessRequestDependencies): Route =>
  route({
    method: 'POST',
    path: PATH,
    permission: SELF,
    surface: 'api',
    summary: 'Asks for a role for oneself, for a time.',
    body: newRequestShape,
    responses: { 201: requestShape },
    handler: async ({ body, context }) => {
      const request = await requestAccess(
        dependencies,
        { principal: callerOf(context), context: context.auditContext() },
        {
          roleKey: body.role,
          scope: { projectId: body.scope.projectId ?? null, environmentId: body.scope.environmentId ?? null },
          validUntil: body.validUntil,
          reason: body.reason,
          expiresAt: body.expiresAt ?? null,
        },
      );
      return { status: 201, body: toBody(request), headers: { location: `${PATH}/${request.requestId}` } };
    },
  });

const listQueryShape = listQuery.extend({
  state: z.enum(REQUEST_STATES).optional(),
  /** `own` (default), or everybody's within the scope: for who may give roles there. */
  of: z.enum(['own', 'everybody']).default('own'),
  projectId: id.optional(),
  environmentId: id.optional(),
});

const listRoute = (dependencies: AccessRequestDependencies): Route =>
  route({
    method: 'GET',
    path: PATH,
    permission: SELF,
    surface: 'api',
    summary: 'Access requests: one’s own, or everybody’s within a scope in which one may give roles.',
    query: listQueryShape,
    responses: { 200: listOf(requestShape) },
    handler: async ({ query, context }) => {
      const { orgId, subjectId } = callerOf(context);
      const scope = knownScope(dependencies.knowledge.organization(orgId), {
        projectId: query.projectId ?? null,
        environmentId: query.environmentId ?? null,
      });
      if (query.of === 'everybody') await context.require('grant:manage', toScope(scope));
      const found = await dependencies.db.read(
        orgId,
        async (tx) =>
          await listRequests(tx, orgId, {
            ...(query.cursor === undefined ? {} : decodeCursor(cursorShape, query.cursor)),
            limit: query.limit + 1,
            requesterId: query.of === 'own' ? subjectId : undefined,
            state: query.state,
            projectId: scope.projectId ?? undefined,
            environmentId: scope.environmentId ?? undefined,
          }),
      );
      const page = found.slice(0, query.limit);
      const last = found.length > query.limit ? page.at(-1) : undefined;
      return {
        status: 200,
        body: {
          items: page.map((request) => toBody(asItIs(request, orgId, dependencies))),
          nextCursor: last === undefined ? null : encodeCursor({ after: last.requestId }),
        },
      };
    },
  });

const getRoute = (dependencies: AccessRequestDependencies): Route =>
  route({
    method: 'GET',
    path: `${PATH}/:requestId`,
    permission: SELF,
    surface: 'api',
    summary: 'An access request: one’s own, or of a scope in which one may give roles.',
    params: requestParams,
    responses: { 200: requestShape },
    handler: async ({ params, context }) => {
      const { orgId, subjectId } = callerOf(context);
      const request = await loadRequest(dependencies, orgId, known(params.requestId));
      if (request.requester.id !== subjectId) await context.require('grant:manage', toScope(request.scope));
      return { status: 200, body: toBody(request) };
    },
  });

type Answering = (
  dependencies: AccessRequestDependencies,
  administrator: Administrator,
  verdict: Verdict,
) => Promise<AccessRequest>;

const answerRoute = (
  dependencies: AccessRequestDependencies,
  verb: 'approve' | 'deny',
  { summary, answer }: { readonly summary: string; readonly answer: Answering },
): Route =>
  route({
    method: 'POST',
    path: `${PATH}/:requestId/${verb}`,
    permission: 'grant:manage',
    scope: 'deferred',
    surface: 'api',
    summary,
    params: requestParams,
    body: verdictShape,
    responses: { 200: requestShape, 409: null },
    handler: async ({ params, body, context }) => {
      const verdict = { requestId: known(params.requestId), hash: body.hash, answer: body.comment ?? null };
      return { status: 200, body: toBody(await answer(dependencies, administratorOf(context), verdict)) };
    },
  });

const cancelRoute = (dependencies: AccessRequestDependencies): Route =>
  route({
    method: 'POST',
    path: `${PATH}/:requestId/cancel`,
    permission: SELF,
    surface: 'api',
    summary: 'Takes one’s own access request back.',
    params: requestParams,
    responses: { 200: requestShape, 409: null },
    handler: async ({ params, context }) => {
      const request = await cancelRequest(dependencies, administratorOf(context), known(params.requestId));
      return { status: 200, body: toBody(request) };
    },
  });

/** Asking for access, and answering, over HTTP. */
export const accessRequestRoutes = (dependencies: AccessRequestDependencies): Route[] => [
  createRoute(dependencies),
  listRoute(dependencies),
  getRoute(dependencies),
  answerRoute(dependencies, 'approve', {
    summary: 'Approves an access request: the role is given, until the moment asked for.',
    answer: approveRequest,
  }),
  answerRoute(dependencies, 'deny', { summary: 'Denies an access request.', answer: denyRequest }),
  cancelRoute(dependencies),
];
