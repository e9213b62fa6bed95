import assert from 'node:assert/strict';

import { newDirectory, patchOf, type Body, type Directory } from '../support/http.ts';
import { newOrganization, startIdentity, type TestIdentity } from '../support/identity.ts';
import { insertUsers } from './insert-users.ts';

const MEMBERS = 2_500;

describe('groups that are long', () => {
  let identity: TestIdentity;
  let directory: Directory;
  let people: readonly string[];
  let group: Body;

  before(async function () {
    this.timeout(180_000);
    identity = await startIdentity();
    directory = await newDirectory(identity, await newOrganization(identity));
    people = await insertUsers(identity, directory, MEMBERS);
    const members = people.map((value) => ({ value }));
    const { status, body } = await directory.scim('POST', '/Groups', { displayName: 'Everybody', members });
    assert.equal(status, 201);
    group = body;
    for (const [name, count] of [
      ['Exactly one page', 1_000],
      ['A page and one', 1_001],
      ['Nobody', 0],
    ] as const)
      await directory.scim('POST', '/Groups', { displayName: name, members: members.slice(0, count) });
  });
  after(() => identity.close());

  const idsIn = ({ members }: Body): string[] => members.map(({ value }) => value ?? '');

  it('are answered whole, each member once, in every answer that has them', async () => {
    assert.deepEqual(idsIn(group), people);
    const got = await directory.scim('GET', `/Groups/${group.id}`);
    assert.match(got.headers.get('content-type') ?? '', /^application\/scim\+json/);
    assert.equal(got.headers.get('etag'), group.meta['version']);
    assert.deepEqual(got.body, group);
    assert.deepEqual(got.body.members[MEMBERS - 1], {
      value: people.at(-1),
      $ref: `http://localhost:8080/scim/v2/Users/${people.at(-1) ?? ''}`,
      display: 'Name',
      type: 'User',
    });
    const { body } = await directory.scim('GET', '/Groups?sortBy=displayName');
    assert.equal(body.totalResults, 4);
    assert.deepEqual(
      body.Resources.map(({ displayName, members }) => [displayName, members.length]),
      [
        ['A page and one', 1_001],
        ['Everybody', MEMBERS],
        ['Exactly one page', 1_000],
        ['Nobody', 0],
      ],
    );
  });

  it('follow the selection on every page', async () => {
    const { body } = await directory.scim('GET', `/Groups/${group.id}?attributes=members.value,displayName`);
    assert.deepEqual(Object.keys(body).toSorted(), ['displayName', 'id', 'members', 'schemas']);
    assert.deepEqual(
      body.members,
      people.map((value) => ({ value })),
    );
    const without = await directory.scim('GET', `/Groups/${group.id}?excludedAttributes=members`);
    assert.equal('members' in without.body, false);
    const operation = { op: 'remove', path: `members[value eq "${people[0] ?? ''}"]` };
    const changed = await directory.scim('PATCH', `/Groups/${group.id}?attributes=members.value`, patchOf(operation));
    assert.deepEqual(idsIn(changed.body), people.slice(1));
  });
});
