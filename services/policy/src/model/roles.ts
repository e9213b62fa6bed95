/**
 * The six built-in roles as data (the table of the role matrix in `tests/semantics`). A role is a list of permissions
 * per place; where it applies is decided by the scope of the grant that gives it.
 *
 * Owns: what each built-in role permits. Does not own: who holds it (grants), what a place is (permissions).
 */
import { PERMISSION_NAMES, PERMISSIONS, PLACES, type Permission, type Place } from './permissions.ts';

/** Level at which a grant can be made. */
export const SCOPE_LEVELS = ['organization', 'project', 'environment'] as const;
export type ScopeLevel = (typeof SCOPE_LEVELS)[number];

/** A role: what it permits, per place. Those an organisation makes itself have the same form. */
export interface RoleDefinition {
  readonly key: string;
  readonly name: string;
  readonly description: string;
  /** The levels at which the role may be granted. */
  readonly levels: readonly ScopeLevel[];
  readonly permissions: Readonly<Record<Place, readonly string[]>>;
}

export const OWNER = 'owner';
export const AUDITOR = 'auditor';

type Given = Partial<Record<Permission, readonly Place[]>>;

type PerPlace = Readonly<Record<Place, readonly Permission[]>>;

/** Per place, in the order of the catalogue, what is given there and has a meaning there. */
const tableOf = (isGiven: (name: Permission, place: Place) => boolean): PerPlace => {
  const at = (place: Place): readonly Permission[] =>
    PERMISSION_NAMES.filter((name) => isGiven(name, place) && PERMISSIONS[name].places.includes(place));
  return Object.freeze({
    organization: at('organization'),
    project: at('project'),
    'non-production': at('non-production'),
    production: at('production'),
  });
};

/** Turns "permission → places" into "place → permissions". */
const perPlace = (given: Given): PerPlace => tableOf((name, place) => given[name]?.includes(place) === true);

/** What a role of an organisation's own permits; names outside the catalogue are left out. */
export const permissionsPerPlace = (pairs: readonly (readonly [place: string, permission: string])[]): PerPlace => {
  // No place has a space in it.
  const given = new Set(pairs.map(([place, permission]) => `${place} ${permission}`));
  return tableOf((name, place) => given.has(`${place} ${name}`));
};

const everywhere = (names: readonly Permission[]): Given => Object.fromEntries(names.map((name) => [name, PLACES]));

const IN_PROJECT: readonly Place[] = ['project', 'non-production', 'production'];
const NON_PRODUCTION: readonly Place[] = ['non-production'];

const READING: readonly Permission[] = ['project:read', 'environment:read', 'flag:read', 'change:read'];

/** What lives inside a project, the project itself and the grants inside it; creating projects is for Owners. */
const PROJECT_ADMINISTRATION: Given = {
  ...everywhere(PERMISSION_NAMES.filter((name) => /^(?:environment|key|flag|change):/.test(name))),
  'project:read': PLACES,
  'project:update': IN_PROJECT,
  'project:delete': IN_PROJECT,
  'role:read': IN_PROJECT,
  'grant:read': IN_PROJECT,
  'grant:manage': IN_PROJECT,
};

const ANY_LEVEL: readonly ScopeLevel[] = SCOPE_LEVELS;

const role = (definition: RoleDefinition): RoleDefinition => Object.freeze(definition);

export const BUILT_IN_ROLES: readonly RoleDefinition[] = Object.freeze([
  role({
    key: OWNER,
    name: 'Owner',
    description: 'Everything, everywhere. Still never approves their own change.',
    levels: ['organization'],
    permissions: perPlace(everywhere(PERMISSION_NAMES)),
  }),
  role({
    key: 'project_admin',
    name: 'Project Admin',
    description: 'Everything inside a project, including its grants.',
    levels: ['organization', 'project'],
    permissions: perPlace(PROJECT_ADMINISTRATION),
  }),
  role({
    key: 'release_manager',
    name: 'Release Manager',
    description: 'Toggles, targets and releases in every environment; neither creates nor deletes flags.',
    levels: ANY_LEVEL,
    permissions: perPlace({
      ...everywhere(READING),
      'flag:toggle': IN_PROJECT,
      'flag:target': IN_PROJECT,
      'change:create': IN_PROJECT,
      'change:review': IN_PROJECT,
      'change:apply': IN_PROJECT,
    }),
  }),
  role({
    key: 'developer',
    name: 'Developer',
    description: 'Works freely outside production; reads production.',
    levels: ANY_LEVEL,
    permissions: perPlace({
      ...everywhere(READING),
      // At the project: a new flag is off in every environment, so creating one changes nothing in production.
      'flag:create': ['project', 'non-production'],
      'flag:edit': NON_PRODUCTION,
      'flag:toggle': NON_PRODUCTION,
      'flag:target': NON_PRODUCTION,
      'flag:delete': NON_PRODUCTION,
      'change:create': NON_PRODUCTION,
      'change:apply': NON_PRODUCTION,
    }),
  }),
  role({
    key: 'viewer',
    name: 'Viewer',
    description: 'Reads projects, environments, flags and change requests.',
    levels: ANY_LEVEL,
    permissions: perPlace(everywhere(READING)),
  }),
  role({
    key: AUDITOR,
    name: 'Auditor',
    description: 'Reads everything, including the audit log, and exports it. Never together with a role that writes.',
    levels: ['organization'],
    permissions: perPlace(
      everywhere(PERMISSION_NAMES.filter((name) => name.endsWith(':read') || name.startsWith('audit:'))),
    ),
  }),
]);

const BY_KEY: ReadonlyMap<string, RoleDefinition> = new Map(BUILT_IN_ROLES.map((each) => [each.key, each]));

/** The built-in role of that key, or undefined. What a role means in an organisation: `roles` of its index. */
export const findRole = (key: string): RoleDefinition | undefined => BY_KEY.get(key);

const tables = new WeakMap<readonly RoleDefinition[], ReadonlyMap<string, RoleDefinition>>([[BUILT_IN_ROLES, BY_KEY]]);

/** Roles by key: those every organisation has, then its own. Without own ones the same map for every organisation. */
export const rolesByKey = (
  everybodys: readonly RoleDefinition[],
  own: readonly RoleDefinition[] = [],
): ReadonlyMap<string, RoleDefinition> => {
  let table = tables.get(everybodys);
  if (table === undefined) tables.set(everybodys, (table = new Map(everybodys.map((role) => [role.key, role]))));
  return own.length === 0 ? table : new Map([...table, ...own.map((role) => [role.key, role] as const)]);
};

/** True when the role changes anything at any place; such a role excludes Auditor for the same subject. */
export const isWritingRole = (definition: RoleDefinition): boolean =>
  PLACES.some((place) =>
    definition.permissions[place].some(
      (name) => Object.hasOwn(PERMISSIONS, name) && PERMISSIONS[name as Permission].writes,
    ),
  );
