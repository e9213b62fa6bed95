import assert from 'node:assert/strict';

import { newId } from '@sallyport/storage';

import { MAX_BULK_BYTES, MAX_BULK_OPERATIONS } from '../src/scim/bulk/limits.ts';
import {
  apiClient,
  ask,
  ENTERPRISE_URN,
  newDirectory,
  patchOf,
  type Answer,
  type Body,
  type Directory,
} from './support/http.ts';
import { newOrganization, startIdentity, type TestIdentity, type TestOrganization } from './support/identity.ts';

const REQUEST = 'urn:ietf:params:scim:api:messages:2.0:BulkRequest';
const RESPONSE = 'urn:ietf:params:scim:api:messages:2.0:BulkResponse';

interface Result {
  readonly method: string;
  readonly bulkId?: string;
  readonly status: string;
  readonly location?: string;
  readonly version?: string;
  readonly response?: Body;
}

const idOf = (result: Result | undefined): string => result?.location?.split('/').at(-1) ?? '';

const user = (bulkId: string, more: object = {}) => ({
  method: 'POST',
  path: '/Users',
  bulkId,
  data: { userName: `${bulkId}-${newId()}@example.com`, externalId: newId(), ...more },
});
const withManager = (value: unknown) => ({ [ENTERPRISE_URN]: { manager: value } });

