/**
 * What a group mapping would do before it is made: who would gain what, whose roles would exclude each other, and what
 * would refuse it. Looks at memory only and writes nothing; the rules are asked again when the mapping is made.
 */
import { AppError, isAppError } from '@sallyport/errors';

import { BUILT_IN_ROLES, compileOrganization, rowsOf, type GrantRow, type OrganizationIndex } from '../model/index.ts';
import { populationOf, type Administrator, type GrantDependencies } from './change-grants.ts';
import { assertGrantable, knownScope } from './create-grant.ts';
import { givenBy, heldBy, holderOf, permissionsIn, type Extent, type GrantScope, type Holder } from './held.ts';
import { refuseBeyondOwn, refuseOwn } from './rules.ts';
import { newViolations, refuseCombination, violationsOf, type Violation } from './separation.ts';

export interface MappingProposal {
  readonly groupId: string;
  readonly roleKey: string;
  readonly scope: GrantScope;
}

/** What would become of one member of the group. */
export interface MemberPreview {
  readonly type: 'user' | 'service_account';
  readonly id: string;
  /** An inactive one gains nothing before they are active again. */
  readonly active: boolean;
  /** What they may do everywhere in the scope then and may not do everywhere in it now, as "permission at place". */
  readonly gains: readonly string[];
  readonly violations: readonly Violation[];
}

/** Why the mapping would be refused. */
export interface PreviewRefusal {
  readonly code: string;
  readonly detail: string;
}

export interface MappingPreview {
  readonly revision: bigint;
  /** Members of the group. */
  readonly total: number;
  /** Those on the page, by id. */
  readonly members: readonly MemberPreview[];
  readonly isLast: boolean;
  readonly refusals: readonly PreviewRefusal[];
}

/** Sorts after every id of ours; nothing is stored under it. */
const PROPOSED_ID = 'proposed';

const proposedRow = ({ groupId, roleKey }: MappingProposal, scope: GrantScope): GrantRow => ({
  grantId: PROPOSED_ID,
  subjectType: 'group',
  subjectId: groupId,
  roleKey,
  ...scope,
  effect: 'allow',
  validFromMs: null,
  validUntilMs: null,
  subjectEpoch: 0,
});

const withRow = (index: OrganizationIndex, row: GrantRow): OrganizationIndex => {
  const rows = rowsOf(index);
  const compiled = compileOrganization({ ...rows, grants: [...rows.grants, row] }, BUILT_IN_ROLES);
  if (!compiled.ok) throw new AppError('CONFLICT', 'A stored grant makes no sense: repair it first.');
  return compiled.index;
};

interface Comparison {
  readonly before: OrganizationIndex;
  readonly after: OrganizationIndex;
  readonly row: GrantRow;
  readonly extent: Extent;
}

const isThere = ({ grants }: OrganizationIndex, wanted: GrantRow): boolean =>
  grants.some(
    ({ row, condition }) =>
      row.subjectType === 'group' &&
      row.subjectId === wanted.subjectId &&
      row.roleKey === wanted.roleKey &&
      row.projectId === wanted.projectId &&
      row.environmentId === wanted.environmentId &&
      row.effect === 'allow' &&
      row.tier === undefined &&
      row.resourceType === undefined &&
      condition === null,
  );

/** Of what the mapping gives within its scope, what a denial leaves and was not theirs there before. */
const gainsOf = ({ before, after, row, extent }: Comparison, holder: Omit<Holder, 'limitedTo'>): readonly string[] => {
  const now = heldBy(before, { ...holder, limitedTo: [] }, extent);
  const then = heldBy(after, { ...holder, limitedTo: [] }, extent);
  return permissionsIn(givenBy(after, row).map((word, at) => word & (then[at] ?? 0) & ~(now[at] ?? 0)));
};

/**
 * @throws NOT_FOUND for an unknown group or scope, INVALID_REQUEST for an unknown role or level, UNAVAILABLE without an
 *   index
 */
export const previewMapping = (
  { knowledge, standing, clock }: Pick<GrantDependencies, 'knowledge' | 'standing' | 'clock'>,
  { principal }: Pick<Administrator, 'principal'>,
  proposal: MappingProposal,
  page: { readonly after: string; readonly limit: number },
): MappingPreview => {
  const { orgId } = principal;
  const before = knowledge.organization(orgId);
  if (before === undefined) throw new AppError('UNAVAILABLE', 'The policy cannot be read right now.');
  const scope = knownScope(before, proposal.scope);
  assertGrantable(before, proposal.roleKey, scope);
  if (!standing.hasGroup(orgId, proposal.groupId)) throw new AppError('NOT_FOUND', 'There is no such subject.');
  const nowMs = clock.now().getTime();
  const period = { fromMs: nowMs, untilMs: Number.POSITIVE_INFINITY };
  const population = populationOf(standing, orgId);
  const row = proposedRow(proposal, scope);
  const after = withRow(before, row);
  const broken = newViolations(violationsOf(before, population, nowMs), violationsOf(after, population, nowMs));
  const extent: Extent = { scope, period, condition: null };
  const ids = [...population.members(proposal.groupId)].sort().filter((id) => population.find(id) !== undefined);
  const rest = ids.filter((id) => id > page.after);
  // Nobody but those is looked at: a group may have everybody in it.
  const members = rest.slice(0, page.limit).flatMap((id): MemberPreview[] => {
    const member = population.find(id);
    if (member === undefined) return [];
    const violations = broken.filter((each) => each.subjectType === member.type && each.subjectId === id);
    const gains = gainsOf({ before, after, row, extent }, { ...member, id });
    return [{ type: member.type, id, active: member.active, gains, violations }];
  });
  const actor = holderOf(population, principal);
  const refusals = [
    isThere(before, row) ? new AppError('ALREADY_EXISTS', 'The group has this role here already.') : null,
    refuseOwn(actor, row),
    refuseBeyondOwn(before, actor, row, period),
    refuseCombination(before, after, population, nowMs),
  ].filter(isAppError);
  return {
    revision: before.revision,
    total: ids.length,
    members,
    isLast: rest.length <= page.limit,
    refusals: refusals.map(({ code, message }) => ({ code, detail: message })),
  };
};
