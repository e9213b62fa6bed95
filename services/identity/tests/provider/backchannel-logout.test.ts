import assert from 'node:assert/strict';

import { waitFor } from '@sallyport/dev-env';
import { createRemoteJWKSet, jwtVerify } from 'jose';

import { createContext } from '../../src/context.ts';
import { startServer } from '../../src/server.ts';
import type { Browser } from '../support/browser.ts';
import { decisionsWithout } from '../support/identity.ts';
import { silentLogger } from '@sallyport/telemetry';
import { LogoutReceiver } from './receiver.ts';
import { ProviderScene, type Application } from './scene.ts';

const EVENT = 'http://schemas.openid.net/event/backchannel-logout';

/** @see OpenID Connect Back-Channel Logout 1.0; the OP profile of the certification suite */
describe('Back-channel logout to applications', () => {
  let scene: ProviderScene;
  let receiver: LogoutReceiver;
  let app: Application;

  before(async () => {
    scene = await ProviderScene.start({ allowInsecurePrivateFetch: true });
  });
  after(async () => {
    await scene.close();
  });
  beforeEach(async () => {
    receiver = await LogoutReceiver.start();
    app = await scene.register({ backchannelLogoutUri: receiver.address });
  });
  afterEach(async () => {
    await receiver.close();
  });

  const verified = async (token: string) =>
    await jwtVerify(token, createRemoteJWKSet(new URL(`${scene.issuer}/jwks`)), {
      issuer: scene.issuer,
      audience: app.clientId,
      typ: 'logout+jwt',
      requiredClaims: ['iat', 'exp', 'jti', 'events', 'sub', 'sid'],
    });

  const notices = async (): Promise<{ acknowledged_at: Date | null; attempts: number; last_status: string | null }[]> =>
    await scene.identity.admin('SELECT * FROM identity.logout_notice WHERE client_id = $1 ORDER BY created_at', [
      app.clientId,
    ]);

  const isAcknowledged = async (): Promise<void> => {
    const all = async () => (await notices()).every(({ acknowledged_at: at }) => at !== null);
    await waitFor(all, { message: 'every notice acknowledged' });
  };

  const logOutThroughApplication = async (name: string): Promise<void> => {
    const browser = await scene.signIn(name);
    const tokens = await scene.tokens(browser, app);
    const query = new URLSearchParams({ id_token_hint: tokens.id_token ?? '' });
    const page = await (await browser.open(`${scene.issuer}/session/end?${query.toString()}`)).text();
    const xsrf = /name="xsrf" value="([^"]+)"/.exec(page)?.[1] ?? '';
    assert.equal((await browser.post(`${scene.issuer}/session/end/confirm`, { xsrf, logout: 'yes' })).status, 303);
  };

  it('oidcc-backchannel-rp-initiated-logout: sends a logout token of the prescribed form (§2.4)', async () => {
    const id = await scene.person('ada');
    const browser = await scene.signIn('ada');
    const tokens = await scene.tokens(browser, app);
    const sid = tokens.claims()?.['sid'];
    assert.equal(typeof sid, 'string');
    await browser.post(`${scene.origin}/logout`, {});
    const [token = ''] = await receiver.received(1);
    const { payload, protectedHeader } = await verified(token);
    assert.deepEqual([payload.sub, payload['sid'], payload['events']], [id, sid, { [EVENT]: {} }]);
    assert.equal('nonce' in payload, false);
    assert.equal(protectedHeader.alg, 'RS256');
    assert.ok((payload.exp ?? 0) - (payload.iat ?? 0) <= 120);
    await isAcknowledged();
    assert.equal(receiver.tokens.length, 1);
  });

  it('tells of a session that somebody else takes the place of in that browser', async () => {
    const signIns: readonly ((browser: Browser) => Promise<unknown>)[] = [
      async (browser) => {
        await scene.signInLocally(browser);
      },
      async (browser) => await scene.signInAt(browser, `/saml/${scene.directory.connectionId}/login`, 'dan'),
    ];
    await scene.person('dan');
    for (const [index, signInAfter] of signIns.entries()) {
      const id = await scene.person(`cat${index}`);
      const browser = await scene.signIn(`cat${index}`);
      const tokens = await scene.tokens(browser, app);
      await signInAfter(browser);
      const told = await receiver.received(index + 1);
      const { payload } = await verified(told[index] ?? '');
      assert.deepEqual([payload.sub, payload['sid']], [id, tokens.claims()?.['sid']]);
      assert.deepEqual(await scene.introspect(app, tokens.refresh_token ?? ''), { active: false });
    }
    await isAcknowledged();
  });

  it('announces it in discovery (§2.1)', async () => {
    const document = (await (await fetch(`${scene.issuer}/.well-known/openid-configuration`)).json()) as object;
    const about = document as Record<string, unknown>;
    const { backchannel_logout_supported: supported, backchannel_logout_session_supported: session } = about;
    assert.deepEqual([supported, session], [true, true]);
  });

  it('tells once when somebody signs out through the application', async () => {
    await scene.person('bert');
    await logOutThroughApplication('bert');
    await receiver.received(1);
    await isAcknowledged();
    assert.equal((await notices()).length, 1);
  });

  it('tells when the directory deactivates the person, and when an administrator ends the session', async () => {
    const id = await scene.person('carl');
    await scene.tokens(await scene.signIn('carl'), app);
    const { items } = (await scene.api('GET', `/accounts/${id}/sessions`)).body;
    const path = `/accounts/${id}/sessions/${items[0]?.id ?? ''}`;
    assert.equal((await scene.api('DELETE', path)).status, 204);
    await receiver.received(1);
    await scene.tokens(await scene.signIn('carl'), app);
    await scene.setActive(id, false);
    const [, token = ''] = await receiver.received(2);
    assert.equal((await verified(token)).payload.sub, id);
  });

  it('tells each application once, with its own session, and none that nobody used', async () => {
    await scene.person('dora');
    const bystander = await scene.register({ backchannelLogoutUri: receiver.address });
    const browser = await scene.signIn('dora');
    await scene.tokens(browser, app);
    await scene.tokens(browser, app);
    await browser.post(`${scene.origin}/logout`, {});
    const [token = ''] = await receiver.received(1);
    assert.equal((await verified(token)).payload.aud, app.clientId);
    await isAcknowledged();
    assert.equal(receiver.tokens.length, 1);
    await scene.api('DELETE', `/oauth-clients/${bystander.clientId}`);
  });

  it('tries again with a new identifier until the application takes note', async () => {
    await scene.person('emil');
    receiver.status = 500;
    const browser = await scene.signIn('emil');
    await scene.tokens(browser, app);
    await browser.post(`${scene.origin}/logout`, {});
    await receiver.received(2);
    receiver.status = 204;
    await isAcknowledged();
    const ids = await Promise.all(receiver.tokens.map(async (token) => (await verified(token)).payload.jti));
    assert.equal(new Set(ids).size, ids.length);
    assert.ok(ids.length >= 3);
  });

  it('keeps nobody waiting for an application that does not answer', async () => {
    await scene.person('finn');
    const dead = await LogoutReceiver.start();
    dead.status = 0;
    const silent = await scene.register({ backchannelLogoutUri: dead.address });
    const browser = await scene.signIn('finn');
    await scene.tokens(browser, silent);
    await scene.tokens(browser, app);
    await browser.post(`${scene.origin}/logout`, {});
    await receiver.received(1);
    await dead.received(1);
    await scene.api('DELETE', `/oauth-clients/${silent.clientId}`);
    await dead.close();
  });

  it('keeps nobody waiting for any number of them, however many notices each of them has', async () => {
    const dead = await LogoutReceiver.start();
    dead.status = -1;
    const { orgId, ownerId } = scene.organization;
    const silent = await Promise.all(
      Array.from({ length: 17 }, async () => await scene.register({ backchannelLogoutUri: dead.address })),
    );
    const notify = async (clientIds: readonly string[], count: number): Promise<void> => {
      await scene.identity.admin(
        `INSERT INTO identity.logout_notice (org_id, id, client_id, account_id, cause, created_at, expires_at, next_attempt_at)
         SELECT $1, gen_random_uuid(), client_id, $2, 'test', now(), now() + interval '1 hour', now()
           FROM unnest($3::text[]) AS client_id, generate_series(1, $4)`,
        [orgId, ownerId, clientIds, count],
      );
    };
    await notify(
      silent.map(({ clientId }) => clientId),
      5,
    );
    await dead.received(16);
    const late = await scene.register({ backchannelLogoutUri: receiver.address });
    await notify([late.clientId], 1);
    await receiver.received(1);
    assert.ok(dead.tokens.length < 2 * 17, `${dead.tokens.length} tries before`);
    for (const { clientId } of silent) await scene.api('DELETE', `/oauth-clients/${clientId}`);
    await dead.close();
  });

  it('writes the notice in the transaction that ends the session: what is rolled back tells nobody', async () => {
    const id = await scene.person('gina');
    await scene.tokens(await scene.signIn('gina'), app);
    await scene.identity.admin(
      `CREATE FUNCTION identity.fail() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'no'; END $$`,
    );
    await scene.identity.admin(
      `CREATE TRIGGER fail BEFORE DELETE ON identity.provider_artifact FOR EACH ROW EXECUTE FUNCTION identity.fail()`,
    );
    const { items } = (await scene.api('GET', `/accounts/${id}/sessions`)).body;
    assert.equal((await scene.api('DELETE', `/accounts/${id}/sessions/${items[0]?.id ?? ''}`)).status, 500);
    await scene.identity.admin('DROP TRIGGER fail ON identity.provider_artifact');
    assert.equal((await notices()).length, 0);
  });

  it('survives a restart: what one process left undone, the next one does', async () => {
    await scene.person('hugo');
    receiver.status = 503;
    const browser = await scene.signIn('hugo');
    await scene.tokens(browser, app);
    await browser.post(`${scene.origin}/logout`, {});
    await receiver.received(1);
    const { config } = scene.identity.context;
    await scene.identity.server.close();
    receiver.status = 200;
    const before = receiver.tokens.length;
    const context = await createContext(
      { ...config, httpPort: 0 },
      { logger: silentLogger(), decisions: decisionsWithout(new Set()) },
    );
    const server = await startServer(context);
    await waitFor(() => receiver.tokens.length > before, { message: 'the next process tells' });
    await isAcknowledged();
    await server.close();
    await context.dispose();
  });
});
