import { randomBytes } from 'node:crypto';
import {
  CORE_GROUP,
  CORE_USER,
  differingPaths,
  equalsFilter,
  type JsonObject,
  type MemberReference,
  patch,
  type ScimDialect,
  type WantedUser,
  wantedValues,
} from './dialect.ts';

/**
 * Okta's SCIM client: an application of the integration network (`okta-oin`: PATCH for deactivation and
 * groups) or a custom one (`okta-aiw`: PUT for everything). Okta never deletes a user.
 */
export function oktaDialect(profile: 'okta-oin' | 'okta-aiw'): ScimDialect {
  const onlyPut = profile === 'okta-aiw';
  return {
    profile,
    resendsUnchanged: true,
    headers: (method) => ({
      'User-Agent': 'OKTA SCIM Integration',
      Accept: 'application/scim+json',
      ...contentType(method),
    }),
    connectionTest: () => [
      { method: 'GET', path: '/Users?startIndex=1&count=2' },
      { method: 'GET', path: '/Groups?startIndex=1&count=100' },
    ],
    findUser: (user) => ({
      method: 'GET',
      path: `/Users?filter=${equalsFilter('userName', user.userName)}&startIndex=1&count=100`,
    }),
    createUser: (user) => ({ method: 'POST', path: '/Users', body: newUser(user) }),
    updateUser(scimId, user, known) {
      const paths = differingPaths(wantedValues(user), known);
      if (paths.length === 0) return [];
      if (onlyPut) return ['replace'];
      const activation = patch(`/Users/${scimId}`, [{ op: 'replace', value: { active: user.active } }]);
      const profileChanged = paths.some((path) => path !== 'active');
      return [...(paths.includes('active') ? [activation] : []), ...(profileChanged ? (['replace'] as const) : [])];
    },
    deleteUser: () => null,
    findGroup: (group) => ({
      method: 'GET',
      path: `/Groups?filter=${equalsFilter('displayName', group.displayName)}&startIndex=1&count=100`,
    }),
    createGroup: (group) => ({
      method: 'POST',
      path: '/Groups',
      body: { schemas: [CORE_GROUP], displayName: group.displayName, members: [] },
    }),
    readGroup: (scimId) => ({ method: 'GET', path: `/Groups/${scimId}` }),
    renameGroup: (scimId, group) =>
      onlyPut ? 'replace' : patch(`/Groups/${scimId}`, [nameOperation(scimId, group.displayName)]),
    changeMembers(scimId, group, { add, remove }) {
      if (onlyPut) return ['replace'];
      const removals = remove.map((member) => ({
        op: 'remove',
        path: `members[value eq ${JSON.stringify(member.scimId)}]`,
      }));
      const additions = add.length === 0 ? [] : [{ op: 'add', path: 'members', value: add.map(memberValue) }];
      // Okta repeats name and id on every membership change.
      return [patch(`/Groups/${scimId}`, [nameOperation(scimId, group.displayName), ...removals, ...additions])];
    },
    replaceMembers: (scimId, members) =>
      onlyPut
        ? 'replace'
        : patch(`/Groups/${scimId}`, [{ op: 'replace', path: 'members', value: members.map(memberValue) }]),
    deleteGroup: (scimId) => ({ method: 'DELETE', path: `/Groups/${scimId}` }),
  };
}

function contentType(method: string): Readonly<Record<string, string>> {
  if (method === 'GET' || method === 'DELETE') return {};
  return { 'Content-Type': method === 'POST' ? 'application/json' : 'application/scim+json; charset=utf-8' };
}

function newUser(user: WantedUser): JsonObject {
  return {
    schemas: [CORE_USER],
    userName: user.userName,
    name: { givenName: user.givenName, familyName: user.familyName },
    emails: [{ primary: true, value: user.email, type: 'work' }],
    displayName: user.displayName,
    locale: 'en-US',
    externalId: user.externalId,
    groups: [],
    // Okta makes up a password for accounts that sign in through it; nobody ever learns it.
    password: randomBytes(12).toString('base64url'),
    active: user.active,
  };
}

function nameOperation(scimId: string, displayName: string): JsonObject {
  return { op: 'replace', value: { id: scimId, displayName } };
}

function memberValue(member: MemberReference): JsonObject {
  return { value: member.scimId, display: member.display };
}
