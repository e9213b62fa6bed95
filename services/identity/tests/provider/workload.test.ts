import assert from 'node:assert/strict';

import { newId } from '@sallyport/storage';
import { exportJWK, generateKeyPair, SignJWT, type CryptoKey } from 'jose';
import { allowInsecureRequests, clientCredentialsGrant, discovery, PrivateKeyJwt } from 'openid-client';

import { ProviderScene } from './scene.ts';

/** A service account with a key. */
interface Machine {
  readonly id: string;
  readonly ownerId: string;
  readonly clientId: string;
  readonly keyId: string;
  readonly privateKey: CryptoKey;
}

describe('Workload identity', () => {
  let scene: ProviderScene;

  before(async () => {
    scene = await ProviderScene.start();
  });
  after(async () => {
    await scene.close();
  });

  const tomorrow = () => new Date(Date.now() + 86_400_000).toISOString();

  const publicKey = async (kid = 'k1') => {
    const { privateKey, publicKey: key } = await generateKeyPair('ES256', { extractable: true });
    return { privateKey, jwk: { ...(await exportJWK(key)), kid } };
  };

  const machineOf = async (name: string): Promise<Machine> => {
    const ownerId = await scene.person(name);
    const made = await scene.api('POST', '/accounts', { kind: 'service_account', userName: `bot-${name}` });
    assert.equal(made.status, 201, JSON.stringify(made.body));
    assert.equal((await scene.api('PUT', `/accounts/${made.body.id}/owner`, { ownerId })).status, 200);
    const { privateKey, jwk } = await publicKey();
    const key = { name: 'ci', jwk, expiresAt: tomorrow() };
    const added = await scene.api('POST', `/accounts/${made.body.id}/keys`, key);
    assert.equal(added.status, 201, JSON.stringify(added.body));
    return { id: made.body.id, ownerId, clientId: String(added.body['clientId']), keyId: added.body.id, privateKey };
  };

  const token = async ({ clientId, privateKey }: Machine): Promise<string> => {
    const auth = PrivateKeyJwt({ key: privateKey, kid: 'k1' });
    const configuration = await discovery(new URL(scene.issuer), clientId, undefined, auth, {
      execute: [allowInsecureRequests],
    });
    const answer = await clientCredentialsGrant(configuration);
    assert.equal(answer.refresh_token, undefined);
    assert.ok((answer.expires_in ?? 0) <= 3600);
    return answer.access_token;
  };

  const apiTokenOf = async ({ id }: Machine): Promise<string> => {
    const body = { name: 'static', expiresAt: tomorrow() };
    const answer = await scene.api('POST', `/accounts/${id}/api-tokens`, body);
    assert.equal(answer.status, 201, JSON.stringify(answer.body));
    return answer.body.token;
  };

  const whoIs = async (bearer: string): Promise<Record<string, unknown>> => {
    const url = `${scene.origin}/api/identity/v1/me`;
    return (await (await fetch(url, { headers: { authorization: `Bearer ${bearer}` } })).json()) as Record<
      string,
      unknown
    >;
  };

  it('gets a token with a key of its own and acts as the service account (RFC 7523, openid-client)', async () => {
    const machine = await machineOf('ada');
    const bearer = await token(machine);
    assert.match(bearer, /^[\w-]{43}$/);
    assert.equal((await whoIs(bearer))['subjectId'], machine.id);
    const rows = JSON.stringify(await scene.identity.admin('SELECT * FROM identity.provider_artifact'));
    assert.ok(!rows.includes(bearer));
  });

  it('belongs to whoever created it, until it is handed over', async () => {
    const made = await scene.api('POST', '/accounts', { kind: 'service_account', userName: 'bot-new' });
    const path = `/accounts/${made.body.id}/owner`;
    assert.equal((await scene.api('GET', path)).body['ownerId'], scene.organization.ownerId);
    assert.equal((await scene.api('PUT', path, { ownerId: made.body.id })).status, 409);
    assert.equal((await scene.api('PUT', path, { ownerId: newId() })).status, 409);
    assert.equal((await scene.api('GET', `/accounts/${scene.organization.ownerId}/owner`)).status, 404);
    const left = await scene.person('left');
    await scene.setActive(left, false);
    assert.equal((await scene.api('PUT', path, { ownerId: left })).status, 409);
  });

  it('loses every token with its owner, and gets none until somebody else takes it over', async () => {
    const machine = await machineOf('bert');
    const tokens = [await token(machine), await apiTokenOf(machine)];
    for (const each of tokens) assert.equal(await scene.me(each), 200);
    await scene.setActive(machine.ownerId, false);
    for (const each of tokens) assert.equal(await scene.me(each), 401);
    await assert.rejects(token(machine));
    const refused = await scene.api('POST', `/accounts/${machine.id}/api-tokens`, { name: 'x', expiresAt: tomorrow() });
    assert.equal(refused.status, 409);
    const raised = await scene.identity.context.audit.list(scene.organization.orgId, {
      limit: 1,
      order: 'newest-first',
      action: 'account.epoch-raised',
      targetId: machine.id,
    });
    assert.equal(JSON.stringify(raised[0]?.entry['after']).includes('owner.closed'), true);
    const ownerId = await scene.person('bertha');
    assert.equal((await scene.api('PUT', `/accounts/${machine.id}/owner`, { ownerId })).status, 200);
    for (const each of tokens) assert.equal(await scene.me(each), 401); // What has ended does not live again.
    assert.equal(await scene.me(await token(machine)), 200);
  });

  it('loses its tokens when the owner stands closed, whichever way that came about', async () => {
    const machine = await machineOf('carl');
    const tokens = [await token(machine), await apiTokenOf(machine)];
    await scene.identity.admin(
      `UPDATE identity.account SET status = 'inactive', admin_hold = true, epoch = epoch + 1 WHERE id = $1`,
      [machine.ownerId],
    );
    for (const each of tokens) assert.equal(await scene.me(each), 401);
  });

  it('keeps them when it was handed over before the owner left', async () => {
    const machine = await machineOf('dora');
    const bearer = await token(machine);
    const ownerId = await scene.person('doris');
    await scene.api('PUT', `/accounts/${machine.id}/owner`, { ownerId });
    await scene.setActive(machine.ownerId, false);
    assert.equal(await scene.me(bearer), 200);
  });

  it('loses its tokens with its own account', async () => {
    const machine = await machineOf('emil');
    const bearer = await token(machine);
    assert.equal((await scene.api('POST', `/accounts/${machine.id}/deactivate`, {})).status, 200);
    assert.equal(await scene.me(bearer), 401);
    await assert.rejects(token(machine));
  });

  it('loses with a key what was had with it, and nothing else', async () => {
    const machine = await machineOf('finn');
    const { privateKey, jwk } = await publicKey('k2');
    await scene.api('POST', `/accounts/${machine.id}/keys`, { name: 'next', jwk, expiresAt: tomorrow() });
    const [old, fixed] = [await token(machine), await apiTokenOf(machine)];
    const { clientId } = machine;
    const configuration = await discovery(
      new URL(scene.issuer),
      clientId,
      undefined,
      PrivateKeyJwt({ key: privateKey, kid: 'k2' }),
      { execute: [allowInsecureRequests] },
    );
    const { access_token: next } = await clientCredentialsGrant(configuration);
    assert.equal((await scene.api('DELETE', `/accounts/${machine.id}/keys/${machine.keyId}`)).status, 204);
    assert.deepEqual([await scene.me(old), await scene.me(next), await scene.me(fixed)], [401, 200, 200]);
    await assert.rejects(token(machine));
    assert.equal((await scene.api('GET', `/accounts/${machine.id}/keys`)).body.items.length, 1);
  });

  it('loses with a key that expires what was had with it', async () => {
    const machine = await machineOf('gina');
    const bearer = await token(machine);
    await scene.identity.admin('UPDATE identity.workload_key SET expires_at = now() WHERE id = $1', [machine.keyId]);
    assert.equal(await scene.me(bearer), 401);
    await assert.rejects(token(machine));
  });

  it('shows a proof that is for us, for five minutes, once', async () => {
    const { clientId, privateKey } = await machineOf('hugo');
    const now = Math.floor(Date.now() / 1000);
    const ask = async (over: Record<string, unknown>, key = privateKey): Promise<number> => {
      const claims = { iss: clientId, sub: clientId, aud: scene.issuer, jti: newId(), iat: now, exp: now + 60 };
      const assertion = await new SignJWT({ ...claims, ...over })
        .setProtectedHeader({ alg: 'ES256', kid: 'k1' })
        .sign(key);
      const type = 'urn:ietf:params:oauth:client-assertion-type:jwt-bearer';
      const proof = { client_assertion: assertion, client_assertion_type: type };
      const body = new URLSearchParams({ grant_type: 'client_credentials', client_id: clientId, ...proof });
      return (await fetch(`${scene.issuer}/token`, { method: 'POST', body })).status;
    };
    const jti = newId();
    assert.equal(await ask({ jti }), 200);
    assert.equal(await ask({ jti }), 401);
    assert.equal(await ask({ exp: now + 3600 }), 401);
    assert.equal(await ask({ aud: 'https://evil.example' }), 401);
    assert.equal(await ask({}, (await publicKey()).privateKey), 401);
  });

  it('has no other way in: no code flow, no secret, no introspection of others, no resource of directories', async () => {
    const machine = await machineOf('iris');
    const bearer = await token(machine);
    const app = {
      clientId: machine.clientId,
      clientSecret: 'x',
      configuration: (await scene.register()).configuration,
    };
    assert.equal((await scene.token(app, { grant_type: 'client_credentials' })).status, 401);
    const { url } = await scene.request(app);
    url.searchParams.set('client_id', machine.clientId);
    assert.equal((await fetch(url, { redirect: 'manual' })).status, 400);
    const answer = await fetch(`${scene.origin}/scim/v2/Users`, { headers: { authorization: `Bearer ${bearer}` } });
    assert.equal(answer.status, 401);
  });

  it('registers public keys only, each id once, none for people', async () => {
    const machine = await machineOf('jan');
    const { privateKey, jwk } = await publicKey('k9');
    const path = `/accounts/${machine.id}/keys`;
    const whole = { ...(await exportJWK(privateKey)), kid: 'k8' };
    const add = async (key: object, at = path, expiresAt = tomorrow()): Promise<number> =>
      (await scene.api('POST', at, { name: 'x', jwk: key, expiresAt })).status;
    assert.equal(await add(whole), 400);
    assert.equal(await add({ ...jwk, kid: 'k1' }), 409);
    assert.equal(await add(jwk, path, '2099-01-01T00:00:00Z'), 400);
    assert.equal(await add(jwk, `/accounts/${machine.ownerId}/keys`), 404);
    scene.identity.denied.add('account:manage');
    assert.equal(await add(jwk), 403);
    scene.identity.denied.delete('account:manage');
  });
});
