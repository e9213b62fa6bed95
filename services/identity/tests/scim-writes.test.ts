import assert from 'node:assert/strict';

import { newId } from '@sallyport/storage';

import { assertScimError } from './scim/assert-scim.ts';
import {
  apiClient,
  ENTERPRISE_URN,
  GROUP_URN,
  newDirectory,
  patchOf,
  USER_URN,
  type Client,
  type Directory,
} from './support/http.ts';
import { newOrganization, startIdentity, type TestIdentity, type TestOrganization } from './support/identity.ts';

describe('SCIM writes', () => {
  let identity: TestIdentity;
  let organization: TestOrganization;
  let directory: Directory;
  let scim: Client;
  let api: Client;

  before(async () => {
    identity = await startIdentity();
    organization = await newOrganization(identity);
    directory = await newDirectory(identity, organization);
    scim = directory.scim;
    api = apiClient(identity, organization);
  });
  after(() => identity.close());

  const create = async (more: object = {}, at: Directory = directory): Promise<string> => {
    const created = await at.scim('POST', '/Users', {
      schemas: [USER_URN],
      userName: `${newId()}@example.com`,
      ...more,
    });
    assert.equal(created.status, 201, JSON.stringify(created.body));
    return created.body.id;
  };
  const read = async (id: string) => (await scim('GET', `/Users/${id}`)).body;
  const entriesOf = async (id: string): Promise<number> =>
    (await api('GET', `/audit?targetId=${id}&limit=100`)).body.items.length;

  describe('profile of a connection', () => {
    it('is set and shown by the admin API, and is in force with the next request', async () => {
      const own = await newDirectory(identity, organization, newId());
      const id = await create({}, own);
      const entra = patchOf({ op: 'Replace', path: 'active', value: 'False' });
      const connection = `/connections/${own.connectionId}`;
      assert.deepEqual((await api('GET', connection)).body['scim'], {
        ...((await api('GET', connection)).body['scim'] as object),
        profile: 'auto',
      });
      const changed = await api('PATCH', connection, { scim: { profile: 'rfc' } });
      assert.equal(changed.status, 200, JSON.stringify(changed.body));
      assert.equal((changed.body['scim'] as { profile: string }).profile, 'rfc');
      assertScimError(await own.scim('PATCH', `/Users/${id}`, entra), 400, 'invalidValue');
      assert.equal((await own.scim('GET', `/Users/${id}`)).body.active, true, 'a refused request changes nothing');
      await api('PATCH', connection, { scim: { profile: 'entra' } });
      assert.equal((await own.scim('PATCH', `/Users/${id}`, entra)).body.active, false);
      const { body } = await api('GET', `/audit?targetId=${own.connectionId}&limit=10`);
      const profiles = body.items.map(({ entry }) => (entry.after?.['scim'] as { profile?: string } | null)?.profile);
      assert.deepEqual(new Set(profiles.slice(0, 2)), new Set(['entra', 'rfc']), 'recorded');
    });

    it('is one of the documented ones, and is not changed by a request that does not name it', async () => {
      const own = await newDirectory(identity, organization, newId());
      const connection = `/connections/${own.connectionId}`;
      await api('PATCH', connection, { scim: { profile: 'okta-oin' } });
      for (const profile of ['okta', 'AUTO', '', null, 1])
        assert.equal((await api('PATCH', connection, { scim: { profile } })).status, 400, String(profile));
      await api('PATCH', connection, { name: newId() });
      assert.equal(((await api('GET', connection)).body['scim'] as { profile: string }).profile, 'okta-oin');
    });

    it('interop-strict refuses PUT and operations without a path', async () => {
      const own = await newDirectory(identity, organization, newId());
      const id = await create({}, own);
      await api('PATCH', `/connections/${own.connectionId}`, { scim: { profile: 'interop-strict' } });
      assertScimError(await own.scim('PUT', `/Users/${id}`, { userName: 'x@example.com' }), 400, 'invalidSyntax');
      const pathless = patchOf({ op: 'replace', value: { active: false } });
      assertScimError(await own.scim('PATCH', `/Users/${id}`, pathless), 400, 'invalidSyntax');
      const withPath = patchOf({ op: 'replace', path: 'active', value: false });
      assert.equal((await own.scim('PATCH', `/Users/${id}`, withPath)).body.active, false);
    });

    it('tolerates the URL flag of Entra everywhere (aadOptscim062020)', async () => {
      const flag = '?aadOptscim062020';
      const userName = `${newId()}@example.com`;
      const created = await scim('POST', `/Users${flag}`, { schemas: [USER_URN], userName });
      assert.equal(created.status, 201);
      const { id } = created.body;
      const change = patchOf({ op: 'replace', value: { displayName: 'B', 'name.givenName': 'K' } });
      assert.equal((await scim('PATCH', `/Users/${id}${flag}`, change)).status, 200);
      assert.equal((await scim('GET', `/Users/${id}${flag}`)).body.name['givenName'], 'K');
      assert.equal((await scim('GET', `/Users${flag}&count=1`)).status, 200);
      assert.equal((await scim('PUT', `/Users/${id}${flag}`, { userName })).status, 200);
      assert.equal((await scim('DELETE', `/Users/${id}${flag}`)).status, 204);
    });
  });

  describe('PUT (RFC 7644 §3.5.1)', () => {
    it('clears what is left out and ignores what is read-only', async () => {
      const id = await create({ title: 'Dr', emails: [{ value: 'a@example.com' }], externalId: newId() });
      const { body } = await scim('PUT', `/Users/${id}`, {
        schemas: [USER_URN],
        id: newId(),
        userName: `${newId()}@example.com`,
        groups: [{ value: newId() }],
        meta: { version: 'W/"99"', created: '1970-01-01T00:00:00Z' },
        password: 'secret',
      });
      assert.equal(body.id, id);
      for (const name of ['title', 'emails', 'externalId', 'groups', 'password', 'name'])
        assert.equal(name in body, false, name);
      assert.equal(body.meta['version'], 'W/"2"');
      assert.notEqual(body.meta['created'], '1970-01-01T00:00:00Z');
    });

    it('neither opens nor closes when it does not say active', async () => {
      for (const active of [true, false]) {
        const id = await create({ active });
        const { body } = await scim('PUT', `/Users/${id}`, { userName: `${newId()}@example.com`, title: 'x' });
        assert.equal(body.active, active);
      }
      const id = await create();
      for (const active of [null, '', 0, 'no', {}])
        assertScimError(await scim('PUT', `/Users/${id}`, { userName: 'x@example.com', active }), 400, 'invalidValue');
      assert.equal((await read(id)).active, true);
    });

    it('takes back its own answer unchanged: version, lastModified and audit log do not move (Okta’s echo)', async () => {
      const manager = await create();
      const id = await create({
        externalId: newId(),
        name: { givenName: 'B', familyName: 'J' },
        emails: [{ value: 'b@example.com', type: 'work', primary: true }],
        addresses: [{ locality: 'Oslo', type: 'work' }],
        [ENTERPRISE_URN]: { department: 'R', manager: { value: manager, $ref: `../Users/${manager}` } },
      });
      await scim('POST', '/Groups', { displayName: newId(), members: [{ value: id }] });
      const before = await read(id);
      assert.equal(before.groups.length, 1);
      const entries = await entriesOf(id);
      const { status, body } = await scim('PUT', `/Users/${id}`, { ...before, password: 'x1Y!' });
      assert.equal(status, 200);
      assert.deepEqual(body, before);
      assert.equal(await entriesOf(id), entries);
    });

    it('replaces a group with its members, and none when none are named', async () => {
      const [a, b] = [await create(), await create()];
      const created = await scim('POST', '/Groups', {
        displayName: newId(),
        externalId: newId(),
        members: [{ value: a }],
      });
      const path = `/Groups/${created.body.id}`;
      const put = await scim('PUT', path, { ...created.body, members: [{ value: b, display: 'b', type: 'User' }] });
      assert.deepEqual(
        put.body.members.map(({ value }) => value),
        [b],
      );
      const cleared = await scim('PUT', path, { schemas: [GROUP_URN], displayName: created.body.displayName });
      assert.deepEqual(cleared.body.members ?? [], []);
      assert.equal('externalId' in cleared.body, false);
    });
  });

  describe('PATCH (RFC 7644 §3.5.2)', () => {
    it('says what is there already: version, lastModified and audit log do not move', async () => {
      const id = await create({ title: 'Dr', emails: [{ value: 'a@example.com', type: 'work' }] });
      const before = await read(id);
      const entries = await entriesOf(id);
      for (const operation of [
        { op: 'add', path: 'title', value: 'Dr' },
        { op: 'replace', path: 'active', value: true },
        { op: 'add', path: 'emails', value: [{ value: 'A@example.com', type: 'work' }] },
        { op: 'remove', path: 'nickName' },
        { op: 'remove', path: 'emails[type eq "home"]' },
        { op: 'replace', path: 'displayName', value: null },
      ]) {
        const { status, body } = await scim('PATCH', `/Users/${id}`, patchOf(operation));
        assert.equal(status, 200, JSON.stringify(operation));
        assert.deepEqual(body, before, JSON.stringify(operation));
      }
      assert.equal(await entriesOf(id), entries);
    });

    it('keeps schemas in step with the extension', async () => {
      const id = await create();
      const path = `${ENTERPRISE_URN}:department`;
      const added = await scim('PATCH', `/Users/${id}`, patchOf({ op: 'add', path, value: 'R' }));
      assert.deepEqual(added.body.schemas, [USER_URN, ENTERPRISE_URN]);
      const removed = await scim('PATCH', `/Users/${id}`, patchOf({ op: 'remove', path }));
      assert.deepEqual(removed.body.schemas, [USER_URN]);
      assert.equal(ENTERPRISE_URN in removed.body, false);
    });

    it('is all or nothing, for attributes and members together', async () => {
      const member = await create();
      const displayName = newId();
      const group = (await scim('POST', '/Groups', { displayName })).body.id;
      const refused = [
        [{ op: 'add', path: 'members', value: [{ value: newId() }] }, 'invalidValue'],
        [{ op: 'replace', path: 'nope', value: 'x' }, 'invalidPath'],
        [{ op: 'remove' }, 'noTarget'],
        [{ op: 'replace', path: 'id', value: 'x' }, 'mutability'],
        [{ op: 'remove', path: 'displayName' }, 'mutability'],
      ] as const;
      for (const [last, scimType] of refused) {
        const operations = [
          { op: 'replace', path: 'displayName', value: newId() },
          { op: 'add', path: 'members', value: [{ value: member }] },
          last,
        ];
        assertScimError(await scim('PATCH', `/Groups/${group}`, patchOf(...operations)), 400, scimType);
        const { body } = await scim('GET', `/Groups/${group}`);
        assert.equal(body.displayName, displayName);
        assert.deepEqual(body.members ?? [], []);
        assert.equal(body.meta['version'], 'W/"1"');
      }
    });

    it('is bounded: 1,000 operations and 10,000 members', async () => {
      const id = await create();
      const many = (count: number) =>
        patchOf(...Array.from({ length: count }, () => ({ op: 'replace', path: 'title', value: 'x' })));
      assert.equal((await scim('PATCH', `/Users/${id}`, many(1_000))).body['title'], 'x');
      assertScimError(await scim('PATCH', `/Users/${id}`, many(1_001)), 400, 'tooMany');
      const group = (await scim('POST', '/Groups', { displayName: newId() })).body.id;
      const value = Array.from({ length: 10_001 }, () => ({ value: newId() }));
      assertScimError(
        await scim('PATCH', `/Groups/${group}`, patchOf({ op: 'add', path: 'members', value })),
        400,
        'tooMany',
      );
    });

    it('lets the process serve others while it works on the largest request (event loop)', async () => {
      const long = (at: number): string => 'ä'.repeat(900) + String(at);
      const id = await create({
        emails: Array.from({ length: 200 }, (_, at) => ({ value: long(at), type: `t${String(at)}` })),
      });
      const path = 'emails[value sw "x" or type eq "t1"].display';
      const body = patchOf(...Array.from({ length: 900 }, (_, at) => ({ op: 'replace', path, value: String(at) })));
      const running = scim('PATCH', `/Users/${id}`, body);
      let served = 0;
      const state = { isDone: false };
      const done = running.finally(() => {
        state.isDone = true;
      });
      while (!state.isDone) {
        assert.equal((await scim('GET', '/ServiceProviderConfig')).status, 200);
        served += 1;
      }
      assert.equal((await done).status, 200);
      assert.ok(served >= 5, `only ${String(served)} requests were served meanwhile`);
    });
  });

  describe('post-condition', () => {
    it('is INTERNAL and rolled back when the database does not hold what was asked for (fault injected)', async () => {
      const id = await create({ title: 'Dr' });
      const before = await read(id);
      await identity.admin(`
        CREATE FUNCTION identity.swallow() RETURNS trigger LANGUAGE plpgsql AS
          'BEGIN NEW.profile := OLD.profile; RETURN NEW; END';
        CREATE TRIGGER swallow BEFORE UPDATE ON identity.account FOR EACH ROW EXECUTE FUNCTION identity.swallow();`);
      try {
        const refused = await scim('PATCH', `/Users/${id}`, patchOf({ op: 'replace', path: 'title', value: 'x' }));
        assertScimError(refused, 500);
        const put = await scim('PUT', `/Users/${id}`, { userName: before.userName, title: 'y' });
        assertScimError(put, 500);
        assert.doesNotMatch(JSON.stringify(put.body), /take effect/, 'nothing internal leaves');
      } finally {
        await identity.admin('DROP TRIGGER swallow ON identity.account; DROP FUNCTION identity.swallow();');
      }
      assert.deepEqual(await read(id), before);
      const changed = await scim('PATCH', `/Users/${id}`, patchOf({ op: 'replace', path: 'title', value: 'x' }));
      assert.equal(changed.body['title'], 'x');
    });
  });
});
