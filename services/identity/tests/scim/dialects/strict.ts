import assert from 'node:assert/strict';

import { CORE_GROUP, CORE_USER } from '../model/vocabulary.ts';
import { patch, PATCH_OP, type Shape } from './shape.ts';

const only = (word: string): Pick<Shape, 'profiles' | 'refusedBy' | 'status'> => ({
  profiles: [],
  refusedBy: [['interop-strict', word]],
  status: 400,
});

/** §2.5: draft-zollner-scim-interop-profile-02 */
export const STRICT: readonly Shape[] = [
  {
    name: 'says in ServiceProviderConfig whether it keeps to the interoperability profile',
    profiles: ['interop-strict'],
    of: 'nothing',
    send: () => ({ method: 'GET', path: '/ServiceProviderConfig' }),
    status: 200,
    check: ({ body }) => {
      assert.equal(typeof body['interopProfileConformant'], 'boolean');
    },
  },
  {
    name: 'PUT is not available',
    ...only('invalidSyntax'),
    of: 'user',
    send: ({ user }, resource) => ({ method: 'PUT', path: `/Users/${user}`, body: resource }),
  },
  {
    name: 'an operation without a path is refused',
    ...only('invalidSyntax'),
    of: 'user',
    send: ({ user }) => ({
      method: 'PATCH',
      path: `/Users/${user}`,
      body: patch({ op: 'replace', value: { active: false } }),
    }),
  },
  {
    name: 'a whole element is no target',
    ...only('invalidPath'),
    of: 'user',
    send: ({ user }) => ({
      method: 'PATCH',
      path: `/Users/${user}`,
      body: patch({ op: 'replace', path: 'emails[type eq "work"]', value: { value: 'x@example.com', type: 'work' } }),
    }),
  },
  {
    name: 'an unknown attribute is refused',
    ...only('invalidSyntax'),
    of: 'nothing',
    send: () => ({
      method: 'POST',
      path: '/Users',
      body: { schemas: [CORE_USER], userName: 'x@example.com', nope: 1 },
    }),
  },
  {
    name: 'an unknown schema is refused',
    ...only('invalidSyntax'),
    of: 'nothing',
    send: () => ({ method: 'POST', path: '/Groups', body: { schemas: [CORE_GROUP, 'urn:nobody'], displayName: 'x' } }),
  },
  {
    name: 'a filter on an unknown attribute is refused',
    ...only('invalidFilter'),
    of: 'nothing',
    send: () => ({ method: 'GET', path: `/Users?filter=${encodeURIComponent('nope eq "x"')}` }),
  },
  {
    name: 'a PATCH that does not say what it is, is refused',
    ...only('invalidSyntax'),
    of: 'user',
    send: ({ user }) => ({
      method: 'PATCH',
      path: `/Users/${user}`,
      body: { Operations: [{ op: 'replace', path: 'title', value: 'x' }] },
    }),
  },
  {
    name: 'a part of a chosen element is a target',
    profiles: ['interop-strict', 'rfc'],
    of: 'user',
    send: ({ user }) => ({
      method: 'PATCH',
      path: `/Users/${user}`,
      body: {
        schemas: [PATCH_OP],
        Operations: [{ op: 'replace', path: 'emails[type eq "work"].value', value: 'x@example.com' }],
      },
    }),
    status: 200,
    after: (resource) => ({ ...resource, emails: [{ value: 'x@example.com', type: 'work', primary: true }] }),
  },
  {
    name: 'serves pages of 100 and more',
    profiles: ['interop-strict', 'rfc'],
    of: 'nothing',
    send: () => ({ method: 'GET', path: '/Users?count=100' }),
    status: 200,
    check: ({ body }) => {
      assert.equal(body.Resources.length, 3);
    },
  },
  {
    name: 'DELETE deletes',
    profiles: ['interop-strict', 'rfc'],
    of: 'nothing',
    send: ({ user }) => ({ method: 'DELETE', path: `/Users/${user}` }),
    status: 204,
  },
  {
    name: 'a duplicate is 409 uniqueness, whatever its case',
    profiles: [],
    refusedBy: [
      ['interop-strict', 'uniqueness'],
      ['rfc', 'uniqueness'],
    ],
    of: 'nothing',
    send: () => ({ method: 'POST', path: '/Users', body: { schemas: [CORE_USER], userName: 'USER@example.com' } }),
    status: 409,
  },
];
