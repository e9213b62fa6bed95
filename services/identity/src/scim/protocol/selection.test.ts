import assert from 'node:assert/strict';

import { isAppError } from '@sallyport/errors';

import type { ResourceDefinition } from './attribute.ts';
import { GROUP } from './group-schema.ts';
import { isSelected, readSelection, select } from './selection.ts';
import { ENTERPRISE_USER_SCHEMA as ENTERPRISE, USER, USER_SCHEMA } from './user-schema.ts';

describe('attributes and excludedAttributes (RFC 7644 §3.9)', () => {
  const resource = {
    schemas: [USER_SCHEMA],
    id: '1',
    userName: 'a',
    name: { givenName: 'b', familyName: 'c' },
    emails: [{ value: 'd', type: 'work' }],
    [ENTERPRISE]: { department: 'e', employeeNumber: '1', manager: { value: 'm', $ref: 'r' } },
  };
  const selected = (query: { attributes?: string; excludedAttributes?: string }) =>
    select(USER, readSelection(USER, query), resource);

  it('keeps id and schemas whatever is asked (RFC 7643 §7: returned always)', () => {
    assert.deepEqual(selected({ attributes: 'userName' }), { schemas: [USER_SCHEMA], id: '1', userName: 'a' });
    assert.deepEqual(selected({ excludedAttributes: `id,schemas,userName,name,emails,${ENTERPRISE}` }), {
      schemas: [USER_SCHEMA],
      id: '1',
    });
  });

  it('selects parts', () => {
    assert.deepEqual(selected({ attributes: `name.givenName,emails.value,${ENTERPRISE}:department` }), {
      schemas: [USER_SCHEMA],
      id: '1',
      name: { givenName: 'b' },
      emails: [{ value: 'd' }],
      [ENTERPRISE]: { department: 'e' },
    });
    assert.deepEqual(selected({ excludedAttributes: 'name.familyName' })['name'], { givenName: 'b' });
  });

  it('refuses both at once', () => {
    assert.throws(
      () => selected({ attributes: 'id', excludedAttributes: 'id' }),
      (error) => isAppError(error) && error.code === 'INVALID_VALUE',
    );
  });

  it('tells what need not be read: excludedAttributes=members (Entra)', () => {
    assert.equal(isSelected(readSelection(GROUP, { excludedAttributes: 'members' }), 'members'), false);
    assert.equal(isSelected(readSelection(GROUP, { attributes: 'displayName' }), 'members'), false);
    assert.equal(isSelected(readSelection(GROUP, { attributes: 'members.value' }), 'members'), true);
    assert.equal(isSelected(readSelection(GROUP, {}), 'members'), true);
  });

  it('knows every name of an attribute: in any case, with its URN, in part', () => {
    const always = { schemas: [USER_SCHEMA], id: '1' };
    assert.deepEqual(selected({ attributes: `USERNAME, ${USER_SCHEMA.toUpperCase()}:name.GIVENNAME` }), {
      ...always,
      userName: 'a',
      name: { givenName: 'b' },
    });
    assert.deepEqual(selected({ attributes: `${ENTERPRISE}:manager.value` }), {
      ...always,
      [ENTERPRISE]: { manager: { value: 'm' } },
    });
    assert.deepEqual(selected({ attributes: ENTERPRISE }), { ...always, [ENTERPRISE]: resource[ENTERPRISE] });
    assert.deepEqual(Object.keys(selected({ attributes: USER_SCHEMA })), [
      'schemas',
      'id',
      'userName',
      'name',
      'emails',
    ]);
    const { [ENTERPRISE]: _extension, ...core } = resource;
    assert.deepEqual(selected({ excludedAttributes: ENTERPRISE }), core);
    assert.deepEqual(
      selected({ excludedAttributes: `${ENTERPRISE}:manager.$ref,${ENTERPRISE}:department` })[ENTERPRISE],
      {
        employeeNumber: '1',
        manager: { value: 'm' },
      },
    );
  });

  it('a name nobody knows selects nothing, and hides nothing', () => {
    for (const name of ['nope', '__proto__', 'constructor', 'name.nope', 'emails[type eq "work"]']) {
      assert.deepEqual(selected({ attributes: name }), { schemas: [USER_SCHEMA], id: '1' });
      assert.deepEqual(selected({ excludedAttributes: name }), resource);
    }
    assert.deepEqual(selected({ attributes: '', excludedAttributes: ' ' }), resource);
  });

  it('leaves out what has nothing left to say', () => {
    assert.deepEqual(selected({ attributes: 'emails.display,name.middleName' }), { schemas: [USER_SCHEMA], id: '1' });
    assert.equal('emails' in selected({ excludedAttributes: 'emails.value,emails.type' }), false);
  });

  it('returned: request comes only when it is named, returned: never not even then (RFC 7643 §7)', () => {
    const attributes = USER.core.attributes.map((attribute) =>
      attribute.name === 'emails' ? { ...attribute, returned: 'request' as const } : attribute,
    );
    const type: ResourceDefinition = { ...USER, core: { ...USER.core, attributes } };
    const withPassword = { ...resource, password: 'secret' };
    const read = (query: { attributes?: string; excludedAttributes?: string }) =>
      Object.keys(select(type, readSelection(type, query), withPassword));
    assert.deepEqual(read({}), ['schemas', 'id', 'userName', 'name', ENTERPRISE]);
    assert.deepEqual(read({ excludedAttributes: 'name' }), ['schemas', 'id', 'userName', ENTERPRISE]);
    assert.deepEqual(read({ attributes: 'emails.value,password' }), ['schemas', 'id', 'emails']);
  });
});
