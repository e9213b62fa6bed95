import assert from 'node:assert/strict';

import { newId } from '@sallyport/storage';

import { apiClient, ask, newDirectory, type Answer, type Client } from './support/http.ts';
import { newOrganization, startIdentity, type TestIdentity, type TestOrganization } from './support/identity.ts';

describe('names of ids', () => {
  let identity: TestIdentity;
  let organization: TestOrganization;
  let api: Client;
  let scim: Client;

  before(async () => {
    identity = await startIdentity();
    organization = await newOrganization(identity);
    api = apiClient(identity, organization);
    ({ scim } = await newDirectory(identity, organization));
  });
  after(async () => {
    await identity.close();
  });
  afterEach(() => {
    identity.denied.clear();
  });

  const named = async (ids: readonly string[], by: Client = api): Promise<Answer> =>
    await by('GET', `/names?${ids.map((id) => `id=${id}`).join('&')}`);
  const namesIn = ({ status, body }: Answer): Readonly<Record<string, unknown>> => {
    assert.equal(status, 200);
    return Object.fromEntries(body.items.map(({ id, ...rest }) => [id, rest] as const));
  };
  const hired = async (userName: string, displayName?: string): Promise<string> =>
    (await scim('POST', '/Users', { userName, ...(displayName === undefined ? {} : { displayName }) })).body.id;

  it('are those of people, service accounts and groups, those who were removed too; others are left out', async () => {
    const dana = await hired('dana@example.com', 'Dana');
    const gone = await hired('gone@example.com');
    await scim('DELETE', `/Users/${gone}`);
    const team = (await scim('POST', '/Groups', { displayName: 'Team' })).body.id;
    const robot = (await api('POST', '/accounts', { kind: 'service_account', userName: 'robot' })).body.id;
    assert.deepEqual(namesIn(await named([dana, dana, gone, team, robot, newId()])), {
      [dana]: { type: 'user', name: 'dana@example.com', displayName: 'Dana' },
      [gone]: { type: 'user', name: 'gone@example.com', displayName: 'gone@example.com' },
      [team]: { type: 'group', name: 'Team', displayName: null },
      [robot]: { type: 'service_account', name: 'robot', displayName: 'robot' },
    });
  });

  it('are for whoever was shown the id, though they may not see accounts', async () => {
    const id = await hired('eve@example.com');
    identity.denied.add('account:read');
    assert.equal((await api('GET', `/accounts/${id}`)).status, 403);
    assert.deepEqual(Object.keys(namesIn(await named([id]))), [id]);
  });

  it('are not for another organisation, and not for nobody', async () => {
    const id = await hired('fay@example.com');
    const stranger = apiClient(identity, await newOrganization(identity));
    assert.deepEqual(namesIn(await named([id, organization.ownerId], stranger)), {});
    assert.equal((await ask(identity, 'GET', `/api/identity/v1/names?id=${id}`)).status, 401);
  });

  it('need account:read of a credential that is limited, and of its owner', async () => {
    const id = await hired('gil@example.com');
    const limitedTo = async (...scopes: string[]): Promise<Client> => {
      const expiresAt = new Date(Date.now() + 3_600_000).toISOString();
      const { body } = await api('POST', '/api-tokens', { name: 'limited', scopes, expiresAt });
      const headers = { authorization: `Bearer ${body.token}` };
      return (method, path) => ask(identity, method, `/api/identity/v1${path}`, { headers });
    };
    const narrow = await named([id], await limitedTo('flag:read'));
    assert.deepEqual([narrow.status, narrow.body['code']], [403, 'PERMISSION_DENIED']);
    const wide = await limitedTo('account:read');
    assert.deepEqual(Object.keys(namesIn(await named([id], wide))), [id]);
    identity.denied.add('account:read');
    assert.equal((await named([id], wide)).status, 403);
  });

  it('are asked for by one to a hundred ids', async () => {
    const ids = Array.from({ length: 100 }, newId);
    assert.deepEqual(namesIn(await named(ids)), {});
    for (const query of [
      '',
      'id=',
      'id=dana',
      `id=${newId()}&id=dana`,
      [...ids, newId()].map((id) => `id=${id}`).join('&'),
    ])
      assert.equal((await api('GET', `/names?${query}`)).status, 400, query.slice(0, 20));
  });
});
