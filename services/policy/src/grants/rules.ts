/**
 * What a change of grants must not do, whoever asks for it. Pure: each rule looks at the index before and after and
 * answers a refusal or null; the commands run them under the lock of the organisation's head, so that two changes
 * cannot pass side by side what neither would pass after the other.
 */
import { AppError } from '@sallyport/errors';

import {
  OWNER,
  permissionSetOf,
  type CompiledGrant,
  type GrantRow,
  type OrganizationIndex,
  type RoleDefinition,
} from '../model/index.ts';
import { firstMissing, givenBy, heldBy, type GrantScope, type Holder, type Period } from './held.ts';
import type { Population } from './population.ts';
import { isOver } from './separation.ts';

type Refusal = AppError | null;

/** The time a grant reaches from now on: what lies in the past gives nobody anything. */
export const futureOf = ({ validFromMs, validUntilMs }: GrantRow, nowMs: number): Period => ({
  fromMs: Math.max(validFromMs ?? Number.NEGATIVE_INFINITY, nowMs),
  untilMs: validUntilMs ?? Number.POSITIVE_INFINITY,
});

/** This very moment: who takes something away must hold it when they do. */
export const momentOf = (nowMs: number): Period => ({ fromMs: nowMs, untilMs: nowMs + 1 });

/**
 * When whoever takes a grant away must hold what it is about: an allowance now; a denial for as long as it would have
 * lasted, because its end gives back what it took.
 */
export const takingOf = (row: GrantRow, nowMs: number): Period =>
  row.effect === 'deny' ? futureOf(row, nowMs) : momentOf(nowMs);

/** Nobody edits their own grants, nor those of a group they are in; neither does a machine for who is behind it. */
export const refuseOwn = (actor: Holder, { subjectType, subjectId }: GrantRow): Refusal => {
  const own = [actor, ...(actor.behind ?? [])].some(({ id, groupIds }) =>
    subjectType === 'group' ? groupIds.includes(subjectId) : id === subjectId,
  );
  if (!own) return null;
  return new AppError('ESCALATION', 'Nobody changes their own grants. Ask another administrator.', {
    metadata: { rule: 'OWN_GRANT' },
  });
};

/**
 * Nobody gives or takes more than they hold everywhere the grant reaches, throughout the period and on no further
 * condition than the grant's own.
 */
export const refuseBeyondOwn = (index: OrganizationIndex, actor: Holder, grant: GrantRow, period: Period): Refusal => {
  const scope: GrantScope = { projectId: grant.projectId, environmentId: grant.environmentId };
  const extent = { scope, period, condition: grant.condition ?? null };
  const missing = firstMissing(givenBy(index, grant), heldBy(index, actor, extent));
  if (missing === null) return null;
  return new AppError('ESCALATION', `Nobody grants or takes more than they hold: ${missing} is not yours to give.`, {
    metadata: { rule: 'BEYOND_OWN', missing },
  });
};

const ORGANIZATION: GrantScope = { projectId: null, environmentId: null };

/**
 * Nobody makes a role contain what they do not hold in the whole organisation throughout the period, nor changes one that
 * does: what is given of the role, wherever it was given, changes with it.
 */
export const refuseRoleBeyondOwn = (
  index: OrganizationIndex,
  actor: Holder,
  definitions: readonly RoleDefinition[],
  period: Period,
): Refusal => {
  const held = heldBy(index, actor, { scope: ORGANIZATION, period, condition: null });
  for (const definition of definitions) {
    const missing = firstMissing(permissionSetOf(definition), held);
    if (missing !== null)
      return new AppError('ESCALATION', `Nobody makes or changes a role beyond what they hold: ${missing}.`, {
        metadata: { rule: 'BEYOND_OWN', missing },
      });
  }
  return null;
};

/** Nobody changes what a role means that was given to, or taken from, themselves or a group they are in. */
export const refuseOwnRole = (index: OrganizationIndex, actor: Holder, roleKey: string, nowMs: number): Refusal => {
  const isOwn = index.grants.some(
    ({ row }) => row.roleKey === roleKey && !isOver(row, nowMs) && refuseOwn(actor, row) !== null,
  );
  if (!isOwn) return null;
  return new AppError('ESCALATION', 'Nobody changes a role of their own. Ask another administrator.', {
    metadata: { rule: 'OWN_ROLE' },
  });
};

/** Owner without any limit: neither in time nor to a tier, a type or a condition. */
export const isLastingOwner = ({ row, condition }: CompiledGrant): boolean =>
  row.roleKey === OWNER &&
  row.effect === 'allow' &&
  row.validFromMs === null &&
  row.validUntilMs === null &&
  row.tier === undefined &&
  row.resourceType === undefined &&
  condition === null;

/** The active people who are Owner without any limit. */
export const ownersOf = (index: OrganizationIndex, population: Population): ReadonlySet<string> => {
  const atOrganization = index.grants.filter(({ row }) => row.projectId === null);
  const reached = (row: GrantRow): readonly string[] =>
    row.subjectType === 'group' ? population.members(row.subjectId) : [row.subjectId];
  const denied = new Set(atOrganization.filter(({ row }) => row.effect === 'deny').flatMap(({ row }) => reached(row)));
  const lasting = atOrganization.filter(isLastingOwner);
  return new Set(
    lasting
      .flatMap(({ row }) => reached(row))
      .filter((id) => {
        const found = population.find(id);
        return found?.type === 'user' && found.active && !denied.has(id);
      }),
  );
};

/** A change may not leave the organisation without an active person who is Owner without a time limit. */
export const refuseLastOwner = (
  before: OrganizationIndex,
  after: OrganizationIndex,
  population: Population,
): Refusal => {
  // An organisation that has none already (its only Owner was deactivated) is not made worse.
  if (ownersOf(before, population).size === 0 || ownersOf(after, population).size > 0) return null;
  return new AppError('LAST_OWNER', 'This would leave the organisation without an Owner.');
};
