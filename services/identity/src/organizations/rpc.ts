import { AppError } from '@sallyport/errors';
import { grpcService, unary, type GrpcService } from '@sallyport/grpc';
import { OperatorServiceService } from '@sallyport/proto/identity/v1';

import { isId } from '@sallyport/storage';

import type { IdentityContext } from '../context.ts';
import { verifyDomain } from '../login/index.ts';
import { createOrganization } from './create-organization.ts';

/** For the operator of the deployment, never for tenants. */
export const operatorService = (context: IdentityContext): GrpcService =>
  grpcService(OperatorServiceService, {
    createOrganization: {
      allow: ['operator'],
      handler: unary((input, { requestId, peer }) => createOrganization(context, input, { requestId, operator: peer })),
    },
    verifyDomain: {
      allow: ['operator'],
      handler: unary(async (input, { requestId, peer }) => {
        if (!isId(input.orgId) || !isId(input.connectionId))
          throw new AppError('NOT_FOUND', 'The connection does not list this domain.');
        await verifyDomain(context, input, { requestId, operator: peer });
        return {};
      }),
    },
  });
