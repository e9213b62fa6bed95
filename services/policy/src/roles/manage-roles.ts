/**
 * Making, changing and deleting roles of an organisation's own: through the same door, under the same lock and by the
 * same rules as grants (grants/change-grants.ts), as a change of a role changes whatever was given of it.
 */
import type { AuditedTx } from '@sallyport/audit';
import { AppError } from '@sallyport/errors';

import {
  changeGrants,
  deleteOverOfRole,
  describeApproval,
  describeDecision,
  describeGrant,
  enforce,
  momentOf,
  refuseCombination,
  refuseOwnRole,
  refuseRoleBeyondOwn,
  takeRevision,
  type Administrator,
  type Approval,
  type GrantDependencies,
  type LockedState,
} from '../grants/index.ts';
import { BUILT_IN_ROLES, findRole, type OrganizationIndex, type RoleDefinition } from '../model/index.ts';
import { refuseUnproposed } from '../protections/index.ts';
import { MAX_ROLES, definitionOf, describeRole, isSameRole, type Role } from './role.ts';
import { countGrants, deleteRoleRow, findStoredRole, insertRole, listRoles, updateRoleRow } from './store.ts';

/** A role reaches nowhere before it is given; how far a change of one does is looked at by refuseUnagreed. */
const ROLE_CHANGE = { permission: 'role:manage', scope: {}, reach: null } as const;

/** Which version an edit is based on; `*`: whichever there is. */
export type BaseVersion = number | '*';

const noRole = (): AppError => new AppError('NOT_FOUND', 'There is no such role.');
const taken = (what: string): AppError => new AppError('ALREADY_EXISTS', `There is a role of this ${what} already.`);

const folded = (text: string): string => text.normalize('NFKC').toLowerCase();

/** Nobody is to take a role for another one: keys and names are one of a kind, the built-in ones included. */
const refuseName = (role: RoleDefinition, others: readonly RoleDefinition[]): AppError | null =>
  others.some(({ name }) => folded(name) === folded(role.name)) ? taken('name') : null;

const roleInUse = (detail: string, count: number): AppError =>
  new AppError('ROLE_IN_USE', detail, { metadata: { grants: String(count) } });

const countAll = async (tx: AuditedTx, key: string): Promise<number> =>
  [...(await countGrants(tx, tx.orgId, key)).values()].reduce((sum, each) => sum + each, 0);

const storedRole = async (tx: AuditedTx, key: string, base: BaseVersion): Promise<Role> => {
  if (findRole(key) !== undefined) throw new AppError('READ_ONLY', 'The built-in roles are what they are.');
  const role = await findStoredRole(tx, tx.orgId, key);
  if (role === undefined) throw noRole();
  if (base !== '*' && base !== role.version)
    throw new AppError('PRECONDITION_FAILED', 'The role has been changed since it was read.');
  return role;
};

/**
 * Makes a role.
 *
 * @throws ALREADY_EXISTS for a key or name that is taken, ESCALATION for what its maker does not hold, TOO_MANY; see
 *   {@link changeGrants}
 */
export const createRole = async (
  dependencies: GrantDependencies,
  administrator: Administrator,
  definition: RoleDefinition,
  approval?: Approval,
): Promise<Role> => {
  const now = dependencies.clock.now();
  const by = administrator.principal.subjectId;
  const role: Role = { ...definition, version: 1, createdAt: now, createdBy: by, updatedAt: now, updatedBy: by };
  const event = { action: 'role.created', target: { type: 'role', id: role.key }, after: describeRole(role) };
  const change = { ...ROLE_CHANGE, attempt: event, approval };
  return await changeGrants(dependencies, administrator, change, async (tx, state, decision) => {
    const own = await listRoles(tx, tx.orgId);
    const others = [...BUILT_IN_ROLES, ...own];
    if (others.some(({ key }) => key === role.key)) throw taken('key');
    if (own.length >= MAX_ROLES) throw new AppError('TOO_MANY', `At most ${String(MAX_ROLES)} roles.`);
    enforce(
      refuseName(role, others),
      refuseRoleBeyondOwn(state.before, state.actor, [definition], momentOf(state.nowMs)),
    );
    // Nobody comes by a role because of what is left of another one of its key.
    const left = await countAll(tx, role.key);
    if (left > 0) throw roleInUse('There are grants of a role of this key.', left);
    await insertRole(tx, tx.orgId, role, await takeRevision(tx));
    tx.record({ ...event, ...describeApproval(approval), decision: describeDecision(decision) });
    return role;
  });
};

/** A level that goes while the role is given there would leave grants nobody could make. */
const refuseLevels = async (tx: AuditedTx, { key, levels }: RoleDefinition): Promise<AppError | null> => {
  for (const [level, count] of await countGrants(tx, tx.orgId, key))
    if (!levels.includes(level)) return roleInUse(`It is granted at a level that would go: ${level}.`, count);
  return null;
};

