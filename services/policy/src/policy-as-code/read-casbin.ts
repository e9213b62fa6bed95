/**
 * The Casbin form of a policy: the lines our export writes (model/lines.ts), read back. The model has to be ours: another
 * one gives the same lines another meaning.
 */
import { readCondition } from '../conditions/index.ts';
import {
  PLACES,
  SCOPE_LEVELS,
  assertImplemented,
  findRole,
  isPermissionAt,
  permissionsPerPlace,
  type GrantRow,
  type OrganizationIndex,
  type Permission,
  type Place,
  type RoleDefinition,
} from '../model/index.ts';
import type { Population } from '../grants/index.ts';
import { refuseFile, type FileProblem, type WantedGrant, type WantedPolicy, type WantedRow } from './policy.ts';
import { MAX_FILE_CHARS } from './read-yaml.ts';

const MAX_LINES = 50_000;
const ENCODED = /_([0-9a-f]{4})/g;

/** What a name stands for, or undefined when it is not one of this kind. */
const idOf = (kind: string, text: string | undefined): string | undefined => {
  const [, encoded] = new RegExp(`^${kind}:((?:[A-Za-z0-9-]|_[0-9a-f]{4})*)$`).exec(text ?? '') ?? [];
  return encoded?.replaceAll(ENCODED, (_, unit: string) => String.fromCharCode(Number.parseInt(unit, 16)));
};

const FIELDS: Readonly<Record<string, number>> = { p: 10, g: 3, g2: 3, g3: 3 };

interface Line {
  readonly line: number;
  readonly type: string;
  readonly fields: readonly string[];
}

const linesOf = (text: string): readonly Line[] => {
  if (text.length > MAX_FILE_CHARS) throw refuseFile([{ line: 1, code: 'TOO_LARGE', detail: 'At most one MiB.' }]);
  const all = text.split(/\r?\n/);
  if (all.length > MAX_LINES) throw refuseFile([{ line: MAX_LINES, code: 'TOO_LARGE', detail: 'Too many lines.' }]);
  const lines = all.flatMap((raw, at): Line[] => {
    const [type = '', ...fields] = raw.split(',').map((each) => each.trim());
    return type === '' || type.startsWith('#') ? [] : [{ line: at + 1, type, fields }];
  });
  const wrong = lines.filter(({ type, fields }) => !Object.hasOwn(FIELDS, type) || FIELDS[type] !== fields.length);
  if (wrong.length > 0)
    throw refuseFile(wrong.map(({ line }) => ({ line, code: 'NOT_A_LINE', detail: 'no line of our policy' })));
  return lines;
};

type Read<T> = T | string;

const MOMENT = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/;

const momentOf = (text: string | undefined, open: string): Read<number | null> => {
  if (text === open) return null;
  const ms = MOMENT.test(text ?? '') ? Date.parse(text ?? '') : Number.NaN;
  return Number.isNaN(ms) ? 'a moment that is none' : ms;
};

const ownRoleKey = (orgId: string, text: string | undefined): string | undefined => {
  const own = `role:${orgId}:`;
  return text?.startsWith(own) === true ? idOf('role', `role:${text.slice(own.length)}`) : idOf('role', text);
};

const scopeOf = (
  index: OrganizationIndex,
  text: string | undefined,
): Read<Pick<WantedRow, 'projectId' | 'environmentId'>> => {
  if (idOf('org', text) === index.orgId) return { projectId: null, environmentId: null };
  const projectId = idOf('project', text);
  if (projectId !== undefined && index.projects.has(projectId)) return { projectId, environmentId: null };
  const environment = index.environments.get(idOf('environment', text) ?? '');
  if (environment === undefined) return 'a scope that is not there';
  return { projectId: environment.projectId, environmentId: environment.environmentId };
};

const subjectOf = (text: string | undefined): Read<Pick<WantedRow, 'subjectType' | 'subjectId'>> => {
  for (const subjectType of ['user', 'group', 'service_account'] as const) {
    const subjectId = idOf(subjectType, text);
    if (subjectId !== undefined && subjectId !== '') return { subjectType, subjectId };
  }
  return 'a subject that is none';
};

type Narrowing = Pick<WantedRow, 'tier' | 'resourceType' | 'condition'>;

const conditionOf = (text: string | undefined): Read<Pick<WantedRow, 'condition'>> => {
  if (text === 'always') return {};
  try {
    const read = readCondition(JSON.parse(idOf('condition', text) ?? ''));
    return read.ok ? { condition: read.condition } : `a condition that is none: ${read.problem.detail}`;
  } catch {
    return 'a condition that is none';
  }
};

