import { approveRequest } from '../access-requests/index.ts';
import {
  createGrant,
  deleteGrant,
  toGrantInput,
  toMappingInput,
  type Administrator,
  type Approval,
} from '../grants/index.ts';
import { startReview, toReviewInput } from '../reviews/index.ts';
import { createRole, deleteRole, deleteSeparationRule, toDefinition, updateRole } from '../roles/index.ts';
import { changeProtection } from './change-protection.ts';
import type { Proposal, ProposalDependencies } from './proposal.ts';

/** Makes the proposed change, through the same command as whoever needs nobody's approval. */
export const carryOut = async (
  dependencies: ProposalDependencies,
  administrator: Administrator,
  { change }: Proposal,
  approval: Approval,
): Promise<void> => {
  switch (change.kind) {
    case 'grant.create':
      await createGrant(dependencies, administrator, toGrantInput(change.grant), approval);
      return;
    case 'mapping.create':
      await createGrant(dependencies, administrator, toMappingInput(change.mapping), approval);
      return;
    case 'grant.delete':
      await deleteGrant(dependencies, administrator, { grantId: change.grantId, source: 'direct' }, approval);
      return;
    case 'mapping.delete':
      await deleteGrant(dependencies, administrator, { grantId: change.mappingId, source: 'mapping' }, approval);
      return;
    case 'access-request.approve':
      await approveRequest(
        dependencies,
        administrator,
        { requestId: change.requestId, hash: null, answer: null },
        approval,
      );
      return;
    case 'review.start':
      await startReview(dependencies, administrator, toReviewInput(change.review), approval);
      return;
    case 'role.create': {
      const { key, ...body } = change.role;
      await createRole(dependencies, administrator, toDefinition(key, body), approval);
      return;
    }
    case 'role.update': {
      // The version is part of what was agreed to (plan-role-change.ts).
      const update = { definition: toDefinition(change.key, change.role), base: '*' } as const;
      await updateRole(dependencies, administrator, update, approval);
      return;
    }
    case 'role.delete':
      await deleteRole(dependencies, administrator, { key: change.key, base: '*' }, approval);
      return;
    case 'separation-rule.delete':
      await deleteSeparationRule(dependencies, administrator, change.ruleId, approval);
      return;
    case 'protection.change':
      await changeProtection(dependencies, administrator, change, approval);
  }
};
