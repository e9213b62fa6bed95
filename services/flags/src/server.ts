import { auditRoutes } from '@sallyport/audit-api';
import type { GrpcService } from '@sallyport/grpc';
import { createHttpApp, type Route } from '@sallyport/http';
import { type RunningServer, serve } from '@sallyport/service';

import { changeRoutes, flagRoutes } from './changes/index.ts';
import type { FlagsContext } from './context.ts';
import { keyRoutes, ofrepRoutes, renderOfrepError } from './delivery/index.ts';
import { decide, recordDenied } from './edge/index.ts';
import { operatorService } from './organizations/index.ts';
import { findEnvironmentById, projectRoutes } from './projects/index.ts';

/** The HTTP surface of the whole service; each slice's routes file holds its rows. */
export const routes = (context: FlagsContext): Route[] => [
  ...projectRoutes(context), //                               /api/flags/v1/projects, …/environments
  ...keyRoutes({ ...context, keys: context.delivery.keys }), // …/environments/:environment/keys
  ...flagRoutes(context), //                                  …/flags
  ...changeRoutes(context), //                                …/changes
  ...auditRoutes(context.audit, '/api/flags/v1'), //          /api/flags/v1/audit, …/audit/export
  ...ofrepRoutes(context), //                                 /ofrep/v1/evaluate/flags
];

/** The gRPC surface: which service may call what. */
export const rpcs = (context: FlagsContext): GrpcService[] => [
  operatorService(context), // sallyport.flags.v1.OperatorService: operator
];

const environmentKeyOf =
  ({ db }: FlagsContext) =>
  async (orgId: string, environmentId: string): Promise<string | undefined> => {
    const environment = await db.read(orgId, async (tx) => await findEnvironmentById(tx, orgId, environmentId));
    return environment?.key;
  };

/** Serves both surfaces. `strictResponses` turns an undeclared answer into a 500: for tests. */
export const startServer = async (
  context: FlagsContext,
  options: { readonly strictResponses?: boolean } = {},
): Promise<RunningServer> => {
  const { config, logger, metrics, audit, decisions, peers, db } = context;
  const http = createHttpApp({
    service: 'flags',
    logger,
    metrics,
    routes: routes(context),
    authenticate: async (ctx) => await peers.principals.fromRequest(ctx),
    decide: decide(decisions),
    onDenied: recordDenied(audit, environmentKeyOf(context)),
    renderers: { ofrep: renderOfrepError },
    publicOrigin: config.publicOrigin,
    trustedProxies: config.trustedProxies,
    readiness: { database: async () => await db.ping() },
    strictResponses: options.strictResponses ?? false,
  });
  return await serve({ ...context, service: 'flags', http, rpcs: rpcs(context) });
};
