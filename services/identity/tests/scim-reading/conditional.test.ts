import assert from 'node:assert/strict';

import { newId } from '@sallyport/storage';

import { ask, newDirectory, patchOf, type Answer, type Directory } from '../support/http.ts';
import {
  asOwner,
  newOrganization,
  startIdentity,
  type TestIdentity,
  type TestOrganization,
} from '../support/identity.ts';
import { assertError } from './assert-error.ts';

describe('conditional requests, content types and /Me (RFC 7644 §3.1, §3.11, §3.14)', () => {
  let identity: TestIdentity;
  let organization: TestOrganization;
  let directory: Directory;

  before(async () => {
    identity = await startIdentity();
    organization = await newOrganization(identity);
    directory = await newDirectory(identity, organization);
  });
  after(() => identity.close());

  const created = async (path: '/Users' | '/Groups'): Promise<string> => {
    const name = path === '/Users' ? { userName: `${newId()}@example.com` } : { displayName: newId() };
    const { body } = await directory.scim('POST', path, name);
    return `${path}/${body.id}`;
  };

  it('/Users: a change of the groups of a user, or of their names, is a change of what is answered, not of what may be overwritten', async () => {
    const at = await created('/Users');
    const [group, id] = [await created('/Groups'), at.slice('/Users/'.length)];
    const seen = async (query = ''): Promise<string> => {
      const { headers, body } = await directory.scim('GET', `${at}${query}`);
      const etag = headers.get('etag') ?? '';
      assert.equal(etag, body.meta['version']);
      const unchanged = await directory.scim('GET', `${at}${query}`, undefined, { 'if-none-match': etag });
      assert.equal(unchanged.status, 304);
      return etag;
    };
    const etags = [await seen()];
    const changes = [
      { op: 'add', path: 'members', value: [{ value: id }] },
      { op: 'replace', path: 'displayName', value: newId() },
    ];
    for (const change of changes) {
      await directory.scim('PATCH', group, patchOf(change));
      etags.push(await seen());
    }
    assert.equal(new Set(etags).size, 3, etags.join());
    assert.equal(await seen('?excludedAttributes=groups'), etags[0]);
    const external = patchOf({ op: 'replace', value: { externalId: newId() } });
    assert.equal((await directory.scim('PATCH', at, external, { 'if-match': etags[1] ?? '' })).status, 200);
    assertError(await directory.scim('PATCH', at, external, { 'if-match': etags[2] ?? '' }), 412);
  });

  for (const path of ['/Users', '/Groups'] as const) {
    it(`${path}: the ETag is the version; If-None-Match answers 304 without a body`, async () => {
      const at = await created(path);
      const { headers, body } = await directory.scim('GET', at);
      const etag = headers.get('etag') ?? '';
      assert.equal(etag, body.meta['version']);
      assert.match(etag, /^W\/"\d+"$/);
      for (const header of [etag, etag.slice(2), '*', `W/"x", ${etag}`]) {
        const unchanged = await directory.scim('GET', at, undefined, { 'if-none-match': header });
        assert.deepEqual([unchanged.status, unchanged.headers.get('etag'), unchanged.body], [304, etag, {}]);
      }
      for (const header of ['W/"0"', '"x"', 'W/"10"'])
        assert.equal((await directory.scim('GET', at, undefined, { 'if-none-match': header })).status, 200);
      await directory.scim('PATCH', at, patchOf({ op: 'replace', value: { externalId: newId() } }));
      const changed = await directory.scim('GET', at, undefined, { 'if-none-match': etag });
      assert.equal(changed.status, 200);
      assert.notEqual(changed.headers.get('etag'), etag);
    });

    it(`${path}: If-Match lets one of the named versions through, else 412 and nothing changes`, async () => {
      const at = await created(path);
      const change = (ifMatch: string): Promise<Answer> =>
        directory.scim('PATCH', at, patchOf({ op: 'replace', value: { externalId: newId() } }), {
          'if-match': ifMatch,
        });
      for (const header of ['W/"0"', '"2", "3"', 'W/""', 'nonsense']) assertError(await change(header), 412);
      for (const header of ['*', '"9", W/"2"', '"3"']) assert.ok([200, 204].includes((await change(header)).status));
      assertError(await directory.scim('DELETE', at, undefined, { 'if-match': 'W/"1"' }), 412);
      assert.equal((await directory.scim('DELETE', at, undefined, { 'if-match': 'W/"4"' })).status, 204);
    });
  }

  it('discovery has ETags', async () => {
    for (const path of ['/ServiceProviderConfig', '/Schemas', '/ResourceTypes/User']) {
      const { headers, body } = await directory.scim('GET', path);
      const etag = headers.get('etag') ?? '';
      assert.ok(body.meta === undefined || typeof body.meta['location'] === 'string');
      assert.equal((await directory.scim('GET', path, undefined, { 'if-none-match': etag })).status, 304);
    }
  });

  it('answers application/json to a client that asks for that, else application/scim+json', async () => {
    const at = await created('/Users');
    for (const [accept, type] of [
      ['application/json', 'application/json; charset=utf-8'],
      ['application/json;q=0.9, text/html', 'application/json; charset=utf-8'],
      ['application/scim+json', 'application/scim+json; charset=utf-8'],
      ['application/json, application/scim+json', 'application/scim+json; charset=utf-8'],
      ['*/*', 'application/scim+json; charset=utf-8'],
      ['text/html', 'application/scim+json; charset=utf-8'],
    ] as const)
      for (const path of [at, '/Users?count=1', '/Schemas'])
        assert.equal((await directory.scim('GET', path, undefined, { accept })).headers.get('content-type'), type);
  });

  it('wrong methods, types and addresses are SCIM errors', async () => {
    for (const [method, path, allowed] of [
      ['PUT', '/Users', /GET.*POST/],
      ['DELETE', '/Groups', /GET.*POST/],
      ['POST', `/Users/${newId()}`, /DELETE.*GET.*PATCH.*PUT/],
      ['POST', '/Schemas', /GET/],
      ['GET', '/.search', /POST/],
      ['GET', '/Bulk', /POST/],
    ] as const) {
      const answer = await directory.scim(method, path, method === 'GET' ? undefined : {});
      assertError(answer, 405);
      assert.match(answer.headers.get('allow') ?? '', allowed);
    }
    const headers = { authorization: `Bearer ${directory.token}`, 'content-type': 'text/plain' };
    assertError(await ask(identity, 'POST', '/scim/v2/Users', { raw: '{}', headers }), 415);
    for (const path of ['', '/', '/users', '/Users/x/y', '/Me/x', '/ResourceTypes/Nothing', '/Schemas/x'])
      assertError(await directory.scim('GET', path), 404);
  });

  describe('/Me', () => {
    const METHODS = ['POST', 'PUT', 'PATCH', 'DELETE'] as const;

    /** An API token of somebody's own. */
    const tokenOf = async (subjectId: string): Promise<Record<string, string>> => {
      const { status, body } = await ask(identity, 'POST', '/api/identity/v1/api-tokens', {
        body: { name: newId(), expiresAt: new Date(Date.now() + 30_000).toISOString() },
        headers: { authorization: asOwner(organization.orgId, subjectId) },
      });
      assert.equal(status, 201, JSON.stringify(body));
      return { authorization: `Bearer ${body.token}` };
    };

    it('shows people their own resource', async () => {
      const at = await created('/Users');
      const mine = (await directory.scim('GET', at)).body;
      const headers = await tokenOf(mine.id);
      const me = await ask(identity, 'GET', '/scim/v2/Me', { headers });
      assert.equal(me.status, 200, JSON.stringify(me.body));
      assert.deepEqual(me.body, mine);
      assert.equal(me.headers.get('location'), mine.meta['location']);
      assert.equal(me.headers.get('content-location'), mine.meta['location']);
      const etag = me.headers.get('etag') ?? '';
      const again = await ask(identity, 'GET', '/scim/v2/Me', { headers: { ...headers, 'if-none-match': etag } });
      assert.equal(again.status, 304);
      const part = await ask(identity, 'GET', '/scim/v2/Me?attributes=userName', { headers });
      assert.deepEqual(Object.keys(part.body), ['schemas', 'id', 'userName']);
    });

    it('lets nobody change themselves, and is no way to anybody else', async () => {
      const at = await created('/Users');
      const { body: before } = await directory.scim('GET', at);
      const headers = await tokenOf(before.id);
      for (const method of METHODS)
        assertError(await ask(identity, method, '/scim/v2/Me', { body: { active: true }, headers }), 403);
      assert.deepEqual((await directory.scim('GET', at)).body, before);
      for (const path of ['/Users', at, '/Schemas'])
        assertError(await ask(identity, 'GET', `/scim/v2${path}`, { headers }), 401);
      await directory.scim('DELETE', at);
      assertError(await ask(identity, 'GET', '/scim/v2/Me', { headers }), 401);
    });

    it('a local account is no resource of any directory', async () => {
      assertError(await ask(identity, 'GET', '/scim/v2/Me', { headers: await tokenOf(organization.ownerId) }), 404);
    });

    it('a directory is no person; nobody is nobody', async () => {
      for (const method of ['GET', ...METHODS]) {
        assertError(await directory.scim(method, '/Me', method === 'GET' ? undefined : {}), 501);
        assertError(await ask(identity, method, '/scim/v2/Me', { headers: { authorization: 'Bearer x' } }), 401);
      }
    });
  });
});