const narrowingOf = ([tier, type, condition]: readonly (string | undefined)[]): Read<Narrowing> => {
  const place = tier === 'any' ? null : idOf('place', tier);
  const resourceType = type === 'any' ? null : idOf('type', type);
  if (place !== null && place !== 'production' && place !== 'non-production') return 'a tier that is none';
  if (resourceType === undefined) return 'a type that is none';
  const met = conditionOf(condition);
  if (typeof met === 'string') return met;
  return { ...(place === null ? {} : { tier: place }), ...(resourceType === null ? {} : { resourceType }), ...met };
};

const grantOf = (index: OrganizationIndex, { fields }: Line): Read<WantedRow> => {
  const [org, subject, role, scope, tier, type, from, until, condition, effect] = fields;
  if (idOf('org', org) !== index.orgId) return 'another organisation';
  const [who, where, narrowing] = [subjectOf(subject), scopeOf(index, scope), narrowingOf([tier, type, condition])];
  const [validFromMs, validUntilMs] = [momentOf(from, '-'), momentOf(until, '~')];
  const wrong = [who, where, narrowing, validFromMs, validUntilMs].find((each) => typeof each === 'string');
  const roleKey = ownRoleKey(index.orgId, role);
  if (roleKey === undefined) return 'a role that is none';
  if (effect !== 'allow' && effect !== 'deny') return 'an effect that is none';
  if (typeof wrong === 'string') return wrong;
  return {
    ...(who as object),
    roleKey,
    ...(where as object),
    effect,
    ...(narrowing as object),
    validFromMs,
    validUntilMs,
  } as WantedRow;
};

/** What the `g3` lines permit, by role; the built-in ones have to be what they are. */
const rolesOf = (index: OrganizationIndex, lines: readonly Line[], problems: FileProblem[]): WantedPolicy['roles'] => {
  const pairs = new Map<string, { readonly line: number; readonly pairs: (readonly [Place, Permission])[] }>();
  for (const { line, fields } of lines) {
    const [permission, role, place] = [
      idOf('permission', fields[0]),
      ownRoleKey(index.orgId, fields[1]),
      idOf('place', fields[2]),
    ];
    if (role === undefined || !isPermissionAt(place, permission)) {
      problems.push({ line, code: 'NOT_A_PERMISSION', detail: 'a permission that means nothing there' });
      continue;
    }
    const found = pairs.get(role) ?? { line, pairs: [] };
    pairs.set(role, found);
    found.pairs.push([place as Place, permission as Permission]);
  }
  const roles: { readonly role: RoleDefinition; readonly line: number }[] = [];
  for (const [key, found] of pairs) {
    const permissions = permissionsPerPlace(found.pairs);
    const known = index.roles.get(key);
    if (findRole(key) === undefined) {
      const made = { key, name: key, description: '', levels: SCOPE_LEVELS };
      roles.push({ role: { ...made, ...known, permissions }, line: found.line });
    } else if (PLACES.some((place) => permissions[place].join() !== known?.permissions[place].join())) {
      problems.push({ line: found.line, code: 'BUILT_IN_ROLE', detail: `${key} is not what it is here` });
    }
  }
  return roles;
};

const checkScopes = (index: OrganizationIndex, lines: readonly Line[], problems: FileProblem[]): void => {
  for (const { line, fields } of lines) {
    const [inner, outer] = [scopeOf(index, fields[0]), scopeOf(index, fields[1])];
    const isRight =
      typeof inner === 'object' &&
      typeof outer === 'object' &&
      (inner.environmentId === null ? outer.projectId === null : outer.projectId === inner.projectId);
    if (!isRight) problems.push({ line, code: 'UNKNOWN_PLACE', detail: 'a scope that is not so here' });
  }
};

/** What the export leaves out: grants of people who are not active. */
const isLeftOut = (population: Population, { subjectType, subjectId }: GrantRow): boolean =>
  subjectType !== 'group' && population.find(subjectId)?.active !== true;

/**
 * The policy Casbin's files describe. Memberships are the identity provider's and not looked at; separation rules and
 * the grants of people who are not active are in no such file and stay.
 *
 * @throws INVALID_VALUE for another model, INVALID_REQUEST naming the lines
 */
export const readCasbin = (
  { model, policy }: { readonly model: string; readonly policy: string },
  index: OrganizationIndex,
  population: Population,
): WantedPolicy => {
  assertImplemented(model);
  const lines = linesOf(policy);
  const of = (type: string): readonly Line[] => lines.filter((each) => each.type === type);
  const problems: FileProblem[] = [];
  checkScopes(index, of('g2'), problems);
  const roles = rolesOf(index, of('g3'), problems);
  const grants = of('p').flatMap((each): WantedGrant[] => {
    const row = grantOf(index, each);
    if (typeof row !== 'string') return [{ row, source: null, line: each.line }];
    problems.push({ line: each.line, code: 'NOT_A_GRANT', detail: row });
    return [];
  });
  if (problems.length > 0) throw refuseFile(problems);
  return { grants, roles, rules: null, covers: (row) => !isLeftOut(population, row) };
};
