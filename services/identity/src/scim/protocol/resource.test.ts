import assert from 'node:assert/strict';

import { isAppError } from '@sallyport/errors';

import { DIALECTS } from '../profiles/index.ts';
import { GROUP, GROUP_SCHEMA } from './group-schema.ts';
import { MAX_GROUP_MEMBERS } from './members.ts';
import { readResource as readIn } from './resource.ts';
import { ENTERPRISE_USER_SCHEMA as ENTERPRISE, USER, USER_SCHEMA } from './user-schema.ts';

const readResource = (resource: typeof USER, body: unknown) => readIn(resource, body, DIALECTS.auto);

const refuses = (code: string, body: unknown, resource = USER): void => {
  assert.throws(
    () => readResource(resource, body),
    (error) => isAppError(error) && error.code === code,
    `${code} for ${JSON.stringify(body)}`,
  );
};

describe('readResource', () => {
  it('reads what Okta creates (facts: password, groups [], locale)', () => {
    const { document, members } = readResource(USER, {
      schemas: [USER_SCHEMA],
      userName: 'test.user@okta.local',
      name: { givenName: 'Test', familyName: 'User' },
      emails: [{ primary: true, value: 'test.user@okta.local', type: 'work' }],
      displayName: 'Test User',
      locale: 'en-US',
      externalId: '00ujl29u0le5T6Aj10h7',
      groups: [],
      password: '1mz050nq',
      active: true,
    });
    assert.deepEqual(document, {
      userName: 'test.user@okta.local',
      name: { givenName: 'Test', familyName: 'User' },
      emails: [{ primary: true, value: 'test.user@okta.local', type: 'work' }],
      displayName: 'Test User',
      locale: 'en-US',
      externalId: '00ujl29u0le5T6Aj10h7',
      active: true,
    });
    assert.equal(members, undefined);
  });

  it('reads what Entra creates (facts: enterprise schema, roles [], meta.resourceType)', () => {
    const { document } = readResource(USER, {
      schemas: [USER_SCHEMA, ENTERPRISE],
      externalId: '0a21f0f2-8d2a-4f8e-bf98-7363c4aed4ef',
      userName: 'Test_User_ab6490ee',
      active: true,
      emails: [{ primary: true, type: 'work', value: 'Test_User_fd0ea19b@testuser.com' }],
      meta: { resourceType: 'User' },
      name: { formatted: 'givenName familyName', familyName: 'familyName', givenName: 'givenName' },
      roles: [],
      [ENTERPRISE]: { department: 'bob', manager: 'a-manager' },
    });
    assert.deepEqual(document[ENTERPRISE], { department: 'bob', manager: { value: 'a-manager' } });
    assert.equal('roles' in document || 'meta' in document, false);
  });

  it('tolerates the group schema of Entra and nothing else that is unknown', () => {
    const entra = 'http://schemas.microsoft.com/2006/11/ResourceManagement/ADSCIM/2.0/Group';
    const { document, members } = readResource(GROUP, {
      schemas: [GROUP_SCHEMA, entra],
      externalId: '8aa1a0c0',
      displayName: 'displayName',
      meta: { resourceType: 'Group' },
    });
    assert.deepEqual(document, { externalId: '8aa1a0c0', displayName: 'displayName' });
    assert.equal(members, undefined);
    refuses('INVALID_SYNTAX', { schemas: [GROUP_SCHEMA, 'urn:other'], displayName: 'x' }, GROUP);
    refuses('INVALID_SYNTAX', { schemas: [entra], displayName: 'x' }, GROUP);
  });

  it('finds names in any case, and refuses the same name twice', () => {
    assert.deepEqual(readResource(USER, { USERNAME: 'a', Name: { GIVENNAME: 'b' } }).document, {
      userName: 'a',
      name: { givenName: 'b' },
    });
    refuses('INVALID_SYNTAX', { userName: 'a', username: 'b' });
    refuses('INVALID_VALUE', { userName: 'a', name: { givenName: 'b', GivenName: 'c' } });
  });

  it('refuses unknown attributes, prototype names among them', () => {
    for (const name of [
      'nope',
      'isAdmin',
      '__proto__',
      'constructor',
      'toString',
      'name.givenName',
      'emails[type eq "a"]',
    ])
      refuses('INVALID_SYNTAX', JSON.parse(`{"userName":"a",${JSON.stringify(name)}:"x"}`));
    refuses('INVALID_SYNTAX', 'text');
    refuses('INVALID_SYNTAX', []);
  });

  it('wants what is required, as a string that is not empty', () => {
    for (const userName of [undefined, null, '']) refuses('INVALID_VALUE', { userName });
    refuses('INVALID_VALUE', { userName: 7 });
    refuses('INVALID_VALUE', { userName: 'a', active: null });
    refuses('INVALID_VALUE', { userName: 'a', active: 0 });
    assert.equal(readResource(USER, { userName: 'a', active: 'False' }).document['active'], false);
  });

  it('reads members as ids, each once; groups in groups and too many are refused', () => {
    const members = [{ value: 'a' }, { value: 'b', type: 'User', display: 'x', $ref: null }, { value: 'a' }];
    assert.deepEqual(readResource(GROUP, { displayName: 'g', members }).members, ['a', 'b']);
    assert.deepEqual(readResource(GROUP, { displayName: 'g', members: [] }).members, []);
    refuses('INVALID_VALUE', { displayName: 'g', members: [{ value: 'a', type: 'Group' }] }, GROUP);
    refuses('INVALID_VALUE', { displayName: 'g', members: ['a'] }, GROUP);
    const many = Array.from({ length: MAX_GROUP_MEMBERS + 1 }, () => ({ value: 'a' }));
    refuses('TOO_MANY', { displayName: 'g', members: many }, GROUP);
  });
});
