/**
 * What giving and taking a role share: the lock, the rules on what the database says under it, the record of a refused
 * attempt, and waiting until this process itself decides by the new state.
 */
import type { AuditedTx, AuditEvent, AuditLog } from '@sallyport/audit';
import { AppError, isAppError } from '@sallyport/errors';
import type { GrantedDecision, Principal, RequestContext, Scope } from '@sallyport/http';
import { isUniqueViolation, type Clock } from '@sallyport/storage';

import type { GivenProperties } from '../conditions/index.ts';
import { adminProperties, evaluate, findTarget } from '../decide/index.ts';
import {
  BUILT_IN_ROLES,
  PLACES,
  permissionNumber,
  type GrantRow,
  type OrganizationIndex,
  type RoleDefinition,
  type SeparationRule,
} from '../model/index.ts';
import { ORGANIZATION_REACH, refuseUnproposed, type Reach } from '../protections/index.ts';
import type { Standing } from '@sallyport/subject-feed';
import type { NewGrant } from './grant.ts';
import { holderOf, type Holder } from './held.ts';
import type { GrantKnowledge } from './knowledge.ts';
import { compileRaw, type RawOrganization } from './read-rows.ts';
import type { Population } from './population.ts';
import { lockOrganization, nextRevision } from './store.ts';

/** What the commands of this slice work with. */
export interface GrantDependencies {
  readonly audit: AuditLog;
  readonly clock: Clock;
  readonly standing: Standing;
  readonly knowledge: GrantKnowledge;
}

/** Who changes grants: the principal, and how it is asked what it may do. */
export interface Administrator {
  readonly principal: Principal;
  readonly context: Pick<RequestContext, 'require' | 'auditContext'>;
}

/** What becomes of an organisation's policy. */
export interface PolicyChange {
  readonly add?: NewGrant;
  /** Id of a grant. */
  readonly remove?: string;
  /** A role of the organisation's own, made or changed. */
  readonly putRole?: RoleDefinition;
  readonly removeRole?: string;
  readonly addSeparation?: SeparationRule;
}

/** What the rules look at, read under the lock. */
export interface LockedState {
  readonly actor: Holder;
  readonly before: OrganizationIndex;
  readonly population: Population;
  readonly nowMs: number;
  /** What conditions may know of the administrator. */
  readonly given: GivenProperties;
  /** The index as it would be. @throws CONFLICT when it could not be built */
  after(change: PolicyChange): OrganizationIndex;
}

const noOrganization = (): AppError => new AppError('NOT_FOUND', 'There is no such organisation.');

export const populationOf = (standing: Standing, orgId: string): Population => ({
  find: (subjectId) => standing.find(orgId, subjectId),
  members: (groupId) => standing.members(orgId, groupId),
});

/** The row a grant becomes in the index. */
export const toRow = (grant: NewGrant): GrantRow => ({
  grantId: grant.grantId,
  subjectType: grant.subjectType,
  subjectId: grant.subjectId,
  roleKey: grant.roleKey,
  projectId: grant.projectId,
  environmentId: grant.environmentId,
  effect: grant.effect,
  ...(grant.tier === null ? {} : { tier: grant.tier }),
  ...(grant.resourceType === null ? {} : { resourceType: grant.resourceType }),
  ...(grant.condition === null ? {} : { condition: grant.condition }),
  validFromMs: grant.validFrom?.getTime() ?? null,
  validUntilMs: grant.validUntil?.getTime() ?? null,
  subjectEpoch: Number(grant.subjectEpoch),
});

const compiled = (raw: RawOrganization): OrganizationIndex => {
  const result = compileRaw(raw, BUILT_IN_ROLES);
  if (!result.ok)
    throw new AppError('CONFLICT', 'A stored grant makes no sense: nothing can be changed before it is repaired.');
  // Rules that cannot be read cannot be kept.
  if (result.index.quarantined.some(({ table }) => table === 'separation-rule'))
    throw new AppError('CONFLICT', 'A separation rule makes no sense: nothing can be changed before it is repaired.');
  return result.index;
};

/** The row a role becomes in the index. */
const toRawRole = ({ key, permissions, ...role }: RoleDefinition): Readonly<Record<string, unknown>> => ({
  ...role,
  roleKey: key,
  permissions: PLACES.flatMap((place) => permissions[place].map((permission) => [place, permission])),
});

const changed = (
  raw: RawOrganization,
  { add, remove, putRole, removeRole, addSeparation }: PolicyChange,
): RawOrganization => ({
  ...raw,
  roles: [
    ...(raw.roles ?? []).filter(({ roleKey }) => roleKey !== putRole?.key && roleKey !== removeRole),
    ...(putRole === undefined ? [] : [toRawRole(putRole)]),
  ],
  separations: [...(raw.separations ?? []), ...(addSeparation === undefined ? [] : [{ ...addSeparation }])],
  grants: [
    ...raw.grants.filter(({ grantId }) => grantId !== remove),
    ...(add === undefined ? [] : [{ ...toRow(add) }]),
  ],
});

/** The organisation's policy, which nobody else changes until COMMIT. @throws NOT_FOUND when there is no such organisation */
export const lockPolicy = async (tx: AuditedTx): Promise<Pick<LockedState, 'before' | 'after'>> => {
  const raw = await lockOrganization(tx, tx.orgId);
  if (raw === undefined) throw noOrganization();
  return { before: compiled(raw), after: (change) => compiled(changed(raw, change)) };
};

