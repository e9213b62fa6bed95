import { isId, statement, type ReadTx, type WriteTx } from '@sallyport/storage';

import type { Group } from './group.ts';

/** Smaller than every id there is. */
const BEFORE_ALL = '00000000-0000-0000-0000-000000000000';

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

/** Removes everybody, a page in each statement, and answers who was in. */
export async function* removeAllMembers(tx: WriteTx, group: Group, pageSize: number): AsyncGenerator<string[]> {
  let after = BEFORE_ALL;
  for (;;) {
    const page = ids(
      await tx.query<{ account_id: string }>(
        statement(`WITH gone AS (
            DELETE FROM group_member WHERE org_id = $1 AND group_id = $2 AND account_id = ANY (ARRAY(
              SELECT account_id FROM group_member WHERE org_id = $1 AND group_id = $2 AND account_id > $3
               ORDER BY account_id LIMIT $4)) RETURNING account_id
          )
          SELECT account_id FROM gone ORDER BY account_id`),
        [group.orgId, group.id, after, pageSize],
      ),
    );
    const last = page.at(-1);
    if (last === undefined) return;
    yield page;
    after = last;
  }
}

/** Which of these are in. */
export const findMembersAmong = async (
  tx: ReadTx,
  group: Group,
  accountIds: readonly string[],
): Promise<Set<string>> => {
  const rows = await tx.query<{ account_id: string }>(
    statement(`SELECT account_id FROM group_member
      WHERE org_id = $1 AND group_id = $2 AND account_id = ANY($3::uuid[])`),
    [group.orgId, group.id, accountIds],
  );
  return new Set(ids(rows));
};

/** Everybody who is in, in order of ids, page by page: each page is a statement of its own. */
export async function* walkMemberIds(tx: ReadTx, group: Group, pageSize: number): AsyncGenerator<readonly string[]> {
  let after = BEFORE_ALL;
  for (;;) {
    const page = ids(
      await tx.query<{ account_id: string }>(
        statement(`SELECT account_id FROM group_member WHERE org_id = $1 AND group_id = $2 AND account_id > $3
          ORDER BY account_id LIMIT $4`),
        [group.orgId, group.id, after, pageSize],
      ),
    );
    const last = page.at(-1);
    if (last === undefined) return;
    yield page;
    if (page.length < pageSize) return;
    after = last;
  }
}

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

// Members in order of ids, each with its account: the walk over the members leads, whatever the statistics say (a join
// the planner may turn around reads every account of the organisation for a page of members). Removed accounts are in
// no group.
const MEMBERS_WITH_ACCOUNTS = `
  FROM group_member m
 CROSS JOIN LATERAL (
   SELECT a.id, a.user_name, a.display_name, a.status FROM account a
    WHERE a.org_id = m.org_id AND a.id = m.account_id AND a.status <> 'deleted' OFFSET 0
 ) a
 WHERE m.org_id = $1 AND m.group_id = $2 AND m.account_id > $3
 ORDER BY m.account_id LIMIT $4`;

/** In order of ids; removed accounts are in no group. */
export const listMembers = async (
  tx: ReadTx,
  group: Pick<Group, 'orgId' | 'id'>,
  page: { readonly after?: string; readonly limit: number },
): Promise<Member[]> => {
  const rows = await tx.query<{ id: string; user_name: string; display_name: string; status: Member['status'] }>(
    statement(`SELECT a.id, a.user_name, a.display_name, a.status ${MEMBERS_WITH_ACCOUNTS}`),
    [group.orgId, group.id, page.after ?? BEFORE_ALL, page.limit],
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
