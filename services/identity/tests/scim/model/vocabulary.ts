/**
 * What the reference model knows of SCIM, written down from RFC 7643 by hand. It shares no line with src/scim: a
 * mistake there must not be able to hide here.
 */
export type Json = string | number | boolean | null | Json[] | { [key: string]: Json };
export interface Doc {
  [key: string]: Json;
}

export const CORE_USER = 'urn:ietf:params:scim:schemas:core:2.0:User';
export const ENTERPRISE = 'urn:ietf:params:scim:schemas:extension:enterprise:2.0:User';
export const CORE_GROUP = 'urn:ietf:params:scim:schemas:core:2.0:Group';

/** Single texts of a user (RFC 7643 §4.1.1) beside userName and externalId. */
export const TEXTS = [
  'displayName',
  'nickName',
  'title',
  'userType',
  'preferredLanguage',
  'locale',
  'timezone',
  'profileUrl',
] as const;
export const NAME_PARTS = [
  'formatted',
  'familyName',
  'givenName',
  'middleName',
  'honorificPrefix',
  'honorificSuffix',
] as const;
/** RFC 7643 §4.3 */
export const ENTERPRISE_TEXTS = ['employeeNumber', 'costCenter', 'organization', 'division', 'department'] as const;

/** Lists of `{value, display, type, primary}` (RFC 7643 §4.1.2). */
export const VALUE_LISTS = ['emails', 'phoneNumbers', 'ims', 'photos', 'entitlements', 'roles'] as const;
export const ADDRESS_PARTS = ['formatted', 'streetAddress', 'locality', 'region', 'postalCode', 'country'] as const;
export const LISTS = [...VALUE_LISTS, 'addresses'] as const;
export type ListName = (typeof LISTS)[number];

export const EXACT = new Set(['externalId', 'id', 'profileUrl', 'photos.value', `${ENTERPRISE}.manager.value`]);

/** Whether two texts of an attribute are the same value (caseExact, RFC 7643 §2.2). */
export const sameText = (attribute: string, left: string, right: string): boolean =>
  EXACT.has(attribute) ? left === right : left.toLowerCase() === right.toLowerCase();

export const isObject = (value: unknown): value is Doc =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

/** Structural equality; the order of keys means nothing. */
export const equal = (left: Json | undefined, right: Json | undefined): boolean => {
  if (Array.isArray(left) && Array.isArray(right))
    return left.length === right.length && left.every((item, at) => equal(item, right[at]));
  if (isObject(left) && isObject(right)) {
    const keys = [...new Set([...Object.keys(left), ...Object.keys(right)])];
    return keys.every((key) => equal(left[key], right[key]));
  }
  return left === right;
};

/** The model says no; any of these words may be the `scimType`. */
export class Refusal extends Error {
  readonly words: readonly string[];
  constructor(...words: string[]) {
    super(`refused: ${words.join(' or ')}`);
    this.words = words;
  }
}
