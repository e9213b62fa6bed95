/**
 * What a change of grants must not do, whoever asks for it. Pure: each rule looks at the index before and after and
 * answers a refusal or null; the commands run them under the lock of the organisation's head, so that two changes
 * cannot pass side by side what neither would pass after the other.
 */
import { AppError } from '@sallyport/errors';

import {
  AUDITOR,
  OWNER,
  isWritingRole,
  type CompiledGrant,
  type GrantRow,
  type OrganizationIndex,
} from '../model/index.ts';
import { firstMissing, givenBy, heldBy, type GrantScope, type Holder, type Period } from './held.ts';

/** Who is in what, as the subject log says. */
export interface Population {
  find(
    subjectId: string,
  ):
    | { readonly type: 'user' | 'service_account'; readonly active: boolean; readonly groupIds: readonly string[] }
    | undefined;
  members(groupId: string): readonly string[];
}

type Refusal = AppError | null;

/** The time a grant reaches from now on: what lies in the past gives nobody anything. */
export const futureOf = ({ validFromMs, validUntilMs }: GrantRow, nowMs: number): Period => ({
  fromMs: Math.max(validFromMs ?? Number.NEGATIVE_INFINITY, nowMs),
  untilMs: validUntilMs ?? Number.POSITIVE_INFINITY,
});

/** This very moment: who takes something away must hold it when they do. */
export const momentOf = (nowMs: number): Period => ({ fromMs: nowMs, untilMs: nowMs + 1 });

/** Nobody edits their own grants, nor those of a group they are in. */
export const refuseOwn = (actor: Holder, { subjectType, subjectId }: GrantRow): Refusal => {
  const own = subjectType === 'group' ? actor.groupIds.includes(subjectId) : actor.id === subjectId;
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

const isOver = ({ validUntilMs }: GrantRow, nowMs: number): boolean => validUntilMs !== null && validUntilMs <= nowMs;

/** The keys of the roles a subject has or will have, anywhere, itself or through groups. */
const roleKeysOf = (
  index: OrganizationIndex,
  subject: {
    readonly type: 'user' | 'service_account' | 'group';
    readonly id: string;
    readonly groupIds: readonly string[];
  },
  nowMs: number,
): readonly string[] =>
  index.grants
    .filter(({ row }) => row.effect === 'allow' && !isOver(row, nowMs))
    .filter(({ row }) =>
      row.subjectType === 'group'
        ? subject.groupIds.includes(row.subjectId)
        : row.subjectType === subject.type && row.subjectId === subject.id,
    )
    .map(({ row }) => row.roleKey);

const combines = ({ roles }: OrganizationIndex, roleKeys: readonly string[]): boolean =>
  roleKeys.includes(AUDITOR) &&
  roleKeys.some((key) => {
    const role = roles.get(key);
    return role !== undefined && isWritingRole(role);
  });

/**
 * Auditor excludes every role that writes: looked at for the subject of the new grant, and for every member when it is
 * a group. (A later change of membership can still combine them; what the group gives is visible here, what the
 * identity provider will do is not.)
 */
export const refuseCombination = (
  after: OrganizationIndex,
  grant: GrantRow,
  population: Population,
  nowMs: number,
): Refusal => {
  const affected =
    grant.subjectType === 'group'
      ? [
          { type: 'group' as const, id: grant.subjectId, groupIds: [grant.subjectId] },
          ...population.members(grant.subjectId).flatMap((id) => {
            const found = population.find(id);
            return found === undefined ? [] : [{ ...found, id }];
          }),
        ]
      : [
          {
            type: grant.subjectType,
            id: grant.subjectId,
            groupIds: population.find(grant.subjectId)?.groupIds ?? [],
          },
        ];
  if (!affected.some((subject) => combines(after, roleKeysOf(after, subject, nowMs)))) return null;
  return new AppError(
    'SEPARATION_OF_DUTIES',
    'Auditor cannot be held together with a role that writes, also not through a group.',
  );
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

const ownersOf = (index: OrganizationIndex, population: Population): ReadonlySet<string> => {
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
