import assert from 'node:assert/strict';

import { waitFor } from '@sallyport/dev-env';
import { newId, newSecret } from '@sallyport/storage';

import { apiClient, newDirectory, patchOf, scimClient, type Client, type Directory } from './support/http.ts';
import { newOrganization, startIdentity, type TestIdentity, type TestOrganization } from './support/identity.ts';
import { CredentialScene } from './support/scim-client.ts';

/** An exchange as the API shows it. */
interface Shown {
  readonly id: string;
  readonly requestId: string;
  readonly method: string;
  readonly path: string;
  readonly query: string;
  readonly resourceId: string | null;
  readonly profile: string | null;
  readonly credential: { readonly class: string; readonly id: string };
  readonly ip: string;
  readonly userAgent: string | null;
  readonly body: unknown;
  readonly status: number;
  readonly scimType: string | null;
  readonly detail: string | null;
  readonly durationMs: number;
  readonly changes: readonly { readonly index: string; readonly action: string; readonly targetId: string }[];
}

describe('SCIM exchange traces', () => {
  let identity: TestIdentity;
  let organization: TestOrganization;
  let api: Client;

  before(async () => {
    identity = await startIdentity();
    organization = await newOrganization(identity);
    api = apiClient(identity, organization);
  });
  after(() => identity.close());

  const exchangesOf = async (
    { connectionId }: Pick<Directory, 'connectionId'>,
    query = '',
    by: Client = api,
  ): Promise<readonly Shown[]> => {
    const { status, body } = await by('GET', `/connections/${connectionId}/scim-exchanges?${query}`);
    assert.equal(status, 200, JSON.stringify(body));
    return body.items as unknown as readonly Shown[];
  };
  const latest = async (directory: Directory): Promise<Shown> => {
    const [newest] = await exchangesOf(directory, 'limit=1');
    assert.ok(newest !== undefined);
    return newest;
  };

  it('shows what was sent, what was answered and what it changed, down to the entry of the audit log', async () => {
    const directory = await newDirectory(identity, organization, 'Shown');
    const made = await directory.scim('POST', '/Users', {
      schemas: ['urn:ietf:params:scim:schemas:core:2.0:User'],
      userName: 'barbara@example.com',
      externalId: '00u1',
      name: { familyName: 'Jensen' },
      password: 'tr0ub4dor&3',
    });
    const created = await latest(directory);
    assert.deepEqual(
      [created.method, created.path, created.status, created.profile, created.resourceId, created.userAgent],
      ['POST', '/scim/v2/Users', 201, 'auto', made.body.id, 'OKTA SCIM Integration'],
    );
    assert.deepEqual(created.body, {
      schemas: ['urn:ietf:params:scim:schemas:core:2.0:User'],
      userName: 'b…@example.com',
      externalId: '00u1',
      name: { familyName: 'string(6)' },
      password: 'redacted',
    });
    assert.equal(created.credential.class, 'scim_token');
    assert.ok(created.durationMs > 0);

    const headers = { 'x-request-id': newId() };
    const left = patchOf({ op: 'Replace', path: 'active', value: 'False' });
    assert.equal((await directory.scim('PATCH', `/Users/${made.body.id}`, left, headers)).status, 200);
    const patched = await latest(directory);
    assert.equal(patched.requestId, headers['x-request-id']);
    assert.equal(patched.resourceId, made.body.id);
    assert.deepEqual(patched.body, left);
    const [change] = patched.changes;
    assert.deepEqual([change?.action, change?.targetId], ['account.deactivated', made.body.id]);
    const entries = await api('GET', `/audit?targetId=${made.body.id}&action=account.deactivated`);
    assert.equal(entries.body.items[0]?.['index'], change?.index);

    assert.equal((await directory.scim('PATCH', `/Users/${made.body.id}`, left)).status, 200);
    assert.deepEqual((await latest(directory)).changes, [], 'the second time nothing was changed');
    await directory.scim('GET', '/Users?filter=userName%20eq%20%22barbara%40example.com%22&count=1');
    const looked = await latest(directory);
    assert.deepEqual(
      [looked.query, looked.body, looked.changes],
      ['filter=userName eq "b…@example.com"&count=1', null, []],
    );
  });

  it('shows what was refused, and why', async () => {
    const directory = await newDirectory(identity, organization, 'Refused');
    const path = `/connections/${directory.connectionId}`;
    await directory.scim('POST', '/Users', { userName: 'twice@example.com' });
    const refusals: readonly (readonly [() => Promise<unknown>, number, string | null])[] = [
      [() => directory.scim('POST', '/Users', { userName: 'twice@example.com' }), 409, 'uniqueness'],
      [() => directory.scim('PATCH', `/Users/${newId()}`, patchOf({ op: 'remove', path: 'title' })), 404, null],
      [() => directory.scim('GET', '/Users?filter=nothing'), 400, 'invalidFilter'],
      [() => directory.scim('PUT', '/Users/bob@example.com', { userName: 'x' }), 404, null],
    ];
    for (const [send, status, scimType] of refusals) {
      await send();
      const shown = await latest(directory);
      assert.deepEqual([shown.status, shown.scimType], [status, scimType]);
      assert.ok((shown.detail ?? '').length > 0);
      assert.deepEqual(shown.changes, []);
    }
    await api('PATCH', path, { enabled: false });
    await directory.scim('GET', '/Users');
    assert.deepEqual([(await latest(directory)).status, (await latest(directory)).profile], [403, null]);
    await api('PATCH', path, { enabled: true });
    await api('PUT', `${path}/scim-networks`, { allowedNetworks: ['192.0.2.1'] });
    await directory.scim('GET', '/Users', undefined, { 'x-forwarded-for': '198.51.100.7' });
    const outside = await latest(directory);
    assert.deepEqual([outside.status, outside.ip], [403, '198.51.100.7']);
    await api('PUT', `${path}/scim-networks`, { allowedNetworks: [] });
    const [token = { id: '' }] = (await api('GET', `${path}/scim-tokens`)).body.items;
    await api('DELETE', `${path}/scim-tokens/${token.id}`);
    await directory.scim('GET', '/Users');
    const revoked = await latest(directory);
    assert.deepEqual([revoked.status, revoked.credential.id], [401, token.id]);

    const before = (await exchangesOf(directory)).length;
    await scimClient(identity, newSecret('sp_scim_'))('GET', '/Users');
    assert.equal((await exchangesOf(directory)).length, before, 'a credential nobody knows is nobody’s request');
  });

  it('says of a Bulk request what became of its operations, and all it changed', async () => {
    const directory = await newDirectory(identity, organization, 'Bulk');
    const operation = (bulkId: string, userName: string) => ({
      method: 'POST',
      path: '/Users',
      bulkId,
      data: { schemas: ['urn:ietf:params:scim:schemas:core:2.0:User'], userName },
    });
    const { status, body } = await directory.scim('POST', '/Bulk', {
      schemas: ['urn:ietf:params:scim:api:messages:2.0:BulkRequest'],
      Operations: [operation('a', 'bulk-a@example.com'), operation('b', 'bulk-b@example.com'), operation('c', '')],
    });
    assert.equal(status, 200, JSON.stringify(body));
    const shown = await latest(directory);
    assert.equal(shown.detail, 'Operations: 2 x 201, 1 x 400');
    assert.deepEqual(
      shown.changes.map(({ action }) => action),
      ['account.created', 'account.created'],
    );
  });

  it('keeps no secret and no personal value, wherever it was sent', async () => {
    const directory = await newDirectory(identity, organization, 'Canaries');
    const canary = 'Kan4rienvogel';
    const mail = `somebody.${canary}@example.com`;
    await directory.scim('POST', '/Users', {
      userName: mail,
      displayName: canary,
      name: { givenName: canary },
      emails: [{ value: mail, type: 'work', primary: true }],
      password: canary,
    });
    await directory.scim('GET', `/Users?filter=${encodeURIComponent(`emails.value eq "${mail}"`)}`);
    await directory.scim('GET', `/Users?filter=${encodeURIComponent(`emails.value eq ${mail}`)}`);
    await directory.scim('GET', `/Users/${encodeURIComponent(mail)}`);
    await directory.scim('GET', `/Users?access_token=${canary}`);
    await directory.scim('POST', '/Users', { [`accessToken`]: canary, nested: { clientSecret: [canary] } });
    await directory.scim('PATCH', `/Users/${newId()}`, patchOf({ op: 'add', path: 'nickName', value: canary }));
    assert.equal((await exchangesOf(directory)).length, 7);
    const rows = JSON.stringify(await identity.admin('SELECT t::text AS row FROM identity.scim_exchange t'));
    for (const secret of [canary, directory.token, directory.token.slice(0, 20)]) assert.ok(!rows.includes(secret));
  });

  it('lists newest first, page by page, by class of status, method and resource; only for whoever may read', async () => {
    const directory = await newDirectory(identity, organization, 'Listed');
    const made = await directory.scim('POST', '/Users', { userName: 'listed@example.com' });
    for (let turn = 0; turn < 5; turn += 1) await directory.scim('GET', `/Users/${made.body.id}`);
    await directory.scim('GET', `/Users/${newId()}`);
    const all = await exchangesOf(directory);
    assert.deepEqual(
      all.map(({ id }) => id),
      all
        .map(({ id }) => id)
        .toSorted()
        .toReversed(),
    );
    assert.equal(all.length, 7);
    const base = `/connections/${directory.connectionId}/scim-exchanges`;
    const walked: string[] = [];
    let cursor: string | null = '';
    while (cursor !== null) {
      const { body }: Awaited<ReturnType<Client>> = await api('GET', `${base}?limit=3${cursor}`);
      walked.push(...body.items.map(({ id }) => id));
      cursor = body.nextCursor === null ? null : `&cursor=${body.nextCursor}`;
    }
    assert.deepEqual(
      walked,
      all.map(({ id }) => id),
    );
    assert.deepEqual(
      (await exchangesOf(directory, 'status=4xx')).map(({ status }) => status),
      [404],
    );
    assert.equal((await exchangesOf(directory, 'method=POST')).length, 1);
    assert.equal((await exchangesOf(directory, `resourceId=${made.body.id}`)).length, 6);
    assert.equal((await exchangesOf(directory, `resourceId=${made.body.id}&status=2xx&method=GET`)).length, 5);
    for (const wrong of ['status=9xx', 'method=TRACE', 'limit=0', 'cursor=x'])
      assert.equal((await api('GET', `${base}?${wrong}`)).status, 400, wrong);
    const stranger = apiClient(identity, await newOrganization(identity));
    assert.equal((await stranger('GET', base)).status, 404);
    identity.denied.add('connection:read');
    try {
      assert.equal((await api('GET', base)).status, 403);
    } finally {
      identity.denied.delete('connection:read');
    }
  });

  it('goes with its connection, also what was still on its way', async () => {
    const directory = await newDirectory(identity, organization, 'Purged');
    await directory.scim('GET', '/Users');
    assert.equal((await exchangesOf(directory)).length, 1);
    await directory.scim('GET', '/Users');
    assert.equal((await api('DELETE', `/connections/${directory.connectionId}`)).status, 204);
    await identity.context.exchanges.flush();
    assert.equal((await directory.scim('GET', '/Users')).status, 401);
    await identity.context.exchanges.flush();
    const kept = await identity.admin('SELECT id FROM identity.scim_exchange WHERE connection_id = $1', [
      directory.connectionId,
    ]);
    assert.deepEqual(kept, []);
    assert.equal((await api('GET', `/connections/${directory.connectionId}/scim-exchanges`)).status, 404);
  });
});

