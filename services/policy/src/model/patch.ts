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
import { rolesByKey, type RoleDefinition } from './roles.ts';
import {
  SUBJECT_TYPES,
  type Engine,
  type EnvironmentRow,
  type GrantRow,
  type ProjectRow,
  type SeparationRule,
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
  /** Roles of the organisation's own that came, or are not what they were; absent: none. */
  readonly putRoles?: readonly RoleDefinition[] | undefined;
  /** Keys of roles that are gone; unknown ones are fine, and so are those that are put. Absent: none. */
  readonly removedRoles?: readonly string[];
  /** All of them: there are few. Absent: none. */
  readonly separations?: readonly SeparationRule[] | undefined;
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

type Roles = ReadonlyMap<string, RoleDefinition>;

/** Roles after the change, and which of them are not what they were; null when one would hide a role of everybody's. */
const rolesAfter = (
  index: OrganizationIndex,
  { putRoles = [], removedRoles = [] }: OrganizationChange,
  everybodys: readonly RoleDefinition[],
): { readonly roles: Roles; readonly changed: ReadonlySet<string> } | null => {
  const changed = new Set([...removedRoles, ...putRoles.map(({ key }) => key)]);
  if (changed.size === 0) return { roles: index.roles, changed };
  const fixed = rolesByKey(everybodys);
  if (putRoles.some(({ key }) => fixed.has(key))) return null;
  const kept = [...index.roles.values()].filter(({ key }) => !fixed.has(key) && !changed.has(key));
  return { roles: rolesByKey(everybodys, [...kept, ...putRoles]), changed };
};

/** Grants after the change, in the order of their ids; null when a role of one is unknown. */
const grantsAfter = (
  index: OrganizationIndex,
  change: OrganizationChange,
  { roles, changed }: { readonly roles: Roles; readonly changed: ReadonlySet<string> },
  touched: Touched,
): readonly CompiledGrant[] | null => {
  const gone = new Set([...change.removed, ...change.put.map(({ grantId }) => grantId)]);
  const after: CompiledGrant[] = [];
  for (const grant of index.grants) {
    const isGone = gone.has(grant.row.grantId);
    const isRevised = changed.has(grant.row.roleKey);
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
 * @param everybodys the roles every organisation has; they never change while the service runs
 * @returns null when it cannot be made this way (an unknown role, rows that were left out before): build it anew
 */
export const patchOrganization = (
  index: OrganizationIndex,
  change: OrganizationChange,
  everybodys: readonly RoleDefinition[],
): OrganizationIndex | null => {
  if (index.quarantined.length > 0) return null;
  const touched = new Touched();
  const revised = rolesAfter(index, change, everybodys);
  const grants = revised === null ? null : grantsAfter(index, change, revised, touched);
  if (revised === null || grants === null) return null;
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
    roles: revised.roles,
    separations: change.separations ?? [],
    quarantined: [],
    engine: change.engine,
  });
};
