import type { AuditContext } from '@sallyport/audit';

import {
  awaitEffective,
  closeAccess,
  listAccounts,
  listByConnectionHold,
  MAX_ACCOUNTS_PER_DOOR,
  openAccess,
  type Closed,
} from '../accounts/index.ts';
import type { IdentityContext } from '../context.ts';
import { deleteGroup, listGroups, lockGroup } from '../groups/index.ts';
import type { ReadTx } from '@sallyport/storage';
import { holdState, listUnfinished, type Unfinished } from './store.ts';

const GROUPS_PER_BATCH = 50;

const nextBatch = async (tx: ReadTx, { orgId, connectionId, state }: Unfinished): Promise<string[]> => {
  const limit = MAX_ACCOUNTS_PER_DOOR;
  if (state !== 'removed')
    return await listByConnectionHold(tx, { orgId, connectionId, held: state === 'enabled', limit });
  return (await listAccounts(tx, orgId, { connectionId, limit })).map(({ id }) => id);
};

const removeGroups = async (
  { audit, db }: IdentityContext,
  context: AuditContext,
  connectionId: string,
): Promise<void> => {
  const { orgId } = context;
  for (;;) {
    const groups = await db.read(orgId, (tx) => listGroups(tx, orgId, { connectionId, limit: GROUPS_PER_BATCH }));
    if (groups.length === 0) return;
    for (const { id } of groups)
      await audit.mutate(context, async (tx) => {
        const group = await lockGroup(tx, orgId, id);
        if (group === undefined) tx.unchanged();
        else await deleteGroup(tx, group);
      });
  }
};

interface Closing {
  readonly closed: Closed;
  readonly ids: readonly string[];
}

/** One transaction's worth of accounts; false when none is left, or when the connection is in another state by now. */
const carryBatch = async (
  service: IdentityContext,
  context: AuditContext,
  target: Unfinished,
  closings: Closing[],
): Promise<boolean> => {
  const { orgId, connectionId, state } = target;
  const { value } = await service.audit.mutate(context, async (tx) => {
    // Held to the end: a state that changes meanwhile is carried through by whoever changes it, never against us.
    const ids = (await holdState(tx, orgId, connectionId)) === state ? await nextBatch(tx, target) : [];
    if (ids.length === 0) {
      tx.unchanged();
      return false;
    }
    const request = { accountIds: ids, cause: `connection.${state}` };
    if (state === 'enabled') await openAccess(tx, service, { ...request, by: 'connection' });
    else {
      const by = state === 'removed' ? 'removal' : 'connection';
      closings.push({ ids, closed: await closeAccess(tx, service, { ...request, by }) });
    }
    return true;
  });
  return value;
};

/**
 * Carries the state of a connection through to its accounts (and, when it was removed, its groups): through the one
 * door, at most 500 in a transaction. Can be killed and run again at any point. Returns when what ended is in force
 * everywhere.
 */
export const carryThrough = async (
  service: IdentityContext,
  context: AuditContext,
  target: Unfinished,
): Promise<void> => {
  const closings: Closing[] = [];
  while (await carryBatch(service, context, target, closings));
  // Together: each waits at most W, and none for another.
  await Promise.all(closings.map(({ closed, ids }) => awaitEffective(service, context, closed, ids)));
  if (target.state === 'removed') await removeGroups(service, context, target.connectionId);
};

/** Finishes what a process that died left half-done. Run it before serving. */
export const carryThroughUnfinished = async (service: IdentityContext): Promise<void> => {
  const unfinished = await service.db.readAcrossOrganizations('connections left half-way', listUnfinished);
  for (const target of unfinished) {
    const actor = { type: 'system', id: 'identity' } as const;
    await carryThrough(service, { orgId: target.orgId, actor, requestId: `resume-${target.connectionId}` }, target);
  }
};
