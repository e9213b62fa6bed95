import assert from 'node:assert/strict';

import { newId } from '@sallyport/storage';

import { GROUP_URN, newDirectory, patchOf, USER_URN, type Answer, type Directory } from './support/http.ts';
import { newOrganization, startIdentity, type TestIdentity } from './support/identity.ts';

const assertError = ({ status, body }: Answer, expected: number, scimType?: string): void => {
  assert.equal(status, expected, JSON.stringify(body));
  assert.equal(body.status, String(expected));
  assert.equal(body.scimType, scimType);
};

describe('SCIM Groups', () => {
  let identity: TestIdentity;
  let directory: Directory;
  let scim: Directory['scim'];
  let users: string[];

  before(async () => {
    identity = await startIdentity();
    directory = await newDirectory(identity, await newOrganization(identity));
    scim = directory.scim;
    users = [];
    for (let number = 0; number < 5; number += 1)
      users.push(
        (await scim('POST', '/Users', { schemas: [USER_URN], userName: `u${String(number)}@example.com` })).body.id,
      );
  });
  after(() => identity.close());

  const user = (number: number): string => users[number] ?? '';
  const create = async (members: readonly string[] = []): Promise<string> => {
    const { status, body } = await scim('POST', '/Groups', {
      schemas: [GROUP_URN],
      displayName: newId(),
      members: members.map((value) => ({ value })),
    });
    assert.equal(status, 201, JSON.stringify(body));
    return body.id;
  };
  const membersOf = async (id: string): Promise<string[]> =>
    (await scim('GET', `/Groups/${id}`)).body.members.map(({ value }) => value ?? '').sort();
  const change = async (id: string, ...operations: unknown[]): Promise<void> => {
    const answer = await scim('PATCH', `/Groups/${id}`, patchOf(...operations));
    assert.equal(answer.status, 204, JSON.stringify(answer.body));
  };

  it('Okta group push: create with members [], the schema left out', async () => {
    const { status, body } = await scim('POST', '/Groups', { displayName: 'Okta push', members: [] });
    assert.equal(status, 201);
    assert.deepEqual(body.members, []);
    assert.equal(body.meta['resourceType'], 'Group');
  });

  it('Entra: create with its own schema URN and externalId, without members', async () => {
    const { status, body } = await scim('POST', '/Groups', {
      schemas: [GROUP_URN, 'http://schemas.microsoft.com/2006/11/ResourceManagement/ADSCIM/2.0/Group'],
      externalId: '8aa1a0c0-c4c3-4bc0-b4a5-2ef676900159',
      displayName: 'Entra create',
      meta: { resourceType: 'Group' },
    });
    assert.equal(status, 201);
    assert.equal(body.externalId, '8aa1a0c0-c4c3-4bc0-b4a5-2ef676900159');
    for (const filter of ['displayName eq "entra CREATE"', 'externalId eq "8aa1a0c0-c4c3-4bc0-b4a5-2ef676900159"']) {
      const found = await scim('GET', `/Groups?excludedAttributes=members&filter=${encodeURIComponent(filter)}`);
      assert.deepEqual(
        found.body.Resources.map(({ id }) => id),
        [body.id],
        filter,
      );
      assert.equal('members' in (found.body.Resources[0] ?? {}), false);
    }
  });

  it('refuses a second group of the same name (Entra needs it unique)', async () => {
    await scim('POST', '/Groups', { displayName: 'Unique' });
    assertError(await scim('POST', '/Groups', { displayName: 'UNIQUE' }), 409, 'uniqueness');
  });

  it('renames: Okta repeats the id inside the value; it is ignored', async () => {
    const id = await create([user(0)]);
    await change(id, { op: 'replace', value: { id, displayName: 'Renamed by Okta' } });
    await change(id, { op: 'replace', value: { id: 'something else', displayName: 'Renamed again' } });
    await change(id, { op: 'Replace', path: 'displayName', value: 'Renamed by Entra' });
    const { body } = await scim('GET', `/Groups/${id}`);
    assert.equal(body.displayName, 'Renamed by Entra');
    assert.equal(body.id, id);
    assert.equal(body.members.length, 1);
  });

  it('Okta: removes by filter and adds with display in one request', async () => {
    const id = await create([user(0), user(1)]);
    await change(
      id,
      { op: 'replace', value: { id, displayName: newId() } },
      { op: 'remove', path: `members[value eq "${user(0)}"]` },
      { op: 'add', path: 'members', value: [{ value: user(2), display: 'u2@example.com' }] },
    );
    assert.deepEqual(await membersOf(id), [user(1), user(2)].sort());
  });

  it('Okta: full push replaces the list; AIW pushes the whole group by PUT', async () => {
    const id = await create([user(0), user(1)]);
    await change(id, { op: 'replace', path: 'members', value: [{ value: user(3) }, { value: user(1) }] });
    assert.deepEqual(await membersOf(id), [user(1), user(3)].sort());
    const put = await scim('PUT', `/Groups/${id}`, {
      schemas: [GROUP_URN],
      id,
      displayName: newId(),
      members: [{ value: user(4) }],
    });
    assert.equal(put.status, 200);
    assert.deepEqual(
      put.body.members.map(({ value }) => value),
      [user(4)],
    );
    assert.deepEqual(
      (await scim('PUT', `/Groups/${id}`, { displayName: newId() })).body.members,
      [],
      'omitted is cleared',
    );
  });

  it('Entra: Add and Remove with $ref null mean that member (azure-docs#30826)', async () => {
    const id = await create([user(0), user(1), user(2)]);
    await change(id, { op: 'Remove', path: 'members', value: [{ $ref: null, value: user(1) }] });
    assert.deepEqual(await membersOf(id), [user(0), user(2)].sort());
    await change(id, { op: 'Add', path: 'members', value: [{ $ref: null, value: user(4) }] });
    assert.deepEqual(await membersOf(id), [user(0), user(2), user(4)].sort());
    await change(id, { op: 'remove', path: `members[value eq "${user(4)}"]` });
    assert.deepEqual(await membersOf(id), [user(0), user(2)].sort());
  });

  it('removing who is not there and adding who is are successes without effect (Infisical#6471)', async () => {
    const id = await create([user(0)]);
    const { headers } = await scim('GET', `/Groups/${id}`);
    await change(id, { op: 'remove', path: `members[value eq "${user(3)}"]` });
    await change(id, { op: 'remove', path: 'members[value eq "t:1"]' });
    await change(id, { op: 'add', path: 'members', value: [{ value: user(0), display: 'another display' }] });
    await change(
      id,
      { op: 'add', path: 'members', value: [{ value: user(1) }] },
      { op: 'remove', path: 'members', value: [{ value: user(1) }] },
    );
    const read = await scim('GET', `/Groups/${id}`);
    assert.deepEqual(
      read.body.members.map(({ value }) => value),
      [user(0)],
    );
    assert.equal(read.headers.get('etag'), headers.get('etag'));
  });

  it('refuses somebody it does not know, and then changes nothing', async () => {
    const other = await newDirectory(identity, await newOrganization(identity));
    const foreign = await other.scim('POST', '/Users', { userName: 'foreign@example.com' });
    const id = await create([user(0)]);
    for (const value of [newId(), foreign.body.id, 'nonsense']) {
      const add = patchOf({ op: 'add', path: 'members', value: [{ value: user(1) }, { value }] });
      assertError(await scim('PATCH', `/Groups/${id}`, add), 400, 'invalidValue');
      const replace = patchOf({ op: 'replace', path: 'members', value: [{ value }] });
      assertError(await scim('PATCH', `/Groups/${id}`, replace), 400, 'invalidValue');
      assertError(
        await scim('PUT', `/Groups/${id}`, { displayName: newId(), members: [{ value }] }),
        400,
        'invalidValue',
      );
      assertError(await scim('POST', '/Groups', { displayName: newId(), members: [{ value }] }), 400, 'invalidValue');
    }
    assert.deepEqual(await membersOf(id), [user(0)]);
  });

  it('answers a PATCH with a body only when attributes are asked for (RFC 7644 §3.5.2)', async () => {
    const id = await create();
    const { status, body } = await scim(
      'PATCH',
      `/Groups/${id}?attributes=displayName`,
      patchOf({ op: 'replace', value: { displayName: 'With a body' } }),
    );
    assert.equal(status, 200);
    assert.equal(body.displayName, 'With a body');
    assert.equal('members' in body, false);
  });

  it('finds groups by a member', async () => {
    const id = await create([user(3)]);
    const found = await scim(
      'GET',
      `/Groups?filter=${encodeURIComponent(`members.value eq "${user(3)}" and id eq "${id}"`)}`,
    );
    assert.deepEqual(
      found.body.Resources.map((group) => group.id),
      [id],
    );
  });

  it('guards versions: a change of members moves the version', async () => {
    const id = await create();
    const { headers } = await scim('GET', `/Groups/${id}`);
    const etag = headers.get('etag') ?? '';
    await change(id, { op: 'add', path: 'members', value: [{ value: user(0) }] });
    const late = await scim('PATCH', `/Groups/${id}`, patchOf({ op: 'remove', path: 'members' }), { 'if-match': etag });
    assertError(late, 412);
    assert.deepEqual(await membersOf(id), [user(0)]);
  });

  it('deletes: 204, then 404', async () => {
    const id = await create([user(0)]);
    assert.equal((await scim('DELETE', `/Groups/${id}`)).status, 204);
    assertError(await scim('GET', `/Groups/${id}`), 404);
    assertError(await scim('DELETE', `/Groups/${id}`), 404);
    assertError(await scim('PATCH', `/Groups/${id}`, patchOf({ op: 'remove', path: 'members' })), 404);
  });

  it('a user who is deleted is in no group any more, and the group has another version', async () => {
    const { body } = await scim('POST', '/Users', { userName: `${newId()}@example.com` });
    const id = await create([body.id, user(0)]);
    const before = await scim('GET', `/Groups/${id}`);
    await scim('DELETE', `/Users/${body.id}`);
    assert.deepEqual(await membersOf(id), [user(0)]);
    assert.notEqual((await scim('GET', `/Groups/${id}`)).headers.get('etag'), before.headers.get('etag'));
  });

  it('loses nothing under 60 concurrent PATCHes of single members (fleet#50724)', async () => {
    const many: string[] = [];
    for (let number = 0; number < 40; number += 1)
      many.push((await scim('POST', '/Users', { userName: `${newId()}@example.com` })).body.id);
    const [leaving, joining] = [many.slice(0, 20), many.slice(20)];
    const id = await create(leaving);
    const requests = [
      ...leaving.map((value) => patchOf({ op: 'Remove', path: 'members', value: [{ value }] })),
      ...joining.map((value) => patchOf({ op: 'Add', path: 'members', value: [{ value }] })),
      ...joining.map((value) => patchOf({ op: 'add', path: 'members', value: [{ value, display: 'again' }] })),
    ];
    const answers = await Promise.all(requests.map((body) => scim('PATCH', `/Groups/${id}`, body)));
    assert.deepEqual([...new Set(answers.map(({ status }) => status))], [204]);
    assert.deepEqual(await membersOf(id), joining.sort());
  });
});
