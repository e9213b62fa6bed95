import { createGrpcClient, type GrpcClient, type TlsFiles } from '@sallyport/grpc';
import { DecisionServiceClient, type DecisionServiceService } from '@sallyport/proto/policy/v1';
import type { Logger } from '@sallyport/telemetry';

import type { IdentityConfig } from '../config.ts';

/** The one way to policy: decisions about this service's own API. */
export const policyClient = (
  config: IdentityConfig,
  tls: TlsFiles,
  logger: Logger,
): GrpcClient<DecisionServiceService> =>
  createGrpcClient(DecisionServiceClient, {
    address: config.policyGrpc,
    tls,
    serverName: 'policy',
    deployment: config.deployment,
    logger,
  });
