import { AppError } from '@sallyport/errors';
import { grpcService, unary, type GrpcService } from '@sallyport/grpc';
import { OwnershipServiceService, type GetOwnershipResponse } from '@sallyport/proto/policy/v1';

import type { OrganizationIndex, SubjectType } from '../model/index.ts';
import type { GrantKnowledge } from './knowledge.ts';
import { isLastingOwner } from './rules.ts';

/**
 * Who owns the organisation as far as grants say: Owner at the organisation without a time limit, and who is denied
 * anything there. The same grants count as for the rule that an organisation keeps an Owner (rules.ts).
 */
export const ownershipOf = (index: OrganizationIndex): GetOwnershipResponse => {
  const here = index.grants.filter(({ row }) => row.projectId === null);
  const lasting = here.filter(isLastingOwner);
  const denied = here.filter(({ row }) => row.effect === 'deny');
  const subjects = (grants: typeof here, type: SubjectType): string[] =>
    grants.filter(({ row }) => row.subjectType === type).map(({ row }) => row.subjectId);
  return {
    grantsRevision: index.revision,
    ownerUserIds: subjects(lasting, 'user'),
    ownerGroupIds: subjects(lasting, 'group'),
    deniedUserIds: subjects(denied, 'user'),
    deniedGroupIds: subjects(denied, 'group'),
  };
};

/** Answered from memory, while it may be used. */
export const ownershipService = ({
  knowledge,
}: {
  readonly knowledge: Pick<GrantKnowledge, 'ensure' | 'forMs' | 'organization'>;
}): GrpcService =>
  grpcService(OwnershipServiceService, {
    getOwnership: {
      allow: ['identity'],
      handler: unary(async ({ orgId }) => {
        await knowledge.ensure(orgId);
        if (knowledge.forMs(orgId) < 1) throw new AppError('UNAVAILABLE', 'What is known of grants is too old.');
        const index = knowledge.organization(orgId);
        if (index === undefined) throw new AppError('NOT_FOUND', 'There is no such organisation.');
        return ownershipOf(index);
      }),
    },
  });
