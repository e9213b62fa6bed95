/** The YAML form of a policy: reading it, with the keys of projects and environments resolved. */
import { z } from 'zod';

import { readCondition, type Condition } from '../conditions/index.ts';
import { id, moment } from '../grants/index.ts';
import { RESOURCE_TYPES, type EnvironmentRow, type OrganizationIndex } from '../model/index.ts';
import { newRoleShape } from '../roles/index.ts';
import { refuseFile, type FileProblem, type WantedGrant, type WantedPolicy, type WantedRow } from './policy.ts';
import { located, readYaml, type Located } from './read-yaml.ts';

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

const noEnvironment = (environment: string, projectId: string | null): string =>
  `there is no environment ${environment}${projectId === null ? ' (its key needs a project)' : ' in this project'}`;

/** Keys and ids of projects and environments → ids. */
export class PlaceNames {
  readonly #index: OrganizationIndex;
  readonly #projects: ReadonlyMap<string, string | null>;
  /** By project and key. */
  readonly #environments = new Map<string, Map<string, EnvironmentRow | null>>();

  constructor(index: OrganizationIndex) {
    this.#index = index;
    const projects = new Map<string, string | null>();
    // A key that two have names none.
    for (const { key, projectId } of index.projects.values()) projects.set(key, projects.has(key) ? null : projectId);
    this.#projects = projects;
    for (const environment of index.environments.values()) {
      const ofProject = this.#environments.get(environment.projectId) ?? new Map<string, EnvironmentRow | null>();
      this.#environments.set(environment.projectId, ofProject);
      ofProject.set(environment.key, ofProject.has(environment.key) ? null : environment);
    }
  }

  /** The ids, or what is wrong. */
  find({ project, environment }: Place): Found | string {
    const projectId = project === undefined ? null : this.#project(project);
    if (projectId === undefined) return `there is no one project ${project ?? ''}`;
    if (environment === undefined) return { projectId, environmentId: null };
    const known = this.#index.environments.get(environment.toLowerCase());
    const found = known ?? this.#environments.get(projectId ?? '')?.get(environment) ?? null;
    if (found === null || (projectId !== null && found.projectId !== projectId))
      return noEnvironment(environment, projectId);
    return { projectId: found.projectId, environmentId: found.environmentId };
  }

  #project(text: string): string | undefined {
    const asId = text.toLowerCase();
    return this.#index.projects.has(asId) ? asId : (this.#projects.get(text) ?? undefined);
  }
}

type Document = z.output<typeof documentShape>;

/** A file as it was read: plain data, its names of projects and environments not looked up yet. */
export interface DocumentFile {
  readonly organization: Located<string> | null;
  readonly roles: readonly Located<Document['roles'][number]>[];
  readonly separationRules: readonly Located<Document['separationRules'][number]>[];
  readonly mappings: readonly Located<Document['mappings'][number]>[];
  readonly grants: readonly Located<Document['grants'][number]>[];
}

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

const grantsOf = (file: DocumentFile, names: PlaceNames, problems: FileProblem[]): readonly WantedGrant[] => {
  const located = (list: 'grants' | 'mappings', at: number, line: number, place: Place): Found | null => {
    const found = names.find(place);
    if (typeof found !== 'string') return found;
    problems.push({ line, code: 'UNKNOWN_PLACE', detail: `${list}/${String(at)}: ${found}` });
    return null;
  };
  const grants = file.grants.flatMap(({ line, value }, at): WantedGrant[] => {
    const found = located('grants', at, line, value);
    return found === null ? [] : [{ row: toRow(value, found), source: 'direct', line }];
  });
  const mappings = file.mappings.flatMap(({ line, value: { group, role, ...place } }, at): WantedGrant[] => {
    const found = located('mappings', at, line, place);
    if (found === null) return [];
    const grant = { subject: { type: 'group' as const, id: group }, role, effect: 'allow' as const };
    return [{ row: toRow(grant, found), source: 'mapping', line }];
  });
  return [...grants, ...mappings];
};

/**
 * What a YAML file says, before it is known whose it is.
 *
 * @throws INVALID_REQUEST naming the lines
 */
export const parseDocument = (text: string): DocumentFile => {
  const { value, lines } = readYaml(text, documentShape);
  const { organization } = value;
  return {
    organization: organization === undefined ? null : { line: lines.of(['organization']), value: organization },
    roles: located(lines, 'roles', value.roles),
    separationRules: located(lines, 'separationRules', value.separationRules),
    mappings: located(lines, 'mappings', value.mappings),
    grants: located(lines, 'grants', value.grants),
  };
};

/**
 * The policy a file describes in an organisation.
 *
 * @throws INVALID_REQUEST naming the lines, also when it is another organisation's
 */
export const resolveDocument = (file: DocumentFile, index: OrganizationIndex): WantedPolicy => {
  const problems: FileProblem[] = [];
  const { organization } = file;
  if (organization !== null && organization.value !== index.slug)
    problems.push({ line: organization.line, code: 'OTHER_ORGANIZATION', detail: `this is ${index.slug}` });
  const grants = grantsOf(file, new PlaceNames(index), problems);
  if (problems.length > 0) throw refuseFile(problems);
  return {
    grants,
    roles: file.roles.map(({ line, value }) => ({ role: value, line })),
    rules: file.separationRules.map(({ line, value: { roles, ...rule } }) => ({ ...rule, roleKeys: roles, line })),
    covers: () => true,
  };
};

/** Both at once. */
export const readDocument = (text: string, index: OrganizationIndex): WantedPolicy =>
  resolveDocument(parseDocument(text), index);