const locked = async (
  tx: AuditedTx,
  { standing, clock }: GrantDependencies,
  { principal, context }: Administrator,
): Promise<LockedState> => {
  const policy = await lockPolicy(tx);
  const population = populationOf(standing, principal.orgId);
  return {
    actor: holderOf(population, principal),
    ...policy,
    population,
    nowMs: clock.now().getTime(),
    given: adminProperties(principal, context.auditContext().ip),
  };
};

/** Throws the first refusal. */
export const enforce = (...refusals: readonly (AppError | null)[]): void => {
  for (const refusal of refusals) if (refusal !== null) throw refusal;
};

/** Takes the next revision. @throws NOT_FOUND when there is no such organisation */
export const takeRevision = async (tx: AuditedTx): Promise<bigint> => {
  const revision = await nextRevision(tx, tx.orgId);
  if (revision === undefined) throw noOrganization();
  return revision;
};

/** What an audit entry says about the decision it rests on. */
export const describeDecision = (decision: GrantedDecision): Record<string, string | null> => ({
  reason: decision.reason,
  grant: decision.matchedGrant ?? null,
  role: decision.matchedRole ?? null,
  policyRevision: decision.policyRevision,
});

const RULES: ReadonlySet<string> = new Set(['ESCALATION', 'SEPARATION_OF_DUTIES', 'LAST_OWNER', 'APPROVAL_REQUIRED']);

/** What the database keeps one of a kind: of names it may take two for one that we told apart. */
const ONE_OF_A_KIND = [
  ['role_grant_given_once', 'The subject has this role here already.'],
  ['role_name_unique', 'There is a role of this name already.'],
  ['separation_rule_name_unique', 'There is a separation rule of this name already.'],
] as const;

/** That somebody else agreed to a change. */
export interface Approval {
  /** For the audit log: `access-request:<id>`, `proposal:<id>`. */
  readonly ref: string;
  /** Whether it is what a protected scope demands (protections/). */
  readonly isFourEyes: boolean;
  /**
   * Looks at it under the lock, before every rule; what it writes commits with the change.
   *
   * @throws when it does not cover this change, or no longer
   */
  confirm(tx: AuditedTx, state: LockedState, targetId: string): Promise<void>;
}

/** A change on its way: what is asked of policy for it, and what the record of a refused attempt says. */
export interface GrantChange {
  readonly permission: string;
  readonly scope: Scope;
  readonly attempt: AuditEvent;
  /** Where it takes effect, for scopes that demand four eyes. Null: it only makes rules stricter; absent: everywhere. */
  readonly reach?: Reach | null;
  readonly approval?: Approval | undefined;
}

/** What an audit entry says about the approval a change rests on. */
export const describeApproval = (approval: Approval | undefined): { readonly approvalRef?: string } =>
  approval === undefined ? {} : { approvalRef: approval.ref };

/** Whether the grants the database holds now allow this. */
export const isAllowedNow = (
  { before, actor, nowMs, given }: Pick<LockedState, 'before' | 'actor' | 'nowMs' | 'given'>,
  { permission, scope }: Pick<GrantChange, 'permission' | 'scope'>,
): boolean => {
  const target = findTarget(before, scope.projectId ?? '', scope.environmentId ?? '');
  return (
    typeof target !== 'string' &&
    evaluate(before, { actor, permission: permissionNumber(permission), target, nowMs, given }).kind === 'allowed'
  );
};

/** @throws DECISION_EXPIRED when what was decided a moment ago no longer holds */
const assertStillAllowed = (state: LockedState, change: GrantChange): void => {
  if (!isAllowedNow(state, change))
    throw new AppError('DECISION_EXPIRED', 'The roles have changed meanwhile. Try again.');
};

/**
 * Runs a change of grants.
 *
 * 1. The administrator is asked for (the caller's grants decide, in the scope of what is changed).
 * 2. Under the lock of the organisation the same is asked again of what the database says now: of two administrators
 *    who take each other's role at once, the second has none any more.
 * 3. What somebody else agreed to is confirmed; where four eyes are demanded, there has to be such.
 * 4. `work` enforces the rules and writes; the decision fences the commit.
 * 5. A refusal by a rule is recorded before it is thrown.
 * 6. It returns once this process decides by the new state.
 *
 * @throws PERMISSION_DENIED, ESCALATION, SEPARATION_OF_DUTIES, LAST_OWNER, ALREADY_EXISTS, DECISION_EXPIRED
 */
export const changeGrants = async <T>(
  dependencies: GrantDependencies,
  administrator: Administrator,
  change: GrantChange,
  work: (tx: AuditedTx, state: LockedState, decision: GrantedDecision) => Promise<T>,
): Promise<T> => {
  const { audit, knowledge } = dependencies;
  const { context } = administrator;
  const decision = await context.require(change.permission, change.scope);
  const auditContext = context.auditContext();
  try {
    const { value } = await audit.mutate(auditContext, async (tx) => {
      tx.fence(decision);
      const state = await locked(tx, dependencies, administrator);
      assertStillAllowed(state, change);
      await change.approval?.confirm(tx, state, change.attempt.target.id);
      const { reach = ORGANIZATION_REACH } = change;
      if (reach !== null && change.approval?.isFourEyes !== true) enforce(await refuseUnproposed(tx, tx.orgId, reach));
      return await work(tx, state, decision);
    });
    await knowledge.settled();
    return value;
  } catch (error) {
    for (const [constraint, detail] of ONE_OF_A_KIND)
      if (isUniqueViolation(error, constraint)) throw new AppError('ALREADY_EXISTS', detail, { cause: error });
    if (isAppError(error) && RULES.has(error.code))
      await audit.recordDenied(auditContext, {
        ...change.attempt,
        reason: error.code,
        decision: describeDecision(decision),
      });
    throw error;
  }
};
