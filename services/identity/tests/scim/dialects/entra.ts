import assert from 'node:assert/strict';

import { CORE_GROUP, CORE_USER, ENTERPRISE, type Doc } from '../model/vocabulary.ts';
import { ENTRA_USERS } from './entra-users.ts';
import { ENTRA_BOTH as BOTH, ENTRA_HEADERS as headers, patch, type Shape } from './shape.ts';

const ADSCIM = 'http://schemas.microsoft.com/2006/11/ResourceManagement/ADSCIM/2.0/Group';
const member = (value: string): Doc => ({ value });

const reads: readonly Shape[] = [
  {
    name: 'tests the connection: a query for a random GUID answers 200 with an empty list',
    profiles: [...BOTH, 'rfc'],
    of: 'nothing',
    send: () => ({
      method: 'GET',
      path: `/Users?filter=${encodeURIComponent('userName eq "0efc1a5b-9f1a-4b6c-a9ee-1f1c1d3b5a6b"')}`,
      headers,
    }),
    status: 200,
    check: ({ body }) => {
      assert.deepEqual([body.totalResults, body.Resources], [0, []]);
    },
  },
  {
    name: 'filters with an unquoted value: a string',
    profiles: BOTH,
    refusedBy: [
      ['rfc', 'invalidFilter'],
      ['okta-oin', 'invalidFilter'],
      ['interop-strict', 'invalidFilter'],
    ],
    of: 'nothing',
    send: () => ({ method: 'GET', path: `/Users?filter=${encodeURIComponent('externalId eq jyoung')}`, headers }),
    status: 200,
    check: ({ body }, { user }) => {
      assert.deepEqual(
        body.Resources.map(({ id }) => id),
        [user],
      );
    },
  },
  {
    name: 'filters by two attributes with and',
    profiles: [...BOTH, 'rfc'],
    of: 'nothing',
    send: () => ({
      method: 'GET',
      path: `/Users?filter=${encodeURIComponent('externalId eq "jyoung" and userName eq "USER@example.com"')}`,
      headers,
    }),
    status: 200,
    check: ({ body }, { user }) => {
      assert.deepEqual(
        body.Resources.map(({ id }) => id),
        [user],
      );
    },
  },
  {
    name: 'reads a group without its members',
    profiles: [...BOTH, 'rfc'],
    of: 'nothing',
    send: ({ group }) => ({ method: 'GET', path: `/Groups/${group}?excludedAttributes=members`, headers }),
    status: 200,
    check: ({ body }) => {
      assert.equal('members' in body, false);
      assert.equal(body.displayName, 'Cast');
    },
  },
  {
    name: 'looks a group up by its name, without its members',
    profiles: [...BOTH, 'rfc'],
    of: 'nothing',
    send: () => ({
      method: 'GET',
      path: `/Groups?excludedAttributes=members&filter=${encodeURIComponent('displayName eq "Cast"')}`,
      headers,
    }),
    status: 200,
    check: ({ body }, { group }) => {
      assert.deepEqual(
        body.Resources.map(({ id }) => id),
        [group],
      );
      assert.equal(
        body.Resources.some((one) => 'members' in one),
        false,
      );
    },
  },
];

