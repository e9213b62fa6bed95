import { AppError } from '@sallyport/errors';
import type { Database } from '@sallyport/storage';

import {
  changeGrants,
  describeApproval,
  describeDecision,
  enforce,
  takeRevision,
  toRow,
  type Administrator,
  type Approval,
  type GrantDependencies,
} from './change-grants.ts';
import { describeGrant, type Grant } from './grant.ts';
import { toScope } from './held.ts';
import { takingOf, refuseBeyondOwn, refuseLastOwner, refuseOwn } from './rules.ts';
import { deleteGrantRow, findGrant } from './store.ts';

const notFound = (): AppError => new AppError('NOT_FOUND', 'There is no such grant.');

/**
 * Takes a role back. The scope of the permission is that of the stored grant.
 *
 * @throws NOT_FOUND, READ_ONLY for a mapping taken back as a grant (or the other way round); see {@link changeGrants}
 */
export const deleteGrant = async (
  dependencies: GrantDependencies & { readonly db: Database },
  administrator: Administrator,
  { grantId, source }: Pick<Grant, 'grantId' | 'source'>,
  approval?: Approval,
): Promise<void> => {
  const { orgId } = administrator.principal;
  const grant = await dependencies.db.read(orgId, async (tx) => await findGrant(tx, orgId, grantId));
  if (grant === undefined) throw notFound();
  if (grant.source !== source)
    throw new AppError(
      'READ_ONLY',
      source === 'direct' ? 'This comes from a group mapping: remove the mapping.' : 'This is a grant, not a mapping.',
    );
  const event = {
    action: source === 'mapping' ? 'group-mapping.deleted' : 'grant.deleted',
    target: { type: 'grant', id: grantId },
    before: describeGrant(grant),
  };
  const change = {
    permission: source === 'mapping' ? 'mapping:manage' : 'grant:manage',
    scope: source === 'mapping' || grant.effect === 'deny' ? {} : toScope(grant),
    attempt: event,
    reach: grant,
    approval,
  };
  await changeGrants(dependencies, administrator, change, async (tx, state, decision) => {
    // Somebody else may have taken it back while we waited for the lock.
    if ((await findGrant(tx, orgId, grantId)) === undefined) throw notFound();
    const row = toRow(grant);
    enforce(refuseOwn(state.actor, row), refuseBeyondOwn(state.before, state.actor, row, takingOf(row, state.nowMs)));
    enforce(refuseLastOwner(state.before, state.after({ remove: grantId }), state.population));
    await takeRevision(tx);
    await deleteGrantRow(tx, orgId, grantId);
    tx.record({ ...event, ...describeApproval(approval), decision: describeDecision(decision) });
  });
};
