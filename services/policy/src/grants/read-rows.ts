import {
  GRANTS_PER_STEP,
  compileSteps,
  isPoison,
  patchOrganization,
  readEnvironment,
  readGrant,
  readProject,
  readRole,
  readSeparation,
  type Compiled,
  type Engine,
  type GrantRow,
  type OrganizationIndex,
  type OrganizationRows,
  type PoisonRow,
  type RoleDefinition,
} from '../model/index.ts';
import { atOnce, type Steps } from '../turns/index.ts';

type RawRow = Readonly<Record<string, unknown>>;

/** Rows as they came out of the database: nothing about them is taken for granted. */
export interface RawOrganization {
  readonly orgId: string;
  readonly slug: string;
  /** Decimal. */
  readonly revision: string;
  readonly grants: readonly RawRow[];
  readonly projects: readonly RawRow[];
  readonly environments: readonly RawRow[];
  /** Of its own; absent: none. */
  readonly roles?: readonly RawRow[];
  /** Absent: none. */
  readonly separations?: readonly RawRow[];
  /** Absent: the index. */
  readonly engine?: Engine;
}

/** What changed since a revision: `grants` and `roles` hold those of the changed ones that are still there. */
export interface RawOrganizationChange extends RawOrganization {
  readonly changedIds: readonly string[];
  /** Absent: none. */
  readonly changedRoleKeys?: readonly string[];
}

const sort = <T extends object>(rows: readonly (T | PoisonRow)[], poison: PoisonRow[]): readonly T[] =>
  rows.filter((row): row is T => {
    if (!isPoison(row)) return true;
    poison.push(row);
    return false;
  });

interface ReadRows {
  readonly rows: OrganizationRows;
  readonly poison: PoisonRow[];
}

/** Reads raw rows; what makes no sense comes back apart. */
export const readRows = (raw: RawOrganization): ReadRows => atOnce(readSteps(raw));

function* readSteps(raw: RawOrganization): Steps<ReadRows> {
  const poison: PoisonRow[] = [];
  const grants: GrantRow[] = [];
  for (const [at, each] of raw.grants.entries()) {
    if (at % GRANTS_PER_STEP === 0) yield;
    const grant = readGrant(each);
    if (isPoison(grant)) poison.push(grant);
    else grants.push(grant);
  }
  const rows = {
    orgId: raw.orgId,
    slug: raw.slug,
    revision: BigInt(raw.revision),
    ...(raw.engine === undefined ? {} : { engine: raw.engine }),
    grants,
    projects: sort(raw.projects.map(readProject), poison),
    environments: sort(raw.environments.map(readEnvironment), poison),
    roles: sort((raw.roles ?? []).map(readRole), poison),
    separations: sort((raw.separations ?? []).map(readSeparation), poison),
  };
  return { rows, poison };
}

/** The index after a change, or null when it has to be built anew. */
export const patchRaw = (
  index: OrganizationIndex,
  raw: RawOrganizationChange,
  roles: readonly RoleDefinition[],
): OrganizationIndex | null => {
  const { rows, poison } = readRows(raw);
  if (poison.length > 0) return null;
  const { slug, revision, engine = 'index', projects, environments } = rows;
  const { separations } = rows;
  const changed = { put: rows.grants, removed: raw.changedIds, projects, environments, separations };
  const changedRoles = { putRoles: rows.roles, removedRoles: raw.changedRoleKeys ?? [] };
  return patchOrganization(index, { slug, revision, engine, ...changed, ...changedRoles }, roles);
};

/** Raw rows → index (or the refusal to make one). */
export const compileRaw = (raw: RawOrganization, roles: readonly RoleDefinition[]): Compiled =>
  atOnce(compileRawSteps(raw, roles));

/** {@link compileRaw} in steps: others have their turns in between. */
export function* compileRawSteps(raw: RawOrganization, roles: readonly RoleDefinition[]): Steps<Compiled> {
  const { rows, poison } = yield* readSteps(raw);
  return yield* compileSteps(rows, roles, poison);
}
