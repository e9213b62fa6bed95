/**
 * Typed rows → the immutable index that decides. One organisation is compiled at a time, off to the side; the result
 * replaces the old one by a single reference (see knowledge.ts), so no decision ever sees half a policy.
 *
 * Keys are nested maps of exact ids: nothing is joined, hashed or folded, so no two subjects or scopes share a cell.
 */
import { compileCondition, type CompiledCondition } from '../conditions/index.ts';
import { atOnce, type Steps } from '../turns/index.ts';
import { MODEL_TEXT, assertImplemented } from './model.ts';
import { addTo, emptyPermissionSet, sharedSetOf, type PermissionSet } from './permission-set.ts';
import { rolesByKey, type RoleDefinition } from './roles.ts';
import {
  type Engine,
  type EnvironmentRow,
  type GrantRow,
  type OrganizationRows,
  type PoisonRow,
  type ProjectRow,
  type SeparationRule,
  type SubjectType,
} from './rows.ts';

assertImplemented(MODEL_TEXT);

/** A grant with what its role permits. */
export interface CompiledGrant {
  readonly row: GrantRow;
  /** What the role permits, narrowed to the tier and the resource type of the grant. */
  readonly permits: PermissionSet;
  /** Null: always. */
  readonly condition: CompiledCondition | null;
}

/** All grants of one subject at exactly one scope. */
export interface Cell {
  /** What the unlimited allowing grants give together. */
  readonly allow: PermissionSet;
  /** What the unlimited denying grants take together. */
  readonly deny: PermissionSet;
  /** Without beginning, end or condition. */
  readonly lasting: readonly CompiledGrant[];
  /** With a beginning, an end or a condition. */
  readonly limited: readonly CompiledGrant[];
}

/** The cells of one subject. */
export interface SubjectCells {
  readonly organization: Cell | undefined;
  readonly projects: ReadonlyMap<string, Cell>;
  readonly environments: ReadonlyMap<string, Cell>;
  /** The lowest epoch in which the subject was given an allowing grant; infinite without one. */
  readonly oldestEpoch: number;
}

/** Everything that decides within one organisation. */
export interface OrganizationIndex {
  readonly orgId: string;
  readonly slug: string;
  readonly revision: bigint;
  readonly subjects: Readonly<Record<SubjectType, ReadonlyMap<string, SubjectCells>>>;
  readonly projects: ReadonlyMap<string, ProjectRow>;
  readonly environments: ReadonlyMap<string, EnvironmentRow>;
  readonly grants: readonly CompiledGrant[];
  /** What the roles mean here, by key: the built-in ones and the organisation's own. */
  readonly roles: ReadonlyMap<string, RoleDefinition>;
  /** Which roles exclude each other, besides Auditor and what writes. No decision looks at them. */
  readonly separations: readonly SeparationRule[];
  readonly quarantined: readonly PoisonRow[];
  /** What decides: this index, or Casbin until somebody resets it. */
  readonly engine: Engine;
}

interface GrowingCell extends Cell {
  allow: PermissionSet;
  deny: PermissionSet;
  lasting: CompiledGrant[];
  limited: CompiledGrant[];
}

interface GrowingCells {
  organization: GrowingCell | undefined;
  projects: Map<string, GrowingCell>;
  environments: Map<string, GrowingCell>;
  oldestEpoch: number;
}

/** Most subjects have grants at one level only: they share this and pay for no map. Never written to. */
const NO_CELLS: Map<string, GrowingCell> = new Map();

const NO_SEPARATIONS: readonly SeparationRule[] = Object.freeze([]);

/** Shared by all cells that give or take nothing; sets in cells are never written to. */
const NOTHING = emptyPermissionSet();

/** Shared by all cells without; never written to. */
const NO_GRANTS: CompiledGrant[] = [];

const newCell = (): GrowingCell => ({
  allow: NOTHING,
  deny: NOTHING,
  lasting: NO_GRANTS,
  limited: NO_GRANTS,
});

/** Most lists have one element: made with it, they have room for it only. */
const appended = <T>(list: T[], element: T): T[] => {
  if (list.length === 0) return [element];
  list.push(element);
  return list;
};

/** The value of a key; one that is made and kept where there is none. */
export const getOrAdd = <K, V>(map: Map<K, V>, key: K, create: () => V): V => {
  const found = map.get(key);
  if (found !== undefined) return found;
  const created = create();
  map.set(key, created);
  return created;
};

const cellOf = (cells: GrowingCells, { projectId, environmentId }: GrantRow): GrowingCell => {
  if (environmentId !== null) {
    if (cells.environments === NO_CELLS) cells.environments = new Map();
    return getOrAdd(cells.environments, environmentId, newCell);
  }
  if (projectId === null) return (cells.organization ??= newCell());
  if (cells.projects === NO_CELLS) cells.projects = new Map();
  return getOrAdd(cells.projects, projectId, newCell);
};

