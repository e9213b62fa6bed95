import type { WriteTx } from '@sallyport/storage';

import type { UploadedGroup, UploadedMember, UploadedUser } from './read-line.ts';
import type { DriftCounts, DriftReport } from './report.ts';

type Key = Pick<DriftReport, 'orgId' | 'id'>;

export const stageUsers = async (
  tx: WriteTx,
  { orgId, id }: Key,
  users: readonly (UploadedUser & { readonly line: number })[],
): Promise<void> => {
  const rows = users.map((user) => ({
    line: user.line,
    user_name: user.userName,
    user_name_key: user.userNameKey,
    external_id: user.externalId,
    active: user.active,
    attributes: user.attributes,
  }));
  await tx.query(
    `INSERT INTO drift_user (org_id, report_id, line, user_name, user_name_key, external_id, active, attributes)
       SELECT $1, $2, r.* FROM jsonb_to_recordset($3::jsonb) AS r
         (line bigint, user_name text, user_name_key text, external_id text, active boolean, attributes jsonb)`,
    [orgId, id, JSON.stringify(rows)],
  );
};

/** A group that is there already keeps its name; its members add up. */
export const stageGroups = async (
  tx: WriteTx,
  { orgId, id }: Key,
  groups: readonly Omit<UploadedGroup, 'members'>[],
): Promise<void> => {
  const rows = groups.map((group) => ({
    key: group.key,
    display_name: group.displayName,
    display_name_key: group.displayNameKey,
    external_id: group.externalId,
  }));
  await tx.query(
    `INSERT INTO drift_group (org_id, report_id, key, display_name, display_name_key, external_id)
       SELECT $1, $2, r.* FROM jsonb_to_recordset($3::jsonb) AS r
         (key text, display_name text, display_name_key text, external_id text) ON CONFLICT DO NOTHING`,
    [orgId, id, JSON.stringify(rows)],
  );
};

export const stageMembers = async (
  tx: WriteTx,
  { orgId, id }: Key,
  members: readonly (UploadedMember & { readonly groupKey: string })[],
): Promise<void> => {
  const rows = members.map((each) => ({
    group_key: each.groupKey,
    member: each.member,
    member_key: each.memberKey,
    member_id: each.memberId,
  }));
  await tx.query(
    `INSERT INTO drift_member (org_id, report_id, group_key, member, member_key, member_id)
       SELECT $1, $2, r.* FROM jsonb_to_recordset($3::jsonb) AS r
         (group_key text, member text, member_key text, member_id uuid) ON CONFLICT DO NOTHING`,
    [orgId, id, JSON.stringify(rows)],
  );
};

export interface Unreadable {
  readonly line: number;
  readonly reason: string;
}

/** Findings at once: the line is all that is known of them. */
export const insertUnreadable = async (
  tx: WriteTx,
  { orgId, id }: Key,
  lines: readonly Unreadable[],
  firstNumber: number,
): Promise<void> => {
  await tx.query(
    `INSERT INTO drift_finding (org_id, report_id, number, kind, name, attribute)
       SELECT $1, $2, $3 + r.number - 1, 'line.unreadable', 'line ' || r.line, r.reason
         FROM unnest($4::bigint[], $5::text[]) WITH ORDINALITY AS r (line, reason, number)`,
    [orgId, id, firstNumber, lines.map(({ line }) => line), lines.map(({ reason }) => reason)],
  );
};

/** How far the upload is; false when the report is not being received any more. */
export const updateCounts = async (
  tx: WriteTx,
  { orgId, id }: Key,
  counts: DriftCounts,
  at: Date,
): Promise<boolean> => {
  const rows = await tx.query(
    `UPDATE drift_report SET users = $3, groups = $4, members = $5, unreadable = $6, updated_at = $7
      WHERE org_id = $1 AND id = $2 AND state = 'receiving' RETURNING id`,
    [orgId, id, counts.users, counts.groups, counts.members, counts.unreadable, at],
  );
  return rows.length > 0;
};
