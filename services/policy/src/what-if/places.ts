import type { Cell, EnvironmentRow, OrganizationIndex, Place, SubjectCells } from '../model/index.ts';
import { compareAccess, type AccessChange, type Say } from './access.ts';

/** Where something changes; both ids null: the organisation. */
export interface Spot {
  readonly place: Place;
  readonly projectId: string | null;
  readonly environmentId: string | null;
}

/** Two policies that are compared, and from when on. */
export interface Pair {
  readonly before: OrganizationIndex;
  readonly after: OrganizationIndex;
  /** ms since 1970. */
  readonly nowMs: number;
}

/** What changes in the same way at all of these places. */
export interface PlacesChange {
  readonly change: AccessChange;
  readonly spots: readonly Spot[];
}

const ORGANIZATION: Spot = Object.freeze({ place: 'organization', projectId: null, environmentId: null });

/** Never looked at: every environment is in one of the two. */
const UNKNOWN: EnvironmentRow = { environmentId: '', projectId: '', key: '', tier: 'production' };

/** The place of a spot in one policy; null when there is no such thing in it. */
const placeIn = (index: OrganizationIndex, { projectId, environmentId }: Spot): Place | null => {
  if (environmentId !== null) return index.environments.get(environmentId)?.tier ?? null;
  if (projectId !== null) return index.projects.has(projectId) ? 'project' : null;
  return 'organization';
};

/** What has a say at a place for whoever has these cells; null when the policy has no such place. */
export const sayOf = (index: OrganizationIndex, subjects: readonly SubjectCells[], spot: Spot): Say | null => {
  const place = placeIn(index, spot);
  if (place === null) return null;
  const { environmentId } = spot;
  const projectId =
    environmentId === null ? spot.projectId : (index.environments.get(environmentId)?.projectId ?? null);
  const cells: Cell[] = [];
  for (const { organization, projects, environments } of subjects) {
    const around = [
      organization,
      projectId === null ? undefined : projects.get(projectId),
      environmentId === null ? undefined : environments.get(environmentId),
    ];
    for (const cell of around) if (cell !== undefined) cells.push(cell);
  }
  return { place, cells };
};

const MAX_REMEMBERED = 1_000;

const put = (families: Map<string, Spot[]>, key: string, spot: Spot): void => {
  const known = families.get(key);
  if (known === undefined) families.set(key, [spot]);
  else known.push(spot);
};

/**
 * Every place of both policies, in families that only a grant of their own can tell apart: the projects, and the
 * environments of one tier in each project. What registered scopes differ in is a family of its own.
 */
export class Places {
  readonly #pair: Pair;
  /** By project and by how its environments are told apart. */
  readonly #environments = new Map<string, Map<string, Spot[]>>();
  readonly #projects: readonly Spot[];

  constructor(pair: Pair) {
    this.#pair = pair;
    const { before, after } = pair;
    const projectIds = [...new Set([...before.projects.keys(), ...after.projects.keys()])];
    this.#projects = projectIds.map((projectId) => ({ place: 'project', projectId, environmentId: null }));
    for (const environmentId of new Set([...before.environments.keys(), ...after.environments.keys()])) {
      const [was, is] = [before.environments.get(environmentId), after.environments.get(environmentId)];
      const { projectId, tier: place } = is ?? was ?? UNKNOWN;
      const isMoved = was !== undefined && is !== undefined && was.projectId !== is.projectId;
      const kind = isMoved ? `moved ${environmentId}` : `${was?.tier ?? ''}>${is?.tier ?? ''}`;
      this.#family(projectId, kind).push({ place, projectId, environmentId });
    }
  }

  /** What changes for whoever has these cells, place by place; families that do not differ are compared once. */
  changes(before: readonly SubjectCells[], after: readonly SubjectCells[]): readonly PlacesChange[] {
    const own = new Set<string>();
    for (const { projects, environments } of [...before, ...after]) {
      for (const projectId of projects.keys()) own.add(projectId);
      for (const environmentId of environments.keys()) own.add(environmentId);
    }
    const found: PlacesChange[] = [];
    const compare = (spots: readonly Spot[]): void => {
      const [spot] = spots;
      if (spot === undefined) return;
      const { before: one, after: other, nowMs } = this.#pair;
      const change = compareAccess(sayOf(one, before, spot), sayOf(other, after, spot), nowMs);
      if (change !== null) found.push({ change, spots });
    };
    compare([ORGANIZATION]);
    for (const family of this.#familiesOf(own)) compare(family);
    return found;
  }

  /** Most subjects have grants of their own in the same few places, or nowhere. */
  readonly #families = new Map<string, readonly (readonly Spot[])[]>();

  #familiesOf(own: ReadonlySet<string>): readonly (readonly Spot[])[] {
    const key = JSON.stringify([...own].sort());
    const known = this.#families.get(key);
    if (known !== undefined) return known;
    const families = this.#tellApart(own);
    if (this.#families.size < MAX_REMEMBERED) this.#families.set(key, families);
    return families;
  }

  /** Places that no grant of this subject's own tells apart, together; those that one does, alone. */
  #tellApart(own: ReadonlySet<string>): readonly (readonly Spot[])[] {
    const { before, after } = this.#pair;
    const families = new Map<string, Spot[]>();
    for (const spot of this.#projects) {
      const id = spot.projectId ?? '';
      const isOwn = own.has(id);
      const registered = `${String(before.projects.has(id))}>${String(after.projects.has(id))}`;
      put(families, isOwn ? `project ${id}` : registered, spot);
      for (const [kind, spots] of this.#environments.get(id) ?? [])
        for (const each of spots) {
          const environmentId = each.environmentId ?? '';
          if (own.has(environmentId)) put(families, `environment ${environmentId}`, each);
          else put(families, isOwn ? `${kind} of ${id}` : kind, each);
        }
    }
    return [...families.values()];
  }

  #family(projectId: string, kind: string): Spot[] {
    let ofProject = this.#environments.get(projectId);
    if (ofProject === undefined) this.#environments.set(projectId, (ofProject = new Map<string, Spot[]>()));
    let family = ofProject.get(kind);
    if (family === undefined) ofProject.set(kind, (family = []));
    return family;
  }
}
