/** The YAML form of a policy: reading it, with the keys of projects and environments resolved. */
import { z } from 'zod';

import { readCondition, type Condition } from '../conditions/index.ts';
import { id, moment } from '../grants/index.ts';
import { RESOURCE_TYPES, type OrganizationIndex } from '../model/index.ts';
import { newRoleShape } from '../roles/index.ts';
import { refuseFile, type FileProblem, type WantedGrant, type WantedPolicy, type WantedRow } from './policy.ts';
import { readYaml, type Lines } from './read-yaml.ts';

export const VERSION = 1;
const MAX_GRANTS = 20_000;

const name = z.string().min(1).max(256);

const SUBJECT = /^(user|group|service_account):(.+)$/;

const subject = z.string().transform((text, context) => {
  const [, type, given] = SUBJECT.exec(text) ?? [];
  const parsed = id.safeParse(given);
  if (type !== undefined && parsed.success) return { type: type as WantedRow['subjectType'], id: parsed.data };
  context.addIssue({ code: 'custom', message: 'write user:<id>, group:<id> or service_account:<id>' });
  return z.NEVER;
});

const condition = z.record(z.string(), z.unknown()).transform((value, context): Condition => {
  const read = readCondition(value);
  if (read.ok) return read.condition;
  const { path, detail } = read.problem;
  context.addIssue({ code: 'custom', path: [...path], message: detail });
  return z.NEVER;
});

/** Where, by key or id: an environment's key needs its project. */
export const placeShape = { project: name.optional(), environment: name.optional() };

const grantShape = z.strictObject({
  subject,
  role: name,
  ...placeShape,
  effect: z.enum(['allow', 'deny']).default('allow'),
  tier: z.enum(['non-production', 'production']).optional(),
  resourceType: z.enum(RESOURCE_TYPES).optional(),
  condition: condition.optional(),
  validFrom: moment.optional(),
  validUntil: moment.optional(),
});

const mappingShape = z.strictObject({ group: id, role: name, ...placeShape });

const ruleShape = z.strictObject({
  name: z
    .string()
    .trim()
    .min(1)
    .max(100)
    .regex(/^[^\p{C}]*$/u),
  description: z.string().trim().max(1_000).default(''),
  roles: z.array(name).min(2).max(200),
});

/** `grants:` with nothing below it is a list without entries: what is left when the last one is taken out by hand. */
const list = <T extends z.ZodType>(shape: z.ZodArray<T>) => shape.nullish().transform((items) => items ?? []);

/** The file. A list that is left out is an empty one: what is not in the file is not in the policy. */
export const documentShape = z.strictObject({
  version: z.literal(VERSION),
  organization: z.string().max(256).optional(),
  roles: list(z.array(newRoleShape.strict()).max(200)),
  separationRules: list(z.array(ruleShape).max(100)),
  mappings: list(z.array(mappingShape).max(MAX_GRANTS)),
  grants: list(z.array(grantShape).max(MAX_GRANTS)),
});

interface Place {
  readonly project?: string | undefined;
  readonly environment?: string | undefined;
}

type Found = { readonly projectId: string | null; readonly environmentId: string | null };

/** Keys and ids of projects and environments → ids. */
export class PlaceNames {
  readonly #index: OrganizationIndex;
  readonly #projects: ReadonlyMap<string, string | null>;

  constructor(index: OrganizationIndex) {
    this.#index = index;
    const projects = new Map<string, string | null>();
    // A key that two have names none.
    for (const { key, projectId } of index.projects.values()) projects.set(key, projects.has(key) ? null : projectId);
    this.#projects = projects;
  }

  /** The ids, or what is wrong. */
  find({ project, environment }: Place): Found | string {
    const projectId = project === undefined ? null : this.#project(project);
    if (projectId === undefined) return `there is no one project ${project ?? ''}`;
    if (environment === undefined) return { projectId, environmentId: null };
    const known = this.#index.environments.get(environment.toLowerCase());
    const found = known ?? (projectId === null ? undefined : this.#environment(projectId, environment));
    if (found === undefined || (projectId !== null && found.projectId !== projectId))
      return `there is no environment ${environment}${projectId === null ? ' (its key needs a project)' : ' in this project'}`;
    return { projectId: found.projectId, environmentId: found.environmentId };
  }

  #project(text: string): string | undefined {
    const asId = text.toLowerCase();
    return this.#index.projects.has(asId) ? asId : (this.#projects.get(text) ?? undefined);
  }

  #environment(projectId: string, key: string) {
    const found = [...this.#index.environments.values()].filter(
      (each) => each.projectId === projectId && each.key === key,
    );
    return found.length === 1 ? found[0] : undefined;
  }
}

type Document = z.output<typeof documentShape>;

const toRow = (grant: Document['grants'][number], place: Found): WantedRow => ({
  subjectType: grant.subject.type,
  subjectId: grant.subject.id,
  roleKey: grant.role,
  ...place,
  effect: grant.effect,
  ...(grant.tier === undefined ? {} : { tier: grant.tier }),
  ...(grant.resourceType === undefined ? {} : { resourceType: grant.resourceType }),
  ...(grant.condition === undefined ? {} : { condition: grant.condition }),
  validFromMs: grant.validFrom?.getTime() ?? null,
  validUntilMs: grant.validUntil?.getTime() ?? null,
});

const grantsOf = (
  document: Document,
  lines: Lines,
  names: PlaceNames,
  problems: FileProblem[],
): readonly WantedGrant[] => {
  const located = (list: 'grants' | 'mappings', at: number, place: Place): { line: number; found: Found } | null => {
    const line = lines.of([list, at]);
    const found = names.find(place);
    if (typeof found !== 'string') return { line, found };
    problems.push({ line, code: 'UNKNOWN_PLACE', detail: `${list}/${String(at)}: ${found}` });
    return null;
  };
  const grants = document.grants.flatMap((grant, at): WantedGrant[] => {
    const where = located('grants', at, grant);
    return where === null ? [] : [{ row: toRow(grant, where.found), source: 'direct', line: where.line }];
  });
  const mappings = document.mappings.flatMap(({ group, role, ...place }, at): WantedGrant[] => {
    const where = located('mappings', at, place);
    if (where === null) return [];
    const grant = { subject: { type: 'group' as const, id: group }, role, effect: 'allow' as const };
    return [{ row: toRow(grant, where.found), source: 'mapping', line: where.line }];
  });
  return [...grants, ...mappings];
};

/**
 * The policy a YAML file describes.
 *
 * @throws INVALID_REQUEST naming the lines, also when it is another organisation's
 */
export const readDocument = (text: string, index: OrganizationIndex): WantedPolicy => {
  const { value, lines } = readYaml(text, documentShape);
  const problems: FileProblem[] = [];
  if (value.organization !== undefined && value.organization !== index.slug)
    problems.push({ line: lines.of(['organization']), code: 'OTHER_ORGANIZATION', detail: `this is ${index.slug}` });
  const grants = grantsOf(value, lines, new PlaceNames(index), problems);
  if (problems.length > 0) throw refuseFile(problems);
  return {
    grants,
    roles: value.roles.map((role, at) => ({ role, line: lines.of(['roles', at]) })),
    rules: value.separationRules.map(({ roles, ...rule }, at) => ({
      ...rule,
      roleKeys: roles,
      line: lines.of(['separationRules', at]),
    })),
    covers: () => true,
  };
};
