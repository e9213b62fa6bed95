import { readFile } from 'node:fs/promises';

import { createGrpcClient, type GrpcClient, type TlsFiles } from '@sallyport/grpc';
import { DecisionServiceClient, type DecisionServiceService } from '@sallyport/proto/policy/v1';
import type { Logger } from '@sallyport/telemetry';

import type { IdentityConfig } from '../config.ts';

/** PEM of this service's certificate, its key, and the authority that signs every service of the deployment. */
export const readTls = async (config: IdentityConfig): Promise<TlsFiles> => {
  const [ca, cert, key] = await Promise.all([
    readFile(config.tlsCaFile),
    readFile(config.tlsCertFile),
    readFile(config.tlsKeyFile),
  ]);
  return { ca, cert, key };
};

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
