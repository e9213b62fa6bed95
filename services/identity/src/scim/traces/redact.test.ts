import assert from 'node:assert/strict';

import fc from 'fast-check';

import { MAX_BODY_BYTES, maskFilter, redactBody, redactPath, redactQuery } from './redact.ts';

const ID = '0197f3f0-0000-7000-8000-00000000002a';
const USERS = '/scim/v2/Users';

describe('redaction of exchanges', () => {
  it('shows an Okta create: names, ids and shape stay, values become type and length', () => {
    const body = {
      schemas: ['urn:ietf:params:scim:schemas:core:2.0:User'],
      userName: 'barbara@example.com',
      name: { givenName: 'Barbara', familyName: 'Jensen' },
      emails: [{ primary: true, value: 'barbara@example.com', type: 'work' }],
      displayName: 'Barbara Jensen',
      externalId: '00ujl29u0le5T6Aj10h7',
      groups: [],
      password: '1mz050nq',
      active: true,
    };
    assert.deepEqual(redactBody(body, USERS), {
      schemas: ['urn:ietf:params:scim:schemas:core:2.0:User'],
      userName: 'b…@example.com',
      name: { givenName: 'string(7)', familyName: 'string(6)' },
      emails: [{ primary: true, value: 'string(19)', type: 'work' }],
      displayName: 'string(14)',
      externalId: '00ujl29u0le5T6Aj10h7',
      groups: [],
      password: 'redacted',
      active: true,
    });
  });

  it('shows PATCH in every dialect: op, path and what was asked of active; the value belongs to the path', () => {
    const body = {
      Operations: [
        { op: 'Replace', path: 'active', value: 'False' },
        { op: 'replace', path: 'emails[type eq "work"].value', value: 'b@example.com' },
        { op: 'Replace', path: 'userName', value: 'b@example.com' },
        { op: 'Add', path: 'members', value: [{ $ref: null, value: ID }] },
        { op: 'remove', path: `members[value eq "${ID}"]` },
        { op: 'replace', value: { active: false, 'name.givenName': 'B', externalId: 'x1' } },
        { op: 'replace', path: 'password', value: 'hunter2' },
        { op: 'replace', path: 'urn:ietf:params:scim:schemas:core:2.0:User:externalId', value: '00u1' },
      ],
    };
    assert.deepEqual(redactBody(body, USERS), {
      Operations: [
        { op: 'Replace', path: 'active', value: 'False' },
        { op: 'replace', path: 'emails[type eq "work"].value', value: 'string(13)' },
        { op: 'Replace', path: 'userName', value: 'b…@example.com' },
        { op: 'Add', path: 'members', value: [{ $ref: null, value: ID }] },
        { op: 'remove', path: `members[value eq "${ID}"]` },
        { op: 'replace', value: { active: false, 'name.givenName': 'string(1)', externalId: 'x1' } },
        { op: 'replace', path: 'password', value: 'redacted' },
        { op: 'replace', path: 'urn:ietf:params:scim:schemas:core:2.0:User:externalId', value: '00u1' },
      ],
    });
  });

  it('shows the name of a group, but not that of a person', () => {
    const rename = { Operations: [{ op: 'replace', value: { id: ID, displayName: 'Developers' } }] };
    const shown = { Operations: [{ op: 'replace', value: { id: ID, displayName: 'Developers' } }] };
    assert.deepEqual(redactBody(rename, '/scim/v2/Groups/x'), shown);
    assert.notDeepEqual(redactBody(rename, '/scim/v2/Users/x'), shown);
  });

  it('masks what a filter compares with, and keeps the filter', () => {
    const filters: readonly (readonly [string, string])[] = [
      ['userName eq "barbara@example.com"', 'userName eq "b…@example.com"'],
      ['externalId eq "00u1" and active eq true', 'externalId eq "00u1" and active eq true'],
      ['emails[type eq "work" and value co "@example.com"]', 'emails[type eq "work" and value co "string(12)"]'],
      ['name.familyName sw "O\\"Brien"', 'name.familyName sw "string(8)"'],
      [`members.value eq "${ID}"`, `members.value eq "${ID}"`],
      ['userName eq jyoung@example.com', 'userName eq …@…'],
      ['externalId eq "bob@example.com"', 'externalId eq "…@…"'],
      ['title eq "unclosed', 'title eq "string(8)"'],
      ['', ''],
    ];
    for (const [filter, expected] of filters) assert.equal(maskFilter(filter), expected);
  });

  it('masks queries and paths', () => {
    assert.equal(
      redactQuery('filter=userName%20eq%20%22bob%40example.com%22&startIndex=1&count=100&token=abc&aadOptscim062020'),
      'filter=userName eq "b…@example.com"&startIndex=1&count=100&token=string(3)&aadOptscim062020',
    );
    assert.equal(redactPath(`/scim/v2/Users/${ID}`), `/scim/v2/Users/${ID}`);
    assert.equal(redactPath('/scim/v2/Users/bob%40example.com'), '/scim/v2/Users/…@…');
    assert.equal(redactPath('/scim/v2/Users/%zz'), '/scim/v2/Users/%zz');
  });

  it('never keeps a secret or a personal value, and never more than 8 KiB, whatever is sent', () => {
    const canary = 'c4n4ry-Geheim';
    const personal = fc.constantFrom(
      'password',
      'Password',
      'clientSecret',
      'accessToken',
      'displayName',
      'title',
      'x',
      'value',
    );
    const leaf = fc.oneof(fc.constant(canary), fc.boolean(), fc.integer(), fc.constant(null));
    const tree = fc.letrec((tie) => ({
      node: fc.oneof({ depthSize: 'medium' }, leaf, fc.array(tie('node'), { maxLength: 30 }), tie('object')),
      object: fc.dictionary(personal, tie('node'), { maxKeys: 8 }),
    })).object;
    fc.assert(
      fc.property(tree, (body) => {
        const text = JSON.stringify(redactBody(body, USERS));
        assert.ok(!text.includes(canary), text);
        assert.ok(Buffer.byteLength(text) <= MAX_BODY_BYTES);
      }),
    );
    fc.assert(
      fc.property(fc.object({ withNullPrototype: true, maxDepth: 12 }), (body) => {
        assert.ok(Buffer.byteLength(JSON.stringify(redactBody(body, USERS))) <= MAX_BODY_BYTES);
      }),
    );
  });

  it('costs the same for a long list as for a short one, and shows how long it was', () => {
    const members = Array.from({ length: 100_000 }, () => ({ value: ID, display: 'Somebody' }));
    const redacted = redactBody({ members }, '/scim/v2/Groups');
    assert.ok(JSON.stringify(redacted).includes('… 99980 more'));
    const deep = JSON.parse('{"a":'.repeat(500) + '1' + '}'.repeat(500)) as unknown;
    assert.ok(JSON.stringify(redactBody(deep, USERS)).length < 500);
    const wide = Object.fromEntries(Array.from({ length: 5_000 }, (_, index) => [`attribute${String(index)}`, 'x']));
    assert.ok(Buffer.byteLength(JSON.stringify(redactBody(wide, USERS))) <= MAX_BODY_BYTES);
  });

  it('leaves nothing PostgreSQL cannot store', () => {
    const text = JSON.stringify(redactBody({ id: 'a\0b', externalId: '\ud800', ['k\0']: 1 }, USERS));
    assert.ok(!text.includes('\\u0000') && !text.includes('\\ud800'), text);
  });
});
