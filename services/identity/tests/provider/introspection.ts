import { createGrpcClient, type GrpcClient } from '@sallyport/grpc';
import { IntrospectionServiceClient, type IntrospectionServiceService } from '@sallyport/proto/identity/v1';
import { silentLogger } from '@sallyport/telemetry';

import { certificate, DEPLOYMENT, type TestIdentity } from '../support/identity.ts';

/** Asks identity who is behind a credential, as policy does, or as another service does. */
export const introspectionClient = async (
  { server }: TestIdentity,
  service = 'policy',
): Promise<GrpcClient<IntrospectionServiceService>> =>
  createGrpcClient(IntrospectionServiceClient, {
    address: `127.0.0.1:${server.grpcPort}`,
    tls: await certificate(service),
    serverName: 'identity',
    deployment: DEPLOYMENT,
    logger: silentLogger(),
  });
