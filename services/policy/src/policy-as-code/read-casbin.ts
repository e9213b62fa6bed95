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

/** A scope as a file names it; whether it is there is not known yet. */
interface ScopeName {
  readonly level: 'organization' | 'project' | 'environment';
  readonly id: string;
}

type Scope = Pick<WantedRow, 'projectId' | 'environmentId'>;

/** A `p` line. What is wrong with it is said as it stands in the line: its scope comes after its subject. */
interface GrantLine {
  readonly line: number;
  readonly scope: ScopeName | null;
  readonly row: Omit<WantedRow, keyof Scope> | null;
  /** What is wrong before the scope is looked at, and after. */
  readonly before: string | null;
  readonly after: string | null;
}

/** Casbin's files as they were read: plain data, the scopes in it not looked up yet. */
export interface CasbinFile {
  readonly scopes: readonly {
    readonly line: number;
    readonly inner: ScopeName | null;
    readonly outer: ScopeName | null;
  }[];
  readonly roles: readonly {
    readonly line: number;
    readonly key: string;
    readonly permissions: RoleDefinition['permissions'];
  }[];
  /** Of permissions. */
  readonly problems: readonly FileProblem[];
  readonly grants: readonly GrantLine[];
}

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

const scopeNameOf = (orgId: string, text: string | undefined): ScopeName | null => {
  if (idOf('org', text) === orgId) return { level: 'organization', id: orgId };
  for (const level of ['project', 'environment'] as const) {
    const id = idOf(level, text);
    if (id !== undefined) return { level, id };
  }
  return null;
};

const scopeOf = (index: OrganizationIndex, name: ScopeName | null): Scope | null => {
  switch (name?.level) {
    case 'organization':
      return { projectId: null, environmentId: null };
    case 'project':
      return index.projects.has(name.id) ? { projectId: name.id, environmentId: null } : null;
    case 'environment': {
      const found = index.environments.get(name.id);
      return found === undefined ? null : { projectId: found.projectId, environmentId: found.environmentId };
    }
    case undefined:
    default:
      return null;
  }
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

const grantOf = (orgId: string, { line, fields }: Line): GrantLine => {
  const [org, subject, role, scope, tier, type, from, until, condition, effect] = fields;
  const named = { line, scope: scopeNameOf(orgId, scope) };
  const wrong = (before: string): GrantLine => ({ ...named, row: null, before, after: null });
  if (idOf('org', org) !== orgId) return wrong('another organisation');
  const roleKey = ownRoleKey(orgId, role);
  if (roleKey === undefined) return wrong('a role that is none');
  if (effect !== 'allow' && effect !== 'deny') return wrong('an effect that is none');
  const who = subjectOf(subject);
  if (typeof who === 'string') return wrong(who);
  const [narrowing, validFromMs, validUntilMs] = [
    narrowingOf([tier, type, condition]),
    momentOf(from, '-'),
    momentOf(until, '~'),
  ];
  if (typeof narrowing === 'string' || typeof validFromMs === 'string' || typeof validUntilMs === 'string') {
    const after = [narrowing, validFromMs, validUntilMs].find((each) => typeof each === 'string');
    return { ...named, row: null, before: null, after: after ?? null };
  }
  const row: GrantLine['row'] = { ...who, roleKey, effect, ...narrowing, validFromMs, validUntilMs };
  return { ...named, row, before: null, after: null };
};

/** What the `g3` lines permit, by role. */
const rolesIn = (orgId: string, lines: readonly Line[]): Pick<CasbinFile, 'roles' | 'problems'> => {
  const problems: FileProblem[] = [];
  const pairs = new Map<string, { readonly line: number; readonly pairs: (readonly [Place, Permission])[] }>();
  for (const { line, fields } of lines) {
    const [permission, role, place] = [
      idOf('permission', fields[0]),
      ownRoleKey(orgId, fields[1]),
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
  const roles = [...pairs].map(([key, found]) => ({
    line: found.line,
    key,
    permissions: permissionsPerPlace(found.pairs),
  }));
  return { roles, problems };
};

/** The roles; the built-in ones have to be what they are. */
const rolesOf = (index: OrganizationIndex, file: CasbinFile, problems: FileProblem[]): WantedPolicy['roles'] => {
  problems.push(...file.problems);
  return file.roles.flatMap(({ line, key, permissions }): WantedPolicy['roles'] => {
    const known = index.roles.get(key);
    if (findRole(key) === undefined) {
      const made = { key, name: key, description: '', levels: SCOPE_LEVELS };
      return [{ role: { ...made, ...known, permissions }, line }];
    }
    if (PLACES.some((place) => permissions[place].join() !== known?.permissions[place].join()))
      problems.push({ line, code: 'BUILT_IN_ROLE', detail: `${key} is not what it is here` });
    return [];
  });
};

const checkScopes = (index: OrganizationIndex, { scopes }: CasbinFile, problems: FileProblem[]): void => {
  for (const { line, ...names } of scopes) {
    const [inner, outer] = [scopeOf(index, names.inner), scopeOf(index, names.outer)];
    const isRight =
      inner !== null &&
      outer !== null &&
      (inner.environmentId === null ? outer.projectId === null : outer.projectId === inner.projectId);
    if (!isRight) problems.push({ line, code: 'UNKNOWN_PLACE', detail: 'a scope that is not so here' });
  }
};

/** What the export leaves out: grants of people who are not active. */
const isLeftOut = (population: Population, { subjectType, subjectId }: GrantRow): boolean =>
  subjectType !== 'group' && population.find(subjectId)?.active !== true;

/** A policy in Casbin's form, as it was sent. */
export interface SentCasbin {
  readonly model: string;
  readonly policy: string;
}

/**
 * What Casbin's files say, before it is looked at what is there.
 *
 * @throws INVALID_VALUE for another model, INVALID_REQUEST naming the lines
 */
export const parseCasbin = ({ model, policy }: SentCasbin, orgId: string): CasbinFile => {
  assertImplemented(model);
  const lines = linesOf(policy);
  const of = (type: string): readonly Line[] => lines.filter((each) => each.type === type);
  return {
    scopes: of('g2').map(({ line, fields: [inner, outer] }) => ({
      line,
      inner: scopeNameOf(orgId, inner),
      outer: scopeNameOf(orgId, outer),
    })),
    ...rolesIn(orgId, of('g3')),
    grants: of('p').map((each) => grantOf(orgId, each)),
  };
};

/**
 * The policy Casbin's files describe. Memberships are the identity provider's and not looked at; separation rules and
 * the grants of people who are not active are in no such file and stay.
 *
 * @throws INVALID_REQUEST naming the lines
 */
export const resolveCasbin = (file: CasbinFile, index: OrganizationIndex, population: Population): WantedPolicy => {
  const problems: FileProblem[] = [];
  checkScopes(index, file, problems);
  const roles = rolesOf(index, file, problems);
  const grants = file.grants.flatMap(({ line, row, before, after, scope }): WantedGrant[] => {
    const where = scopeOf(index, scope);
    if (row !== null && where !== null) return [{ row: { ...row, ...where }, source: null, line }];
    const detail = before ?? (where === null ? 'a scope that is not there' : (after ?? ''));
    problems.push({ line, code: 'NOT_A_GRANT', detail });
    return [];
  });
  if (problems.length > 0) throw refuseFile(problems);
  return { grants, roles, rules: null, covers: (row) => !isLeftOut(population, row) };
};

/** Both at once. */
export const readCasbin = (sent: SentCasbin, index: OrganizationIndex, population: Population): WantedPolicy =>
  resolveCasbin(parseCasbin(sent, index.orgId), index, population);
