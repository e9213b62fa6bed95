import type { AuditContext } from '@sallyport/audit';
import { AppError } from '@sallyport/errors';
import { grpcService, unary, type GrpcService, type ServerCall } from '@sallyport/grpc';
import { OperatorServiceService } from '@sallyport/proto/policy/v1';
import { isId } from '@sallyport/storage';
import { isIdentifier } from '@sallyport/subject-feed';

import { issueDecisionToken } from '../decision-tokens/index.ts';
import { createOrganization, type OrganizationDependencies } from './create-organization.ts';

const OPERATORS = ['operator'] as const;

const required = (what: string, text: string, isValid: (text: string) => boolean): string => {
  if (!isValid(text)) throw new AppError('INVALID_REQUEST', `The ${what} is not valid.`);
  return text;
};

const contextOf = (orgId: string, call: ServerCall): AuditContext => ({
  orgId: required('organisation', orgId, isId),
  actor: { type: 'operator', id: call.peer },
  requestId: call.requestId,
});

/** OperatorService over gRPC: for the operator of the deployment, never for tenants. */
export const operatorService = (dependencies: OrganizationDependencies): GrpcService =>
  grpcService(OperatorServiceService, {
    createOrganization: {
      allow: OPERATORS,
      handler: unary(async ({ orgId, slug, ownerSubjectId }, call) => ({
        created: await createOrganization(dependencies, contextOf(orgId, call), {
          slug: required('slug', slug, isIdentifier),
          ownerSubjectId: required('owner', ownerSubjectId, isId),
        }),
      })),
    },
    issueDecisionToken: {
      allow: OPERATORS,
      handler: unary(async ({ orgId, name }, call) => {
        const order = { context: contextOf(orgId, call) };
        const issue = { name: required('name', name, isIdentifier), expiresAt: null };
        const { token } = await issueDecisionToken(dependencies, order, issue);
        return { token };
      }),
    },
  });
