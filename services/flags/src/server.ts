import { auditRoutes } from '@sallyport/audit-api';
import { type GrpcService, startGrpcServer } from '@sallyport/grpc';
import { createHttpApp, type Route } from '@sallyport/http';

import { changeRoutes, flagRoutes } from './changes/index.ts';
import type { FlagsContext } from './context.ts';
import { keyRoutes, ofrepRoutes, renderOfrepError } from './delivery/index.ts';
import { decide, recordDenied } from './edge/index.ts';
import { operatorService } from './organizations/index.ts';
import { findEnvironmentById, projectRoutes } from './projects/index.ts';

export interface RunningServer {
  readonly httpPort: number;
  readonly grpcPort: number;
  /** Finishes what is running, then stops. */
  close(): Promise<void>;
}

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
  const { config, logger, metrics, tls, audit, decisions, peers, db } = context;
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
    readiness: { database: async () => await db.ping() },
    strictResponses: options.strictResponses ?? false,
  });
  const { deployment, grpcHost, grpcPort } = config;
  const services = rpcs(context);
  const binding = { service: 'flags', host: grpcHost, port: grpcPort, tls, deployment };
  const grpc = await startGrpcServer({ ...binding, logger, metrics, services });
  try {
    const { port } = await http.listen({ host: config.httpHost, port: config.httpPort });
    return {
      httpPort: port,
      grpcPort: grpc.port,
      close: async () => {
        await Promise.all([http.close(), grpc.drain()]);
      },
    };
  } catch (error) {
    await grpc.close();
    throw error;
  }
};
