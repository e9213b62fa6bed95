/**
 * Making the policy what a file says: all of a plan or nothing, in one transaction under the lock of the organisation's
 * head, by the rules every single change is made by.
 */
import type { AuditedTx, AuditEvent } from '@sallyport/audit';
import { AppError, ERROR_REGISTRY, isErrorCode } from '@sallyport/errors';
import type { GrantedDecision } from '@sallyport/http';
import { newId } from '@sallyport/storage';
import type { Standing } from '@sallyport/subject-feed';

import {
  changeGrants,
  deleteGrantRow,
  describeDecision,
  describeGrant,
  insertGrant,
  isAllowedNow,
  takeRevision,
  type Administrator,
  type GrantDependencies,
  type LockedState,
  type NewGrant,
} from '../grants/index.ts';
import type { GrantRow, OrganizationIndex, SeparationRule } from '../model/index.ts';
import {
  deleteRoleRow,
  deleteSeparationRuleRow,
  describeRole,
  describeRule,
  findStoredRole,
  insertRole,
  insertSeparationRule,
  updateRoleRow,
} from '../roles/index.ts';
import { blockedBy, policyAfterSteps } from '../what-if/index.ts';
import { toChanges, type Operation, type Plan } from './plan.ts';

/** The permissions a plan needs, each at the organisation. */
export const permissionsFor = (operations: readonly Operation[]): readonly string[] => {
  const needed = new Set<string>();
  for (const operation of operations) {
    if (operation.kind === 'add-grant')
      needed.add(operation.grant.source === 'mapping' ? 'mapping:manage' : 'grant:manage');
    else if (operation.kind === 'remove-grant') needed.add(operation.isMapping ? 'mapping:manage' : 'grant:manage');
    else needed.add('role:manage');
  }
  return [...needed];
};

const finish = <T>(steps: Generator<undefined, T>): T => {
  for (;;) {
    const { done, value } = steps.next();
    if (done === true) return value;
  }
};

/** The rules as they will be. */
export const separationsAfter = (
  index: OrganizationIndex,
  operations: readonly Operation[],
): readonly SeparationRule[] => {
  const gone = new Set(operations.flatMap((each) => (each.kind === 'remove-rule' ? [each.rule.ruleId] : [])));
  const came = operations.flatMap((each, at) =>
    each.kind === 'add-rule'
      ? [{ ruleId: `new ${String(at)}`, name: each.rule.name, roleKeys: each.rule.roleKeys }]
      : [],
  );
  return [...index.separations.filter(({ ruleId }) => !gone.has(ruleId)), ...came];
};

/** @throws what the first rule that is broken says, naming how many there are */
const enforceRules = (state: LockedState, operations: readonly Operation[], ids: readonly string[]): void => {
  const changes = toChanges(operations, (at) => ids[at] ?? '');
  const separations = separationsAfter(state.before, operations);
  // Whoever breaks a rule that only comes now keeps what they hold, as when a rule is made by itself.
  const before = { ...state.before, separations };
  const after = { ...finish(policyAfterSteps(state.before, changes)), separations };
  const { actor, population, nowMs } = state;
  const blocked = blockedBy({ before, actor, population, nowMs }, after, changes);
  const [first] = blocked;
  if (first === undefined) return;
  const code = isErrorCode(first.code) && ERROR_REGISTRY[first.code].http < 500 ? first.code : 'CONFLICT';
  throw new AppError(code, first.detail, { metadata: { rule: first.rule, refused: String(blocked.length) } });
};

interface Writing {
  readonly tx: AuditedTx;
  readonly revision: bigint;
  readonly now: Date;
  readonly by: string;
  readonly standing: Standing;
  /** What every entry says about the decision, and which plan it was part of. */
  readonly entry: Pick<AuditEvent, 'decision' | 'reason'>;
}

const toGrant = (
  row: Omit<GrantRow, 'grantId'>,
  more: Pick<NewGrant, 'grantId' | 'source' | 'createdAt' | 'createdBy'>,
): NewGrant => ({
  subjectType: row.subjectType,
  subjectId: row.subjectId,
  roleKey: row.roleKey,
  projectId: row.projectId,
  environmentId: row.environmentId,
  effect: row.effect,
  tier: row.tier ?? null,
  resourceType: row.resourceType ?? null,
  condition: row.condition ?? null,
  validFrom: row.validFromMs === null ? null : new Date(row.validFromMs),
  validUntil: row.validUntilMs === null ? null : new Date(row.validUntilMs),
  subjectEpoch: BigInt(row.subjectEpoch ?? 0),
  ...more,
});

const putRole = async (
  { tx, revision, now, by, entry }: Writing,
  { role }: Extract<Operation, { kind: 'put-role' }>,
): Promise<void> => {
  const known = await findStoredRole(tx, tx.orgId, role.key);
  const target = { type: 'role', id: role.key };
  const after = describeRole(role);
  if (known === undefined) {
    await insertRole(
      tx,
      tx.orgId,
      { ...role, version: 1, createdAt: now, createdBy: by, updatedAt: now, updatedBy: by },
      revision,
    );
    tx.record({ action: 'role.created', target, after, ...entry });
    return;
  }
  const updated = { ...known, ...role, version: known.version + 1, updatedAt: now, updatedBy: by };
  await updateRoleRow(tx, tx.orgId, updated, revision);
  tx.record({ action: 'role.updated', target, before: describeRole(known), after, ...entry });
};

