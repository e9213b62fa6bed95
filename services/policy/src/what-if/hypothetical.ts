/**
 * The index as it would be. It shares with the present one whatever does not change, and is made in steps: a proposal
 * may touch every grant there is.
 */
import { AppError } from '@sallyport/errors';

import {
  BUILT_IN_ROLES,
  SUBJECT_TYPES,
  cellsFrom,
  compileGrant,
  findRole,
  rolesByKey,
  type Cell,
  type CompiledGrant,
  type GrantRow,
  type OrganizationIndex,
  type RoleDefinition,
  type SubjectCells,
  type SubjectType,
} from '../model/index.ts';
import { OverlayMap } from './overlay.ts';

/** One proposed change; ids of grants that are added are the proposer's. */
export type ProposedChange =
  | { readonly kind: 'add'; readonly row: GrantRow }
  | { readonly kind: 'remove'; readonly grantId: string }
  | { readonly kind: 'put-role'; readonly role: RoleDefinition }
  | { readonly kind: 'remove-role'; readonly key: string };

const GRANTS_PER_STEP = 4_096;
const SUBJECTS_PER_STEP = 128;

const missing = (at: number, what: string): AppError =>
  new AppError('NOT_FOUND', `There is no such ${what}.`, {
    fields: [{ pointer: `/changes/${String(at)}`, code: 'NOT_FOUND' }],
  });

/** Grants are in the order of their ids. */
export const findGrantIn = ({ grants }: OrganizationIndex, grantId: string): CompiledGrant | undefined => {
  let low = 0;
  let high = grants.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    const at = grants[middle]?.row.grantId ?? '';
    if (at === grantId) return grants[middle];
    if (at < grantId) low = middle + 1;
    else high = middle;
  }
  return undefined;
};

const grantsOfCell = (cell: Cell | undefined): readonly CompiledGrant[] =>
  cell === undefined ? [] : [...cell.lasting, ...cell.limited];

/** Every grant of a subject, in no order. */
export const grantsOfCells = (cells: SubjectCells | undefined): readonly CompiledGrant[] =>
  cells === undefined
    ? []
    : [cells.organization, ...cells.projects.values(), ...cells.environments.values()].flatMap(grantsOfCell);

const byId = (one: CompiledGrant, other: CompiledGrant): number =>
  one.row.grantId < other.row.grantId ? -1 : Number(one.row.grantId > other.row.grantId);

interface Plan {
  readonly added: ReadonlyMap<string, CompiledGrant>;
  readonly removed: ReadonlySet<string>;
  readonly roles: ReadonlyMap<string, RoleDefinition>;
  /** Keys of roles that come, go or mean something else. */
  readonly changedRoles: ReadonlySet<string>;
}

const notPossible = (): AppError =>
  new AppError('CONFLICT', 'There cannot be such a policy: somebody would be given a role that is not there.');

const assertThere = (before: OrganizationIndex, changes: readonly ProposedChange[]): void => {
  for (const [at, change] of changes.entries()) {
    if (change.kind === 'add') continue;
    if (change.kind === 'remove') {
      if (findGrantIn(before, change.grantId) === undefined) throw missing(at, 'grant');
      continue;
    }
    const key = change.kind === 'put-role' ? change.role.key : change.key;
    if (findRole(key) !== undefined) throw new AppError('READ_ONLY', 'Built-in roles are what they are.');
    if (change.kind === 'remove-role' && !before.roles.has(key)) throw missing(at, 'role');
  }
};

const planOf = (before: OrganizationIndex, changes: readonly ProposedChange[]): Plan => {
  if (before.quarantined.length > 0)
    throw new AppError('CONFLICT', 'Stored rows make no sense: nothing can be told before they are repaired.');
  assertThere(before, changes);
  const own = new Map([...before.roles].filter(([key]) => findRole(key) === undefined));
  const changedRoles = new Set<string>();
  const removed = new Set<string>();
  for (const change of changes) {
    if (change.kind === 'put-role') own.set(change.role.key, change.role);
    else if (change.kind === 'remove-role') own.delete(change.key);
    else if (change.kind === 'remove') removed.add(change.grantId);
    if (change.kind === 'put-role') changedRoles.add(change.role.key);
    else if (change.kind === 'remove-role') changedRoles.add(change.key);
  }
  const roles = changedRoles.size === 0 ? before.roles : rolesByKey(BUILT_IN_ROLES, [...own.values()]);
  const added = new Map<string, CompiledGrant>();
  for (const change of changes) {
    if (change.kind !== 'add') continue;
    const grant = compileGrant(change.row, roles.get(change.row.roleKey));
    if (grant === null) throw notPossible();
    added.set(change.row.grantId, grant);
  }
  return { added, removed, roles, changedRoles };
};

