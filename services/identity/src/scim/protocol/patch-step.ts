import type { AttributeDefinition } from './attribute.ts';
import type { JsonValue } from './json.ts';
import type { ListChange } from './list.ts';
import type { MemberStep } from './members.ts';
import type { Target } from './path.ts';

/** Where a value goes: `[extension,] attribute [, part]`, canonical names from the schema only. */
export type Place = readonly [string, ...string[]];

/** One validated change. Order matters; nothing in it came from the request but values. */
export type PatchStep =
  | {
      readonly kind: 'set';
      readonly place: Place;
      readonly value: JsonValue;
      /** Parts beside this one that describe its old value, and go when it changes. */
      readonly describedBy?: readonly string[];
    }
  | { readonly kind: 'unset'; readonly place: Place; readonly describedBy?: readonly string[] }
  | { readonly kind: 'list'; readonly attribute: AttributeDefinition; readonly change: ListChange }
  | { readonly kind: 'members'; readonly step: MemberStep };

/** A change of a document; members are rows of their own. */
export type DocumentStep = Exclude<PatchStep, { kind: 'members' }>;

export const placeOf = ({ extension, attribute, sub }: Target): Place => {
  const place: Place = extension === undefined ? [attribute.name] : [extension.id, attribute.name];
  return sub === undefined ? place : [...place, sub.name];
};

/** True when one place is the other, or inside it. */
export const overlaps = (left: Place, right: Place): boolean =>
  left.slice(0, right.length).every((name, index) => name === right[index]);
