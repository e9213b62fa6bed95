import type { AuditLog } from '@sallyport/audit';
import { AppError } from '@sallyport/errors';
import { type Clock, isId } from '@sallyport/storage';

import { insertOrganization } from './store.ts';

export interface OrganizationDependencies {
  readonly audit: AuditLog;
  readonly clock: Clock;
}

/** Prepares the schema for an organisation, with its audit log. Idempotent. @throws INVALID_VALUE */
export const createOrganization = async (
  { audit, clock }: OrganizationDependencies,
  input: { readonly orgId: string; readonly slug: string; readonly requestId: string },
): Promise<{ readonly created: boolean }> => {
  const { orgId, slug, requestId } = input;
  if (!isId(orgId)) throw new AppError('INVALID_VALUE', 'org_id must be a UUID.');
  if (!/^[a-z0-9][a-z0-9-]{0,62}$/.test(slug)) throw new AppError('INVALID_VALUE', 'slug is not valid.');
  const context = { orgId, actor: { type: 'operator', id: 'operator' }, requestId } as const;
  const { value } = await audit.mutate(context, async (tx) => {
    const created = await insertOrganization(tx, orgId, slug, clock.now());
    if (created) {
      await audit.createOrganization(tx, orgId);
      tx.record({ action: 'organization.created', target: { type: 'organization', id: orgId }, after: { slug } });
    } else tx.unchanged();
    return created;
  });
  return { created: value };
};
