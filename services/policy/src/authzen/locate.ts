/**
 * Where a resource lies: names of AuthZEN → the registry of scopes. Names are ids or keys, compared exactly: nothing is
 * folded, decoded or matched by pattern.
 *
 * | resource.type | where |
 * |---|---|
 * | `organization` | the organisation of the token; id is its id or slug |
 * | `project` | the project; id is its id or key |
 * | `environment` | the environment; id is its id, or its key together with properties.project |
 * | any other | properties.project and properties.environment (ids or keys) |
 */
import type { Reason } from '../decide/index.ts';
import type { OrganizationIndex } from '../model/index.ts';
import type { SearchedThing, Thing } from './entities.ts';

/** Empty project: the organisation; empty environment: the project. */
export type Located = { readonly projectId: string; readonly environmentId: string };
export type Unlocated = { readonly reason: Exclude<Reason, 'GRANTED'> };

const ORGANIZATION: Located = { projectId: '', environmentId: '' };

interface Keys {
  /** Project key → id. */
  readonly projects: ReadonlyMap<string, string>;
  /** Project id → environment key → id. */
  readonly environments: ReadonlyMap<string, ReadonlyMap<string, string>>;
}

/** Made once for each state of the organisation that is asked by key: a batch looks keys up a thousand times. */
const keysOfIndexes = new WeakMap<OrganizationIndex, Keys>();

const keysOf = (index: OrganizationIndex): Keys => {
  const known = keysOfIndexes.get(index);
  if (known !== undefined) return known;
  const environments = new Map<string, Map<string, string>>();
  for (const { projectId, environmentId, key } of index.environments.values()) {
    const ofProject = environments.get(projectId) ?? new Map<string, string>();
    if (!ofProject.has(key)) ofProject.set(key, environmentId);
    environments.set(projectId, ofProject);
  }
  const projects = new Map<string, string>();
  for (const { projectId, key } of index.projects.values()) if (!projects.has(key)) projects.set(key, projectId);
  const keys = { projects, environments };
  keysOfIndexes.set(index, keys);
  return keys;
};

/** An id names its project whatever keys there are: no key can stand in for somebody else's id. */
const findProject = (index: OrganizationIndex, named: string): string | undefined =>
  index.projects.get(named)?.projectId ?? keysOf(index).projects.get(named);

/** Keys are unique within a project only: without one, a key names nothing. */
const findEnvironment = (index: OrganizationIndex, named: string, projectId: string): string | undefined =>
  index.environments.get(named)?.environmentId ?? keysOf(index).environments.get(projectId)?.get(named);

/** Own property as text; undefined when it is absent, null when it is there but names nothing. */
const textOf = (given: Readonly<Record<string, unknown>> | undefined, key: string): string | null | undefined => {
  if (given === undefined || !Object.hasOwn(given, key)) return undefined;
  const value = given[key];
  return typeof value === 'string' && value !== '' ? value : null;
};

const locateIn = (
  index: OrganizationIndex,
  project: string | null | undefined,
  environment: string | null | undefined,
): Located | Unlocated => {
  const projectId = project === undefined ? '' : project === null ? undefined : findProject(index, project);
  if (projectId === undefined) return { reason: 'UNKNOWN_PROJECT' };
  if (environment === undefined) return { projectId, environmentId: '' };
  const environmentId = environment === null ? undefined : findEnvironment(index, environment, projectId);
  return environmentId === undefined ? { reason: 'UNKNOWN_ENVIRONMENT' } : { projectId, environmentId };
};

/** The place of a resource; or, when it names one that is not there, why it is denied. */
export const locate = (index: OrganizationIndex, resource: Thing): Located | Unlocated => {
  const project = textOf(resource.properties, 'project');
  switch (resource.type) {
    case 'organization':
      return resource.id === index.orgId || resource.id === index.slug
        ? ORGANIZATION
        : { reason: 'UNKNOWN_ORGANIZATION' };
    case 'project':
      return locateIn(index, resource.id, undefined);
    case 'environment':
      return locateIn(index, project, resource.id);
    default:
      return locateIn(index, project, textOf(resource.properties, 'environment'));
  }
};

/**
 * The project within which a resource is searched for: `properties.project`, and with it everything else it says about
 * where. Empty: the whole organisation.
 */
export const locateSearched = (index: OrganizationIndex, { properties }: SearchedThing): string | Unlocated => {
  const where = locateIn(index, textOf(properties, 'project'), undefined);
  return 'reason' in where ? where : where.projectId;
};
