import { AppError } from '@sallyport/errors';
import type { ReadTx } from '@sallyport/storage';

import type { Content } from '../approvals/index.ts';
import { momentOf, refuseOwnRole, refuseRoleBeyondOwn } from '../grants/index.ts';
import type { RoleDefinition } from '../model/index.ts';
import { ORGANIZATION_REACH } from '../protections/index.ts';
import { describeRole, describeRule, findStoredRole, listSeparationRules, toDefinition } from '../roles/index.ts';
import type { Plan } from './plan.ts';
import type { ProposedChange } from './proposal.ts';

type RoleChange = Extract<ProposedChange, { kind: 'role.create' | 'role.update' | 'role.delete' }>;

/** What a role means anywhere follows it everywhere: any protection of the organisation is reached. */
const WHERE = { permission: 'role:manage', scope: {}, reach: ORGANIZATION_REACH } as const;

/** The role as it would be; null: gone. */
const afterOf = (change: RoleChange): RoleDefinition | null => {
  if (change.kind === 'role.delete') return null;
  if (change.kind === 'role.update') return toDefinition(change.key, change.role);
  const { key, ...body } = change.role;
  return toDefinition(key, body);
};

/** By the rules of roles/: a change of a role counts for ever, as grants of it may. @throws NOT_FOUND */
export const planRoleChange = async (tx: ReadTx, orgId: string, change: RoleChange): Promise<Plan> => {
  const after = afterOf(change);
  const key = change.kind === 'role.create' ? change.role.key : change.key;
  const before = await findStoredRole(tx, orgId, key);
  if (before === undefined && change.kind !== 'role.create') throw new AppError('NOT_FOUND', 'There is no such role.');
  const definitions = [before, after].filter((role) => role !== undefined && role !== null);
  return {
    ...WHERE,
    base: before === undefined ? null : { role: describeRole(before) as Content, version: before.version },
    refuse: ({ before: index, nowMs }, actor) => {
      const lasts = change.kind === 'role.update';
      const period = lasts ? { fromMs: nowMs, untilMs: Number.POSITIVE_INFINITY } : momentOf(nowMs);
      const own = lasts ? refuseOwnRole(index, actor, key, nowMs) : null;
      return own ?? refuseRoleBeyondOwn(index, actor, definitions, period);
    },
  };
};

/** @throws NOT_FOUND */
export const planSeparationEnd = async (tx: ReadTx, orgId: string, ruleId: string): Promise<Plan> => {
  const rule = (await listSeparationRules(tx, orgId)).find((each) => each.ruleId === ruleId);
  if (rule === undefined) throw new AppError('NOT_FOUND', 'There is no such separation rule.');
  return { ...WHERE, base: describeRule(rule) as Content, refuse: () => null };
};
