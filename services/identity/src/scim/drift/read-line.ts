import { isAppError, type ErrorCode } from '@sallyport/errors';
import { parseJson } from '@sallyport/http';

import { foldCase } from '../../accounts/index.ts';
import { isId } from '@sallyport/storage';
import { DIALECTS } from '../profiles/index.ts';
import { isArray, isObject, type JsonObject, type JsonValue } from '../protocol/json.ts';
import { readResource } from '../protocol/resource.ts';
import { USER } from '../protocol/user-schema.ts';
import { toContent } from '../users/user.ts';

/** A user as the IdP has it; `attributes` are those the upload names, in the form accounts are kept in. */
export interface UploadedUser {
  readonly kind: 'user';
  readonly userName: string;
  readonly userNameKey: string;
  readonly externalId: string | null;
  /** Null: the upload does not say. */
  readonly active: boolean | null;
  readonly attributes: Readonly<Record<string, unknown>>;
}

export interface UploadedMember {
  /** Our id, the IdP's externalId, or a user name: whatever the IdP calls its members by. */
  readonly member: string;
  readonly memberKey: string;
  readonly memberId: string | null;
}

/** A group, or some of its members: lines of one group add up. */
export interface UploadedGroup {
  readonly kind: 'group';
  readonly key: string;
  readonly displayName: string;
  readonly displayNameKey: string;
  readonly externalId: string | null;
  readonly members: readonly UploadedMember[];
}

export interface UnreadableLine {
  readonly kind: 'unreadable';
  readonly reason: ErrorCode;
}

export type UploadedLine = UploadedUser | UploadedGroup | UnreadableLine;

const MAX_TEXT_CHARS = 1_024;
const unreadable: UnreadableLine = { kind: 'unreadable', reason: 'INVALID_SYNTAX' };

const textOf = (value: JsonValue | undefined): string | undefined =>
  typeof value === 'string' && value !== '' && value.length <= MAX_TEXT_CHARS ? value : undefined;

const memberOf = (value: JsonValue): UploadedMember | undefined => {
  const member = textOf(isObject(value) ? value['value'] : value);
  if (member === undefined) return undefined;
  return { member, memberKey: foldCase(member), memberId: isId(member) ? member.toLowerCase() : null };
};

const readUser = (value: JsonValue): UploadedUser => {
  const content = toContent(readResource(USER, value, DIALECTS.auto).document);
  return {
    kind: 'user',
    userName: content.userName,
    userNameKey: foldCase(content.userName),
    externalId: content.externalId,
    active: content.active ?? null,
    attributes: content.profile,
  };
};

const readGroup = (value: JsonObject): UploadedGroup | UnreadableLine => {
  const displayName = textOf(value['displayName']);
  const given = value['externalId'] ?? null;
  const externalId = given === null ? null : textOf(given);
  const listed = value['members'] ?? [];
  if (displayName === undefined || externalId === undefined || !isArray(listed)) return unreadable;
  const members = listed.map(memberOf);
  if (!members.every((member) => member !== undefined)) return unreadable;
  const displayNameKey = foldCase(displayName);
  const key = externalId === null ? `name:${displayNameKey}` : `id:${externalId}`;
  return { kind: 'group', key, displayName, displayNameKey, externalId, members };
};

/**
 * One item of an upload: `{"user": {…}}` or `{"group": {…}}`, the resource in SCIM's shape as the directory would send
 * it. Never throws: what is neither is unreadable, with the code of what was wrong.
 */
export const readItem = (item: unknown): UploadedLine => {
  const value = item as JsonValue;
  if (!isObject(value)) return unreadable;
  const [only, ...others] = Object.keys(value);
  if (others.length > 0) return unreadable;
  try {
    if (only === 'user') return readUser(value['user'] ?? null);
    const group = value['group'];
    return only === 'group' && isObject(group) ? readGroup(group) : unreadable;
  } catch (error) {
    if (!isAppError(error)) throw error;
    return { kind: 'unreadable', reason: error.code };
  }
};

/** One line of an upload; see {@link readItem}. */
export const readLine = (line: string): UploadedLine => {
  try {
    return readItem(parseJson(line, { refusePollutingKeys: true }));
  } catch (error) {
    if (!isAppError(error)) throw error;
    return { kind: 'unreadable', reason: error.code };
  }
};
