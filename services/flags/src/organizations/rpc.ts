import { type GrpcService, grpcService, unary } from '@sallyport/grpc';
import { OperatorServiceService } from '@sallyport/proto/flags/v1';

import { createOrganization, type OrganizationDependencies } from './create-organization.ts';

/** sallyport.flags.v1.OperatorService, for the operator of the deployment alone. */
export const operatorService = (dependencies: OrganizationDependencies): GrpcService =>
  grpcService(OperatorServiceService, {
    createOrganization: {
      allow: ['operator'],
      handler: unary(
        async ({ orgId, slug }, { requestId }) => await createOrganization(dependencies, { orgId, slug, requestId }),
      ),
    },
  });
