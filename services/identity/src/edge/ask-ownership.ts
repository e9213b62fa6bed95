import { createGrpcClient, type TlsFiles } from '@sallyport/grpc';
import { OwnershipServiceClient } from '@sallyport/proto/policy/v1';
import { isId } from '@sallyport/storage';
import type { Logger } from '@sallyport/telemetry';

import type { IdentityConfig } from '../config.ts';
import type { AskOwnership } from '../groups/index.ts';

const DEADLINE_MS = 300;

/** Policy's word on who owns an organisation as far as grants say; any failure to get it is null. */
export const ownershipClient = (
  config: IdentityConfig,
  tls: TlsFiles,
  logger: Logger,
): { readonly ask: AskOwnership; close(): void } => {
  const client = createGrpcClient(OwnershipServiceClient, {
    address: config.policyGrpc,
    tls,
    serverName: 'policy',
    deployment: config.deployment,
    logger,
  });
  return {
    ask: async (orgId, requestId) => {
      try {
        const answer = await client.unary('getOwnership', { orgId }, { deadlineMs: DEADLINE_MS, requestId });
        return {
          ownerUserIds: answer.ownerUserIds.filter(isId),
          ownerGroupIds: answer.ownerGroupIds.filter(isId),
          deniedUserIds: answer.deniedUserIds.filter(isId),
          deniedGroupIds: answer.deniedGroupIds.filter(isId),
        };
      } catch (error) {
        logger.warn({ err: error, orgId }, 'policy could not be asked who owns the organisation');
        return null;
      }
    },
    close: () => {
      client.close();
    },
  };
};
