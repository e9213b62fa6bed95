import { auditRoutes } from '@sallyport/audit-api';
import { AppError } from '@sallyport/errors';
import type { GrpcService } from '@sallyport/grpc';
import { createHttpApp, type Route } from '@sallyport/http';
import { serve, type RunningServer } from '@sallyport/service';

import { accessRequestRoutes } from './access-requests/index.ts';
import { authzenRoutes, renderAuthzenError } from './authzen/index.ts';
import type { PolicyContext } from './context.ts';
import { checkRoutes, decisionService } from './decide/index.ts';
import { decisionLogRoutes, decisionLogService } from './decision-log/index.ts';
import { tokenRoutes } from './decision-tokens/index.ts';
import { decideLocally, recordDenied, sayRevision } from './edge/index.ts';
import { engineRoutes } from './engine/index.ts';
import { grantRoutes, mappingPreviewRoute, ownershipService } from './grants/index.ts';
import { policyAsCodeRoutes } from './policy-as-code/index.ts';
import { historyRoutes } from './history/index.ts';
import { operatorService } from './organizations/index.ts';
import { adviceRoute, roleRoutes, separationRoutes } from './roles/index.ts';
import { proposalRoutes, protectionRoutes } from './proposals/index.ts';
import { queryRoutes, queryService } from './query/index.ts';
import { reviewRoutes } from './reviews/index.ts';
import { scopeRoutes, scopeService } from './scopes/index.ts';
import { whatIfRoutes } from './what-if/index.ts';

/** The HTTP surface of the whole service; each slice's routes hold its rows. */
export const routes = (context: PolicyContext): Route[] => [
  ...authzenRoutes({ ...context, publicOrigin: context.config.publicOrigin }), // /access/v1, /.well-known
  ...roleRoutes(context), //                               /api/policy/v1/roles, /permissions
  ...separationRoutes(context), //                         /api/policy/v1/separation-rules, /separation-violations
  adviceRoute(context), //                                 /api/policy/v1/advice
  ...grantRoutes(context), //                              /api/policy/v1/grants, /group-mappings
  mappingPreviewRoute(context), //                         /api/policy/v1/group-mappings/preview
  ...checkRoutes(context.decisions, context.freshness), // /api/policy/v1/check
  ...queryRoutes(context), //                              /api/policy/v1/list, /explain
  ...engineRoutes(context), //                             /api/policy/v1/index, /export
  ...scopeRoutes(context.knowledge, context.decisions), // /api/policy/v1/scopes
  ...decisionLogRoutes(context), //                        /api/policy/v1/decisions
  ...tokenRoutes(context), //                              /api/policy/v1/decision-tokens
  ...proposalRoutes(context), //                           /api/policy/v1/proposals
  ...protectionRoutes(context), //                         /api/policy/v1/protections
  ...reviewRoutes(context), //                             /api/policy/v1/reviews
  ...accessRequestRoutes(context), //                      /api/policy/v1/access-requests
  ...policyAsCodeRoutes(context), //                       /api/policy/v1/policy
  ...historyRoutes(context), //                            /api/policy/v1/history
  ...whatIfRoutes(context), //                             /api/policy/v1/what-if
  ...auditRoutes(context.audit, '/api/policy/v1'), //      /api/policy/v1/audit
];

/** The gRPC surface: which service may call what. */
export const rpcs = (context: PolicyContext): GrpcService[] => [
  decisionService({ ...context, point: context.decisions }), // DecisionService  identity, flags, operator
  decisionLogService(context), //        DecisionLogService operator
  queryService(context), //              QueryService     identity, flags, operator
  scopeService(context), //              ScopeService     flags
  ownershipService(context), //          OwnershipService identity
  operatorService(context), //           OperatorService  operator
];

const holds = async (isTrue: boolean, what: string): Promise<void> => {
  if (!isTrue) throw new AppError('UNAVAILABLE', `${what} is too old.`);
  await Promise.resolve();
};

/** Serves both surfaces. */
export const startServer = async (context: PolicyContext, strictResponses = false): Promise<RunningServer> => {
  const { config, logger, metrics, audit, clock, decisions, principals, knowledge, db } = context;
  const { standingLease, commitGuard } = context;
  const http = createHttpApp({
    service: 'policy',
    logger,
    metrics,
    routes: sayRevision(routes(context), context.currentRevision),
    authenticate: async (ctx) => {
      const principal = await principals.fromRequest(ctx);
      // Whatever a route looks up in the organisation's index is there to be found.
      if (principal !== null) await knowledge.ensure(principal.orgId);
      return principal;
    },
    decide: decideLocally(decisions, commitGuard, clock),
    onDenied: recordDenied(audit),
    renderers: { authzen: renderAuthzenError },
    publicOrigin: config.publicOrigin,
    trustedProxies: config.trustedProxies,
    readiness: {
      database: () => db.ping(),
      grants: () => holds(knowledge.remainingMs() > 0, 'What is known of grants'),
      standing: () => holds(standingLease.remainingMs() > 0, 'What is known of standing'),
    },
    strictResponses,
  });
  return await serve({ ...context, service: 'policy', http, rpcs: rpcs(context) });
};
