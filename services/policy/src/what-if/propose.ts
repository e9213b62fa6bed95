/**
 * What the rules for changing grants say of proposed changes to whoever proposes them. Nothing is locked or written; the commands that do it ask the same rules again.
 */
import { isAppError } from '@sallyport/errors';

import {
  enforce,
  futureOf,
  refuseBeyondOwn,
  refuseCombination,
  refuseLastOwner,
  refuseOwn,
  refuseOwnRole,
  refuseRoleBeyondOwn,
  takingOf,
  type Holder,
  type Population,
} from '../grants/index.ts';
import type { OrganizationIndex } from '../model/index.ts';
import { touchedKeys, touchedSubjects } from './difference.ts';
import { findGrantIn, grantsOfCells, type ProposedChange } from './hypothetical.ts';

/** Why a proposal would be refused. */
export interface Blocked {
  /** Which of the changes, counted from 0; null: all of them together. */
  readonly change: number | null;
  readonly code: string;
  /** The rule within the code; the code itself when there is but one. */
  readonly rule: string;
  readonly detail: string;
}

export interface ProposalContext {
  readonly before: OrganizationIndex;
  readonly actor: Holder;
  readonly population: Population;
  /** ms since 1970. */
  readonly nowMs: number;
}

const asBlocked = (change: number | null, check: () => void): readonly Blocked[] => {
  try {
    check();
    return [];
  } catch (error) {
    if (!isAppError(error)) throw error;
    const { code, message, metadata } = error;
    return [{ change, code, rule: metadata['rule'] ?? code, detail: message }];
  }
};

/** What a role meant and would mean is held by whoever changes it, and nobody changes one of their own. */
const roleRefusals = (
  { before, actor, nowMs }: ProposalContext,
  change: Extract<ProposedChange, { kind: 'put-role' | 'remove-role' }>,
  at: number,
): readonly Blocked[] => {
  const known = before.roles.get(change.kind === 'put-role' ? change.role.key : change.key);
  const definitions = [...(known === undefined ? [] : [known]), ...(change.kind === 'put-role' ? [change.role] : [])];
  const period = { fromMs: nowMs, untilMs: Number.POSITIVE_INFINITY };
  return [
    ...asBlocked(at, () => {
      if (known !== undefined) enforce(refuseOwnRole(before, actor, known.key, nowMs));
    }),
    ...asBlocked(at, () => {
      enforce(refuseRoleBeyondOwn(before, actor, definitions, period));
    }),
  ];
};

/**
 * Both policies with the grants of only those for whom something changed, and of the groups they are in: nobody else can
 * have come to hold what excludes each other.
 */
const aroundChanges = (
  before: OrganizationIndex,
  after: OrganizationIndex,
  population: Population,
): readonly [was: OrganizationIndex, is: OrganizationIndex] => {
  const subjects = touchedSubjects(before, after, population);
  const groups = new Set(touchedKeys(before.subjects.group, after.subjects.group));
  for (const id of subjects) for (const groupId of population.find(id)?.groupIds ?? []) groups.add(groupId);
  const narrow = (index: OrganizationIndex): OrganizationIndex => ({
    ...index,
    grants: [
      ...[...subjects].flatMap((id) => [
        ...grantsOfCells(index.subjects.user.get(id)),
        ...grantsOfCells(index.subjects.service_account.get(id)),
      ]),
      ...[...groups].flatMap((id) => grantsOfCells(index.subjects.group.get(id))),
    ],
  });
  return [narrow(before), narrow(after)];
};

/** What the rules for changing grants refuse of it, change by change and as a whole. */
export const blockedBy = (
  context: ProposalContext,
  after: OrganizationIndex,
  changes: readonly ProposedChange[],
): readonly Blocked[] => {
  const { before, actor, population, nowMs } = context;
  const each = changes.flatMap((change, at) => {
    if (change.kind === 'put-role' || change.kind === 'remove-role') return roleRefusals(context, change, at);
    const row = change.kind === 'add' ? change.row : findGrantIn(before, change.grantId)?.row;
    if (row === undefined) return [];
    const period = change.kind === 'add' ? futureOf(row, nowMs) : takingOf(row, nowMs);
    // What a role means that comes with the proposal is looked at as it will be.
    const index = before.roles.has(row.roleKey) ? before : after;
    return [
      ...asBlocked(at, () => {
        enforce(refuseOwn(actor, row));
      }),
      ...asBlocked(at, () => {
        enforce(refuseBeyondOwn(index, actor, row, period));
      }),
    ];
  });
  const combination = asBlocked(null, () => {
    const [was, is] = aroundChanges(before, after, population);
    enforce(refuseCombination(was, is, population, nowMs));
  });
  const lastOwner = asBlocked(null, () => {
    enforce(refuseLastOwner(before, after, population));
  });
  return [...each, ...combination, ...lastOwner];
};
