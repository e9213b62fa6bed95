/**
 * AuthZEN's information model → a question of ours. Names of things are ids or keys; what cannot be resolved becomes a
 * denial with its reason, because for AuthZEN an unknown thing is not an error.
 *
 * | AuthZEN | ours |
 * |---|---|
 * | subject.type | `user` or `service_account`; anything else is nobody |
 * | subject.id | the account's id |
 * | action.name | a permission of the catalogue |
 * | resource.type `organization` | the organisation of the token; id is its id or slug |
 * | resource.type `project` | the project; id is its id or key |
 * | resource.type `environment` | the environment; id is its id, or its key together with properties.project |
 * | any other resource.type | properties.project and properties.environment (ids or keys) say where it lies |
 *
 * @see OpenID AuthZEN Authorization API 1.0 §5, §6
 */
import { z } from 'zod';

import type { DecisionRequest, Reason } from '../decide/index.ts';
import type { OrganizationIndex } from '../model/index.ts';

const MAX_NAME_CHARS = 1_024;
const MAX_PROPERTIES = 64;

const name = z.string().min(1).max(MAX_NAME_CHARS);
// Its own keys only: the body comes from a parser that refuses `__proto__` and repeated names.
const properties = z
  .record(z.string(), z.unknown())
  .refine((given) => Object.keys(given).length <= MAX_PROPERTIES, `at most ${String(MAX_PROPERTIES)} properties`);

/** An Access Evaluation request. Unknown fields are ignored (§5: receivers MUST ignore them). */
export const evaluationShape = z.looseObject({
  subject: z.looseObject({ type: name, id: name, properties: properties.optional() }),
  action: z.looseObject({ name, properties: properties.optional() }),
  resource: z.looseObject({ type: name, id: name, properties: properties.optional() }),
  context: properties.optional(),
  options: z.looseObject({ reasons: z.boolean().optional() }).optional(),
});

export type Evaluation = z.output<typeof evaluationShape>;

type Located = { readonly projectId: string; readonly environmentId: string };
type Unlocated = { readonly reason: Exclude<Reason, 'GRANTED'> };

const ORGANIZATION: Located = { projectId: '', environmentId: '' };

/** An id names its project whatever keys there are: no key can stand in for somebody else's id. */
const findProject = (index: OrganizationIndex, named: string): string | undefined =>
  index.projects.get(named)?.projectId ?? [...index.projects.values()].find(({ key }) => key === named)?.projectId;

const findEnvironment = (index: OrganizationIndex, named: string, projectId: string): string | undefined => {
  const byId = index.environments.get(named);
  if (byId !== undefined) return byId.environmentId;
  // Keys are unique within a project only: without one, a key names nothing.
  return [...index.environments.values()].find((each) => each.projectId === projectId && each.key === named)
    ?.environmentId;
};

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

const locate = (index: OrganizationIndex, resource: Evaluation['resource']): Located | Unlocated => {
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

/** The question an evaluation asks; or, when it names a place that is not there, why it is denied. */
export const toQuestion = (
  orgId: string,
  index: OrganizationIndex | undefined,
  { subject, action, resource, context }: Evaluation,
): DecisionRequest | Unlocated => {
  if (index === undefined) return { reason: 'GRANTS_STALE' };
  const where = locate(index, resource);
  if ('reason' in where) return where;
  // The asker holds no credential of the subject, so there is no epoch to compare.
  return {
    orgId,
    subject: { type: subject.type, id: subject.id, epoch: 0n },
    action: action.name,
    ...where,
    resource: { type: resource.type, id: resource.id },
    given: {
      subject: subject.properties,
      resource: resource.properties,
      action: action.properties,
      context,
    },
  };
};
