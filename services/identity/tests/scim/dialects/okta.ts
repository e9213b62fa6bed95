import assert from 'node:assert/strict';

import { CORE_GROUP, CORE_USER, type Doc } from '../model/vocabulary.ts';
import { OKTA_HEADERS, PATCH_OP, type Shape } from './shape.ts';

const headers = OKTA_HEADERS;
const BOTH = ['okta-oin', 'okta-aiw'] as const;
const without = (doc: Doc, name: string): Doc =>
  Object.fromEntries(Object.entries(doc).filter(([key]) => key !== name));
const member = (value: string): Doc => ({ value });

const pathless = (value: Doc): object => ({ Operations: [{ op: 'replace', value }] });
const switching = (on: boolean): Shape => ({
  name: `OIN: ${on ? 'activates' : 'deactivates'} by PATCH without a path`,
  profiles: ['okta-oin'],
  refusedBy: [['interop-strict', 'invalidSyntax']],
  of: 'user',
  send: ({ user }) => ({
    method: 'PATCH',
    path: `/Users/${user}`,
    body: { schemas: [PATCH_OP], ...pathless({ active: on }) },
    headers,
  }),
  status: 200,
  after: (resource) => (on ? resource : { ...resource, active: false }),
});

const users: readonly Shape[] = [
  {
    name: 'tests the connection: GET /Users?startIndex=1&count=2',
    profiles: [...BOTH, 'rfc'],
    of: 'nothing',
    send: () => ({ method: 'GET', path: '/Users?startIndex=1&count=2', headers }),
    status: 200,
    check: ({ body }) => {
      assert.deepEqual([body.totalResults, body.itemsPerPage, body.startIndex], [3, 2, 1]);
      assert.equal(body.Resources.length, 2);
      assert.deepEqual(body.schemas, ['urn:ietf:params:scim:api:messages:2.0:ListResponse']);
    },
  },
  {
    name: 'tests the connection: GET /Groups?startIndex=1&count=100',
    profiles: [...BOTH, 'rfc'],
    of: 'nothing',
    send: () => ({ method: 'GET', path: '/Groups?startIndex=1&count=100', headers }),
    status: 200,
    check: ({ body }) => {
      assert.deepEqual([body.totalResults, body.itemsPerPage, body.startIndex], [1, 1, 1]);
    },
  },
  {
    name: 'looks a user up before the create',
    profiles: [...BOTH, 'rfc', 'interop-strict'],
    of: 'nothing',
    send: () => ({
      method: 'GET',
      path: `/Users?filter=${encodeURIComponent('userName eq "nobody@example.com"')}&startIndex=1&count=100`,
      headers,
    }),
    status: 200,
    check: ({ body }) => {
      assert.deepEqual([body.totalResults, body.itemsPerPage, body.Resources], [0, 0, []]);
    },
  },
  {
    name: 'creates a user, as application/json, with groups [] and a password: 201 with a body',
    profiles: BOTH,
    of: 'nothing',
    send: () => ({
      method: 'POST',
      path: '/Users',
      headers: { ...headers, 'content-type': 'application/json' },
      body: {
        schemas: [CORE_USER],
        userName: 'new.okta@example.com',
        name: { givenName: 'New', familyName: 'Okta' },
        emails: [{ primary: true, value: 'new.okta@example.com', type: 'work' }],
        displayName: 'New Okta',
        locale: 'en-US',
        externalId: '00unew',
        groups: [],
        password: '1mz050nq',
        active: true,
      },
    }),
    status: 201,
    check: ({ body, headers: answered }) => {
      const { id, meta, ...rest } = body;
      assert.deepEqual(rest, {
        schemas: [CORE_USER],
        userName: 'new.okta@example.com',
        name: { givenName: 'New', familyName: 'Okta' },
        emails: [{ primary: true, value: 'new.okta@example.com', type: 'work' }],
        displayName: 'New Okta',
        locale: 'en-US',
        externalId: '00unew',
        active: true,
      });
      assert.equal(answered.get('location'), meta['location']);
      assert.match(meta['location'] ?? '', new RegExp(`/scim/v2/Users/${id}$`));
      assert.match(answered.get('content-type') ?? '', /^application\/scim\+json/);
    },
  },
  switching(false),
  switching(true),
  {
    name: 'OIN: sets a password by PATCH: refused, because none is kept',
    profiles: [],
    refusedBy: [
      ['auto', 'mutability'],
      ['okta-oin', 'mutability'],
    ],
    of: 'user',
    send: ({ user }) => ({
      method: 'PATCH',
      path: `/Users/${user}`,
      body: { schemas: [PATCH_OP], ...pathless({ password: 'x' }) },
      headers,
    }),
    status: 400,
  },
  {
    name: 'AIW: deactivates by PUT of the whole resource as it was read',
    profiles: [...BOTH, 'rfc'],
    of: 'user',
    send: ({ user }, resource) => ({
      method: 'PUT',
      path: `/Users/${user}`,
      body: { ...resource, active: false },
      headers,
    }),
    status: 200,
    after: (resource) => ({ ...resource, active: false }),
  },
  {
    name: 'updates a profile by PUT of its own GET: everything comes back, read-only parts too',
    profiles: [...BOTH, 'rfc'],
    of: 'user',
    send: ({ user }, resource) => ({
      method: 'PUT',
      path: `/Users/${user}`,
      body: {
        ...without(resource, 'displayName'),
        id: 'something else',
        meta: { resourceType: 'User', version: 'W/"77"', created: '2001-01-01T00:00:00Z' },
        groups: [{ value: 'not theirs', display: 'x' }],
        title: 'Dr',
      },
      headers,
    }),
    status: 200,
    after: (resource) => ({ ...without(resource, 'displayName'), title: 'Dr' }),
  },
  {
    name: 'repeats a PUT: nothing changes',
    profiles: [...BOTH, 'rfc'],
    of: 'user',
    send: ({ user }, resource) => ({ method: 'PUT', path: `/Users/${user}`, body: resource, headers }),
    status: 200,
    after: (resource) => resource,
  },
];

