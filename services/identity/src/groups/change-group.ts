import type { AuditedTx, JsonObject } from '@sallyport/audit';
import { AppError } from '@sallyport/errors';
import { newId, type Clock } from '@sallyport/storage';

import { appendSubjectChange } from '../subject-log/index.ts';
import { changeMembers, MEMBERS_AT_ONCE } from './change-members.ts';
import type { Group, MembershipStep } from './group.ts';
import type { MembershipChange } from './member-ledger.ts';
import { removeAllMembers } from './member-store.ts';
import { deleteGroupRow, groupClash, insertGroup, updateGroup } from './store.ts';

interface Dependencies {
  readonly clock: Pick<Clock, 'now'>;
}

/** An audit entry is at most 60 KB; longer lists of members are several entries. */
const MAX_MEMBERS_PER_ENTRY = 1_000;

const auditGroup = (group: Group): JsonObject => ({
  connectionId: group.connectionId,
  displayName: group.displayName,
  externalId: group.externalId,
});

const refuseClash = (error: unknown): never => {
  const attribute = groupClash(error);
  if (attribute === undefined) throw error;
  const detail =
    attribute === 'displayName'
      ? 'Another group of this connection has this name.'
      : 'Another group of this connection has this external id.';
  throw new AppError('ALREADY_EXISTS', detail, { metadata: { attribute }, cause: error });
};

const recordMembers = (tx: AuditedTx, group: Group, { added, removed }: MembershipChange): void => {
  for (let at = 0; at < added.length + removed.length; at += MAX_MEMBERS_PER_ENTRY) {
    const end = at + MAX_MEMBERS_PER_ENTRY;
    tx.record({
      action: 'group.members-changed',
      target: { type: 'group', id: group.id, version: group.version.toString() },
      // Of those who moved: who was in before, who is in after.
      before: { members: removed.slice(Math.max(0, at - added.length), Math.max(0, end - added.length)) },
      after: { members: added.slice(at, end) },
    });
  }
};

const stateOf = (group: Group, deleted = false) => ({
  groupId: group.id,
  displayName: group.displayName,
  deleted,
});

export interface CreateGroup {
  readonly connectionId: string;
  readonly externalId: string | null;
  readonly displayName: string;
  readonly memberIds: readonly string[];
}

/** @throws ALREADY_EXISTS when the name or external id is taken within the connection; INVALID_VALUE for a member */
export const createGroup = async (tx: AuditedTx, { clock }: Dependencies, input: CreateGroup): Promise<Group> => {
  const at = clock.now();
  const { connectionId, externalId, displayName, memberIds } = input;
  const group = await insertGroup(tx, {
    orgId: tx.orgId,
    id: newId(),
    connectionId,
    externalId,
    displayName,
    at,
  }).catch(refuseClash);
  const change = await changeMembers(tx, group, [{ kind: 'add', ids: memberIds }], at);
  await change.verify();
  tx.record({
    action: 'group.created',
    target: { type: 'group', id: group.id, version: group.version.toString() },
    after: auditGroup(group),
  });
  recordMembers(tx, group, change);
  appendSubjectChange(tx, { cause: 'group.created', subjectIds: change.added, groups: [stateOf(group)] });
  return group;
};

export interface ChangeGroup {
  readonly displayName: string;
  readonly externalId: string | null;
  readonly members: readonly MembershipStep[];
}

/**
 * Changes a locked group: name, external id and members together. A change without effect leaves version and log alone.
 *
 * @throws ALREADY_EXISTS, INVALID_VALUE
 */
export const changeGroup = async (
  tx: AuditedTx,
  { clock }: Dependencies,
  group: Group,
  change: ChangeGroup,
): Promise<Group> => {
  const at = clock.now();
  const isRenamed = change.displayName !== group.displayName;
  const isUpdated = isRenamed || change.externalId !== group.externalId;
  const members = await changeMembers(tx, group, change.members, at);
  const moved = [...members.added, ...members.removed];
  if (!isUpdated && moved.length === 0) {
    await members.verify();
    tx.unchanged();
    return group;
  }
  const { displayName, externalId } = change;
  const [after] = await Promise.all([
    updateGroup(tx, group, { displayName, externalId, at }).catch(refuseClash),
    members.verify(),
  ]);
  if (isUpdated)
    tx.record({
      action: 'group.updated',
      target: { type: 'group', id: group.id, version: after.version.toString() },
      before: auditGroup(group),
      after: auditGroup(after),
    });
  recordMembers(tx, after, members);
  if (isRenamed || moved.length > 0)
    appendSubjectChange(tx, {
      cause: moved.length > 0 ? 'group.members-changed' : 'group.updated',
      subjectIds: moved,
      groups: isRenamed ? [stateOf(after)] : [],
    });
  return after;
};

/** Deletes a locked group; who was in it is told apart in the log, the group first. */
export const deleteGroup = async (tx: AuditedTx, group: Group): Promise<void> => {
  const removed: string[] = [];
  for await (const page of removeAllMembers(tx, group, MEMBERS_AT_ONCE)) removed.push(...page);
  await deleteGroupRow(tx, group);
  recordMembers(tx, group, { added: [], removed });
  tx.record({
    action: 'group.deleted',
    target: { type: 'group', id: group.id, version: group.version.toString() },
    before: auditGroup(group),
  });
  appendSubjectChange(tx, { cause: 'group.deleted', subjectIds: removed, groups: [stateOf(group, true)] });
};
