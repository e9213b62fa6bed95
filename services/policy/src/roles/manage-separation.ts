/** Making and ending separation rules, under the lock every change of grants and roles is made under. */
import { AppError } from '@sallyport/errors';
import { newId } from '@sallyport/storage';

import {
  changeGrants,
  describeApproval,
  describeDecision,
  newViolations,
  takeRevision,
  violationsOf,
  type Administrator,
  type Approval,
  type GrantDependencies,
} from '../grants/index.ts';
import { MAX_RULES, describeRule, type StoredSeparationRule } from './separation-rule.ts';
import { deleteSeparationRuleRow, insertSeparationRule, listSeparationRules } from './separation-store.ts';

const PERMISSION = 'role:manage';

export type SeparationInput = Pick<StoredSeparationRule, 'name' | 'description' | 'roleKeys'>;

const unknownRole = (at: number): AppError => {
  const detail = 'There is no such role.';
  return new AppError('INVALID_REQUEST', detail, {
    fields: [{ pointer: `/roles/${String(at)}`, code: 'UNKNOWN_ROLE', detail }],
  });
};

/**
 * Makes a rule: from now on no change gives anybody two of these roles. Who holds two already keeps them and is listed
 * as a violation; how many that are is answered.
 *
 * @throws ALREADY_EXISTS for a name that is taken, INVALID_REQUEST for an unknown role, TOO_MANY; see {@link changeGrants}
 */
export const createSeparationRule = async (
  dependencies: GrantDependencies,
  administrator: Administrator,
  input: SeparationInput,
  approval?: Approval,
): Promise<{ readonly rule: StoredSeparationRule; readonly violations: number }> => {
  const createdBy = administrator.principal.subjectId;
  const rule = { ...input, ruleId: newId(), createdAt: dependencies.clock.now(), createdBy };
  const event = {
    action: 'separation-rule.created',
    target: { type: 'separation-rule', id: rule.ruleId },
    after: describeRule(rule),
  };
  // It only makes the rules stricter: it reaches into no scope.
  const change = { permission: PERMISSION, scope: {}, attempt: event, approval, reach: null };
  return await changeGrants(dependencies, administrator, change, async (tx, state, decision) => {
    const unknown = rule.roleKeys.findIndex((key) => !state.before.roles.has(key));
    if (unknown >= 0) throw unknownRole(unknown);
    const others = await listSeparationRules(tx, tx.orgId);
    if (others.some(({ name }) => name.toLowerCase() === rule.name.toLowerCase()))
      throw new AppError('ALREADY_EXISTS', 'There is a separation rule of this name already.');
    if (others.length >= MAX_RULES) throw new AppError('TOO_MANY', `At most ${String(MAX_RULES)} separation rules.`);
    const { before, population, nowMs } = state;
    const added = newViolations(
      violationsOf(before, population, nowMs),
      violationsOf(state.after({ addSeparation: rule }), population, nowMs),
    );
    await insertSeparationRule(tx, tx.orgId, rule, await takeRevision(tx));
    tx.record({ ...event, ...describeApproval(approval), decision: describeDecision(decision) });
    return { rule, violations: added.length };
  });
};

/** Ends a rule. @throws NOT_FOUND; see {@link changeGrants} */
export const deleteSeparationRule = async (
  dependencies: GrantDependencies,
  administrator: Administrator,
  ruleId: string,
  approval?: Approval,
): Promise<void> => {
  const event = { action: 'separation-rule.deleted', target: { type: 'separation-rule', id: ruleId } };
  const change = { permission: PERMISSION, scope: {}, attempt: event, approval };
  await changeGrants(dependencies, administrator, change, async (tx, _state, decision) => {
    const rule = (await listSeparationRules(tx, tx.orgId)).find((each) => each.ruleId === ruleId);
    if (rule === undefined) throw new AppError('NOT_FOUND', 'There is no such separation rule.');
    await takeRevision(tx);
    await deleteSeparationRuleRow(tx, tx.orgId, ruleId);
    tx.record({
      ...event,
      before: describeRule(rule),
      ...describeApproval(approval),
      decision: describeDecision(decision),
    });
  });
};
