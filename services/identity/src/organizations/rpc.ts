import { grpcService, unary, type GrpcService } from '@sallyport/grpc';
import { OperatorServiceService } from '@sallyport/proto/identity/v1';

import type { IdentityContext } from '../context.ts';
import { createOrganization } from './create-organization.ts';

/** For the operator of the deployment, never for tenants. */
export const operatorService = (context: IdentityContext): GrpcService =>
  grpcService(OperatorServiceService, {
    createOrganization: {
      allow: ['operator'],
      handler: unary((input, { requestId, peer }) => createOrganization(context, input, { requestId, operator: peer })),
    },
  });
