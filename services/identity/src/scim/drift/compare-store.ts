import type { WriteTx } from '@sallyport/storage';

import type { DriftReport } from './report.ts';

/** $1: organisation, $2: report, $3: connection. */
type Key = Pick<DriftReport, 'orgId' | 'id' | 'connectionId' | 'comparesGroups'>;

const LIVE = `a.org_id = $1 AND a.connection_id = $3 AND a.kind = 'user' AND a.status <> 'deleted'`;

// Who is listed twice counts once, the first time. The identifier finds somebody first; a name only whom no identifier
// has found.
const MATCH_USERS = [
  `UPDATE drift_user u SET is_repeated = true FROM (
     SELECT line, row_number() OVER (PARTITION BY user_name_key ORDER BY line) AS by_name,
            CASE WHEN external_id IS NULL THEN 1
                 ELSE row_number() OVER (PARTITION BY external_id ORDER BY line) END AS by_id
       FROM drift_user WHERE org_id = $1 AND report_id = $2
   ) AS n WHERE u.org_id = $1 AND u.report_id = $2 AND u.line = n.line AND (n.by_name > 1 OR n.by_id > 1)
     AND $3::uuid IS NOT NULL`,
  `UPDATE drift_user u SET account_id = a.id FROM account a
    WHERE u.org_id = $1 AND u.report_id = $2 AND NOT u.is_repeated AND ${LIVE} AND a.external_id = u.external_id`,
  `UPDATE drift_user u SET account_id = a.id FROM account a
    WHERE u.org_id = $1 AND u.report_id = $2 AND NOT u.is_repeated AND u.account_id IS NULL AND ${LIVE}
      AND a.user_name_key = u.user_name_key
      AND NOT EXISTS (SELECT FROM drift_user o WHERE o.org_id = $1 AND o.report_id = $2 AND o.account_id = a.id)`,
];

// A member is called by our id, by the IdP's identifier or by a name, in this order.
const MATCH_GROUPS = [
  `UPDATE drift_group d SET group_id = g.id FROM directory_group g
    WHERE d.org_id = $1 AND d.report_id = $2 AND g.org_id = $1 AND g.connection_id = $3
      AND g.external_id = d.external_id`,
  `UPDATE drift_group d SET group_id = g.id FROM directory_group g
    WHERE d.org_id = $1 AND d.report_id = $2 AND d.group_id IS NULL AND g.org_id = $1 AND g.connection_id = $3
      AND g.display_name_key = d.display_name_key
      AND NOT EXISTS (SELECT FROM drift_group o WHERE o.org_id = $1 AND o.report_id = $2 AND o.group_id = g.id)`,
  `UPDATE drift_member m SET account_id = a.id FROM account a
    WHERE m.org_id = $1 AND m.report_id = $2 AND ${LIVE} AND a.id = m.member_id`,
  `UPDATE drift_member m SET account_id = a.id FROM account a
    WHERE m.org_id = $1 AND m.report_id = $2 AND m.account_id IS NULL AND ${LIVE} AND a.external_id = m.member`,
  `UPDATE drift_member m SET account_id = a.id FROM account a
    WHERE m.org_id = $1 AND m.report_id = $2 AND m.account_id IS NULL AND ${LIVE}
      AND a.user_name_key = m.member_key`,
];

const NO_MEMBER = 'NULL, NULL';
const NO_VALUES = 'NULL, NULL';
const MATCHED = `FROM drift_user u JOIN account a ON a.org_id = $1 AND a.id = u.account_id
  WHERE u.org_id = $1 AND u.report_id = $2`;
const USER = 'a.id, u.user_name, u.external_id';

// Columns as `found` names them below.
const USER_FINDINGS = [
  `SELECT 'user.missing-here', NULL, u.user_name, u.external_id, NULL, ${NO_MEMBER}, ${NO_VALUES}
     FROM drift_user u
    WHERE u.org_id = $1 AND u.report_id = $2 AND u.account_id IS NULL AND NOT u.is_repeated`,
  `SELECT 'user.unknown-there', a.id, a.user_name, a.external_id, NULL, ${NO_MEMBER}, ${NO_VALUES}
     FROM account a
    WHERE ${LIVE} AND NOT EXISTS (
      SELECT FROM drift_user u WHERE u.org_id = $1 AND u.report_id = $2 AND u.account_id = a.id)`,
  `SELECT 'user.active-differs', ${USER}, 'active', ${NO_MEMBER}, to_jsonb(a.directory_active), to_jsonb(u.active)
     ${MATCHED} AND u.active IS NOT NULL AND u.active <> a.directory_active`,
  `SELECT 'user.attribute-differs', ${USER}, 'userName', ${NO_MEMBER}, to_jsonb(a.user_name), to_jsonb(u.user_name)
     ${MATCHED} AND u.user_name_key <> a.user_name_key`,
  `SELECT 'user.attribute-differs', ${USER}, 'externalId', ${NO_MEMBER}, to_jsonb(a.external_id),
          to_jsonb(u.external_id)
     ${MATCHED} AND u.external_id IS NOT NULL AND u.external_id IS DISTINCT FROM a.external_id`,
  `SELECT 'user.attribute-differs', ${USER}, e.key, ${NO_MEMBER}, a.profile -> e.key,
          e.value
     FROM drift_user u JOIN account a ON a.org_id = $1 AND a.id = u.account_id, jsonb_each(u.attributes) AS e
    WHERE u.org_id = $1 AND u.report_id = $2
      AND drift_value(e.value) IS DISTINCT FROM drift_value(a.profile -> e.key)`,
  `SELECT 'user.listed-twice', NULL, u.user_name, u.external_id, NULL, ${NO_MEMBER}, ${NO_VALUES}
     FROM drift_user u WHERE u.org_id = $1 AND u.report_id = $2 AND u.is_repeated`,
];

