import assert from 'node:assert/strict';

import { newSecret } from '@sallyport/storage';
import {
  clientCredentialsGrant,
  ClientSecretBasic,
  ClientSecretPost,
  getDPoPHandle,
  randomDPoPKeyPair,
} from 'openid-client';

import { resolveCredential } from '../src/introspection/index.ts';
import { apiClient, newDirectory, scimClient, type Answer, type Client } from './support/http.ts';
import { newOrganization, startIdentity } from './support/identity.ts';
import { CredentialScene, type NewClient } from './support/scim-client.ts';

const MINUTE_MS = 60_000;

const assertRefused = ({ status, body, headers }: Answer, expected: number): void => {
  assert.equal(status, expected, JSON.stringify(body));
  assert.deepEqual(body.schemas, ['urn:ietf:params:scim:api:messages:2.0:Error']);
  assert.equal(body.status, String(expected));
  if (expected === 401) assert.match(headers.get('www-authenticate') ?? '', /^Bearer /);
};

describe('SCIM clients (OAuth 2.0 client credentials)', () => {
  let scene: CredentialScene;
  const withToken = (token: string): Client => scimClient(scene.identity, token);

  before(async () => {
    scene = await CredentialScene.start();
  });
  after(() => scene.close());

  it('a token had with client_secret_post or client_secret_basic works like a bearer token (RFC 6749 §4.4)', async () => {
    const client = await scene.newClient();
    assert.equal(client.tokenUrl, `${scene.origin}/oidc/token`);
    for (const authentication of [ClientSecretPost(client.clientSecret), ClientSecretBasic(client.clientSecret)])
      for (const parameters of [{}, { scope: 'scim' }, { resource: `${scene.origin}/scim/v2` }]) {
        const configuration = await scene.configure(client, authentication);
        const tokens = await clientCredentialsGrant(configuration, parameters);
        assert.equal(tokens.token_type, 'bearer');
        assert.equal(tokens.expires_in, 3_600);
        assert.equal(tokens.scope, 'scim');
        const made = await withToken(tokens.access_token)('POST', '/Users', { userName: `u-${newSecret('')}` });
        assert.equal(made.status, 201, JSON.stringify(made.body));
      }
    const { body } = await scene.api('GET', scene.clientsOf());
    assert.notEqual(body.items[0]?.['lastUsedAt'], null);
  });

  it('tokens live as long as the client says, 60 to 360 minutes, and not a second longer', async () => {
    for (const tokenTtlMinutes of [59, 361, 0, -60, 60.5, '60'])
      assert.equal((await scene.api('POST', scene.clientsOf(), { name: 'x', tokenTtlMinutes })).status, 400);
    const own = await newDirectory(scene.identity, scene.organization, 'Lifetimes');
    for (const tokenTtlMinutes of [60, 360]) {
      const client = await scene.newClient({ tokenTtlMinutes }, own);
      const configuration = await scene.configure(client, ClientSecretPost(client.clientSecret));
      const { access_token: token, expires_in: seconds } = await clientCredentialsGrant(configuration);
      assert.equal(seconds, tokenTtlMinutes * 60);
      scene.clock.advance((tokenTtlMinutes - 1) * MINUTE_MS);
      assert.equal((await withToken(token)('GET', '/Users')).status, 200);
      scene.clock.advance(2 * MINUTE_MS);
      assertRefused(await withToken(token)('GET', '/Users'), 401);
    }
  });

  it('keeps only hashes, and shows a secret once', async () => {
    const client = await scene.newClient();
    const token = await scene.tokenOf(client);
    const listed = await scene.api('GET', scene.clientsOf());
    assert.ok(!JSON.stringify(listed.body).includes(client.clientSecret));
    assert.ok(client.clientSecret.startsWith('sp_scs_'));
    for (const table of ['scim_client', 'scim_client_secret', 'provider_artifact', 'audit_entry']) {
      const rows = await scene.identity.admin(`SELECT t::text AS row FROM identity.${table} t`);
      for (const secret of [client.clientSecret, token]) assert.ok(!JSON.stringify(rows).includes(secret), table);
    }
  });

  it('rotates without a gap: two secrets are live, a third is refused; a revoked one ends with its tokens', async () => {
    const client = await scene.newClient();
    const path = `${scene.clientsOf()}/${client.clientId}/secrets`;
    const first = await scene.tokenOf(client);
    const added = await scene.api('POST', path, {});
    assert.equal(added.status, 201);
    assert.equal((await scene.api('POST', path, {})).status, 409);
    const next = { ...client, clientSecret: String(added.body['clientSecret']) };
    const second = await scene.tokenOf(next);
    for (const token of [first, second]) assert.equal((await withToken(token)('GET', '/Users')).status, 200);
    assert.equal((await scene.api('DELETE', `${path}/${client.secretId}`)).status, 204);
    assertRefused(await withToken(first)('GET', '/Users'), 401);
    assert.equal((await withToken(second)('GET', '/Users')).status, 200);
    await assert.rejects(scene.tokenOf(client), { error: 'invalid_client' });
    assert.ok(await scene.tokenOf(next));
    assert.equal((await scene.api('DELETE', `${path}/${client.secretId}`)).status, 404);
    assert.equal((await scene.api('POST', path, {})).status, 201, 'the place is free again');
  });

  it('ends at once with the client, with the directory, with the connection', async () => {
    const own = await newDirectory(scene.identity, scene.organization, 'Endings');
    const gone = await scene.newClient({}, own);
    const client = await scene.newClient({}, own);
    const [lost, token] = [await scene.tokenOf(gone), await scene.tokenOf(client)];
    const get = (): Promise<Answer> => withToken(token)('GET', '/Users');
    assert.equal((await scene.api('DELETE', `${scene.clientsOf(own)}/${gone.clientId}`)).status, 204);
    assertRefused(await withToken(lost)('GET', '/Users'), 401);
    await assert.rejects(scene.tokenOf(gone), { error: 'invalid_client' });
    assert.equal((await get()).status, 200);

    const connection = `/connections/${own.connectionId}`;
    await scene.api('PATCH', connection, { enabled: false });
    assertRefused(await get(), 403);
    await assert.rejects(scene.tokenOf(client), { error: 'invalid_client' });
    await scene.api('PATCH', connection, { enabled: true });
    assert.equal((await get()).status, 200);

    await scene.api('PATCH', connection, { scim: null });
    assertRefused(await get(), 401);
    await scene.api('PATCH', connection, { scim: { profile: 'auto' } });
    assertRefused(await get(), 401);
    await assert.rejects(scene.tokenOf(client), { error: 'invalid_client' });

    const last = await scene.newClient({}, own);
    const lastToken = await scene.tokenOf(last);
    assert.equal((await withToken(lastToken)('GET', '/Users')).status, 200);
    assert.equal((await scene.api('DELETE', connection)).status, 204);
    assertRefused(await withToken(lastToken)('GET', '/Users'), 401);
    await assert.rejects(scene.tokenOf(last), { error: 'invalid_client' });
  });

  it('such a token is good for nothing else, and no other token is good for SCIM', async () => {
    const client = await scene.newClient();
    const token = await scene.tokenOf(client);
    const authorization = `Bearer ${token}`;
    for (const path of ['/api/identity/v1/me', '/api/identity/v1/connections', '/oidc/me'])
      assert.equal((await fetch(scene.origin + path, { headers: { authorization } })).status, 401, path);
    const resolved = await resolveCredential(scene.identity.context, { $case: 'bearer', value: token });
    assert.equal(resolved.active, false);

    const server = await scene.api('POST', '/oauth-clients', {
      name: 'Resource server',
      redirectUris: ['https://app.example/callback'],
      mayIntrospect: true,
    });
    const { clientId, clientSecret } = server.body as unknown as NewClient;
    for (const asking of [client, { clientId, clientSecret }]) {
      const credentials = { client_id: asking.clientId, client_secret: asking.clientSecret };
      const answer = await scene.form('/token/introspection', { ...credentials, token });
      assert.deepEqual(answer, { status: 200, body: { active: false } });
    }
    const grants = await scene.form('/token', {
      grant_type: 'client_credentials',
      resource: `${scene.origin}/scim/v2`,
      client_id: clientId,
      client_secret: clientSecret,
    });
    assert.equal(grants.status, 400);
    assertRefused(await withToken('A'.repeat(43))('GET', '/Users'), 401);
  });

  it('refuses other scopes, other resources, wrong secrets, the stored hash, secrets of others, other grants', async () => {
    const client = await scene.newClient();
    const other = await scene.newClient();
    const [row] = await scene.identity.admin<{ hash: string }>(
      `SELECT encode(secret_hash, 'hex') AS hash FROM identity.scim_client_secret WHERE client_id = $1`,
      [client.clientId],
    );
    const ask = (over: Record<string, string>) =>
      scene.form('/token', {
        grant_type: 'client_credentials',
        client_id: client.clientId,
        client_secret: client.clientSecret,
        ...over,
      });
    const cases: readonly (readonly [Record<string, string>, number, string])[] = [
      [{ scope: 'openid' }, 400, 'invalid_scope'],
      [{ scope: 'scim openid' }, 400, 'invalid_scope'],
      [{ resource: 'https://elsewhere.example/' }, 400, 'invalid_target'],
      [{ resource: `${scene.origin}/api` }, 400, 'invalid_target'],
      [{ client_secret: newSecret('sp_scs_') }, 401, 'invalid_client'],
      [{ client_secret: other.clientSecret }, 401, 'invalid_client'],
      [{ client_secret: row?.hash ?? '' }, 401, 'invalid_client'],
      [{ client_secret: `${client.clientSecret},${other.clientSecret}` }, 401, 'invalid_client'],
      [{ client_id: 'sp_scl_unknown' }, 401, 'invalid_client'],
      [{ grant_type: 'refresh_token', refresh_token: 'x' }, 400, 'invalid_request'],
    ];
    for (const [over, status, error] of cases) {
      const answer = await ask(over);
      assert.deepEqual([answer.status, answer.body['error']], [status, error], JSON.stringify([over, answer.body]));
    }
    assert.equal((await ask({})).status, 200);
  });

  it('a token bound to a key is no bearer token (RFC 9449 §7.1)', async () => {
    const client = await scene.newClient();
    const configuration = await scene.configure(client, ClientSecretPost(client.clientSecret));
    const DPoP = getDPoPHandle(configuration, await randomDPoPKeyPair());
    const tokens = await clientCredentialsGrant(configuration, {}, { DPoP });
    assert.equal(tokens.token_type, 'dpop');
    assertRefused(await withToken(tokens.access_token)('GET', '/Users'), 401);
  });

  it('can be revoked by whoever holds it (RFC 7009), and only by its own client', async () => {
    const [client, other] = [await scene.newClient(), await scene.newClient()];
    const token = await scene.tokenOf(client);
    const revoke = (by: NewClient) =>
      scene.form('/token/revocation', { token, client_id: by.clientId, client_secret: by.clientSecret });
    await revoke(other);
    assert.equal((await withToken(token)('GET', '/Users')).status, 200);
    await revoke(client);
    assertRefused(await withToken(token)('GET', '/Users'), 401);
  });

  it('belongs to one connection of one organisation; every change of it is recorded', async () => {
    const client = await scene.newClient();
    const stranger = apiClient(scene.identity, await newOrganization(scene.identity));
    const elsewhere = await newDirectory(scene.identity, scene.organization, 'Elsewhere');
    for (const [api, base] of [
      [stranger, scene.clientsOf()],
      [scene.api, scene.clientsOf(elsewhere)],
    ] as const) {
      assert.equal((await api('DELETE', `${base}/${client.clientId}`)).status, 404);
      assert.equal((await api('POST', `${base}/${client.clientId}/secrets`, {})).status, 404);
      assert.equal((await api('DELETE', `${base}/${client.clientId}/secrets/${client.secretId}`)).status, 404);
    }
    assert.equal((await stranger('GET', scene.clientsOf())).status, 404);
    assert.equal((await stranger('POST', scene.clientsOf(), { name: 'x' })).status, 404);
    const made = await withToken(await scene.tokenOf(client))('POST', '/Users', { userName: 'recorded@example.com' });
    const { body } = await scene.api('GET', `/audit?targetId=${made.body.id}`);
    assert.equal(body.items[0]?.entry.actor['via'], `scim_client:${client.clientId}`);
    const actions = await scene.api('GET', `/audit?targetId=${client.clientId}`);
    assert.deepEqual(
      actions.body.items.map(({ entry }) => entry.action),
      ['scim-client.created'],
    );
    const noDirectory = await scene.api('POST', '/connections', { name: 'SAML only' });
    assert.equal(
      (await scene.api('POST', `/connections/${noDirectory.body.id}/scim-clients`, { name: 'x' })).status,
      409,
    );
  });
});

describe('SCIM bearer tokens', () => {
  it('rotates without a gap: whoever has the second one never notices that the first is revoked', async () => {
    const identity = await startIdentity();
    try {
      const organization = await newOrganization(identity);
      const api = apiClient(identity, organization);
      const directory = await newDirectory(identity, organization);
      const path = `/connections/${directory.connectionId}/scim-tokens`;
      const second = await api('POST', path, { name: 'second' });
      const first = (await api('GET', path)).body.items.find(({ id }) => id !== second.body.id);
      const next = scimClient(identity, second.body.token);
      const [answers, revoked] = await Promise.all([
        Promise.all(Array.from({ length: 40 }, () => next('GET', '/Users'))),
        api('DELETE', `${path}/${first?.id ?? ''}`),
      ]);
      assert.equal(revoked.status, 204);
      assert.deepEqual(new Set(answers.map(({ status }) => status)), new Set([200]));
      assertRefused(await directory.scim('GET', '/Users'), 401);
      assert.equal((await next('GET', '/Users')).status, 200);
    } finally {
      await identity.close();
    }
  });
});