describe('the ring of exchange traces', () => {
  it('keeps the last of each connection, and writes what is left when the process is stopped', async () => {
    const identity = await startIdentity({ config: { scimTraces: 10 } });
    const counts = async (connectionId: string): Promise<number> => {
      const sql = 'SELECT count(*)::int AS count FROM identity.scim_exchange WHERE connection_id = $1';
      const [row] = await identity.admin<{ count: number }>(sql, [connectionId]);
      return row?.count ?? 0;
    };
    try {
      const organization = await newOrganization(identity);
      const [busy, quiet] = [
        await newDirectory(identity, organization),
        await newDirectory(identity, organization, 'B'),
      ];
      await quiet.scim('GET', '/Users');
      for (let turn = 0; turn < 45; turn += 1) await busy.scim('GET', `/Users?startIndex=${String(turn + 1)}`);
      await identity.context.exchanges.flush();
      assert.ok((await counts(busy.connectionId)) <= 20);
      assert.equal(await counts(quiet.connectionId), 1, 'each connection has its own');
      const api = apiClient(identity, organization);
      const { body } = await api('GET', `/connections/${busy.connectionId}/scim-exchanges?limit=1`);
      assert.equal((body.items as unknown as readonly Shown[])[0]?.query, 'startIndex=45');

      const second = await startIdentity({ database: identity.database, config: { scimTraces: 10 } });
      await scimClient(second, quiet.token)('GET', '/Users');
      await second.close();
      assert.equal(await counts(quiet.connectionId), 2);
    } finally {
      await identity.close();
    }
  });

  it('is written without anybody asking, and names the OAuth client; 429 is in it, once a second at most', async () => {
    const scene = await CredentialScene.start({ config: { scimRate: 1, scimBurst: 30 } });
    try {
      const client = await scene.newClient();
      const scim = scimClient(scene.identity, await scene.tokenOf(client));
      await Promise.all(Array.from({ length: 100 }, () => scim('GET', '/Users?count=0')));
      const rows = async (): Promise<readonly { status: number; credential: string }[]> =>
        await scene.identity.admin('SELECT status, credential_id AS credential FROM identity.scim_exchange');
      await waitFor(async () => (await rows()).some(({ status }) => status === 429), {
        message: 'the exchanges to be written',
      });
      const written = await rows();
      assert.deepEqual(new Set(written.map(({ credential }) => credential)), new Set([client.clientId]));
      const limited = written.filter(({ status }) => status === 429).length;
      assert.ok(limited < 20, `${String(limited)} of a flood`);
    } finally {
      await scene.close();
    }
  });
});
