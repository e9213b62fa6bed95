import type { AuditContext, AuditedTx } from '@sallyport/audit';
import { AppError, isAppError } from '@sallyport/errors';

import type { IdentityContext } from '../context.ts';
import type { Group } from './group.ts';
import { hasOwner, lockOwners } from './owner-store.ts';
import { findGroup } from './store.ts';

/** Whom grants make an Owner of the organisation, as policy says; who is in which group is ours to know. */
export interface Ownership {
  readonly ownerUserIds: readonly string[];
  readonly ownerGroupIds: readonly string[];
  /** Whoever is denied anything at the organisation does not count. */
  readonly deniedUserIds: readonly string[];
  readonly deniedGroupIds: readonly string[];
}

/** Asks policy; null when it cannot be asked. */
export type AskOwnership = (orgId: string, requestId: string) => Promise<Ownership | null>;

/** A change of a group that may take members out of it. */
export interface RemovingChange<T> {
  readonly groupId: string;
  readonly lock: (tx: AuditedTx) => Promise<Group>;
  readonly work: (tx: AuditedTx, group: Group) => Promise<T>;
}

const lastOwner = (): AppError =>
  new AppError(
    'LAST_OWNER',
    'This would take the role Owner from the last active person who holds it (the break-glass Owner does not count). ' +
      'Give the role to somebody else first. Deactivating or deleting the person is never refused.',
  );

/** Nobody stands between a directory and the end of somebody's role: what could not be checked is noted. */
const noteUnchecked = async (tx: AuditedTx, before: Group): Promise<void> => {
  const after = await findGroup(tx, before.orgId, before.id);
  if (after?.version === before.version) return;
  tx.record({
    action: 'group.owner-rule-unchecked',
    target: { type: 'group', id: before.id },
    reason: 'POLICY_UNAVAILABLE',
  });
};

const keepingAnOwner = async <T>(
  tx: AuditedTx,
  group: Group,
  ownership: Ownership,
  work: () => Promise<T>,
): Promise<T> => {
  await lockOwners(tx, group.orgId);
  // Who has none already (the last one was deactivated) is not made worse.
  const hadOwner = await hasOwner(tx, group.orgId, ownership);
  const result = await work();
  if (hadOwner && !(await hasOwner(tx, group.orgId, ownership))) throw lastOwner();
  return result;
};

/**
 * Changes a group so that the organisation keeps an Owner who signs in as people do.
 *
 * 1. Policy is asked which groups and people grants make Owners, before any lock is held. 2. A group that gives nobody
 * that role is simply changed. 3. Otherwise one such change runs at a time in the organisation, on our own rows of
 * members and standing, so two changes never pass side by side what neither would pass after the other. 4. When policy
 * cannot be asked the change goes through, because a role must be able to end, and the record says so: the break-glass
 * Owner remains. A refusal is recorded too.
 *
 * Only edits of groups come here. What ends somebody's access altogether is never refused.
 *
 * @throws LAST_OWNER, and what `lock` and `work` throw
 */
export const changeKeepingAnOwner = async <T>(
  { audit, askOwnership }: Pick<IdentityContext, 'audit' | 'askOwnership'>,
  context: AuditContext,
  { groupId, lock, work }: RemovingChange<T>,
): Promise<T> => {
  const ownership = await askOwnership(context.orgId, context.requestId);
  try {
    const { value } = await audit.mutate(context, async (tx) => {
      const group = await lock(tx);
      if (ownership?.ownerGroupIds.includes(group.id) === true)
        return await keepingAnOwner(tx, group, ownership, () => work(tx, group));
      const result = await work(tx, group);
      if (ownership === null) await noteUnchecked(tx, group);
      return result;
    });
    return value;
  } catch (error) {
    if (isAppError(error) && error.code === 'LAST_OWNER')
      await audit.recordDenied(context, {
        action: 'group.change-refused',
        target: { type: 'group', id: groupId },
        reason: error.code,
      });
    throw error;
  }
};
