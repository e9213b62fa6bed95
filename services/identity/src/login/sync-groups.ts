import type { AuditedTx } from '@sallyport/audit';
import type { Clock } from '@sallyport/storage';

import { foldCase, hasUnseen } from '../accounts/index.ts';
import { changeGroup, createGroup, listGroups, listGroupsOf, lockGroup } from '../groups/index.ts';
import { valuesOf, type ExternalLogin } from './external-login.ts';
import { findLoginConnection, takeTurn } from './identity-store.ts';

/** More groups than this in one answer are a mistake of the mapping; none of them counts then. */
export const MAX_GROUPS = 200;
const MAX_NAME = 256;

/**
 * The groups an answer names, as they would be kept: trimmed, each once, without those that only look like a name. Too
 * many, or one that is too long: none.
 */
export const groupsOf = (login: ExternalLogin): readonly string[] => {
  const { groupsAttribute } = login.rule;
  if (groupsAttribute === null) return [];
  // Case does not tell groups apart.
  const byKey = new Map(valuesOf(login, groupsAttribute).map((name) => [foldCase(name.trim()), name.trim()]));
  byKey.delete('');
  const names = [...byKey.values()].filter((name) => !hasUnseen(name));
  return names.length > MAX_GROUPS || names.some((name) => name.length > MAX_NAME) ? [] : names;
};

/**
 * Puts somebody into the groups the identity provider names at a login, and out of all others of the connection. Only
 * where the connection maps groups and no directory (SCIM) says who is in them: a directory always has the last word.
 * An answer that names no groups leaves none.
 */
export const syncGroups = async (
  tx: AuditedTx,
  dependencies: { readonly clock: Clock },
  login: ExternalLogin,
  accountId: string,
): Promise<void> => {
  if (login.rule.groupsAttribute === null) return;
  const connection = await findLoginConnection(tx, login.connectionId);
  if (connection === null || connection.hasDirectory) return;
  const { wanted, unknown } = await findOrReserve(tx, login);
  const held = new Set((await listGroupsOf(tx, tx.orgId, [accountId])).map(({ groupId }) => groupId));
  for (const [groupId, kind] of movesBetween(held, wanted)) {
    const group = await lockGroup(tx, tx.orgId, groupId);
    if (group?.connectionId !== login.connectionId) continue;
    const { displayName, externalId } = group;
    await changeGroup(tx, dependencies, group, { displayName, externalId, members: [{ kind, ids: [accountId] }] });
  }
  const { connectionId } = login;
  for (const displayName of unknown)
    await createGroup(tx, dependencies, { connectionId, externalId: null, displayName, memberIds: [accountId] });
};

interface Wanted {
  /** Those there are, by id. */
  readonly wanted: ReadonlySet<string>;
  /** The names of those there are not. */
  readonly unknown: readonly string[];
}

/** What is unknown stays so until the transaction ends: whom many sign in with makes a new group once. */
const findOrReserve = async (tx: AuditedTx, login: ExternalLogin): Promise<Wanted> => {
  const found = await findWanted(tx, login);
  if (found.unknown.length === 0) return found;
  await takeTurn(tx, { of: 'groups', orgId: tx.orgId, connectionId: login.connectionId });
  return await findWanted(tx, login);
};

/** The groups an answer names. */
const findWanted = async (tx: AuditedTx, login: ExternalLogin): Promise<Wanted> => {
  const { connectionId } = login;
  const found = await Promise.all(
    groupsOf(login).map(async (displayName) => {
      const [group] = await listGroups(tx, tx.orgId, { connectionId, displayName, limit: 1 });
      return { displayName, id: group?.id };
    }),
  );
  return {
    wanted: new Set(found.flatMap(({ id }) => (id === undefined ? [] : [id]))),
    unknown: found.filter(({ id }) => id === undefined).map(({ displayName }) => displayName),
  };
};

/** In the order of ids, as everybody locks groups, so that two logins never wait for each other. */
const movesBetween = (
  held: ReadonlySet<string>,
  wanted: ReadonlySet<string>,
): readonly (readonly [groupId: string, kind: 'add' | 'remove'])[] => {
  const moves = [
    ...[...held].filter((id) => !wanted.has(id)).map((id) => [id, 'remove'] as const),
    ...[...wanted].filter((id) => !held.has(id)).map((id) => [id, 'add'] as const),
  ];
  return moves.sort(([one], [other]) => (one < other ? -1 : 1));
};
