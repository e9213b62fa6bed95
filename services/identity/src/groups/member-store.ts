import { isId, statement, type ReadTx, type WriteTx } from '@sallyport/storage';

import type { Group } from './group.ts';

const ids = (rows: readonly { readonly account_id: string }[]): string[] => rows.map((row) => row.account_id);

/** Which of these are users of the group's connection who have not been removed. */
export const findEligible = async (tx: ReadTx, group: Group, accountIds: readonly string[]): Promise<Set<string>> => {
  const rows = await tx.query<{ account_id: string }>(
    statement(`SELECT id AS account_id FROM account
      WHERE org_id = $1 AND connection_id = $2 AND id = ANY($3::uuid[]) AND kind = 'user' AND status <> 'deleted'`),
    [group.orgId, group.connectionId, accountIds.filter(isId)],
  );
  return new Set(ids(rows));
};

/** Adds those who are not in yet and answers who was added; costs what is added, whatever the size of the group. */
export const insertMembers = async (
  tx: WriteTx,
  group: Group,
  accountIds: readonly string[],
  at: Date,
): Promise<string[]> =>
  ids(
    await tx.query<{ account_id: string }>(
      statement(`INSERT INTO group_member (org_id, group_id, account_id, created_at)
         SELECT $1, $2, id, $4 FROM unnest($3::uuid[]) AS id ON CONFLICT DO NOTHING RETURNING account_id`),
      [group.orgId, group.id, accountIds, at],
    ),
  );

/** Removes those who are in and answers who was removed. */
export const removeMembers = async (tx: WriteTx, group: Group, accountIds: readonly string[]): Promise<string[]> =>
  ids(
    await tx.query<{ account_id: string }>(
      statement(`DELETE FROM group_member WHERE org_id = $1 AND group_id = $2 AND account_id = ANY($3::uuid[])
       RETURNING account_id`),
      [group.orgId, group.id, accountIds.filter(isId)],
    ),
  );

/** Removes everybody but these and answers who was removed. */
export const removeOthers = async (tx: WriteTx, group: Group, accountIds: readonly string[]): Promise<string[]> =>
  ids(
    await tx.query<{ account_id: string }>(
      `DELETE FROM group_member WHERE org_id = $1 AND group_id = $2 AND NOT (account_id = ANY($3::uuid[]))
       RETURNING account_id`,
      [group.orgId, group.id, accountIds],
    ),
  );

/** Which of these are in the group. */
export const findMembersAmong = async (
  tx: ReadTx,
  group: Group,
  accountIds: readonly string[],
): Promise<Set<string>> => {
  const rows = await tx.query<{ account_id: string }>(
    'SELECT account_id FROM group_member WHERE org_id = $1 AND group_id = $2 AND account_id = ANY($3::uuid[])',
    [group.orgId, group.id, accountIds],
  );
  return new Set(ids(rows));
};

export const countMembers = async (tx: ReadTx, group: Group): Promise<number> => {
  const [row] = await tx.query<{ count: number }>(
    'SELECT count(*)::int AS count FROM group_member WHERE org_id = $1 AND group_id = $2',
    [group.orgId, group.id],
  );
  return row?.count ?? 0;
};

export interface Member {
  readonly accountId: string;
  readonly userName: string;
  readonly displayName: string;
  readonly status: 'active' | 'inactive';
}

/** In order of ids; removed accounts are in no group. */
export const listMembers = async (
  tx: ReadTx,
  group: Pick<Group, 'orgId' | 'id'>,
  page: { readonly after?: string; readonly limit: number },
): Promise<Member[]> => {
  const rows = await tx.query<{ id: string; user_name: string; display_name: string; status: Member['status'] }>(
    statement(`SELECT a.id, a.user_name, a.display_name, a.status
       FROM group_member m JOIN account a ON a.org_id = m.org_id AND a.id = m.account_id
      WHERE m.org_id = $1 AND m.group_id = $2 AND ($3::uuid IS NULL OR m.account_id > $3) AND a.status <> 'deleted'
      ORDER BY m.account_id LIMIT $4`),
    [group.orgId, group.id, page.after ?? null, page.limit],
  );
  return rows.map((row) => ({
    accountId: row.id,
    userName: row.user_name,
    displayName: row.display_name,
    status: row.status,
  }));
};

export interface MembershipOf {
  readonly accountId: string;
  readonly groupId: string;
  readonly displayName: string;
}

/** The groups these accounts are in, for all of them in one statement. */
export const listGroupsOf = async (
  tx: ReadTx,
  orgId: string,
  accountIds: readonly string[],
): Promise<MembershipOf[]> => {
  const rows = await tx.query<{ account_id: string; group_id: string; display_name: string }>(
    statement(`SELECT m.account_id, g.id AS group_id, g.display_name
       FROM group_member m JOIN directory_group g ON g.org_id = m.org_id AND g.id = m.group_id
      WHERE m.org_id = $1 AND m.account_id = ANY($2::uuid[]) ORDER BY g.id`),
    [orgId, accountIds],
  );
  return rows.map((row) => ({
    accountId: row.account_id,
    groupId: row.group_id,
    displayName: row.display_name,
  }));
};
