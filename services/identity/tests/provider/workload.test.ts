import assert from 'node:assert/strict';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { newId } from '@sallyport/storage';
import { exportJWK } from 'jose';

import type { ProviderScene } from './scene.ts';
import { newKey, tomorrow, WorkloadScene, type Forgery } from './workload-scene.ts';

describe('Workload identity', () => {
  let scene: WorkloadScene;
  let provider: ProviderScene;

  before(async () => {
    scene = await WorkloadScene.start();
    ({ provider } = scene);
  });
  after(async () => {
    await scene.close();
  });

  it('gets a token with a key of its own and acts as the service account (RFC 7523, openid-client)', async () => {
    const machine = await scene.machineOf('ada');
    const bearer = await scene.token(machine);
    assert.match(bearer, /^[\w-]{43}$/);
    const who = await scene.whoIs(bearer);
    assert.deepEqual([who['subjectId'], who['type'], who['scopes']], [machine.id, 'service_account', []]);
    const lifeMs = Date.parse(String(who['expiresAt'])) - Date.now();
    assert.ok(lifeMs > 0 && lifeMs <= 3_600_000, String(lifeMs));
    const rows = JSON.stringify(await provider.identity.admin('SELECT * FROM identity.provider_artifact'));
    assert.ok(!rows.includes(bearer));
  });

  it('gets one whichever kind of key we sign with', async () => {
    const { privateKey } = await newKey();
    const folder = await mkdtemp(join(tmpdir(), 'provider-keys-'));
    const file = join(folder, 'keys.json');
    const key = { ...(await exportJWK(privateKey)), kid: 'ours', alg: 'ES256', use: 'sig' };
    await writeFile(file, JSON.stringify({ keys: [key] }));
    const other = await WorkloadScene.start({ providerKeysFile: file });
    try {
      assert.equal(await other.provider.me(await other.token(await other.machineOf('anna'))), 200);
      const { connectionId } = other.provider.directory;
      const client = { name: 'Push' };
      const made = await other.provider.api('POST', `/connections/${connectionId}/scim-clients`, client);
      assert.equal(made.status, 201, JSON.stringify(made.body));
      const app = { clientId: String(made.body['clientId']), clientSecret: String(made.body['clientSecret']) };
      const { configuration } = await other.provider.register();
      const answer = await other.provider.token({ ...app, configuration }, { grant_type: 'client_credentials' });
      assert.equal(answer.status, 200);
    } finally {
      await other.close();
      await rm(folder, { recursive: true });
    }
  });

  it('lives no longer than the key it was had with', async () => {
    const machine = await scene.machineOf('bela');
    await provider.identity.admin(
      `UPDATE identity.workload_key SET expires_at = now() + interval '5 seconds' WHERE id = $1`,
      [machine.keyId],
    );
    await scene.token(machine);
    const [row] = await provider.identity.admin(
      "SELECT expires_at <= now() + interval '5 seconds' AS short FROM identity.provider_artifact WHERE workload_key_id = $1",
      [machine.keyId],
    );
    assert.deepEqual(row, { short: true });
  });

  it('loses with a key what was had with it, and nothing else', async () => {
    const machine = await scene.machineOf('finn');
    const second = await scene.addKey(machine.id, 'k2');
    const [old, fixed, next] = [
      await scene.token(machine),
      await scene.apiTokenOf(machine),
      await scene.token({ ...machine, ...second }),
    ];
    assert.equal((await provider.api('DELETE', `/accounts/${machine.id}/keys/${machine.keyId}`)).status, 204);
    assert.deepEqual([await provider.me(old), await provider.me(next), await provider.me(fixed)], [401, 200, 200]);
    await assert.rejects(scene.token(machine));
    assert.equal((await provider.api('GET', `/accounts/${machine.id}/keys`)).body.items.length, 1);
    assert.equal((await provider.api('DELETE', `/accounts/${machine.id}/keys/${machine.keyId}`)).status, 404);
    const [revoked] = await provider.identity.context.audit.list(provider.organization.orgId, {
      limit: 1,
      order: 'newest-first',
      action: 'workload-key.revoked',
      targetId: machine.keyId,
    });
    assert.deepEqual(revoked?.entry['before'], { accountId: machine.id, name: 'ci', kid: 'k1', tokens: 1 });
  });

  it('cannot be used after its key was revoked, even where the row survived', async () => {
    const machine = await scene.machineOf('frank');
    const bearer = await scene.token(machine);
    await provider.identity.admin('UPDATE identity.workload_key SET revoked_at = now() WHERE id = $1', [machine.keyId]);
    assert.equal(await provider.me(bearer), 401);
    assert.equal((await scene.ask(machine)).status, 401);
  });

  it('loses with a key that expires what was had with it', async () => {
    const machine = await scene.machineOf('gina');
    const bearer = await scene.token(machine);
    await provider.identity.admin(
      `UPDATE identity.workload_key SET expires_at = now() - interval '1 minute' WHERE id = $1`,
      [machine.keyId],
    );
    assert.equal(await provider.me(bearer), 401);
    assert.equal((await scene.ask(machine)).status, 401);
  });

  describe('an assertion', () => {
    const now = (): number => Math.floor(Date.now() / 1000);
    const refused: Readonly<Record<string, () => Forgery | Promise<Forgery>>> = {
      'for somebody else': () => ({ claims: { aud: 'https://evil.example' } }),
      'for us and somebody else': () => ({ claims: { aud: [provider.issuer, 'https://evil.example'] } }),
      'for us alone, in a list': () => ({ claims: { aud: [provider.issuer] } }),
      'that has expired': () => ({ claims: { iat: now() - 120, exp: now() - 90 } }),
      'that lives longer than five minutes': () => ({ claims: { exp: now() + 301 } }),
      'that lives longer than five minutes, made in the future': () => ({
        claims: { iat: now() + 90, exp: now() + 300 },
      }),
      'that never expires': () => ({ claims: { exp: undefined } }),
      'of no known time': () => ({ claims: { iat: undefined } }),
      'that could be used again': () => ({ claims: { jti: undefined } }),
      'of another issuer': () => ({ claims: { iss: 'https://evil.example' } }),
      'about another subject': () => ({ claims: { sub: newId() } }),
      'of no named key': () => ({ header: { kid: undefined } }),
      'of an unknown key': () => ({ header: { kid: 'k9' } }),
      'signed by somebody else': async () => ({ key: (await newKey()).privateKey }),
    };
    for (const [what, forge] of Object.entries(refused))
      it(`${what} is refused (RFC 7523 §3)`, async () => {
        const machine = await scene.machineOf(`h-${newId()}`);
        const { status, body } = await scene.ask(machine, await forge());
        assert.ok(status === 401 || status === 400, String(status));
        assert.ok(body['error'] === 'invalid_client' || body['error'] === 'invalid_request', String(body['error']));
        assert.equal((await scene.ask(machine)).status, 200);
      });

    it('is used once, also when it comes twice at the same moment (RFC 7523 §3 no. 7)', async () => {
      const machine = await scene.machineOf('hugo');
      const claims = { jti: newId() };
      const answers = await Promise.all(Array.from({ length: 4 }, async () => await scene.ask(machine, { claims })));
      const won = answers.filter(({ status }) => status === 200);
      assert.deepEqual([won.length, answers.every(({ status }) => [200, 400, 401].includes(status))], [1, true]);
      assert.equal((await scene.ask(machine, { claims })).status, 401);
    });

    it('of one machine is nothing to another', async () => {
      const [one, other] = [await scene.machineOf('ina'), await scene.machineOf('jan')];
      assert.equal((await scene.ask({ ...one, privateKey: other.privateKey })).status, 401);
      assert.equal((await scene.ask(one, { parameters: { client_id: other.clientId } })).status, 400);
    });
  });

  describe('a scope', () => {
    it('takes away from what the account may do', async () => {
      const machine = await scene.machineOf('karl');
      const { status, body } = await scene.ask(machine, { parameters: { scope: 'account:read client:manage' } });
      assert.deepEqual([status, body['scope']], [200, 'account:read client:manage']);
      const caller = scene.as(String(body['access_token']));
      assert.deepEqual((await caller('GET', '/me')).body['scopes'], ['account:read', 'client:manage']);
      assert.equal((await caller('GET', '/accounts')).status, 200);
      const made = await caller('POST', '/accounts', { kind: 'service_account', userName: 'bot-of-karl' });
      assert.deepEqual([made.status, made.body.code], [403, 'PERMISSION_DENIED']);
    });

    it('never adds: what policy refuses the account stays refused', async () => {
      const { body } = await scene.ask(await scene.machineOf('lea'), { parameters: { scope: 'account:read' } });
      provider.identity.denied.add('account:read');
      const answer = await scene.as(String(body['access_token']))('GET', '/accounts');
      provider.identity.denied.delete('account:read');
      assert.equal(answer.status, 403);
    });

    for (const scope of ['openid', 'scim', 'openid account:read', 'offline_access', '*', 'account:*'])
      it(`${scope} is none of ours, and is not left out silently (RFC 6749 §5.2)`, async () => {
        const { status, body } = await scene.ask(await scene.machineOf(`m-${newId()}`), { parameters: { scope } });
        assert.deepEqual([status, body['error']], [400, 'invalid_scope']);
      });

    it('is not lost by naming what the token is for, or naming nothing (RFC 8707)', async () => {
      const machine = await scene.machineOf('nils');
      const scope = 'account:read';
      const named = await scene.ask(machine, { parameters: { scope, resource: `${provider.origin}/api` } });
      assert.deepEqual([named.status, named.body['scope']], [200, scope]);
      for (const resource of [`${provider.origin}/scim/v2`, 'https://evil.example/'])
        assert.equal((await scene.ask(machine, { parameters: { scope, resource } })).body['error'], 'invalid_target');
      const empty = await scene.ask(machine, { parameters: { scope, resource: '' } });
      assert.ok(empty.status === 400 || empty.body['scope'] === scope, JSON.stringify(empty.body));
    });
  });

  it('makes no API token, which would not end with the key', async () => {
    const caller = scene.as(await scene.token(await scene.machineOf('olaf')));
    const answer = await caller('POST', '/api-tokens', { name: 'x', expiresAt: new Date(Date.now() + 60_000) });
    assert.deepEqual([answer.status, answer.body.code], [403, 'ESCALATION']);
  });

  it('has no other way in: no code flow, no secret, no introspection, no resource of directories', async () => {
    const machine = await scene.machineOf('iris');
    const bearer = await scene.token(machine);
    const app = { ...machine, clientSecret: 'x', configuration: (await provider.register()).configuration };
    assert.equal((await provider.token(app, { grant_type: 'client_credentials' })).status, 401);
    for (const grant of ['authorization_code', 'refresh_token'])
      assert.equal((await scene.ask(machine, { parameters: { grant_type: grant } })).status, 400);
    const { url } = await provider.request(app);
    url.searchParams.set('client_id', machine.clientId);
    assert.equal((await fetch(url, { redirect: 'manual' })).status, 400);
    const answer = await fetch(`${provider.origin}/scim/v2/Users`, { headers: { authorization: `Bearer ${bearer}` } });
    assert.equal(answer.status, 401);
    const application = await provider.register({ mayIntrospect: true });
    assert.deepEqual(await provider.introspect(application, bearer), { active: false });
  });

  it('registers public keys only, each id once, with an end, none for people', async () => {
    const machine = await scene.machineOf('paul');
    const { privateKey, jwk } = await newKey('k9');
    const path = `/accounts/${machine.id}/keys`;
    const whole = { ...(await exportJWK(privateKey)), kid: 'k8' };
    const add = async (key: object, expiresAt: string | undefined = tomorrow(), at = path): Promise<number> =>
      (await provider.api('POST', at, { name: 'x', jwk: key, expiresAt })).status;
    assert.equal(await add(whole), 400);
    assert.equal(await add({ ...jwk, kid: 'k1' }), 409);
    for (const end of ['2099-01-01T00:00:00Z', new Date(Date.now() - 1000).toISOString(), 'never'])
      assert.equal(await add(jwk, end), 400, end);
    assert.equal((await provider.api('POST', path, { name: 'x', jwk })).status, 400);
    assert.equal((await provider.api('POST', `/accounts/${machine.id}/api-tokens`, { name: 'x' })).status, 400);
    assert.equal(await add(jwk, tomorrow(), `/accounts/${machine.ownerId}/keys`), 404);
    provider.identity.denied.add('account:manage');
    assert.equal(await add(jwk), 403);
    provider.identity.denied.delete('account:manage');
    for (let count = 1; count < 10; count += 1) await scene.addKey(machine.id, `n${String(count)}`);
    assert.equal(await add(jwk), 409);
  });
});