/** Most cells hold one grant: they share the set of its role. */
const union = (one: PermissionSet, other: PermissionSet): PermissionSet => {
  if (one === NOTHING || one === other) return other;
  const both = new Uint32Array(one);
  addTo(both, other);
  return both;
};

/** The cells that these grants of one subject make; undefined when there are none. */
export const cellsFrom = (grants: readonly CompiledGrant[]): SubjectCells | undefined => {
  if (grants.length === 0) return undefined;
  const cells = newCells();
  for (const grant of grants) addGrant(cells, grant);
  return cells;
};

const newCells = (): GrowingCells => ({
  organization: undefined,
  projects: NO_CELLS,
  environments: NO_CELLS,
  oldestEpoch: Number.POSITIVE_INFINITY,
});

const addGrant = (cells: GrowingCells, grant: CompiledGrant): void => {
  const { row, permits, condition } = grant;
  if (row.effect === 'allow') cells.oldestEpoch = Math.min(cells.oldestEpoch, row.subjectEpoch ?? 0);
  const cell = cellOf(cells, row);
  if (row.validFromMs !== null || row.validUntilMs !== null || condition !== null) {
    cell.limited = appended(cell.limited, grant);
    return;
  }
  cell.lasting = appended(cell.lasting, grant);
  if (row.effect === 'allow') cell.allow = union(cell.allow, permits);
  else cell.deny = union(cell.deny, permits);
};

/** A row with what it means; null when there is no such role. */
export const compileGrant = (row: GrantRow, role: RoleDefinition | undefined): CompiledGrant | null =>
  role === undefined
    ? null
    : {
        row,
        permits: sharedSetOf(role, row),
        condition: row.condition === undefined ? null : compileCondition(row.condition),
      };

/** Environments whose project is there, by id. */
export const environmentsIn = (
  environments: Iterable<EnvironmentRow>,
  projects: ReadonlyMap<string, ProjectRow>,
): ReadonlyMap<string, EnvironmentRow> => {
  const found = new Map<string, EnvironmentRow>();
  for (const each of environments) if (projects.has(each.projectId)) found.set(each.environmentId, each);
  return found;
};

/**
 * What came out of compiling: an index, or the refusal to make one. Refused when a row that may have been a denial
 * cannot be read: leaving it out could allow what it forbids, so the organisation keeps its last good index and,
 * without renewal, soon denies.
 */
export type Compiled =
  | { readonly ok: true; readonly index: OrganizationIndex }
  | { readonly ok: false; readonly poison: readonly PoisonRow[] };

/** Grants between two steps. */
export const GRANTS_PER_STEP = 64;

/**
 * Builds the index of one organisation.
 *
 * @param everybodys the roles every organisation has; its own are among the rows
 * @param poison rows that could not be read; they are left out (or the result is a refusal)
 */
export const compileOrganization = (
  rows: OrganizationRows,
  everybodys: readonly RoleDefinition[],
  poison: readonly PoisonRow[] = [],
): Compiled => atOnce(compileSteps(rows, everybodys, poison));

/** {@link compileOrganization} in steps: others have their turns in between. The rows must not change meanwhile. */
export function* compileSteps(
  rows: OrganizationRows,
  everybodys: readonly RoleDefinition[],
  poison: readonly PoisonRow[] = [],
): Steps<Compiled> {
  const quarantined = [...poison];
  const own = (rows.roles ?? []).filter((role) => {
    const isOwn = !rolesByKey(everybodys).has(role.key);
    if (!isOwn) quarantined.push({ table: 'role', id: role.key, problem: 'key of a built-in role', denies: false });
    return isOwn;
  });
  const roles = rolesByKey(everybodys, own);
  const subjects: Record<SubjectType, Map<string, GrowingCells>> = {
    user: new Map(),
    group: new Map(),
    service_account: new Map(),
  };
  const grants: CompiledGrant[] = [];
  for (const [at, row] of rows.grants.entries()) {
    if (at % GRANTS_PER_STEP === 0) yield;
    const grant = compileGrant(row, roles.get(row.roleKey));
    if (grant === null) {
      const denies = row.effect === 'deny';
      quarantined.push({ table: 'grant', id: row.grantId, problem: `unknown role ${row.roleKey}`, denies });
      continue;
    }
    grants.push(grant);
    addGrant(getOrAdd(subjects[row.subjectType], row.subjectId, newCells), grant);
  }
  if (quarantined.some(({ denies }) => denies)) return { ok: false, poison: quarantined };
  const projects = new Map(rows.projects.map((project) => [project.projectId, project]));
  return {
    ok: true,
    index: Object.freeze({
      orgId: rows.orgId,
      slug: rows.slug,
      revision: rows.revision,
      subjects,
      projects,
      environments: environmentsIn(rows.environments, projects),
      grants,
      roles,
      separations: rows.separations ?? NO_SEPARATIONS,
      quarantined,
      engine: rows.engine ?? 'index',
    }),
  };
}
