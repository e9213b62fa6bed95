import assert from 'node:assert/strict';

import { newId } from '@sallyport/storage';

import { ENTERPRISE_URN, newDirectory, patchOf, USER_URN, type Answer, type Directory } from './support/http.ts';
import { newOrganization, startIdentity, type TestIdentity } from './support/identity.ts';

const oktaUser = (userName: string) => ({
  schemas: [USER_URN],
  userName,
  name: { givenName: 'Test', familyName: 'User' },
  emails: [{ primary: true, value: userName, type: 'work' }],
  displayName: 'Test User',
  locale: 'en-US',
  externalId: `00u${userName}`,
  groups: [],
  password: '1mz050nq',
  active: true,
});

const assertError = ({ status, headers, body }: Answer, expected: number, scimType?: string): void => {
  assert.equal(status, expected, JSON.stringify(body));
  assert.match(headers.get('content-type') ?? '', /^application\/scim\+json/);
  assert.deepEqual(body.schemas, ['urn:ietf:params:scim:api:messages:2.0:Error']);
  assert.equal(body.status, String(expected), 'status is a string (RFC 7644 §3.12)');
  assert.notEqual(body.detail, '');
  assert.equal(body.scimType, scimType);
};

describe('SCIM Users', () => {
  let identity: TestIdentity;
  let directory: Directory;
  let scim: Directory['scim'];

  before(async () => {
    identity = await startIdentity();
    directory = await newDirectory(identity, await newOrganization(identity));
    scim = directory.scim;
  });
  after(() => identity.close());

  const create = async (userName = `${newId()}@example.com`): Promise<Answer> => {
    const created = await scim('POST', '/Users', oktaUser(userName));
    assert.equal(created.status, 201, JSON.stringify(created.body));
    return created;
  };

  describe('what Okta validates (scim.md §4.1)', () => {
    it('1, 3, 5: lists users; an unknown name or address finds nobody', async () => {
      await create();
      const { status, body } = await scim('GET', '/Users?count=1&startIndex=1');
      assert.equal(status, 200);
      assert.deepEqual(body.schemas, ['urn:ietf:params:scim:api:messages:2.0:ListResponse']);
      for (const name of ['itemsPerPage', 'startIndex', 'totalResults'] as const)
        assert.equal(typeof body[name], 'number');
      const [first] = body.Resources;
      assert.ok(first?.id !== undefined && first.userName !== '' && first.active && first.emails[0]?.['value'] !== '');
      assert.equal(first.name['familyName'], 'User');
      for (const filter of ['userName eq "nobody@example.com"', 'emails.value eq "nobody@example.com"']) {
        const found = await scim('GET', `/Users?filter=${encodeURIComponent(filter)}`);
        assert.equal(found.status, 200);
        assert.equal(found.body.totalResults, 0);
        assert.deepEqual(found.body.Resources, []);
      }
    });

    it('2, 6, 7: creates a user, answers 201 with all of it, and reads it back equal', async () => {
      const { body, headers } = await create('okta.create@example.com');
      assert.equal(body.active, true);
      assert.equal(body.userName, 'okta.create@example.com');
      assert.deepEqual(body.schemas, [USER_URN]);
      assert.equal(headers.get('location'), body.meta['location']);
      assert.equal(headers.get('etag'), body.meta['version']);
      assert.equal('password' in body, false, 'a password is never returned');
      const read = await scim('GET', `/Users/${body.id}`);
      assert.deepEqual(read.body, body);
    });

    it('8: refuses the same user twice with 409', async () => {
      await create('twice@example.com');
      assertError(await scim('POST', '/Users', oktaUser('twice@example.com')), 409, 'uniqueness');
      const other = { ...oktaUser('TWICE@example.com'), externalId: 'another' };
      assertError(await scim('POST', '/Users', other), 409, 'uniqueness');
    });

    it('9: finds a user name whatever its case', async () => {
      const { body } = await create('case@example.com');
      const found = await scim('GET', `/Users?filter=${encodeURIComponent('userName eq "CASE@EXAMPLE.COM"')}`);
      assert.equal(found.body.Resources[0]?.id, body.id);
    });

    it('4, 12: answers 404 with a SCIM error for an unknown id, numeric or not', async () => {
      for (const id of ['0', '1234567890', newId(), 'x'.repeat(500)])
        assertError(await scim('GET', `/Users/${id}`), 404);
    });
  });

  it('finds by every attribute that can be looked up, and by two at once (Entra: eq and and)', async () => {
    const { body } = await create('find.me@example.com');
    for (const filter of [
      'externalId eq "00ufind.me@example.com"',
      'externalId eq 00ufind.me@example.com',
      'emails.value eq "Find.Me@example.com"',
      'emails eq "find.me@example.com"',
      `id eq "${body.id}"`,
      'userName eq "find.me@example.com" and externalId eq "00ufind.me@example.com"',
      `${USER_URN}:userName eq "find.me@example.com"`,
    ]) {
      const found = await scim('GET', `/Users?filter=${encodeURIComponent(filter)}`);
      assert.deepEqual(
        found.body.Resources.map(({ id }) => id),
        [body.id],
        filter,
      );
    }
    const none = 'userName eq "find.me@example.com" and externalId eq "another"';
    assert.equal((await scim('GET', `/Users?filter=${encodeURIComponent(none)}`)).body.totalResults, 0);
    assert.equal(
      (await scim('GET', '/Users?filter=externalId%20eq%20%2200UFIND.ME%40example.com%22')).body.totalResults,
      0,
    );
  });

  it('refuses what is no filter with 400 invalidFilter: a filter is never ignored', async () => {
    for (const filter of [
      'userName is "a"',
      'nope eq "a"',
      'password pr',
      '',
      'active gt true',
      "userName eq 'x'; drop",
    ])
      assertError(await scim('GET', `/Users?filter=${encodeURIComponent(filter)}`), 400, 'invalidFilter');
  });

  it('pages in a stable order, with totals, and bounds count (RFC 7644 §3.4.2.4)', async () => {
    const own = await newDirectory(identity, await newOrganization(identity));
    const ids: string[] = [];
    for (let number = 0; number < 7; number += 1)
      ids.push((await own.scim('POST', '/Users', oktaUser(`p${String(number)}@example.com`))).body.id);
    const seen: string[] = [];
    for (let start = 1; start <= 7; start += 3) {
      const { body } = await own.scim('GET', `/Users?startIndex=${String(start)}&count=3`);
      assert.equal(body.totalResults, 7);
      assert.equal(body.startIndex, start);
      assert.equal(body.itemsPerPage, body.Resources.length);
      seen.push(...body.Resources.map(({ id }) => id));
    }
    assert.deepEqual(seen, ids);
    for (const [query, length, start] of [
      ['count=0', 0, 1],
      ['count=-5', 0, 1],
      ['startIndex=-1&count=2', 2, 1],
      ['startIndex=100', 0, 100],
      ['count=100000', 7, 1],
    ] as const) {
      const { status, body } = await own.scim('GET', `/Users?${query}`);
      assert.equal(status, 200);
      assert.equal(body.totalResults, 7);
      assert.equal(body.Resources.length, length, query);
      assert.equal(body.startIndex, start);
    }
    assertError(await own.scim('GET', '/Users?count=many'), 400, 'invalidValue');
  });

  describe('deactivates and reactivates, in every dialect (scim.md §2)', () => {
    const isActive = async (id: string): Promise<boolean> => (await scim('GET', `/Users/${id}`)).body.active;
    const statusOf = async (id: string) =>
      (
        await identity.admin<{ status: string; epoch: string }>(
          'SELECT status, epoch FROM identity.account WHERE id = $1',
          [id],
        )
      )[0];

    for (const [name, off, on] of [
      [
        'Okta OIN: pathless PATCH',
        { op: 'replace', value: { active: false } },
        { op: 'replace', value: { active: true } },
      ],
      [
        'Entra: Replace with the string "False"',
        { op: 'Replace', path: 'active', value: 'False' },
        { op: 'Replace', path: 'active', value: 'True' },
      ],
      [
        'Entra 062020: replace with a boolean',
        { op: 'replace', path: 'active', value: false },
        { op: 'replace', path: 'active', value: true },
      ],
      ['Add', { op: 'Add', path: 'Active', value: 'false' }, { op: 'Add', path: 'ACTIVE', value: 'true' }],
    ] as const)
      it(name, async () => {
        const { body } = await create();
        const deactivated = await scim('PATCH', `/Users/${body.id}`, patchOf(off));
        assert.equal(deactivated.status, 200, JSON.stringify(deactivated.body));
        assert.equal(deactivated.body.active, false);
        assert.equal(await isActive(body.id), false, 'a deactivated user stays readable');
        assert.deepEqual(await statusOf(body.id), { status: 'inactive', epoch: '2' });
        const again = await scim('PATCH', `/Users/${body.id}`, patchOf(off));
        assert.equal(again.status, 200);
        assert.equal(again.headers.get('etag'), deactivated.headers.get('etag'), 'repeating it changes nothing');
        const reactivated = await scim('PATCH', `/Users/${body.id}`, patchOf(on));
        assert.equal(reactivated.body.active, true);
        assert.deepEqual(await statusOf(body.id), { status: 'active', epoch: '2' }, 'the epoch stays raised');
      });

    it('Okta AIW: PUT of the whole resource as it was read, with active false', async () => {
      const { body } = await create();
      const deactivated = await scim('PUT', `/Users/${body.id}`, { ...body, active: false });
      assert.equal(deactivated.status, 200, JSON.stringify(deactivated.body));
      assert.equal(deactivated.body.active, false);
      assert.equal(deactivated.body.displayName, body.displayName);
      const reactivated = await scim('PUT', `/Users/${body.id}`, { ...deactivated.body, active: true });
      assert.equal(reactivated.body.active, true);
    });

    it('a PUT that leaves active out never reactivates (RFC 7644 §3.5.1)', async () => {
      const { body } = await create();
      await scim('PATCH', `/Users/${body.id}`, patchOf({ op: 'replace', path: 'active', value: false }));
      const { active: _active, ...rest } = body;
      assert.equal((await scim('PUT', `/Users/${body.id}`, rest)).body.active, false);
    });

    it('anything but a boolean is 400 and changes nothing', async () => {
      const { body, headers } = await create();
      for (const value of [0, 'no', null, {}, ''])
        assertError(
          await scim('PATCH', `/Users/${body.id}`, patchOf({ op: 'replace', path: 'active', value })),
          400,
          'invalidValue',
        );
      assertError(await scim('PUT', `/Users/${body.id}`, { ...body, active: 'no' }), 400, 'invalidValue');
      const read = await scim('GET', `/Users/${body.id}`);
      assert.equal(read.headers.get('etag'), headers.get('etag'));
    });
  });

  describe('changes a profile', () => {
    it('Okta: PUT of what it read, merged with its changes; read-only parts are ignored', async () => {
      const { body } = await create();
      const changed = {
        ...body,
        id: 'other',
        meta: { ...body.meta, version: 'W/"99"' },
        groups: [{ value: 'x' }],
        title: 'Dr',
      };
      const put = await scim('PUT', `/Users/${body.id}`, changed);
      assert.equal(put.status, 200, JSON.stringify(put.body));
      assert.equal(put.body.id, body.id);
      assert.equal(put.body['title'], 'Dr');
      assert.equal(put.body.meta['version'], 'W/"2"');
      const { displayName: _displayName, ...without } = put.body;
      assert.equal(
        'displayName' in (await scim('PUT', `/Users/${body.id}`, without)).body,
        false,
        'omitted is cleared',
      );
    });

    it('Entra: several attributes, enterprise extension, manager set and cleared', async () => {
      const { body } = await create();
      const path = `/Users/${body.id}`;
      const set = await scim(
        'PATCH',
        path,
        patchOf(
          { op: 'Add', path: 'nickName', value: 'Babs' },
          { op: 'Replace', path: 'emails[type eq "work"].value', value: 'new@example.com' },
          { op: 'Add', path: `${ENTERPRISE_URN}:employeeNumber`, value: '42' },
          { op: 'Add', path: `${ENTERPRISE_URN}:manager`, value: 'a-manager' },
        ),
      );
      assert.equal(set.status, 200, JSON.stringify(set.body));
      assert.deepEqual(set.body.schemas, [USER_URN, ENTERPRISE_URN], 'schemas follow the extension (RFC 7644 §3.5.2)');
      assert.deepEqual(set.body[ENTERPRISE_URN], { employeeNumber: '42', manager: { value: 'a-manager' } });
      assert.equal(set.body.emails[0]?.['value'], 'new@example.com');
      const found = await scim('GET', '/Users?filter=emails.value%20eq%20%22new%40example.com%22');
      assert.equal(found.body.Resources[0]?.id, body.id, 'the look-up follows the change');
      const cleared = await scim(
        'PATCH',
        path,
        patchOf({ op: 'Replace', path: `${ENTERPRISE_URN}:manager`, value: '' }),
      );
      assert.deepEqual(cleared.body[ENTERPRISE_URN], { employeeNumber: '42' });
    });

    it('renames a user, and keys identity on our id (ssoready#164)', async () => {
      const { body } = await create('before@example.com');
      const renamed = await scim(
        'PATCH',
        `/Users/${body.id}`,
        patchOf({ op: 'replace', value: { userName: 'after@example.com' } }),
      );
      assert.equal(renamed.body.userName, 'after@example.com');
      assert.equal(renamed.body.active, true);
      const next = { ...oktaUser('before@example.com'), externalId: 'another' };
      assert.equal((await scim('POST', '/Users', next)).status, 201, 'the old name is free');
      assertError(
        await scim('PATCH', `/Users/${body.id}`, patchOf({ op: 'replace', value: { userName: 'BEFORE@example.com' } })),
        409,
        'uniqueness',
      );
    });

    it('applies all operations or none (RFC 7644 §3.5.2)', async () => {
      const { body } = await create();
      const failing = patchOf(
        { op: 'replace', path: 'active', value: false },
        { op: 'replace', path: 'nope', value: 'x' },
      );
      assertError(await scim('PATCH', `/Users/${body.id}`, failing), 400, 'invalidPath');
      assert.deepEqual((await scim('GET', `/Users/${body.id}`)).body, body);
    });

    it('leaves version and lastModified alone when nothing changes (RFC 7644 §3.5.2.1)', async () => {
      const { body } = await create();
      const same = await scim(
        'PATCH',
        `/Users/${body.id}`,
        patchOf({ op: 'add', path: 'displayName', value: 'Test User' }),
      );
      assert.equal(same.status, 200);
      assert.deepEqual(same.body.meta, body.meta);
    });
  });

  it('guards versions with If-Match and If-None-Match (RFC 7644 §3.14)', async () => {
    const { body, headers } = await create();
    const path = `/Users/${body.id}`;
    const etag = headers.get('etag') ?? '';
    assert.equal((await scim('GET', path, undefined, { 'if-none-match': etag })).status, 304);
    const change = patchOf({ op: 'replace', path: 'title', value: 'Dr' });
    assert.equal((await scim('PATCH', path, change, { 'if-match': etag })).status, 200);
    assertError(await scim('PATCH', path, change, { 'if-match': etag }), 412);
    assertError(await scim('PUT', path, body, { 'if-match': etag }), 412);
    assertError(await scim('DELETE', path, undefined, { 'if-match': etag }), 412);
    assert.equal((await scim('DELETE', path, undefined, { 'if-match': '*' })).status, 204);
  });

  it('deletes: 204, then 404 for everything; the tombstone stays and the names are free (RFC 7644 §3.6)', async () => {
    const { body } = await create('gone@example.com');
    assert.equal((await scim('DELETE', `/Users/${body.id}`)).status, 204);
    for (const [method, payload] of [
      ['GET', undefined],
      ['PUT', body],
      ['PATCH', patchOf({ op: 'replace', path: 'active', value: true })],
      ['DELETE', undefined],
    ] as const)
      assertError(await scim(method, `/Users/${body.id}`, payload), 404);
    assert.equal((await scim('GET', '/Users?filter=userName%20eq%20%22gone%40example.com%22')).body.totalResults, 0);
    const [tombstone] = await identity.admin('SELECT status, epoch FROM identity.account WHERE id = $1', [body.id]);
    assert.deepEqual(tombstone, { status: 'deleted', epoch: '2' });
  });

  it('selects attributes', async () => {
    const { body } = await create();
    const only = await scim('GET', `/Users/${body.id}?attributes=userName`);
    assert.deepEqual(Object.keys(only.body).sort(), ['id', 'schemas', 'userName']);
    const without = await scim('GET', `/Users/${body.id}?excludedAttributes=emails,name`);
    assert.equal('emails' in without.body || 'name' in without.body, false);
    assertError(await scim('GET', `/Users/${body.id}?attributes=id&excludedAttributes=id`), 400, 'invalidValue');
  });

  it("never adopts an account that is somebody else's: the local Owner keeps name and access (anythingmcp#535)", async () => {
    assertError(await scim('POST', '/Users', oktaUser('owner@example.com')), 409, 'uniqueness');
    const { body } = await create();
    assertError(
      await scim('PATCH', `/Users/${body.id}`, patchOf({ op: 'replace', value: { userName: 'OWNER@example.com' } })),
      409,
      'uniqueness',
    );
  });

  it('shows the groups of a user', async () => {
    const { body } = await create();
    const group = await scim('POST', '/Groups', { displayName: newId(), members: [{ value: body.id }] });
    const read = await scim('GET', `/Users/${body.id}`);
    assert.deepEqual(read.body.groups, [
      { value: group.body.id, $ref: group.body.meta['location'], display: group.body.displayName, type: 'direct' },
    ]);
  });
});
