import assert from 'node:assert/strict';

import { newId } from '@sallyport/storage';

import type { ScimCaller } from '../../src/scim/caller.ts';
import { readSearchBody, searchResources, userLayout } from '../../src/scim/query/index.ts';
import { USER } from '../../src/scim/protocol/user-schema.ts';
import { ask, newDirectory, USER_URN, type Answer, type Body, type Directory } from '../support/http.ts';
import { newOrganization, startIdentity, type TestIdentity, type TestOrganization } from '../support/identity.ts';
import { assertError } from './assert-error.ts';
import { insertUsers } from './insert-users.ts';

const SEARCH_URN = 'urn:ietf:params:scim:api:messages:2.0:SearchRequest';

describe('POST /.search and lists (RFC 7644 §3.4)', () => {
  let identity: TestIdentity;
  let organization: TestOrganization;
  let directory: Directory;
  let user: Body;
  let group: Body;

  before(async () => {
    identity = await startIdentity();
    organization = await newOrganization(identity);
    directory = await newDirectory(identity, organization);
    const person = {
      userName: 'Anna@example.com',
      displayName: 'Anna',
      externalId: 'shared',
      emails: [{ value: 'a@x.example' }],
    };
    user = (await directory.scim('POST', '/Users', person)).body;
    await directory.scim('POST', '/Users', { userName: 'zoe@example.com', displayName: 'Zoe' });
    const members = [{ value: user.id }];
    group = (await directory.scim('POST', '/Groups', { displayName: 'Makers', externalId: 'shared', members })).body;
    const other = await newDirectory(identity, organization, 'Other');
    await other.scim('POST', '/Users', { userName: 'else@example.com', displayName: 'Anna', externalId: 'shared' });
  });
  after(() => identity.close());

  const search = async (path: string, request: object): Promise<Answer> =>
    await directory.scim('POST', `${path}/.search`, { schemas: [SEARCH_URN], ...request });

  const namesIn = ({ status, body }: Answer): string[] => {
    assert.equal(status, 200, JSON.stringify(body));
    return body.Resources.map(({ displayName }) => displayName);
  };

  it('answers what GET answers', async () => {
    const asked = { filter: 'userName sw "A"', count: 5, startIndex: 1, sortBy: 'userName', sortOrder: 'descending' };
    const found = await search('/Users', { ...asked, attributes: ['userName', 'emails.value'] });
    const got = await directory.scim(
      'GET',
      `/Users?${new URLSearchParams({ ...asked, count: '5', startIndex: '1', attributes: 'userName,emails.value' }).toString()}`,
    );
    assert.deepEqual(found.body, got.body);
    assert.deepEqual(found.body.Resources, [
      { schemas: [USER_URN], id: user.id, userName: 'Anna@example.com', emails: [{ value: 'a@x.example' }] },
    ]);
    assert.deepEqual(namesIn(await search('/Groups', { excludedAttributes: ['members'] })), ['Makers']);
  });

  it('walks by cursor as well (RFC 9865 §2)', async () => {
    const first = await search('/Users', { cursor: '', count: 1 });
    assert.deepEqual(namesIn(first), ['Anna']);
    const second = await search('/Users', { cursor: first.body.nextCursor, count: 1 });
    assert.deepEqual([...namesIn(second), 'nextCursor' in second.body], ['Zoe', false]);
  });

  it('at the root, across types: an attribute one of them lacks has no value there (RFC 7644 §3.4.2.1)', async () => {
    assert.deepEqual(namesIn(await search('', { sortBy: 'displayName' })), ['Anna', 'Makers', 'Zoe']);
    assert.deepEqual(namesIn(await search('', { filter: 'externalId eq "shared"', sortBy: 'displayName' })), [
      'Anna',
      'Makers',
    ]);
    assert.deepEqual(namesIn(await search('', { filter: `members.value eq "${user.id}"` })), ['Makers']);
    assert.deepEqual(
      namesIn(await search('', { filter: 'userName pr or displayName eq "makers"', sortBy: 'userName' })),
      ['Anna', 'Zoe', 'Makers'],
    );
    assert.deepEqual(namesIn(await search('', { filter: 'meta.resourceType eq "Group"' })), ['Makers']);
    assert.deepEqual(namesIn(await search('', { filter: `id eq "${group.id}"` })), ['Makers']);
    const pages: string[] = [];
    for (let cursor: unknown = ''; typeof cursor === 'string';) {
      const page = await search('', { cursor, count: 1, sortBy: 'displayName', sortOrder: 'descending' });
      pages.push(...namesIn(page));
      cursor = page.body['nextCursor'];
    }
    assert.deepEqual(pages, ['Zoe', 'Makers', 'Anna']);
    assertError(await search('', { filter: 'nope pr' }), 400, 'invalidFilter');
    assertError(await search('', { sortBy: 'nope' }), 400, 'invalidValue');
  });

  it('is strict about its body', async () => {
    const at = (body: unknown): Promise<Answer> => directory.scim('POST', '/Users/.search', body);
    const schemas = [SEARCH_URN];
    for (const [body, scimType] of [
      [[], 'invalidSyntax'],
      [{}, 'invalidSyntax'],
      [{ schemas: ['urn:nope'] }, 'invalidSyntax'],
      [{ schemas: SEARCH_URN }, 'invalidValue'],
      [{ schemas, nope: 1 }, 'invalidSyntax'],
      [{ schemas, filter: 'id pr', Filter: 'id pr' }, 'invalidSyntax'],
      [{ schemas, filter: 1 }, 'invalidValue'],
      [{ schemas, filter: '' }, 'invalidFilter'],
      [{ schemas, count: '5' }, 'invalidValue'],
      [{ schemas, count: 1.5 }, 'invalidValue'],
      [{ schemas, startIndex: true }, 'invalidValue'],
      [{ schemas, attributes: 'userName' }, 'invalidValue'],
      [{ schemas, attributes: [1] }, 'invalidValue'],
      [{ schemas, attributes: ['id'], excludedAttributes: ['name'] }, 'invalidValue'],
      [{ schemas, sortOrder: 'sideways' }, 'invalidValue'],
      [{ schemas, cursor: 'x' }, 'invalidCursor'],
      [{ schemas, cursor: '', count: -1 }, 'invalidCount'],
    ] as const)
      assertError(await at(body), 400, scimType);
    assert.equal((await at({ SCHEMAS: schemas, FILTER: null, Count: 1 })).status, 200);
    const authorization = `Bearer ${directory.token}`;
    const form = { authorization, 'content-type': 'application/x-www-form-urlencoded' };
    assertError(await ask(identity, 'POST', '/scim/v2/.search', { raw: 'filter=x', headers: form }), 415);
    assertError(await ask(identity, 'POST', '/scim/v2/Users/.search', { body: { schemas } }), 401);
  });

  it('attributes and excludedAttributes exclude each other in a list, too', async () => {
    assertError(await directory.scim('GET', '/Users?attributes=id&excludedAttributes=name'), 400, 'invalidValue');
  });

  it('finds nothing by a password, and says so rather than everything', async () => {
    for (const filter of ['password pr', 'password eq "x"', 'not (password eq "x")'])
      assertError(await search('/Users', { filter }), 400, 'invalidFilter');
  });

  it('a search that takes too long is 400 tooMany, a look-up never (RFC 7644 §3.12)', async () => {
    const own = await newDirectory(identity, organization, 'Slow');
    await insertUsers(identity, own, 2_000);
    const { orgId, connectionId } = own;
    const caller = { orgId, connectionId, profile: 'auto', audit: { orgId } } as unknown as ScimCaller;
    const within = async (filter: string): Promise<number> => {
      const types = [{ definition: USER, layout: userLayout }];
      const request = readSearchBody({ schemas: [SEARCH_URN], filter });
      return (await searchResources(identity.context, caller, { request, types, maxMs: 1 })).rows.length;
    };
    const wide = Array.from({ length: 90 }, (_value, index) => `emails[value co "${String(index)}"]`).join(' or ');
    await assert.rejects(within(wide), { code: 'TOO_MANY' });
    assert.equal(await within(`userName eq "${newId()}"`), 0);
    assert.equal((await own.scim('GET', `/Users?filter=${encodeURIComponent(wide)}`)).body.totalResults, 0);
  });

  it('takes the largest filter there is', async () => {
    const most = Array.from({ length: 200 }, (_value, index) => `nickName ne "${String(index)}"`).join(' and ');
    const { status, body } = await directory.scim('GET', `/Users?filter=${encodeURIComponent(most)}`);
    assert.deepEqual([status, body.totalResults], [200, 2]);
    assertError(await search('/Users', { filter: `${most} and id pr` }), 400, 'invalidFilter');
  });
});
