import { randomUUID } from 'node:crypto';
import {
  CORE_GROUP,
  CORE_USER,
  differingPaths,
  ENTERPRISE_USER,
  equalsFilter,
  type JsonObject,
  patch,
  type ScimDialect,
  type UserValues,
  type WantedUser,
  wantedValues,
  WORK_EMAIL,
} from './dialect.ts';

const ADSCIM_GROUP = 'http://schemas.microsoft.com/2006/11/ResourceManagement/ADSCIM/2.0/Group';

/**
 * Entra's SCIM client: capitalised operations and booleans as strings by default, the shapes of the
 * `aadOptscim062020` flag as the variant. Group members are sent one PATCH each, at the same time.
 */
export function entraDialect(profile: 'entra' | 'entra-062020'): ScimDialect {
  const flagged = profile === 'entra-062020';
  return {
    profile,
    resendsUnchanged: false,
    // Entra often sends no User-Agent at all.
    headers: (method) => ({
      Accept: 'application/scim+json',
      ...(method === 'GET' || method === 'DELETE' ? {} : { 'Content-Type': 'application/scim+json; charset=utf-8' }),
    }),
    connectionTest: () => [{ method: 'GET', path: `/Users?filter=${equalsFilter('userName', randomUUID())}` }],
    findUser: (user) => ({ method: 'GET', path: `/Users?filter=${equalsFilter('userName', user.userName)}` }),
    createUser: (user) => ({ method: 'POST', path: '/Users', body: newUser(user) }),
    updateUser(scimId, user, known) {
      const operations = flagged ? flaggedOperations(user, known) : defaultOperations(user, known);
      return operations.length === 0 ? [] : [patch(`/Users/${scimId}`, operations)];
    },
    deleteUser: (scimId) => ({ method: 'DELETE', path: `/Users/${scimId}` }),
    findGroup: (group) => ({
      method: 'GET',
      path: `/Groups?excludedAttributes=members&filter=${equalsFilter('displayName', group.displayName)}`,
    }),
    createGroup: (group) => ({
      method: 'POST',
      path: '/Groups',
      body: {
        schemas: [CORE_GROUP, ADSCIM_GROUP],
        externalId: group.externalId,
        displayName: group.displayName,
        meta: { resourceType: 'Group' },
      },
    }),
    readGroup: (scimId) => ({ method: 'GET', path: `/Groups/${scimId}?excludedAttributes=members` }),
    renameGroup: (scimId, group) =>
      patch(`/Groups/${scimId}`, [
        { op: flagged ? 'replace' : 'Replace', path: 'displayName', value: group.displayName },
      ]),
    changeMembers: (scimId, _group, { add, remove }) => [
      ...remove.map((member) =>
        patch(`/Groups/${scimId}`, [
          flagged
            ? { op: 'remove', path: `members[value eq ${JSON.stringify(member.scimId)}]` }
            : { op: 'Remove', path: 'members', value: [{ $ref: null, value: member.scimId }] },
        ]),
      ),
      ...add.map((member) =>
        patch(`/Groups/${scimId}`, [{ op: 'Add', path: 'members', value: [{ $ref: null, value: member.scimId }] }]),
      ),
    ],
    replaceMembers: () => null,
    deleteGroup: (scimId) => ({ method: 'DELETE', path: `/Groups/${scimId}` }),
  };
}

/** One operation per attribute, capitalised; booleans travel as strings. */
function defaultOperations(user: WantedUser, known: UserValues): JsonObject[] {
  const wanted = wantedValues(user);
  return differingPaths(wanted, known).map((path) => {
    const value = wanted[path];
    return {
      op: path in known ? 'Replace' : 'Add',
      path,
      value: typeof value === 'boolean' ? (value ? 'True' : 'False') : value,
    };
  });
}

/** Filtered paths and `active` stand alone; everything else is one pathless operation with dotted keys. */
function flaggedOperations(user: WantedUser, known: UserValues): JsonObject[] {
  const wanted = wantedValues(user);
  const paths = differingPaths(wanted, known);
  const standsAlone = (path: string): boolean => path === WORK_EMAIL || path === 'active';
  const alone = paths
    .filter(standsAlone)
    .map((path) => ({ op: path in known ? 'replace' : 'add', path, value: wanted[path] }));
  const together = paths.filter((path) => !standsAlone(path)).map((path) => [path, wanted[path]] as const);
  return together.length === 0 ? alone : [...alone, { op: 'replace', value: Object.fromEntries(together) }];
}

function newUser(user: WantedUser): JsonObject {
  return {
    schemas: [CORE_USER, ENTERPRISE_USER],
    externalId: user.externalId,
    userName: user.userName,
    active: user.active,
    displayName: user.displayName,
    emails: [{ primary: true, type: 'work', value: user.email }],
    meta: { resourceType: 'User' },
    name: {
      formatted: `${user.givenName} ${user.familyName}`,
      familyName: user.familyName,
      givenName: user.givenName,
    },
    roles: [],
  };
}
