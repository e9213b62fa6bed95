import { isRecord } from '../edge/fields.ts';
import {
  type JsonObject,
  type MemberReference,
  type UserValues,
  type WantedGroup,
  type WantedUser,
  WORK_EMAIL,
} from './dialect.ts';

/** The values of a User resource by path; attributes it does not carry are absent. */
export function userValues(resource: JsonObject): UserValues {
  const name = isRecord(resource['name']) ? resource['name'] : {};
  const candidates: readonly [string, unknown][] = [
    ['userName', resource['userName']],
    ['displayName', resource['displayName']],
    ['name.givenName', name['givenName']],
    ['name.familyName', name['familyName']],
    [WORK_EMAIL, emailsOf(resource).find((email) => email['type'] === 'work')?.['value']],
    ['externalId', resource['externalId']],
    ['active', resource['active']],
  ];
  const known = candidates.filter(
    (entry): entry is [string, string | boolean] => typeof entry[1] === 'string' || typeof entry[1] === 'boolean',
  );
  return Object.fromEntries(known);
}

/** A User as the target returned it, with the wanted values put in: the body of Okta's PUT. */
export function mergedUser(current: JsonObject, user: WantedUser): JsonObject {
  const name = isRecord(current['name']) ? current['name'] : {};
  const formatted = 'formatted' in name ? { formatted: `${user.givenName} ${user.familyName}` } : {};
  const others = emailsOf(current).filter((email) => email['type'] !== 'work');
  return {
    ...current,
    userName: user.userName,
    externalId: user.externalId,
    displayName: user.displayName,
    name: { ...name, ...formatted, givenName: user.givenName, familyName: user.familyName },
    emails: [{ primary: true, value: user.email, type: 'work' }, ...others],
    active: user.active,
  };
}

/** A Group as the target returned it, with the wanted name and, if given, the whole membership. */
export function mergedGroup(current: JsonObject, group: WantedGroup, members: readonly MemberReference[]): JsonObject {
  return {
    ...current,
    displayName: group.displayName,
    members: members.map((member) => ({ value: member.scimId, display: member.display })),
  };
}

function emailsOf(resource: JsonObject): readonly JsonObject[] {
  const { emails } = resource;
  return Array.isArray(emails) ? emails.filter(isRecord) : [];
}
