import type { AuditContext, AuditLog } from '@sallyport/audit';
import { newId, type Clock } from '@sallyport/storage';

import { describeGrant, insertGrant, takeRevision, type GrantKnowledge, type NewGrant } from '../grants/index.ts';
import { OWNER } from '../model/index.ts';
import { insertOrganization } from './store.ts';

export interface OrganizationDependencies {
  readonly audit: AuditLog;
  readonly clock: Clock;
  readonly knowledge: GrantKnowledge;
}

/**
 * Prepares an organisation: its audit log, its revision counter and the Owner grant of its first Owner. Built-in roles
 * need no rows. Idempotent: an organisation that is there is left as it is, its Owners included.
 *
 * @returns true when it was created
 */
export const createOrganization = async (
  { audit, clock, knowledge }: OrganizationDependencies,
  context: AuditContext,
  { slug, ownerSubjectId }: { readonly slug: string; readonly ownerSubjectId: string },
): Promise<boolean> => {
  const now = clock.now();
  const { value } = await audit.mutate(context, async (tx) => {
    if (!(await insertOrganization(tx, { orgId: tx.orgId, slug, createdAt: now }))) {
      tx.unchanged();
      return false;
    }
    await audit.createOrganization(tx, tx.orgId);
    const grant: NewGrant = {
      grantId: newId(),
      subjectType: 'user',
      subjectId: ownerSubjectId,
      roleKey: OWNER,
      projectId: null,
      environmentId: null,
      effect: 'allow',
      tier: null,
      resourceType: null,
      condition: null,
      source: 'direct',
      validFrom: null,
      validUntil: null,
      createdAt: now,
      createdBy: context.actor.id,
      // Nothing of them is known here yet; a local Owner is never brought back by a directory.
      subjectEpoch: 0n,
    };
    await insertGrant(tx, tx.orgId, { ...grant, revision: await takeRevision(tx) });
    tx.record({ action: 'organization.created', target: { type: 'organization', id: tx.orgId }, after: { slug } });
    tx.record({
      action: 'grant.created',
      target: { type: 'grant', id: grant.grantId },
      after: describeGrant(grant),
    });
    return true;
  });
  await knowledge.settled();
  return value;
};