const removeGrant = async (
  { tx, now, by, entry }: Writing,
  { row, isMapping }: Extract<Operation, { kind: 'remove-grant' }>,
): Promise<void> => {
  await deleteGrantRow(tx, tx.orgId, row.grantId);
  const source = isMapping ? 'mapping' : 'direct';
  const before = describeGrant(toGrant(row, { grantId: row.grantId, source, createdAt: now, createdBy: by }));
  const target = { type: 'grant', id: row.grantId };
  tx.record({ action: isMapping ? 'group-mapping.deleted' : 'grant.deleted', target, before, ...entry });
};

const addGrant = async (
  { tx, revision, now, by, standing, entry }: Writing,
  { grant: { row, source } }: Extract<Operation, { kind: 'add-grant' }>,
  grantId: string,
): Promise<void> => {
  const epoch = row.subjectType === 'group' ? 0n : (standing.find(tx.orgId, row.subjectId)?.epoch ?? 0n);
  const grant = {
    ...toGrant(row, { grantId, source: source ?? 'direct', createdAt: now, createdBy: by }),
    subjectEpoch: epoch,
  };
  await insertGrant(tx, tx.orgId, { ...grant, revision });
  const action = source === 'mapping' ? 'group-mapping.created' : 'grant.created';
  tx.record({ action, target: { type: 'grant', id: grantId }, after: describeGrant(grant), ...entry });
};

const write = async (writing: Writing, operation: Operation, id: string): Promise<void> => {
  const { tx, revision, now, by, entry } = writing;
  switch (operation.kind) {
    case 'put-role':
      await putRole(writing, operation);
      return;
    case 'remove-grant':
      await removeGrant(writing, operation);
      return;
    case 'add-grant':
      await addGrant(writing, operation, id);
      return;
    case 'remove-role': {
      await deleteRoleRow(tx, tx.orgId, operation.role.key);
      const target = { type: 'role', id: operation.role.key };
      tx.record({ action: 'role.deleted', target, before: describeRole(operation.role), ...entry });
      return;
    }
    case 'remove-rule': {
      const { rule } = operation;
      await deleteSeparationRuleRow(tx, tx.orgId, rule.ruleId);
      const target = { type: 'separation-rule', id: rule.ruleId };
      tx.record({ action: 'separation-rule.deleted', target, before: describeRule(rule), ...entry });
      return;
    }
    case 'add-rule': {
      const { name, description, roleKeys } = operation.rule;
      const rule = { name, description, roleKeys, ruleId: id, createdAt: now, createdBy: by };
      await insertSeparationRule(tx, tx.orgId, rule, revision);
      const target = { type: 'separation-rule', id };
      tx.record({ action: 'separation-rule.created', target, after: describeRule(rule), ...entry });
    }
  }
};

const stale = (): AppError =>
  new AppError('CONFLICT', 'The policy, or the file, is not what it was when this was planned: plan again.');

/** What is applied: the plan somebody looked at, and how it is made again under the lock. */
export interface ApplyOrder {
  /** Of the plan that was looked at. */
  readonly hash: string;
  /** As it is without the lock; says which permissions are needed. */
  readonly planned: Plan;
  readonly planAgain: (tx: AuditedTx, state: LockedState) => Promise<Plan>;
}

const applyLocked = async (
  { clock, standing }: GrantDependencies,
  { principal }: Administrator,
  { hash, planAgain }: ApplyOrder,
  { tx, state, decision }: { readonly tx: AuditedTx; readonly state: LockedState; readonly decision: GrantedDecision },
): Promise<Plan> => {
  const plan = await planAgain(tx, state);
  if (plan.hash !== hash) throw stale();
  if (plan.operations.length === 0) {
    tx.unchanged();
    return plan;
  }
  for (const permission of permissionsFor(plan.operations))
    if (!isAllowedNow(state, { permission, scope: {} }))
      throw new AppError('DECISION_EXPIRED', 'The roles have changed meanwhile. Try again.');
  const ids = plan.operations.map(() => newId());
  enforceRules(state, plan.operations, ids);
  const entry = { reason: `policy-plan:${hash}`, decision: describeDecision(decision) };
  const writing = { tx, standing, entry, now: clock.now(), by: principal.subjectId, revision: await takeRevision(tx) };
  for (const [at, operation] of plan.operations.entries()) await write(writing, operation, ids[at] ?? '');
  return plan;
};

/**
 * Applies a plan: all of it, or nothing of it.
 *
 * @throws CONFLICT for a plan that is not the one that was looked at, ESCALATION, SEPARATION_OF_DUTIES, LAST_OWNER,
 *   APPROVAL_REQUIRED where four eyes are demanded anywhere; see changeGrants
 */
export const applyPlan = async (
  dependencies: GrantDependencies,
  administrator: Administrator,
  order: ApplyOrder,
): Promise<Plan> => {
  if (order.planned.hash !== order.hash) throw stale();
  const [permission, ...others] = permissionsFor(order.planned.operations);
  if (permission === undefined) return order.planned;
  for (const other of others) await administrator.context.require(other, {});
  const attempt = { action: 'policy.applied', target: { type: 'policy-plan', id: order.hash } };
  return await changeGrants(
    dependencies,
    administrator,
    { permission, scope: {}, attempt },
    async (tx, state, decision) => await applyLocked(dependencies, administrator, order, { tx, state, decision }),
  );
};
