import { PERMISSION_NAMES, PLACES, permissionNumber, placeNumber, resourceTypeOf, type Place } from './permissions.ts';
import type { RoleDefinition } from './roles.ts';
import type { GrantRow } from './rows.ts';

const WORDS_PER_PLACE = Math.ceil(PERMISSION_NAMES.length / 32);
const WORDS = PLACES.length * WORDS_PER_PLACE;

/** A set of (permission, place) pairs: one bit each. */
export type PermissionSet = Uint32Array;

export const emptyPermissionSet = (): PermissionSet => new Uint32Array(WORDS);

/** Where the bit of a permission at a place is. */
export interface BitPosition {
  readonly word: number;
  readonly mask: number;
}

const POSITIONS: ReadonlyMap<Place, readonly BitPosition[]> = new Map(
  PLACES.map((place) => [
    place,
    PERMISSION_NAMES.map((_, permission) =>
      Object.freeze({ word: placeNumber(place) * WORDS_PER_PLACE + (permission >>> 5), mask: 1 << (permission & 31) }),
    ),
  ]),
);
const NOWHERE: BitPosition = Object.freeze({ word: WORDS, mask: 0 });

/** No set has the bit of a number outside the catalogue. */
export const bitOf = (permission: number, place: Place): BitPosition => POSITIONS.get(place)?.[permission] ?? NOWHERE;

export const hasBit = (set: PermissionSet, { word, mask }: BitPosition): boolean => ((set[word] ?? 0) & mask) !== 0;

export const addTo = (target: PermissionSet, source: PermissionSet): void => {
  for (let word = 0; word < WORDS; word += 1) target[word] = (target[word] ?? 0) | (source[word] ?? 0);
};

type Narrowing = Pick<GrantRow, 'tier' | 'resourceType'>;

/** What a role permits, as bits. Names outside the catalogue have no bit: no request can ask for them either. */
export const permissionSetOf = (role: RoleDefinition, { tier, resourceType }: Narrowing = {}): PermissionSet => {
  const set = emptyPermissionSet();
  for (const place of PLACES) {
    if (tier !== undefined && place !== tier) continue;
    for (const name of role.permissions[place]) {
      const number = permissionNumber(name);
      if (number < 0 || (resourceType !== undefined && resourceTypeOf(name) !== resourceType)) continue;
      const { word, mask } = bitOf(number, place);
      set[word] = (set[word] ?? 0) | mask;
    }
  }
  return set;
};

const sets = new WeakMap<RoleDefinition, Map<string, PermissionSet>>();

/** The same set for every grant of a role that is narrowed in the same way; never written to. */
export const sharedSetOf = (role: RoleDefinition, narrowing: Narrowing): PermissionSet => {
  let ofRole = sets.get(role);
  if (ofRole === undefined) sets.set(role, (ofRole = new Map<string, PermissionSet>()));
  // A tier has no slash in it, and neither has a resource type.
  const key = `${narrowing.tier ?? ''}/${narrowing.resourceType ?? ''}`;
  let set = ofRole.get(key);
  if (set === undefined) ofRole.set(key, (set = permissionSetOf(role, narrowing)));
  return set;
};