describe('SCIM Bulk (RFC 7644 §3.7)', () => {
  let identity: TestIdentity;
  let organization: TestOrganization;
  let directory: Directory;

  before(async () => {
    identity = await startIdentity();
    organization = await newOrganization(identity);
    directory = await newDirectory(identity, organization);
  });
  after(() => identity.close());

  const send = async (operations: readonly unknown[], more: object = {}): Promise<Answer> =>
    await directory.scim('POST', '/Bulk', { schemas: [REQUEST], ...more, Operations: operations });

  const resultsOf = ({ status, body }: Answer): readonly Result[] => {
    assert.equal(status, 200, JSON.stringify(body));
    assert.deepEqual(body.schemas, [RESPONSE]);
    return body['Operations'] as readonly Result[];
  };

  const bulk = async (operations: readonly unknown[], more?: object): Promise<readonly Result[]> =>
    resultsOf(await send(operations, more));

  const statuses = (results: readonly Result[]): string[] => results.map(({ status }) => status);

  const managerOf = async (id: string): Promise<unknown> => {
    const { body } = await directory.scim('GET', `/Users/${id}`);
    return (body[ENTERPRISE_URN] as { manager?: { value?: string } } | undefined)?.manager?.value;
  };

  const membersOf = async (id: string): Promise<string[]> =>
    (
      ((await directory.scim('GET', `/Groups/${id}`)).body.members as readonly { value: string }[] | undefined) ?? []
    ).map(({ value }) => value);

  const entriesOf = async (id: string): Promise<string[]> => {
    const { body } = await apiClient(identity, organization)('GET', `/audit?targetId=${id}&limit=50`);
    return body.items.map(({ entry }) => entry.action).toReversed();
  };

  it('creates a user and a group that refers to it, each with status, location and version', async () => {
    const [one, two] = await bulk([
      user('ada'),
      {
        method: 'POST',
        path: '/Groups',
        bulkId: 'team',
        data: { displayName: newId(), members: [{ value: 'bulkId:ada' }] },
      },
    ]);
    assert.deepEqual([one?.status, one?.bulkId, one?.method, one?.version], ['201', 'ada', 'POST', 'W/"1"']);
    assert.equal(one?.location, `http://localhost:8080/scim/v2/Users/${idOf(one)}`);
    assert.equal(one.response, undefined);
    assert.deepEqual([two?.status, two?.version], ['201', 'W/"1"']);
    assert.deepEqual(await membersOf(idOf(two)), [idOf(one)]);
    assert.deepEqual(await entriesOf(idOf(one)), ['account.created'], 'its own audit entry');
  });

  it('resolves forward references, in the order of the request in the answer', async () => {
    const results = await bulk([
      {
        method: 'POST',
        path: '/Groups',
        bulkId: 'team',
        data: { displayName: newId(), members: [{ value: 'bulkId:b' }] },
      },
      user('a', withManager({ value: 'bulkId:b' })),
      user('b'),
    ]);
    assert.deepEqual(statuses(results), ['201', '201', '201']);
    assert.deepEqual(
      results.map(({ bulkId }) => bulkId),
      ['team', 'a', 'b'],
    );
    assert.deepEqual(await membersOf(idOf(results[0])), [idOf(results[2])]);
    assert.equal(await managerOf(idOf(results[1])), idOf(results[2]));
  });

  it('resolves users who manage each other, and themselves (§3.7.1, circular references)', async () => {
    const [a, b, self] = await bulk([
      user('a', withManager({ value: 'bulkId:b' })),
      user('b', withManager('bulkId:a')),
      user('self', withManager({ value: 'bulkId:self' })),
    ]);
    assert.deepEqual([a?.status, b?.status, self?.status], ['201', '201', '201']);
    assert.equal(await managerOf(idOf(a)), idOf(b));
    assert.equal(await managerOf(idOf(b)), idOf(a));
    assert.equal(await managerOf(idOf(self)), idOf(self));
    assert.equal((await directory.scim('GET', `/Users/${idOf(b)}`)).body.meta['version'], b?.version);
  });

  it('takes back a user whose manager could not be created: never half an operation, 409', async () => {
    const taken = user('taken');
    await bulk([taken]);
    const waiting = user('b', withManager({ value: 'bulkId:a' }));
    const [a, b] = await bulk([
      { ...taken, bulkId: 'a', data: { ...taken.data, ...withManager({ value: 'bulkId:b' }) } },
      waiting,
    ]);
    assert.deepEqual([a?.status, b?.status], ['409', '409']);
    assert.equal(a?.response?.scimType, 'uniqueness');
    assert.equal(b?.response?.status, '409');
    const filter = encodeURIComponent(`userName eq "${waiting.data.userName}"`);
    assert.equal((await directory.scim('GET', `/Users?filter=${filter}`)).body.totalResults, 0);
  });

  it('answers 409 for circles that cannot be resolved, and nothing is left of them', async () => {
    const [name, other] = [newId(), newId()];
    const results = await bulk([
      { method: 'POST', path: '/Groups', bulkId: 'g', data: { displayName: name, members: [{ value: 'bulkId:h' }] } },
      { method: 'POST', path: '/Groups', bulkId: 'h', data: { displayName: other, members: [{ value: 'bulkId:g' }] } },
    ]);
    assert.deepEqual(statuses(results), ['409', '409']);
    for (const displayName of [name, other]) {
      const filter = encodeURIComponent(`displayName eq "${displayName}"`);
      assert.equal((await directory.scim('GET', `/Groups?filter=${filter}`)).body.totalResults, 0);
    }
  });

  it('changes and removes what it has just created, through paths and value paths', async () => {
    const results = await bulk([
      user('a'),
      user('b'),
      {
        method: 'POST',
        path: '/Groups',
        bulkId: 'g',
        data: { displayName: newId(), members: [{ value: 'bulkId:a' }] },
      },
      {
        method: 'PATCH',
        path: '/Groups/bulkId:g',
        data: patchOf(
          { op: 'remove', path: 'members[value eq "bulkId:a"]' },
          { op: 'add', path: 'members', value: [{ value: 'bulkId:b' }] },
        ),
      },
      { method: 'PUT', path: '/Users/bulkId:a', data: { userName: `put-${newId()}@example.com` } },
      { method: 'PATCH', path: '/Users/bulkId:b', data: patchOf({ op: 'replace', path: 'title', value: 'bulkId:a' }) },
      { method: 'DELETE', path: '/Users/bulkId:a' },
    ]);
    assert.deepEqual(statuses(results), ['201', '201', '201', '204', '200', '200', '204']);
    const [a, b, g] = results.map(idOf);
    assert.deepEqual(await membersOf(String(g)), [b]);
    assert.equal((await directory.scim('GET', `/Users/${String(a)}`)).status, 404);
    assert.equal((await directory.scim('GET', `/Users/${String(b)}`)).body['title'], 'bulkId:a', 'a title is a title');
    assert.equal(results[6]?.version, undefined);
  });

  it('holds each operation against its own version (If-Match)', async () => {
    const [created] = await bulk([user('a')]);
    const path = `/Users/${idOf(created)}`;
    const change = (version: string, value: string) => ({
      method: 'PATCH',
      path,
      version,
      data: patchOf({ op: 'replace', path: 'title', value }),
    });
    const [right, stale] = await bulk([change('W/"1"', 'x'), change('W/"1"', 'y')]);
    assert.deepEqual([right?.status, right?.version, stale?.status], ['200', 'W/"2"', '412']);
    assert.equal(stale?.location, `http://localhost:8080/scim/v2${path}`);
    assert.equal((await directory.scim('GET', path)).body['title'], 'x');
  });

  it('answers each error in its place with a SCIM error, and goes on (§3.7.3)', async () => {
    const results = await bulk([
      { method: 'DELETE', path: `/Users/${newId()}` },
      { method: 'POST', path: '/Users', bulkId: 'bad', data: { nope: 1 } },
      { method: 'POST', path: '/Bulk', bulkId: 'nested', data: { Operations: [] } },
      { method: 'PATCH', path: '/Me', data: patchOf({ op: 'replace', path: 'title', value: 'x' }) },
      { method: 'DELETE', path: '/Users/bulkId:bad' },
      { method: 'DELETE', path: '/Users/bulkId:nobody' },
      user('good'),
    ]);
    assert.deepEqual(statuses(results), ['404', '400', '400', '400', '409', '400', '201']);
    for (const { status, response } of results.slice(0, -1)) {
      assert.deepEqual(response?.schemas, ['urn:ietf:params:scim:api:messages:2.0:Error']);
      assert.equal(response?.status, status);
      assert.notEqual(response?.detail, '');
    }
    assert.equal(results[1]?.location, undefined, 'a POST that failed is nowhere');
  });

  it('stops after failOnErrors errors; what was not tried is not answered', async () => {
    const missing = () => ({ method: 'DELETE', path: `/Users/${newId()}` });
    const last = user('never');
    const results = await bulk([user('first'), missing(), missing(), last], { failOnErrors: 2 });
    assert.deepEqual(statuses(results), ['201', '404', '404']);
    const filter = encodeURIComponent(`userName eq "${last.data.userName}"`);
    assert.equal((await directory.scim('GET', `/Users?filter=${filter}`)).body.totalResults, 0);
  });

  it('keeps the order of what is done to one user: the last word about access counts, and twice is once', async () => {
    const [created] = await bulk([user('a')]);
    const path = `/Users/${idOf(created)}`;
    const active = (value: boolean) => ({
      method: 'PATCH',
      path,
      data: patchOf({ op: 'replace', path: 'active', value }),
    });
    const later = user('manager');
    const results = await bulk([
      active(true),
      {
        method: 'PATCH',
        path,
        data: patchOf({ op: 'add', path: `${ENTERPRISE_URN}:manager`, value: { value: 'bulkId:manager' } }),
      },
      active(false),
      active(false),
      later,
    ]);
    assert.deepEqual(statuses(results), ['200', '200', '200', '200', '201']);
    assert.equal((await directory.scim('GET', path)).body.active, false);
    assert.equal(results[3]?.version, results[2]?.version, 'the repetition changed nothing');
    const entries = await entriesOf(idOf(created));
    assert.equal(entries.filter((action) => action === 'account.deactivated').length, 1);
  });

  it('sees only its own connection: everything else is 404, in paths and in references', async () => {
    const other = await newDirectory(identity, await newOrganization(identity));
    const theirs = (await other.scim('POST', '/Users', { userName: `t-${newId()}@example.com` })).body.id;
    const results = await bulk([
      { method: 'DELETE', path: `/Users/${theirs}` },
      { method: 'PUT', path: `/Users/${theirs}`, data: { userName: 'x@example.com' } },
      { method: 'POST', path: '/Groups', bulkId: 'g', data: { displayName: newId(), members: [{ value: theirs }] } },
    ]);
    assert.deepEqual(statuses(results), ['404', '404', '400']);
    assert.equal((await other.scim('GET', `/Users/${theirs}`)).status, 200);
  });

  it('is 413 above its limits, and nothing is done (§3.7.4)', async () => {
    const many = Array.from({ length: MAX_BULK_OPERATIONS + 1 }, (_, number) => user(`n${String(number)}`));
    const tooMany = await send(many);
    assert.equal(tooMany.status, 413);
    assert.equal(tooMany.body.status, '413');
    const raw = JSON.stringify({ schemas: [REQUEST], Operations: [user('x', { title: 'x'.repeat(MAX_BULK_BYTES) })] });
    const headers = { authorization: `Bearer ${directory.token}`, 'content-type': 'application/scim+json' };
    assert.equal((await ask(identity, 'POST', '/scim/v2/Bulk', { raw, headers })).status, 413);
    const filter = encodeURIComponent(`userName eq "${many[0]?.data.userName ?? ''}"`);
    assert.equal((await directory.scim('GET', `/Users?filter=${filter}`)).body.totalResults, 0);
  });

  it('carries out 100 operations', async () => {
    const results = await bulk(Array.from({ length: MAX_BULK_OPERATIONS }, (_, number) => user(`h${String(number)}`)));
    assert.equal(results.length, MAX_BULK_OPERATIONS);
    assert.ok(results.every(({ status }) => status === '201'));
  });

  it('ends when its token is revoked meanwhile: nothing is done after that', async () => {
    const own = await newDirectory(identity, organization, newId());
    // Within the transaction of the first operation, so that the second is the first to see it.
    await identity.admin(
      `CREATE FUNCTION identity.revoke_first() RETURNS trigger LANGUAGE plpgsql AS
         $$ BEGIN UPDATE identity.scim_token SET revoked_at = now() WHERE connection_id = NEW.connection_id;
         RETURN NEW; END $$`,
    );
    await identity.admin(
      `CREATE TRIGGER revoke_first AFTER INSERT ON identity.account FOR EACH ROW EXECUTE FUNCTION identity.revoke_first()`,
    );
    try {
      const operations = [user('one'), user('two'), { method: 'DELETE', path: '/Users/bulkId:one' }];
      const answer = await own.scim('POST', '/Bulk', { schemas: [REQUEST], Operations: operations });
      assert.deepEqual(statuses(resultsOf(answer)), ['201', '401', '401']);
    } finally {
      await identity.admin('DROP TRIGGER revoke_first ON identity.account');
      await identity.admin('DROP FUNCTION identity.revoke_first()');
    }
  });

  it('ends when the connection is disabled meanwhile', async () => {
    const own = await newDirectory(identity, organization, newId());
    const api = apiClient(identity, organization);
    const operations = Array.from({ length: MAX_BULK_OPERATIONS }, (_, number) => user(`d${String(number)}`));
    const running = own.scim('POST', '/Bulk', { schemas: [REQUEST], Operations: operations });
    assert.equal((await api('PATCH', `/connections/${own.connectionId}`, { enabled: false })).status, 200);
    const { status, body } = await running;
    // Disabled before the request was let in, or while it ran: either way somebody is the first to be refused.
    if (status === 403) return;
    const results = body['Operations'] as readonly Result[];
    const first = results.findIndex((result) => result.status === '403');
    assert.ok(
      first === -1 || results.slice(first).every((result) => result.status === '403'),
      'nothing after the refusal',
    );
    const [row] = await identity.admin<{ count: number }>(
      `SELECT count(*)::int AS count FROM identity.account WHERE connection_id = $1 AND status = 'active'`,
      [own.connectionId],
    );
    assert.equal(row?.count, 0, 'nobody of a disabled connection is active');
  });
});
