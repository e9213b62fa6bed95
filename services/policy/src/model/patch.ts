/**
 * Incremental maintenance: the index after a change, made from the index before it. Nothing of the old one is written
 * to: what did not change is shared, what changed is made anew. Memberships are no part of the index (they are looked up
 * when a decision is made), so a change of who is in which group needs none of this.
 */
import {
  cellsFrom,
  compileGrant,
  environmentsIn,
  type CompiledGrant,
  type OrganizationIndex,
  type SubjectCells,
} from './compile.ts';
import type { RoleDefinition } from './roles.ts';
import {
  SUBJECT_TYPES,
  type Engine,
  type EnvironmentRow,
  type GrantRow,
  type ProjectRow,
  type SubjectType,
} from './rows.ts';

/** What is different from the index it is applied to. */
export interface OrganizationChange {
  readonly slug: string;
  readonly revision: bigint;
  readonly engine: Engine;
  /** Grants that came, or are not what they were. */
  readonly put: readonly GrantRow[];
  /** Ids of grants that are gone; unknown ids are fine. */
  readonly removed: readonly string[];
  /** All of them: there are few. */
  readonly projects: readonly ProjectRow[];
  readonly environments: readonly EnvironmentRow[];
  /** Keys of roles that do not permit what they did; absent: none. */
  readonly changedRoles?: ReadonlySet<string>;
}

class Touched {
  readonly subjects: Readonly<Record<SubjectType, Map<string, CompiledGrant[]>>> = {
    user: new Map(),
    group: new Map(),
    service_account: new Map(),
  };

  add({ subjectType, subjectId }: GrantRow): void {
    this.subjects[subjectType].set(subjectId, []);
  }

  take(grant: CompiledGrant): void {
    this.subjects[grant.row.subjectType].get(grant.row.subjectId)?.push(grant);
  }
}

const byId = (left: CompiledGrant, right: CompiledGrant): number =>
  left.row.grantId < right.row.grantId ? -1 : left.row.grantId > right.row.grantId ? 1 : 0;

const isSorted = (grants: readonly CompiledGrant[], from: number): boolean =>
  grants.every((grant, at) => at < Math.max(1, from) || byId(grants[at - 1] as CompiledGrant, grant) < 0);

/** Grants after the change, in the order of their ids; null when a role of one is unknown. */
const grantsAfter = (
  index: OrganizationIndex,
  change: OrganizationChange,
  roles: ReadonlyMap<string, RoleDefinition>,
  touched: Touched,
): readonly CompiledGrant[] | null => {
  const gone = new Set([...change.removed, ...change.put.map(({ grantId }) => grantId)]);
  const after: CompiledGrant[] = [];
  for (const grant of index.grants) {
    const isGone = gone.has(grant.row.grantId);
    const isRevised = change.changedRoles?.has(grant.row.roleKey) === true;
    if (isGone || isRevised) touched.add(grant.row);
    if (isGone) continue;
    const kept = isRevised ? compileGrant(grant.row, roles.get(grant.row.roleKey)) : grant;
    if (kept === null) return null;
    after.push(kept);
  }
  const kept = after.length;
  for (const row of change.put) {
    const grant = compileGrant(row, roles.get(row.roleKey));
    if (grant === null) return null;
    touched.add(row);
    after.push(grant);
  }
  // Ids grow with time, so what comes is last; anything else is sorted in.
  return isSorted(after, kept) ? after : after.sort(byId);
};

const subjectsAfter = (index: OrganizationIndex, touched: Touched): OrganizationIndex['subjects'] => {
  const table: Record<SubjectType, ReadonlyMap<string, SubjectCells>> = { ...index.subjects };
  for (const type of SUBJECT_TYPES) {
    if (touched.subjects[type].size === 0) continue;
    const subjects = new Map(index.subjects[type]);
    for (const [subjectId, grants] of touched.subjects[type]) {
      const cells = cellsFrom(grants);
      if (cells === undefined) subjects.delete(subjectId);
      else subjects.set(subjectId, cells);
    }
    table[type] = subjects;
  }
  return table;
};

/**
 * The index after a change.
 *
 * @returns null when it cannot be made this way (an unknown role, rows that were left out before): build it anew
 */
export const patchOrganization = (
  index: OrganizationIndex,
  change: OrganizationChange,
  roles: readonly RoleDefinition[],
): OrganizationIndex | null => {
  if (index.quarantined.length > 0) return null;
  const touched = new Touched();
  const grants = grantsAfter(index, change, new Map(roles.map((role) => [role.key, role])), touched);
  if (grants === null) return null;
  for (const grant of grants) touched.take(grant);
  const projects = new Map(change.projects.map((project) => [project.projectId, project]));
  return Object.freeze({
    orgId: index.orgId,
    slug: change.slug,
    revision: change.revision,
    subjects: subjectsAfter(index, touched),
    projects,
    environments: environmentsIn(change.environments, projects),
    grants,
    quarantined: [],
    engine: change.engine,
  });
};
