/**
 * The permission catalogue: a closed union. A name that is not here is refused before anything is looked up, so a typo
 * in a calling service is a denial (`UNKNOWN_ACTION`), never a permission that nobody happens to deny.
 *
 * Also fixes the bit layout of the decision index: the order of this list is the bit number. The layout lives in
 * memory only, so entries may be added anywhere.
 */

/**
 * Where a permission is exercised. A request without a project is at the organisation; with a project but no
 * environment at the project; with an environment at that environment's tier, which the scope registry knows.
 */
export const PLACES = ['organization', 'project', 'non-production', 'production'] as const;
export type Place = (typeof PLACES)[number];

const ORGANIZATION = ['organization'] as const;
const PROJECT = ['project'] as const;
const TIERS = ['non-production', 'production'] as const;
const IN_PROJECT = ['project', 'non-production', 'production'] as const;
const EVERYWHERE = PLACES;

interface CatalogueEntry {
  /** One sentence for the console. */
  readonly description: string;
  /** The places at which the permission means something; a role may give it nowhere else. */
  readonly places: readonly Place[];
  /** True when it changes something: such a permission makes a role exclusive with Auditor. */
  readonly writes: boolean;
}

const reads = (places: readonly Place[], description: string): CatalogueEntry =>
  Object.freeze({ description, places, writes: false });
const writes = (places: readonly Place[], description: string): CatalogueEntry =>
  Object.freeze({ description, places, writes: true });

const catalogue = {
  'organization:read': reads(ORGANIZATION, 'See the organisation and its settings.'),
  'connection:read': reads(ORGANIZATION, 'See the connections to identity providers.'),
  'connection:manage': writes(ORGANIZATION, 'Create, change and remove connections and their SCIM tokens.'),
  'account:read': reads(ORGANIZATION, 'See users, service accounts and groups.'),
  'account:manage': writes(ORGANIZATION, 'Create, change, deactivate and reactivate accounts.'),
  'session:manage': writes(ORGANIZATION, "End other people's sessions and tokens."),
  'client:manage': writes(ORGANIZATION, 'Manage OpenID clients and decision tokens.'),
  'role:read': reads(['organization', 'project'], 'See roles and what they permit.'),
  'role:manage': writes(
    ORGANIZATION,
    "Make and change the organisation's own roles and which roles exclude each other.",
  ),
  'grant:read': reads(EVERYWHERE, 'See who holds which role.'),
  'grant:manage': writes(EVERYWHERE, 'Give and take roles, never beyond what one holds.'),
  'mapping:manage': writes(ORGANIZATION, 'Map groups of the identity provider to roles.'),
  'audit:read': reads(ORGANIZATION, 'Read the audit log.'),
  'audit:export': reads(ORGANIZATION, 'Export the audit log and its evidence.'),
  'project:read': reads(['organization', 'project'], 'See projects; at the organisation: list them all.'),
  'project:create': writes(ORGANIZATION, 'Create projects.'),
  'project:update': writes(PROJECT, 'Change a project.'),
  'project:delete': writes(PROJECT, 'Delete a project.'),
  'environment:read': reads(IN_PROJECT, 'See environments.'),
  'environment:create': writes(PROJECT, 'Create environments in a project.'),
  'environment:update': writes(TIERS, 'Change an environment: name, tier, protection.'),
  'environment:delete': writes(TIERS, 'Delete an environment.'),
  'key:read': reads(IN_PROJECT, 'See the keys of an environment (never their secrets).'),
  'key:manage': writes(IN_PROJECT, 'Create and revoke keys of an environment.'),
  'flag:read': reads(IN_PROJECT, 'See flags and their state.'),
  'flag:create': writes(IN_PROJECT, 'Create flags; at the project: a flag that is off everywhere.'),
  'flag:edit': writes(IN_PROJECT, 'Change what a flag is: variants, default, description.'),
  'flag:toggle': writes(IN_PROJECT, 'Switch a flag on or off.'),
  'flag:target': writes(IN_PROJECT, 'Change who gets which variant.'),
  'flag:delete': writes(IN_PROJECT, 'Delete or archive a flag.'),
  'change:read': reads(IN_PROJECT, 'See change requests.'),
  'change:create': writes(IN_PROJECT, 'Open a change request.'),
  'change:review': writes(IN_PROJECT, "Approve or decline someone else's change request."),
  'change:apply': writes(IN_PROJECT, 'Apply an approved change request.'),
} as const satisfies Record<string, CatalogueEntry>;

export type Permission = keyof typeof catalogue;

/** Every permission with its description, places and whether it writes. */
export const PERMISSIONS: Readonly<Record<Permission, CatalogueEntry>> = Object.freeze(catalogue);

/** The names in catalogue order; the position is the bit number. */
export const PERMISSION_NAMES: readonly Permission[] = Object.freeze(Object.keys(catalogue) as Permission[]);

const NUMBERS: ReadonlyMap<string, number> = new Map(PERMISSION_NAMES.map((name, index) => [name, index]));

/** True for a name of the catalogue (own names only: `toString` and `__proto__` are not permissions). */
export const isPermission = (name: string): name is Permission => NUMBERS.has(name);

/** Bit number of a permission name, or -1 for a name outside the catalogue. */
export const permissionNumber = (name: string): number => NUMBERS.get(name) ?? -1;

const PLACE_NUMBERS: ReadonlyMap<string, number> = new Map(PLACES.map((place, index) => [place, index]));

/** Position of a place in {@link PLACES}. */
export const placeNumber = (place: Place): number => PLACE_NUMBERS.get(place) ?? -1;

/** What a permission acts on: the noun of its name. Derived from the permission, never from what a caller says. */
export const RESOURCE_TYPES: readonly string[] = Object.freeze([
  ...new Set(PERMISSION_NAMES.map((name) => name.slice(0, name.indexOf(':')))),
]);

/** The resource type of a permission name, whether or not it is in the catalogue. */
export const resourceTypeOf = (permission: string): string => permission.split(':', 1)[0] ?? '';