/** Where others have to agree to a change of grants, they have to agree to a change of what was granted there. */
const refuseUnagreed = async (tx: AuditedTx, { grants }: OrganizationIndex, key: string): Promise<AppError | null> => {
  const scopes = new Map(
    grants
      .filter(({ row }) => row.roleKey === key)
      .map(({ row }) => [`${row.projectId ?? ''} ${row.environmentId ?? ''}`, row]),
  );
  for (const scope of scopes.values()) {
    const refusal = await refuseUnproposed(tx, tx.orgId, scope);
    if (refusal !== null) return refusal;
  }
  return null;
};

/**
 * What a change of a role must not do: reach beyond what its editor holds, before or after (grants of it may last for
 * ever, and a denial of it is weaker when it permits less); change a role of the editor's own; combine what excludes each
 * other for anybody who holds it. (Who is Owner is no matter of an organisation's own roles: somebody denied one at the
 * organisation does not count, whatever it permits.)
 */
const enforceRoleRules = async (
  tx: AuditedTx,
  { actor, before: index, after, nowMs, population }: LockedState,
  {
    was,
    is,
    approval,
  }: { readonly was: RoleDefinition; readonly is: RoleDefinition; readonly approval: Approval | undefined },
): Promise<void> => {
  const forEver = { fromMs: nowMs, untilMs: Number.POSITIVE_INFINITY };
  // Grants of a role that could not be read come back with it: who holds it is asked of what would be.
  const changed = after({ putRole: is });
  enforce(
    approval?.isFourEyes === true ? null : await refuseUnagreed(tx, changed, is.key),
    refuseOwnRole(changed, actor, is.key, nowMs),
    refuseRoleBeyondOwn(index, actor, [was, is], forEver),
    refuseCombination(index, changed, population, nowMs),
  );
};

/**
 * Changes what a role is; its key stays. Whoever holds it holds the new one at once.
 *
 * @throws NOT_FOUND, READ_ONLY for a built-in role, PRECONDITION_FAILED, ROLE_IN_USE for a level at which it is granted,
 *   APPROVAL_REQUIRED where it is granted in a protected scope, ESCALATION, SEPARATION_OF_DUTIES; see {@link changeGrants}
 */
export const updateRole = async (
  dependencies: GrantDependencies,
  administrator: Administrator,
  { definition, base }: { readonly definition: RoleDefinition; readonly base: BaseVersion },
  approval?: Approval,
): Promise<Role> => {
  const { key } = definition;
  const event = { action: 'role.updated', target: { type: 'role', id: key }, after: describeRole(definition) };
  const change = { ...ROLE_CHANGE, attempt: event, approval };
  return await changeGrants(dependencies, administrator, change, async (tx, state, decision) => {
    const role = await storedRole(tx, key, base);
    if (isSameRole(role, definition)) {
      tx.unchanged();
      return role;
    }
    const others = (await listRoles(tx, tx.orgId)).filter((each) => each.key !== key);
    enforce(refuseName(definition, [...BUILT_IN_ROLES, ...others]), await refuseLevels(tx, definition));
    await enforceRoleRules(tx, state, { was: definitionOf(role), is: definition, approval });
    const updatedBy = administrator.principal.subjectId;
    const updated = {
      ...role,
      ...definition,
      version: role.version + 1,
      updatedAt: dependencies.clock.now(),
      updatedBy,
    };
    await updateRoleRow(tx, tx.orgId, updated, await takeRevision(tx));
    tx.record({
      ...event,
      before: describeRole(role),
      ...describeApproval(approval),
      decision: describeDecision(decision),
    });
    return updated;
  });
};

/**
 * Deletes a role nobody holds. Grants of it whose time is over go with it.
 *
 * @throws NOT_FOUND, READ_ONLY, PRECONDITION_FAILED, ROLE_IN_USE while it is granted or named by a separation rule,
 *   ESCALATION; see {@link changeGrants}
 */
export const deleteRole = async (
  dependencies: GrantDependencies,
  administrator: Administrator,
  { key, base }: { readonly key: string; readonly base: BaseVersion },
  approval?: Approval,
): Promise<void> => {
  const event = { action: 'role.deleted', target: { type: 'role', id: key } };
  const change = { ...ROLE_CHANGE, attempt: event, approval };
  await changeGrants(dependencies, administrator, change, async (tx, state, decision) => {
    const role = await storedRole(tx, key, base);
    enforce(refuseRoleBeyondOwn(state.before, state.actor, [definitionOf(role)], momentOf(state.nowMs)));
    const rule = state.before.separations.find(({ roleKeys }) => roleKeys.includes(key));
    if (rule !== undefined) throw new AppError('ROLE_IN_USE', `A separation rule names it: ${rule.name}.`);
    const over = await deleteOverOfRole(tx, tx.orgId, key, new Date(state.nowMs));
    const count = await countAll(tx, key);
    if (count > 0) throw roleInUse(`It is granted ${String(count)} times: take it back first.`, count);
    await takeRevision(tx);
    for (const grant of over)
      tx.record({
        action: 'grant.ended',
        target: { type: 'grant', id: grant.grantId },
        before: describeGrant(grant),
        reason: 'EXPIRED',
      });
    await deleteRoleRow(tx, tx.orgId, key);
    tx.record({
      ...event,
      before: describeRole(role),
      ...describeApproval(approval),
      decision: describeDecision(decision),
    });
  });
};
