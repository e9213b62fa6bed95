/**
 * Typed rows → the immutable index that decides. One organisation is compiled at a time, off to the side; the result
 * replaces the old one by a single reference (see knowledge.ts), so no decision ever sees half a policy.
 *
 * Keys are nested maps of exact ids: nothing is joined, hashed or folded, so no two subjects or scopes share a cell.
 */
import { MODEL_TEXT, assertImplemented } from './model.ts';
import { PERMISSION_NAMES, PLACES, permissionNumber, placeNumber, type Place } from './permissions.ts';
import type { RoleDefinition } from './roles.ts';
import type { EnvironmentRow, GrantRow, OrganizationRows, PoisonRow, ProjectRow, SubjectType } from './rows.ts';

assertImplemented(MODEL_TEXT);

const WORDS_PER_PLACE = Math.ceil(PERMISSION_NAMES.length / 32);
const WORDS = PLACES.length * WORDS_PER_PLACE;

/** A set of (permission, place) pairs: one bit each. */
export type PermissionSet = Uint32Array;

export const emptyPermissionSet = (): PermissionSet => new Uint32Array(WORDS);

/** Where the bit of a permission at a place is. */
export interface BitPosition {
  readonly word: number;
  readonly mask: number;
}

export const bitOf = (permission: number, place: Place): BitPosition => ({
  word: placeNumber(place) * WORDS_PER_PLACE + (permission >>> 5),
  mask: 1 << (permission & 31),
});

export const hasBit = (set: PermissionSet, { word, mask }: BitPosition): boolean => ((set[word] ?? 0) & mask) !== 0;

/** A grant with what its role permits. */
export interface CompiledGrant {
  readonly row: GrantRow;
  readonly permits: PermissionSet;
}

/** All grants of one subject at exactly one scope. */
export interface Cell {
  /** What the unlimited allowing grants give together. */
  readonly allow: PermissionSet;
  /** What the unlimited denying grants take together. */
  readonly deny: PermissionSet;
  /** Unlimited in time. */
  readonly lasting: readonly CompiledGrant[];
  /** With a beginning or an end. */
  readonly timed: readonly CompiledGrant[];
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
  readonly quarantined: readonly PoisonRow[];
}

interface GrowingCell extends Cell {
  readonly lasting: CompiledGrant[];
  readonly timed: CompiledGrant[];
}

interface GrowingCells {
  organization: GrowingCell | undefined;
  readonly projects: Map<string, GrowingCell>;
  readonly environments: Map<string, GrowingCell>;
  oldestEpoch: number;
}

const newCell = (): GrowingCell => ({
  allow: emptyPermissionSet(),
  deny: emptyPermissionSet(),
  lasting: [],
  timed: [],
});

const getOrAdd = <K, V>(map: Map<K, V>, key: K, create: () => V): V => {
  const found = map.get(key);
  if (found !== undefined) return found;
  const created = create();
  map.set(key, created);
  return created;
};

const cellOf = (cells: GrowingCells, { projectId, environmentId }: GrantRow): GrowingCell => {
  if (environmentId !== null) return getOrAdd(cells.environments, environmentId, newCell);
  if (projectId !== null) return getOrAdd(cells.projects, projectId, newCell);
  return (cells.organization ??= newCell());
};

const addTo = (target: PermissionSet, source: PermissionSet): void => {
  for (const [index, word] of source.entries()) target[index] = (target[index] ?? 0) | word;
};

/** What a role permits, as bits. Names outside the catalogue have no bit: no request can ask for them either. */
export const permissionSetOf = (role: RoleDefinition): PermissionSet => {
  const set = emptyPermissionSet();
  for (const place of PLACES) {
    for (const name of role.permissions[place]) {
      const number = permissionNumber(name);
      if (number < 0) continue;
      const { word, mask } = bitOf(number, place);
      set[word] = (set[word] ?? 0) | mask;
    }
  }
  return set;
};

const sets = new WeakMap<RoleDefinition, PermissionSet>();

const sharedSetOf = (role: RoleDefinition): PermissionSet => {
  const known = sets.get(role);
  if (known !== undefined) return known;
  const made = permissionSetOf(role);
  sets.set(role, made);
  return made;
};

const addGrant = (subjects: Record<SubjectType, Map<string, GrowingCells>>, grant: CompiledGrant): void => {
  const { row, permits } = grant;
  const cells = getOrAdd(subjects[row.subjectType], row.subjectId, () => ({
    organization: undefined,
    projects: new Map<string, GrowingCell>(),
    environments: new Map<string, GrowingCell>(),
    oldestEpoch: Number.POSITIVE_INFINITY,
  }));
  if (row.effect === 'allow') cells.oldestEpoch = Math.min(cells.oldestEpoch, row.subjectEpoch ?? 0);
  const cell = cellOf(cells, row);
  if (row.validFromMs !== null || row.validUntilMs !== null) {
    cell.timed.push(grant);
    return;
  }
  cell.lasting.push(grant);
  addTo(row.effect === 'allow' ? cell.allow : cell.deny, permits);
};

/**
 * What came out of compiling: an index, or the refusal to make one. Refused when a row that may have been a denial
 * cannot be read: leaving it out could allow what it forbids, so the organisation keeps its last good index and,
 * without renewal, soon denies.
 */
export type Compiled =
  | { readonly ok: true; readonly index: OrganizationIndex }
  | { readonly ok: false; readonly poison: readonly PoisonRow[] };

/**
 * Builds the index of one organisation.
 *
 * @param poison rows that could not be read; they are left out (or the result is a refusal)
 */
export const compileOrganization = (
  rows: OrganizationRows,
  roles: readonly RoleDefinition[],
  poison: readonly PoisonRow[] = [],
): Compiled => {
  const roleByKey = new Map(roles.map((role) => [role.key, role]));
  const quarantined = [...poison];
  const subjects = { user: new Map(), group: new Map(), service_account: new Map() } as Record<
    SubjectType,
    Map<string, GrowingCells>
  >;
  const grants: CompiledGrant[] = [];
  for (const row of rows.grants) {
    const role = roleByKey.get(row.roleKey);
    if (role === undefined) {
      const denies = row.effect === 'deny';
      quarantined.push({ table: 'grant', id: row.grantId, problem: `unknown role ${row.roleKey}`, denies });
      continue;
    }
    const grant: CompiledGrant = { row, permits: sharedSetOf(role) };
    grants.push(grant);
    addGrant(subjects, grant);
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
      environments: new Map(
        rows.environments.filter(({ projectId }) => projects.has(projectId)).map((each) => [each.environmentId, each]),
      ),
      grants,
      quarantined,
    }),
  };
};