type BySubject<T> = Readonly<Record<SubjectType, T>>;

/** Who is given something else, and all grants in order. */
function* touch(
  before: OrganizationIndex,
  { added, removed, changedRoles }: Plan,
): Generator<undefined, BySubject<Set<string>>> {
  const touched = { user: new Set<string>(), group: new Set<string>(), service_account: new Set<string>() };
  for (const { row } of added.values()) touched[row.subjectType].add(row.subjectId);
  for (const grantId of removed) {
    const row = findGrantIn(before, grantId)?.row;
    if (row !== undefined) touched[row.subjectType].add(row.subjectId);
  }
  if (changedRoles.size === 0) return touched;
  for (const [at, { row }] of before.grants.entries()) {
    if (at % GRANTS_PER_STEP === 0) yield;
    if (changedRoles.has(row.roleKey)) touched[row.subjectType].add(row.subjectId);
  }
  return touched;
}

/** What becomes of a grant that is there; undefined: it is gone. */
const kept = (grant: CompiledGrant, { removed, roles, changedRoles }: Plan): CompiledGrant | undefined => {
  const { grantId, roleKey } = grant.row;
  if (removed.has(grantId)) return undefined;
  if (!changedRoles.has(roleKey)) return grant;
  const revised = compileGrant(grant.row, roles.get(roleKey));
  if (revised === null) throw notPossible();
  return revised;
};

function* grantsAfter(before: OrganizationIndex, plan: Plan): Generator<undefined, readonly CompiledGrant[]> {
  const after: CompiledGrant[] = [];
  for (const [at, grant] of before.grants.entries()) {
    if (at % GRANTS_PER_STEP === 0) yield;
    const one = kept(grant, plan);
    if (one !== undefined) after.push(one);
  }
  const added = [...plan.added.values()].sort(byId);
  const [first] = added;
  const last = after.at(-1);
  after.push(...added);
  return first !== undefined && last !== undefined && byId(first, last) < 0 ? after.sort(byId) : after;
}

function* subjectsAfter(
  before: OrganizationIndex,
  plan: Plan,
  touched: BySubject<ReadonlySet<string>>,
): Generator<undefined, OrganizationIndex['subjects']> {
  const table: Record<SubjectType, ReadonlyMap<string, SubjectCells>> = { ...before.subjects };
  const given = Map.groupBy(plan.added.values(), ({ row }) => `${row.subjectType} ${row.subjectId}`);
  let step = 0;
  for (const type of SUBJECT_TYPES) {
    if (touched[type].size === 0) continue;
    const changed = new Map<string, SubjectCells | undefined>();
    for (const id of touched[type]) {
      if ((step += 1) % SUBJECTS_PER_STEP === 0) yield;
      const old = grantsOfCells(before.subjects[type].get(id)).flatMap((grant) => kept(grant, plan) ?? []);
      changed.set(id, cellsFrom([...old, ...(given.get(`${type} ${id}`) ?? [])].sort(byId)));
    }
    table[type] = new OverlayMap(before.subjects[type], changed);
  }
  return table;
}

/**
 * The index after all changes, in steps.
 *
 * @throws NOT_FOUND for a grant or role that is not there, READ_ONLY for a built-in role, CONFLICT when somebody would be
 *   given a role that is not there (any more), or stored rows make no sense
 */
export function* policyAfterSteps(
  before: OrganizationIndex,
  changes: readonly ProposedChange[],
): Generator<undefined, OrganizationIndex> {
  const plan = planOf(before, changes);
  const touched = yield* touch(before, plan);
  const subjects = yield* subjectsAfter(before, plan, touched);
  const grants = yield* grantsAfter(before, plan);
  return Object.freeze({ ...before, roles: plan.roles, subjects, grants });
}
