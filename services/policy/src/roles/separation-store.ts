import type { ReadTx, WriteTx } from '@sallyport/storage';

import type { StoredSeparationRule } from './separation-rule.ts';

interface RuleRecord {
  readonly rule_id: string;
  readonly name: string;
  readonly description: string;
  readonly created_at: Date;
  readonly created_by: string;
  readonly roles: readonly string[];
}

const toRule = (row: RuleRecord): StoredSeparationRule => ({
  ruleId: row.rule_id,
  name: row.name,
  description: row.description,
  roleKeys: row.roles,
  createdAt: row.created_at,
  createdBy: row.created_by,
});

/** In the order of their making. */
export const listSeparationRules = async (tx: ReadTx, orgId: string): Promise<readonly StoredSeparationRule[]> => {
  const rows = await tx.query<RuleRecord>(
    `SELECT s.*, (SELECT coalesce(json_agg(m.role_key ORDER BY m.role_key), '[]') FROM separation_rule_role m
                   WHERE m.org_id = s.org_id AND m.rule_id = s.rule_id) AS roles
       FROM separation_rule s WHERE s.org_id = $1 ORDER BY s.rule_id`,
    [orgId],
  );
  return rows.map(toRule);
};

export const insertSeparationRule = async (
  tx: WriteTx,
  orgId: string,
  rule: StoredSeparationRule,
  revision: bigint,
): Promise<void> => {
  await tx.query(
    `INSERT INTO separation_rule (org_id, rule_id, name, description, revision, created_at, created_by)
     VALUES ($1, $2, $3, $4, $5, $6, $7)`,
    [orgId, rule.ruleId, rule.name, rule.description, revision.toString(), rule.createdAt, rule.createdBy],
  );
  await tx.query('INSERT INTO separation_rule_role (org_id, rule_id, role_key) SELECT $1, $2, unnest($3::text[])', [
    orgId,
    rule.ruleId,
    rule.roleKeys,
  ]);
};

export const deleteSeparationRuleRow = async (tx: WriteTx, orgId: string, ruleId: string): Promise<void> => {
  await tx.query('DELETE FROM separation_rule WHERE org_id = $1 AND rule_id = $2', [orgId, ruleId]);
};