const change = (...Operations: unknown[]): object => ({ schemas: [PATCH_OP], Operations });

const groups: readonly Shape[] = [
  {
    name: 'pushes a group: POST with members [] and no schemas',
    profiles: BOTH,
    of: 'nothing',
    send: () => ({ method: 'POST', path: '/Groups', body: { displayName: 'Pushed', members: [] }, headers }),
    status: 201,
    check: ({ body }) => {
      const { id: _id, meta: _meta, ...rest } = body;
      assert.deepEqual(rest, { schemas: [CORE_GROUP], displayName: 'Pushed', members: [] });
    },
  },
  {
    name: 'OIN: renames a group, its id inside the value: the id is ignored',
    profiles: ['okta-oin'],
    refusedBy: [
      ['interop-strict', 'invalidSyntax'],
      ['rfc', 'mutability'],
    ],
    of: 'group',
    send: ({ group }) => ({
      method: 'PATCH',
      path: `/Groups/${group}`,
      body: change({ op: 'replace', value: { id: group, displayName: 'Renamed' } }),
      headers,
    }),
    status: 204,
    after: (resource) => ({ ...resource, displayName: 'Renamed' }),
  },
  {
    name: 'OIN: an id in the value that is another one is ignored as well',
    profiles: ['okta-oin'],
    of: 'group',
    send: ({ group, user }) => ({
      method: 'PATCH',
      path: `/Groups/${group}`,
      body: change({ op: 'replace', value: { id: user, displayName: 'Renamed' } }),
      headers,
    }),
    status: 204,
    after: (resource) => ({ ...resource, displayName: 'Renamed' }),
  },
  {
    name: 'OIN: removes and adds members in one request, the id and the name along',
    profiles: ['okta-oin'],
    of: 'group',
    send: ({ group, user, others: [other] }, { displayName = '' }) => ({
      method: 'PATCH',
      path: `/Groups/${group}`,
      body: change(
        { op: 'replace', value: { id: group, displayName } },
        { op: 'remove', path: `members[value eq "${user}"]` },
        { op: 'add', path: 'members', value: [{ value: other, display: 'other@example.com' }] },
      ),
      headers,
    }),
    status: 204,
    after: (resource, { others: [other] }) => ({ ...resource, members: [member(other)] }),
  },
  {
    name: 'OIN: pushes the whole list by replace',
    profiles: ['okta-oin', 'rfc', 'interop-strict'],
    of: 'group',
    send: ({ group, others: [one, two] }) => ({
      method: 'PATCH',
      path: `/Groups/${group}`,
      body: change({ op: 'replace', path: 'members', value: [{ value: one }, { value: two, display: 'x' }] }),
      headers,
    }),
    status: 204,
    after: (resource, { others: [one, two] }) => ({ ...resource, members: [member(one), member(two)] }),
  },
  {
    name: 'OIN: removes somebody who is not there: success, and nothing changes',
    profiles: ['okta-oin', 'rfc', 'interop-strict', 'entra-062020'],
    of: 'group',
    send: ({ group, others: [other] }) => ({
      method: 'PATCH',
      path: `/Groups/${group}`,
      body: change({ op: 'remove', path: `members[value eq "${other}"]` }),
      headers,
    }),
    status: 204,
    after: (resource) => resource,
  },
  {
    name: 'AIW: PUT of the whole group with its members',
    profiles: [...BOTH, 'rfc'],
    of: 'group',
    send: ({ group, others: [one, two] }) => ({
      method: 'PUT',
      path: `/Groups/${group}`,
      body: {
        schemas: [CORE_GROUP],
        id: group,
        displayName: 'Whole',
        members: [
          { value: one, display: 'x' },
          { value: two, type: 'User' },
        ],
      },
      headers,
    }),
    status: 200,
    after: (resource, { others: [one, two] }) => ({
      ...resource,
      displayName: 'Whole',
      members: [member(one), member(two)],
    }),
  },
  {
    name: 'unlinks a group: DELETE, then 404',
    profiles: [...BOTH, 'rfc', 'interop-strict', 'entra', 'entra-062020'],
    of: 'nothing',
    send: ({ group }) => ({ method: 'DELETE', path: `/Groups/${group}`, headers }),
    status: 204,
  },
];

/** §2.2, §2.3 */
export const OKTA: readonly Shape[] = [...users, ...groups];
