import type { ScimProfile } from '../state/state.ts';

/** A JSON object as SCIM carries it. */
export type JsonObject = Readonly<Record<string, unknown>>;

/** One request below the base URL of the target. */
export interface ScimRequest {
  readonly method: 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE';
  /** Path and query, starting with `/`. */
  readonly path: string;
  readonly body?: JsonObject;
}

/** `replace` = read the resource, merge the wanted values into what came back, PUT the whole of it. */
export type ScimStep = ScimRequest | 'replace';

/** What a user should look like at the target. */
export interface WantedUser {
  readonly externalId: string;
  readonly userName: string;
  readonly givenName: string;
  readonly familyName: string;
  readonly displayName: string;
  readonly email: string;
  readonly active: boolean;
}

/** What a group should look like at the target. */
export interface WantedGroup {
  readonly externalId: string;
  readonly displayName: string;
}

/** A member by its id at the target. */
export interface MemberReference {
  readonly scimId: string;
  readonly display: string;
}

/** Values of a user by attribute path, the way both sides are compared. */
export type UserValues = Readonly<Record<string, string | boolean>>;

/** The requests of one vendor's SCIM client; pure, no I/O. Facts behind each shape are in the README. */
export interface ScimDialect {
  readonly profile: ScimProfile;
  /** A full synchronisation sends every user again, changed or not. */
  readonly resendsUnchanged: boolean;
  headers(method: ScimRequest['method']): Readonly<Record<string, string>>;
  connectionTest(): readonly ScimRequest[];
  findUser(user: WantedUser): ScimRequest;
  createUser(user: WantedUser): ScimRequest;
  /** Requests that turn `known` into `user`; none when nothing differs. */
  updateUser(scimId: string, user: WantedUser, known: UserValues): readonly ScimStep[];
  /** null = this client never deletes; it deactivates. */
  deleteUser(scimId: string): ScimRequest | null;
  findGroup(group: WantedGroup): ScimRequest;
  createGroup(group: WantedGroup): ScimRequest;
  readGroup(scimId: string): ScimRequest;
  renameGroup(scimId: string, group: WantedGroup): ScimStep;
  /** Requests for members that joined or left; several requests may be sent at the same time. */
  changeMembers(
    scimId: string,
    group: WantedGroup,
    change: { add: readonly MemberReference[]; remove: readonly MemberReference[] },
  ): readonly ScimStep[];
  /** The whole membership in one request; null = this client only ever sends changes. */
  replaceMembers(scimId: string, members: readonly MemberReference[]): ScimStep | null;
  deleteGroup(scimId: string): ScimRequest;
}

export const CORE_USER = 'urn:ietf:params:scim:schemas:core:2.0:User';
export const CORE_GROUP = 'urn:ietf:params:scim:schemas:core:2.0:Group';
export const ENTERPRISE_USER = 'urn:ietf:params:scim:schemas:extension:enterprise:2.0:User';
const PATCH_OP = 'urn:ietf:params:scim:api:messages:2.0:PatchOp';

/** The path of the work address, as Entra writes it. */
export const WORK_EMAIL = 'emails[type eq "work"].value';

/** A PATCH of a resource. @see RFC 7644 §3.5.2 */
export function patch(path: string, operations: readonly JsonObject[]): ScimRequest {
  return { method: 'PATCH', path, body: { schemas: [PATCH_OP], Operations: operations } };
}

/** A quoted filter value. @see RFC 7644 §3.4.2.2 (values are JSON strings) */
export function equalsFilter(attribute: string, value: string): string {
  return encodeURIComponent(`${attribute} eq ${JSON.stringify(value)}`);
}

/** The wanted values by path, in the order they are sent. */
export function wantedValues(user: WantedUser): UserValues {
  return {
    userName: user.userName,
    displayName: user.displayName,
    'name.givenName': user.givenName,
    'name.familyName': user.familyName,
    [WORK_EMAIL]: user.email,
    externalId: user.externalId,
    active: user.active,
  };
}

/** The paths whose wanted value differs from the known one. */
export function differingPaths(wanted: UserValues, known: UserValues): string[] {
  return Object.keys(wanted).filter((path) => wanted[path] !== known[path]);
}