const MATCHED_GROUP = `FROM drift_group d JOIN directory_group g ON g.org_id = $1 AND g.id = d.group_id
  WHERE d.org_id = $1 AND d.report_id = $2`;
const GROUP = 'g.id, d.display_name, d.external_id';

const GROUP_FINDINGS = [
  `SELECT 'group.missing-here', NULL, d.display_name, d.external_id, NULL, ${NO_MEMBER}, ${NO_VALUES}
     FROM drift_group d WHERE d.org_id = $1 AND d.report_id = $2 AND d.group_id IS NULL`,
  `SELECT 'group.unknown-there', g.id, g.display_name, g.external_id, NULL, ${NO_MEMBER}, ${NO_VALUES}
     FROM directory_group g
    WHERE g.org_id = $1 AND g.connection_id = $3 AND NOT EXISTS (
      SELECT FROM drift_group d WHERE d.org_id = $1 AND d.report_id = $2 AND d.group_id = g.id)`,
  `SELECT 'group.attribute-differs', ${GROUP}, 'displayName', ${NO_MEMBER}, to_jsonb(g.display_name),
          to_jsonb(d.display_name)
     ${MATCHED_GROUP} AND d.display_name_key <> g.display_name_key`,
  `SELECT 'group.attribute-differs', ${GROUP}, 'externalId', ${NO_MEMBER}, to_jsonb(g.external_id),
          to_jsonb(d.external_id)
     ${MATCHED_GROUP} AND d.external_id IS NOT NULL AND d.external_id IS DISTINCT FROM g.external_id`,
  `SELECT 'member.missing-here', ${GROUP}, 'members', m.account_id, m.member, ${NO_VALUES}
     FROM drift_group d JOIN directory_group g ON g.org_id = $1 AND g.id = d.group_id
     JOIN drift_member m ON m.org_id = $1 AND m.report_id = $2 AND m.group_key = d.key
    WHERE d.org_id = $1 AND d.report_id = $2 AND NOT EXISTS (
      SELECT FROM group_member h WHERE h.org_id = $1 AND h.group_id = g.id AND h.account_id = m.account_id)`,
  `SELECT 'member.unknown-there', ${GROUP}, 'members', h.account_id, a.user_name, ${NO_VALUES}
     FROM drift_group d JOIN directory_group g ON g.org_id = $1 AND g.id = d.group_id
     JOIN group_member h ON h.org_id = $1 AND h.group_id = g.id
     JOIN account a ON a.org_id = $1 AND a.id = h.account_id AND a.status <> 'deleted'
    WHERE d.org_id = $1 AND d.report_id = $2 AND NOT EXISTS (
      SELECT FROM drift_member m
       WHERE m.org_id = $1 AND m.report_id = $2 AND m.group_key = d.key AND m.account_id = h.account_id)`,
];

const insertFindings = (select: string): string => `
  INSERT INTO drift_finding (org_id, report_id, number, kind, resource_id, name, external_id, attribute, member_id,
                             member_name, here, there)
    SELECT $1, $2,
           (SELECT coalesce(max(number), 0) FROM drift_finding WHERE org_id = $1 AND report_id = $2)
             + row_number() OVER (ORDER BY name, attribute, member_name),
           kind, resource_id::uuid, name, external_id, attribute, member_id::uuid, member_name, here::jsonb, there::jsonb
      FROM (${select}) AS found (kind, resource_id, name, external_id, attribute, member_id, member_name, here, there)
     WHERE $3::uuid IS NOT NULL`;

// What was uploaded a moment ago has no statistics, and row by row both sides are far too large: hash joins, always.
const SETTINGS = [
  'SET LOCAL enable_nestloop = off',
  "SET LOCAL work_mem = '64MB'",
  "SET LOCAL statement_timeout = '5min'",
];

/**
 * Finds out who of the upload is whom with us, and writes every difference down: set differences inside the database,
 * nothing of either side is loaded.
 */
export const compareUploaded = async (tx: WriteTx, { orgId, id, connectionId, comparesGroups }: Key): Promise<void> => {
  const findings = [...USER_FINDINGS, ...(comparesGroups ? GROUP_FINDINGS : [])].map(insertFindings);
  for (const setting of SETTINGS) await tx.query(setting);
  for (const sql of [...MATCH_USERS, ...(comparesGroups ? MATCH_GROUPS : []), ...findings])
    await tx.query(sql, [orgId, id, connectionId]);
};
