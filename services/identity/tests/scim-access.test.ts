import assert from 'node:assert/strict';

import { newSecret } from '@sallyport/storage';

import { warnExpiring } from '../src/connections/warn-expiring.ts';
import { apiClient, ask, newDirectory, patchOf, scimClient, type Answer, type Client } from './support/http.ts';
import { asOwner, newOrganization } from './support/identity.ts';
import { CredentialScene } from './support/scim-client.ts';

const DAY_MS = 24 * 60 * 60 * 1_000;

const assertError = ({ status, headers, body }: Answer, expected: number): void => {
  assert.equal(status, expected, JSON.stringify(body));
  assert.match(headers.get('content-type') ?? '', /^application\/scim\+json/);
  assert.deepEqual(body.schemas, ['urn:ietf:params:scim:api:messages:2.0:Error']);
  assert.equal(body.status, String(expected), 'status is a string');
  assert.ok(body.detail.length > 0);
};

interface Warning {
  readonly code: string;
  readonly credentialType: string;
  readonly credentialId: string;
  readonly daysLeft: number | null;
}

describe('who may speak for a directory', () => {
  let scene: CredentialScene;
  before(async () => {
    scene = await CredentialScene.start();
  });
  after(() => scene.close());

  const from = (ip: string): Record<string, string> => ({ 'x-forwarded-for': ip });
  const warningsOf = async (connectionId: string): Promise<readonly Warning[]> => {
    const { body } = await scene.api('GET', `/connections/${connectionId}`);
    return body['warnings'] as readonly Warning[];
  };

  describe('networks', () => {
    it('only addresses of the list get in, with either kind of credential; the rest is 403 with a SCIM error', async () => {
      const own = await newDirectory(scene.identity, scene.organization, 'Networks');
      const token = await scene.tokenOf(await scene.newClient({}, own));
      const path = `/connections/${own.connectionId}/scim-networks`;
      const clients: readonly Client[] = [own.scim, scimClient(scene.identity, token)];
      const set = await scene.api('PUT', path, {
        allowedNetworks: ['192.0.2.0/24', '2001:db8:7::/48', '192.0.2.0/24'],
      });
      assert.deepEqual([set.status, set.body['allowedNetworks']], [200, ['192.0.2.0/24', '2001:db8:7::/48']]);
      for (const scim of clients) {
        for (const ip of ['192.0.2.77', '2001:db8:7:1::9', '::ffff:192.0.2.3'])
          assert.equal((await scim('GET', '/Users', undefined, from(ip))).status, 200, ip);
        for (const ip of ['192.0.3.1', '2001:db8:8::1']) {
          assertError(await scim('GET', '/Users', undefined, from(ip)), 403);
          assertError(await scim('POST', '/Users', { userName: 'x@example.com' }, from(ip)), 403);
        }
        // What stands left of the last proxy was written by the client.
        assertError(await scim('GET', '/Users', undefined, from('192.0.2.77, 203.0.113.9')), 403);
        assertError(await scim('GET', '/Users'), 403);
      }
      const shown = await scene.api('GET', `/connections/${own.connectionId}`);
      const facet = shown.body['scim'] as { readonly allowedNetworks: readonly string[] };
      assert.deepEqual(facet.allowedNetworks, ['192.0.2.0/24', '2001:db8:7::/48']);
      await scene.api('PATCH', `/connections/${own.connectionId}`, { scim: { profile: 'okta-oin' } });
      assertError(await own.scim('GET', '/Users', undefined, from('192.0.3.1')), 403);

      const entries = await scene.api('GET', `/audit?targetId=${own.connectionId}&limit=50`);
      const refused = entries.body.items.map(({ entry }) => entry).filter(({ outcome }) => outcome === 'denied');
      assert.deepEqual(
        refused.map(({ action, reason }) => `${action} ${reason ?? ''}`),
        Array<string>(2).fill('scim.request-refused address-not-allowed'),
        'once a minute for each credential, however many requests were refused',
      );

      assert.equal((await scene.api('PUT', path, { allowedNetworks: [] })).status, 200);
      assert.equal((await own.scim('GET', '/Users', undefined, from('192.0.3.1'))).status, 200);
    });

    it('refuses a list that is not one, and changes nothing', async () => {
      const path = `/connections/${scene.directory.connectionId}/scim-networks`;
      for (const entry of ['0.0.0.0/0', '::/0', '10.0.0.0/', '10.0.0.0/33', 'example.com', '::ffff:10.0.0.0/104', 7]) {
        const answer = await scene.api('PUT', path, { allowedNetworks: ['192.0.2.0/24', entry] });
        assert.equal(answer.status, 400, String(entry));
      }
      const many = Array.from({ length: 101 }, (_, index) => `192.0.2.${String(index)}`);
      assert.equal((await scene.api('PUT', path, { allowedNetworks: many })).status, 400);
      assert.equal((await scene.directory.scim('GET', '/Users')).status, 200);
      const stranger = apiClient(scene.identity, await newOrganization(scene.identity));
      assert.equal((await stranger('PUT', path, { allowedNetworks: [] })).status, 404);
      const bare = await scene.api('POST', '/connections', { name: 'No directory' });
      assert.equal(
        (await scene.api('PUT', `/connections/${bare.body.id}/scim-networks`, { allowedNetworks: [] })).status,
        409,
      );
    });
  });

  describe('warnings', () => {
    it('says on the list, on the connection, in the metric, and once in the audit log what expires in 14 days', async () => {
      const own = await newDirectory(scene.identity, scene.organization, 'Expiring');
      const tokens = `/connections/${own.connectionId}/scim-tokens`;
      const soon = await scene.api('POST', tokens, { name: 'soon', expiresInDays: 10 });
      const client = await scene.newClient({ secretExpiresInDays: 13 }, own);
      const listed = await scene.api('GET', tokens);
      const outlook = listed.body.items.map((item) => [item['name'], item['expiresSoon'], item['daysLeft']]);
      assert.deepEqual(outlook, [
        ['soon', true, 9],
        ['first', false, 364],
      ]);
      const expected = [
        ['EXPIRES_SOON', 'scim_token', soon.body.id, 9],
        ['EXPIRES_SOON', 'scim_client_secret', client.secretId, 12],
      ];
      const shown = (await warningsOf(own.connectionId)).map((each) => Object.values({ ...each, name: undefined }));
      assert.deepEqual(
        shown.map((values) => values.filter((value) => value !== undefined)),
        expected,
      );
      await Promise.all([warnExpiring(scene.identity.context), warnExpiring(scene.identity.context)]);
      await warnExpiring(scene.identity.context);
      for (const [id, action] of [
        [soon.body.id, 'scim-token.expiring'],
        [client.secretId, 'scim-client-secret.expiring'],
      ]) {
        const { body } = await scene.api('GET', `/audit?targetId=${id ?? ''}`);
        const warned = body.items.map(({ entry }) => entry).filter((entry) => entry.action === action);
        assert.equal(warned.length, 1, action);
      }
      const metrics = (await scene.identity.context.metrics.render()).body;
      assert.match(metrics, /identity_scim_credentials_expiring_count\{[^}]*\} 2/);

      scene.clock.advance(11 * DAY_MS);
      assert.deepEqual(
        (await warningsOf(own.connectionId)).map(({ code, daysLeft }) => [code, daysLeft]),
        [
          ['EXPIRED', 0],
          ['EXPIRES_SOON', 1],
        ],
      );
      assertError(await scimClient(scene.identity, soon.body.token)('GET', '/Users'), 401);
      scene.clock.advance(3 * DAY_MS);
      await assert.rejects(scene.tokenOf(client), { error: 'invalid_client' });
      await scene.api('DELETE', `${tokens}/${soon.body.id}`);
      await scene.api('DELETE', `${scene.clientsOf(own)}/${client.clientId}`);
      assert.deepEqual(await warningsOf(own.connectionId), [], 'what is revoked is nobody’s worry');
    });

    it('credentials of a deprovisioned administrator go on working, and are named (facts §5)', async () => {
      const own = await newDirectory(scene.identity, scene.organization, 'Left behind');
      const admin = await own.scim('POST', '/Users', { userName: 'admin@example.com' });
      const { orgId } = scene.organization;
      const asAdmin: Client = (method, path, body) =>
        ask(scene.identity, method, `/api/identity/v1${path}`, {
          body,
          headers: { authorization: asOwner(orgId, admin.body.id) },
        });
      const issued = await asAdmin('POST', `/connections/${own.connectionId}/scim-tokens`, { name: 'by admin' });
      const made = await asAdmin('POST', scene.clientsOf(own), { name: 'by admin' });
      const client = made.body as unknown as { clientId: string; clientSecret: string; secretId: string };
      const token = await scene.tokenOf(client);
      assert.deepEqual(await warningsOf(own.connectionId), []);
      const left = patchOf({ op: 'replace', path: 'active', value: false });
      assert.equal((await own.scim('PATCH', `/Users/${admin.body.id}`, left)).status, 200);
      const named = (await warningsOf(own.connectionId)).map(({ code, credentialId }) => `${code} ${credentialId}`);
      assert.deepEqual(
        named,
        [issued.body.id, client.clientId, client.secretId].map((id) => `CREATOR_DEPROVISIONED ${id}`),
      );
      for (const secret of [issued.body.token, token])
        assert.equal((await scimClient(scene.identity, secret)('GET', '/Users')).status, 200);
    });
  });

  it('every error under /scim has the SCIM shape, whoever makes it (RFC 7644 §3.12)', async () => {
    const { scim, token } = scene.directory;
    const authorization = `Bearer ${token}`;
    const raw = (method: string, path: string, headers: Record<string, string>, body?: string): Promise<Answer> =>
      ask(scene.identity, method, `/scim/v2${path}`, { headers, ...(body === undefined ? {} : { raw: body }) });
    const json = { authorization, 'content-type': 'application/scim+json' };
    const challenge = await raw('GET', '/Users', {});
    assertError(challenge, 401);
    assert.equal(challenge.headers.get('www-authenticate'), 'Bearer realm="sallyport"');
    const wrong = await raw('GET', '/Users', { authorization: `Bearer ${newSecret('sp_scim_')}` });
    assertError(wrong, 401);
    assert.match(wrong.headers.get('www-authenticate') ?? '', /error="invalid_token"/);
    assertError(await scim('GET', '/Schemas?filter=id%20pr'), 403);
    for (const path of ['/Nothing', '/Users/x', '/Users/%zz', '', '/Users/a/b']) {
      const { status, body } = await scim('GET', path);
      assert.ok(status === 404 || status === 400, `${path} ${String(status)}`);
      assert.deepEqual(body.schemas, ['urn:ietf:params:scim:api:messages:2.0:Error'], path);
    }
    const method = await scim('DELETE', '/Users');
    assertError(method, 405);
    assert.match(method.headers.get('allow') ?? '', /POST/);
    assertError(await raw('POST', '/Users', json, `{"userName":"${'x'.repeat(1_100_000)}"}`), 413);
    assertError(await raw('POST', '/Users', { authorization, 'content-type': 'text/xml' }, '<User/>'), 415);
    assertError(await raw('POST', '/Users', json, '{"userName":'), 400);
    await scene.identity.admin('ALTER TABLE identity.scim_token RENAME TO scim_token_away');
    try {
      const failed = await scim('GET', '/Users');
      assertError(failed, 500);
      assert.equal(failed.body.detail, 'Internal error', 'nothing internal leaves');
      assert.equal(failed.body.scimType, undefined);
    } finally {
      await scene.identity.admin('ALTER TABLE identity.scim_token_away RENAME TO scim_token');
    }
    assert.equal((await scim('GET', '/Users')).status, 200);
  });
});