const creates: readonly Shape[] = [
  {
    name: 'creates a user with the enterprise schema, roles [] and meta.resourceType',
    profiles: BOTH,
    of: 'nothing',
    send: () => ({
      method: 'POST',
      path: '/Users',
      headers,
      body: {
        schemas: [CORE_USER, ENTERPRISE],
        externalId: '0a21f0f2-8d2a-4f8e-bf98-7363c4aed4ef',
        userName: 'Test_User_ab6490ee@testuser.com',
        active: true,
        emails: [{ primary: true, type: 'work', value: 'Test_User_fd0ea19b@testuser.com' }],
        meta: { resourceType: 'User' },
        name: { formatted: 'givenName familyName', familyName: 'familyName', givenName: 'givenName' },
        roles: [],
      },
    }),
    status: 201,
    check: ({ body }) => {
      const { id: _id, meta, ...rest } = body;
      assert.deepEqual(rest, {
        schemas: [CORE_USER],
        externalId: '0a21f0f2-8d2a-4f8e-bf98-7363c4aed4ef',
        userName: 'Test_User_ab6490ee@testuser.com',
        active: true,
        emails: [{ primary: true, type: 'work', value: 'Test_User_fd0ea19b@testuser.com' }],
        name: { formatted: 'givenName familyName', familyName: 'familyName', givenName: 'givenName' },
      });
      assert.equal(meta['resourceType'], 'User');
    },
  },
  {
    name: 'creates a group with its own schema URN and externalId, without members',
    profiles: BOTH,
    refusedBy: [
      ['rfc', 'invalidSyntax'],
      ['interop-strict', 'invalidSyntax'],
    ],
    of: 'nothing',
    send: () => ({
      method: 'POST',
      path: '/Groups',
      headers,
      body: {
        schemas: [CORE_GROUP, ADSCIM],
        externalId: '8aa1a0c0',
        displayName: 'displayName',
        meta: { resourceType: 'Group' },
      },
    }),
    status: 201,
    check: ({ body }) => {
      const { id: _id, meta: _meta, ...rest } = body;
      assert.deepEqual(rest, {
        schemas: [CORE_GROUP],
        externalId: '8aa1a0c0',
        displayName: 'displayName',
        members: [],
      });
    },
  },
  {
    name: 'a second group of the same name is refused',
    profiles: [],
    refusedBy: [
      ['auto', 'uniqueness'],
      ['entra', 'uniqueness'],
      ['entra-062020', 'uniqueness'],
    ],
    of: 'nothing',
    send: () => ({ method: 'POST', path: '/Groups', headers, body: { schemas: [CORE_GROUP], displayName: 'CAST' } }),
    status: 409,
  },
];

const groupPatch = (
  name: string,
  { profiles, refusedBy }: Pick<Shape, 'profiles' | 'refusedBy'>,
  operation: (cast: { user: string; other: string }) => unknown,
  after: Shape['after'],
): Shape => ({
  name,
  profiles,
  ...(refusedBy === undefined ? {} : { refusedBy }),
  of: 'group',
  send: ({ group, user, others: [other] }) => ({
    method: 'PATCH',
    path: `/Groups/${group}`,
    body: patch(operation({ user, other })),
    headers,
  }),
  status: 204,
  ...(after === undefined ? {} : { after }),
});

const members: readonly Shape[] = [
  groupPatch(
    'adds a member with $ref null: 204',
    { profiles: [...BOTH, 'rfc'] },
    ({ other }) => ({ op: 'Add', path: 'members', value: [{ $ref: null, value: other }] }),
    (resource, { user, others: [other] }) => ({ ...resource, members: [member(user), member(other)] }),
  ),
  groupPatch(
    'adds a member who is there already: success, and nothing changes',
    { profiles: [...BOTH, 'rfc'] },
    ({ user }) => ({ op: 'Add', path: 'members', value: [{ $ref: null, value: user }] }),
    (resource) => resource,
  ),
  groupPatch(
    'removes one member by Remove with a value: that one, never all (azure-docs#30826)',
    {
      profiles: BOTH,
      refusedBy: [
        ['rfc', 'invalidSyntax'],
        ['interop-strict', 'invalidSyntax'],
      ],
    },
    ({ user }) => ({ op: 'Remove', path: 'members', value: [{ $ref: null, value: user }] }),
    (resource) => ({ ...resource, members: [] }),
  ),
  groupPatch(
    'Remove with the value of somebody who is not in leaves everybody in',
    { profiles: BOTH },
    ({ other }) => ({ op: 'Remove', path: 'members', value: [{ $ref: null, value: other }] }),
    (resource) => resource,
  ),
  groupPatch(
    '062020: removes a member by a filtered path',
    { profiles: [...BOTH, 'rfc', 'interop-strict'] },
    ({ user }) => ({ op: 'remove', path: `members[value eq "${user}"]` }),
    (resource) => ({ ...resource, members: [] }),
  ),
  groupPatch(
    'renames a group',
    { profiles: [...BOTH, 'rfc'] },
    () => ({ op: 'Replace', path: 'displayName', value: '1879db59' }),
    (resource) => ({
      ...resource,
      displayName: '1879db59',
    }),
  ),
];

/** §2.4 */
export const ENTRA: readonly Shape[] = [...ENTRA_USERS, ...reads, ...creates, ...members];
