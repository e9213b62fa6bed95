import assert from 'node:assert/strict';

import { newId, newSecret } from '@sallyport/storage';

import {
  apiClient,
  ask,
  newDirectory,
  patchOf,
  scimClient,
  USER_URN,
  type Answer,
  type Client,
  type Directory,
} from './support/http.ts';
import { newOrganization, startIdentity, type TestIdentity, type TestOrganization } from './support/identity.ts';

const assertError = ({ status, headers, body }: Answer, expected: number, scimType?: string): void => {
  assert.equal(status, expected, JSON.stringify(body));
  assert.match(headers.get('content-type') ?? '', /^application\/scim\+json/);
  assert.deepEqual(body.schemas, ['urn:ietf:params:scim:api:messages:2.0:Error']);
  assert.equal(body.status, String(expected));
  assert.notEqual(body.detail, '');
  assert.equal(body.scimType, scimType);
};

describe('SCIM edge', () => {
  let identity: TestIdentity;
  let organization: TestOrganization;
  let api: Client;
  let directory: Directory;

  before(async () => {
    identity = await startIdentity();
    organization = await newOrganization(identity);
    api = apiClient(identity, organization);
    directory = await newDirectory(identity, organization);
  });
  after(() => identity.close());

  describe('tokens', () => {
    it('a wrong, missing or malformed token is 401 with a SCIM error, never 2xx (Okta 11)', async () => {
      const wrong = [
        '',
        'Bearer',
        'Bearer x',
        `Bearer ${newSecret('sp_scim_')}`,
        `Bearer ${directory.token}x`,
        `Basic ${directory.token}`,
        organization.authorization,
      ];
      for (const authorization of wrong)
        for (const [method, path, body] of [
          ['GET', '/scim/v2/Users', undefined],
          ['GET', '/scim/v2/ServiceProviderConfig', undefined],
          ['POST', '/scim/v2/Users', { userName: 'x' }],
          ['DELETE', `/scim/v2/Users/${newId()}`, undefined],
        ] as const) {
          const answer = await ask(identity, method, path, {
            body,
            headers: authorization === '' ? {} : { authorization },
          });
          assertError(answer, 401);
          assert.match(answer.headers.get('www-authenticate') ?? '', /^Bearer /);
        }
    });

    it('two tokens live side by side, a third is refused; a revoked one is refused at once and recorded', async () => {
      const own = await newDirectory(identity, organization, 'Rotation');
      const path = `/connections/${own.connectionId}/scim-tokens`;
      const second = await api('POST', path, { name: 'second' });
      assert.equal(second.status, 201);
      assert.equal((await api('POST', path, { name: 'third' })).status, 409);
      const next = scimClient(identity, second.body.token);
      assert.equal((await next('GET', '/Users')).status, 200);
      const { body } = await api('GET', path);
      const first = body.items.find(({ name }) => (name as unknown) === 'first');
      assert.equal('token' in (first ?? {}), false, 'a secret is shown once');
      assert.equal((await api('DELETE', `${path}/${first?.id ?? ''}`)).status, 204);
      assertError(await own.scim('GET', '/Users'), 401);
      assert.equal((await next('GET', '/Users')).status, 200);
      assert.equal((await api('DELETE', `${path}/${first?.id ?? ''}`)).status, 404);
      const refusals = await identity.context.audit.list(own.orgId, { limit: 10, action: 'scim.request-refused' });
      assert.deepEqual(
        refusals.map(({ entry }) => [entry['outcome'], entry['reason']]),
        [['denied', 'revoked']],
      );
    });

    it('an expired token is refused', async () => {
      const own = await newDirectory(identity, organization, 'Expiry');
      await identity.admin(
        "UPDATE identity.scim_token SET expires_at = now() - interval '1 second' WHERE connection_id = $1",
        [own.connectionId],
      );
      assertError(await own.scim('GET', '/Users'), 401);
    });

    it('keeps only the hash', async () => {
      const rows = await identity.admin<{ text: string }>('SELECT t::text AS text FROM identity.scim_token t');
      assert.ok(rows.length > 0);
      for (const { text } of rows) assert.equal(text.includes(directory.token), false);
    });

    it('a disabled connection is 403 for every method, and open again once enabled', async () => {
      const own = await newDirectory(identity, organization, 'Disabled');
      const { body } = await own.scim('POST', '/Users', { userName: `${newId()}@example.com` });
      assert.equal((await api('PATCH', `/connections/${own.connectionId}`, { enabled: false })).status, 200);
      for (const [method, path, payload] of [
        ['GET', '/Users', undefined],
        ['GET', `/Users/${body.id}`, undefined],
        ['POST', '/Users', { userName: 'x' }],
        ['PATCH', `/Users/${body.id}`, patchOf({ op: 'replace', value: { active: true } })],
        ['GET', '/ServiceProviderConfig', undefined],
      ] as const)
        assertError(await own.scim(method, path, payload), 403);
      await api('PATCH', `/connections/${own.connectionId}`, { enabled: true });
      assert.equal((await own.scim('GET', `/Users/${body.id}`)).status, 200);
    });

    it('a connection without a directory, or a removed one, has no valid token', async () => {
      const own = await newDirectory(identity, organization, 'No directory');
      await api('PATCH', `/connections/${own.connectionId}`, { scim: null });
      assertError(await own.scim('GET', '/Users'), 401);
      const removed = await newDirectory(identity, organization, 'Removed');
      assert.equal((await api('DELETE', `/connections/${removed.connectionId}`)).status, 204);
      assertError(await removed.scim('GET', '/Users'), 401);
    });
  });

  it('walls: a user or group of another organisation, or of another connection, is 404 for every method', async () => {
    const others = [
      await newDirectory(identity, await newOrganization(identity)),
      await newDirectory(identity, organization, 'Other'),
    ];
    for (const other of others) {
      const user = await other.scim('POST', '/Users', { userName: `${newId()}@example.com`, externalId: 'shared' });
      const group = await other.scim('POST', '/Groups', { displayName: 'Theirs', externalId: 'shared' });
      for (const path of [`/Users/${user.body.id}`, `/Groups/${group.body.id}`])
        for (const [method, body] of [
          ['GET', undefined],
          ['PUT', { userName: 'taken', displayName: 'taken' }],
          ['PATCH', patchOf({ op: 'replace', value: { externalId: 'taken' } })],
          ['DELETE', undefined],
        ] as const) {
          const isUser = path.startsWith('/Users');
          const payload = method === 'PUT' ? (isUser ? { userName: 'taken' } : { displayName: 'taken' }) : body;
          assertError(await directory.scim(method, path, payload), 404);
        }
      for (const filter of [`id eq "${user.body.id}"`, 'externalId eq "shared"'])
        assert.equal((await directory.scim('GET', `/Users?filter=${encodeURIComponent(filter)}`)).body.totalResults, 0);
      for (const filter of [`id eq "${group.body.id}"`, 'externalId eq "shared"', 'displayName eq "Theirs"'])
        assert.equal(
          (await directory.scim('GET', `/Groups?filter=${encodeURIComponent(filter)}`)).body.totalResults,
          0,
        );
      assert.equal((await other.scim('GET', `/Users/${user.body.id}`)).body.active, true);
      assert.equal((await other.scim('GET', `/Groups/${group.body.id}`)).body.displayName, 'Theirs');
    }
    assert.equal(
      (await directory.scim('POST', '/Users', { userName: `${newId()}@example.com`, externalId: 'shared' })).status,
      201,
    );
  });

  it("hides accounts that are not the directory's: service accounts and the local Owner (keycloak#52675)", async () => {
    const service = await api('POST', '/accounts', { kind: 'service_account', userName: 'ci' });
    for (const id of [service.body.id, organization.ownerId]) {
      assertError(await directory.scim('GET', `/Users/${id}`), 404);
      assertError(await directory.scim('DELETE', `/Users/${id}`), 404);
      const add = { displayName: newId(), members: [{ value: id }] };
      assertError(await directory.scim('POST', '/Groups', add), 400, 'invalidValue');
    }
  });

  it('bad bodies are 4xx with a SCIM error and change nothing', async () => {
    const authorization = `Bearer ${directory.token}`;
    const send = (raw: string, contentType = 'application/scim+json'): Promise<Answer> =>
      ask(identity, 'POST', '/scim/v2/Users', { raw, headers: { authorization, 'content-type': contentType } });
    const { totalResults } = (await directory.scim('GET', '/Users?count=0')).body;
    assertError(await send('{"userName": '), 400, 'invalidSyntax');
    assertError(await send('[]'), 400, 'invalidSyntax');
    assertError(await send('{}'), 400, 'invalidValue');
    assertError(await send('{"userName":"x"}', 'text/plain'), 415);
    assertError(await send(`{"userName":"${'x'.repeat(1024 * 1024)}"}`), 413);
    assertError(
      await send(`{"userName":"x","name":${'{"a":'.repeat(2_000)}1${'}'.repeat(2_000)}}`),
      400,
      'invalidSyntax',
    );
    for (const name of ['__proto__', 'constructor', 'prototype', 'toString', 'isAdmin', 'orgId', 'epoch', 'roleIds'])
      assertError(await send(`{"userName":"x","${name}":{"polluted":true}}`), 400, 'invalidSyntax');
    const { body } = await directory.scim('POST', '/Users', { userName: `${newId()}@example.com` });
    for (const operation of [
      '{"op":"add","path":"__proto__.polluted","value":"x"}',
      '{"op":"add","path":"constructor.prototype.polluted","value":"x"}',
      '{"op":"replace","value":{"toString.polluted":"x"}}',
      '{"op":"replace","value":{"__proto__":{"polluted":"x"}}}',
      '{"op":"add","path":"emails[type eq \\"work\\"].__proto__","value":{"polluted":"x"}}',
    ])
      assertError(
        await ask(identity, 'PATCH', `/scim/v2/Users/${body.id}`, {
          raw: `{"Operations":[${operation}]}`,
          headers: { authorization, 'content-type': 'application/scim+json' },
        }),
        400,
        operation.includes('"__proto__"') ? 'invalidSyntax' : 'invalidPath',
      );
    assert.equal(({} as Record<string, unknown>)['polluted'], undefined);
    assert.equal((await directory.scim('GET', '/Users?count=0')).body.totalResults, totalResults + 1);
  });

  it('unknown addresses and methods are SCIM errors too', async () => {
    assertError(await directory.scim('GET', '/Nothing'), 404);
    const put = await directory.scim('PUT', '/Users', {});
    assertError(put, 405);
    assert.match(put.headers.get('allow') ?? '', /POST/);
    assertError(await directory.scim('GET', '/Me'), 501);
  });

  describe('discovery (RFC 7644 §4)', () => {
    it('says what is supported', async () => {
      const { status, body } = await directory.scim('GET', '/ServiceProviderConfig');
      assert.equal(status, 200);
      assert.deepEqual(body['patch'], { supported: true });
      assert.deepEqual(body['etag'], { supported: true });
      assert.deepEqual(body['bulk'], { supported: true, maxOperations: 100, maxPayloadSize: 1_048_576 });
      assert.deepEqual(body['sort'], { supported: true });
      assert.deepEqual(body['filter'], { supported: true, maxResults: 500 });
      // RFC 9865 §4
      assert.deepEqual(body['pagination'], {
        cursor: true,
        index: true,
        defaultPaginationMethod: 'index',
        defaultPageSize: 100,
        maxPageSize: 500,
        cursorTimeout: 600,
      });
    });

    it('publishes the schemas the validator enforces: every attribute of a user can be set and read back', async () => {
      const { body } = await directory.scim('GET', `/Schemas/${USER_URN}`);
      const attributes = body['attributes'] as {
        name: string;
        type: string;
        multiValued: boolean;
        mutability: string;
      }[];
      const simple = attributes.filter(
        ({ type, multiValued, mutability, name }) =>
          type !== 'complex' && type !== 'boolean' && !multiValued && mutability === 'readWrite' && name !== 'userName',
      );
      assert.ok(simple.length >= 8);
      const values = Object.fromEntries(simple.map(({ name }) => [name, `value of ${name}`]));
      const created = await directory.scim('POST', '/Users', { userName: `${newId()}@example.com`, ...values });
      for (const { name } of simple) assert.equal(created.body[name], `value of ${name}`);
    });

    it('lists types and schemas, one by one too, a Group schema among them; a filter is 403', async () => {
      const types = await directory.scim('GET', '/ResourceTypes');
      assert.deepEqual(
        types.body.Resources.map(({ id }) => id),
        ['User', 'Group'],
      );
      const schemas = await directory.scim('GET', '/Schemas');
      for (const { id } of schemas.body.Resources)
        assert.equal((await directory.scim('GET', `/Schemas/${id}`)).body.id, id);
      assert.ok(schemas.body.Resources.some(({ id }) => id.endsWith(':core:2.0:Group')));
      assertError(await directory.scim('GET', '/Schemas/urn:nope'), 404);
      assertError(await directory.scim('GET', '/Schemas?filter=id%20eq%20%22x%22'), 403);
    });
  });
});
