import assert from 'node:assert/strict';

import { Authenticator, type Deviation } from '@sallyport/dev-env/actors';

import { Browser } from '../support/browser.ts';
import { Scene } from './scene.ts';

const MINUTE_MS = 60_000;

describe('passkeys', () => {
  let scene: Scene;

  before(async () => {
    scene = await Scene.open();
  });
  beforeEach(() => scene.reset());
  after(() => scene.close());

  const enrolled = async (authenticator?: Authenticator) => {
    const browser = await scene.signedIn();
    return { browser, ...(await scene.enrolPasskey(browser, authenticator)) };
  };
  const reasons = async (): Promise<(string | undefined)[]> =>
    (await scene.entries('login.refused')).map(({ reason }) => reason);

  it('sign somebody in alone, as two factors nobody can be talked into giving away', async () => {
    const { authenticator, recoveryCodes } = await enrolled();
    assert.equal(recoveryCodes?.length, 10);
    const browser = new Browser();
    const answer = await scene.loginWithPasskey(browser, authenticator);
    assert.equal(answer.status, 200, JSON.stringify(answer.body));
    const me = await scene.me(browser);
    assert.equal(me?.['subjectId'], scene.organization.ownerId);
    assert.deepEqual(me?.['amr'], ['hwk', 'user', 'mfa']);
    assert.equal(me?.['acr'], 'urn:sallyport:acr:phishing-resistant');
    const [session] = (await scene.expect(200, browser, 'GET', '/sessions'))['items'] as { method: string }[];
    assert.equal(session?.method, 'passkey');
  });

  it('are keys in software when they are synced', async () => {
    const { authenticator } = await enrolled(new Authenticator(scene.origin, { synced: true }));
    const browser = new Browser();
    await scene.loginWithPasskey(browser, authenticator);
    assert.deepEqual((await scene.me(browser))?.['amr'], ['swk', 'user', 'mfa']);
  });

  it('ask for a discoverable credential and user verification, and name our host (WebAuthn §5.4)', async () => {
    const browser = await scene.signedIn();
    const { publicKey: made } = await scene.expect(200, browser, 'POST', '/factors/passkeys/options', {});
    const creation = made as Record<string, unknown> & { user: { id: string; name: string }; challenge: string };
    assert.deepEqual(creation['rp'], { name: 'Sallyport', id: 'localhost' });
    assert.deepEqual(creation['attestation'], 'none');
    const selection = creation['authenticatorSelection'] as Record<string, unknown>;
    assert.deepEqual([selection['residentKey'], selection['userVerification']], ['required', 'required']);
    assert.ok(Buffer.from(creation.challenge, 'base64url').length >= 16);
    // The handle says nothing about the person (§14.6.1).
    assert.equal(
      Buffer.from(creation.user.id, 'base64url').toString('hex'),
      scene.organization.ownerId.replaceAll('-', ''),
    );
    const { publicKey: used } = await scene.expect(200, new Browser(), 'POST', '/login/passkey/options', {});
    const request = used as Record<string, unknown>;
    assert.deepEqual([request['rpId'], request['userVerification']], ['localhost', 'required']);
    assert.deepEqual(request['allowCredentials'], []);
  });

  describe('at sign-in, refuse', () => {
    const hostile: readonly (readonly [what: string, deviation: Deviation, reason: string | null])[] = [
      ['another origin', { origin: 'https://evil.example' }, null],
      ['our origin on another port', { origin: 'http://localhost:1' }, null],
      ['another RP id', { rpId: 'evil.example' }, null],
      ['a registration in place of a sign-in', { type: 'webauthn.create' }, null],
      ['a frame of another site', { crossOrigin: true }, null],
      ['a challenge that is not ours', { challenge: Buffer.alloc(32).toString('base64url') }, null],
      ['a user who was not there', { userPresent: false }, null],
      ['a user who was not verified', { userVerified: false }, null],
      ['another key', { otherKey: true }, null],
      ['an authenticator nobody knows', { credentialId: Buffer.alloc(32, 7) }, null],
      ['another user handle', { userHandle: Buffer.alloc(16, 1).toString('base64url') }, 'USER_HANDLE_MISMATCH'],
      ['a counter that stood still', { signCount: 1 }, 'COUNTER_REGRESSED'],
      ['a counter that is gone', { signCount: 0 }, 'COUNTER_REGRESSED'],
    ];
    for (const [what, deviation, reason] of hostile)
      it(what, async () => {
        const { authenticator } = await enrolled();
        const browser = new Browser();
        const answer = await scene.loginWithPasskey(browser, authenticator, deviation);
        assert.deepEqual([answer.status, answer.body['code']], [403, 'LOGIN_REFUSED']);
        assert.equal(answer.body['detail'], 'This passkey was not accepted.');
        assert.equal(await scene.me(browser), null);
        // What was not signed by the passkey is not laid at its owner's door.
        assert.deepEqual(await reasons(), reason === null ? [] : [reason]);
        // And the owner still gets in.
        assert.equal((await scene.loginWithPasskey(new Browser(), authenticator)).status, 200);
      });

    it('an answer that was used, and a challenge that was answered wrongly', async () => {
      const { authenticator } = await enrolled();
      const browser = new Browser();
      const options = await scene.expect(200, browser, 'POST', '/login/passkey/options', {});
      const wrong = { response: authenticator.get(options as never, { otherKey: true }) };
      await scene.expect(403, browser, 'POST', '/login/passkey', wrong);
      await scene.expect(403, browser, 'POST', '/login/passkey', { response: authenticator.get(options as never) });
      const next = await scene.expect(200, browser, 'POST', '/login/passkey/options', {});
      const right = { response: authenticator.get(next as never) };
      await scene.expect(200, browser, 'POST', '/login/passkey', right);
      await scene.expect(403, new Browser(), 'POST', '/login/passkey', right);
      await scene.expect(403, browser, 'POST', '/login/passkey', right);
    });

    it('an answer shown many times at once, but for once', async () => {
      const { authenticator } = await enrolled();
      const browser = new Browser();
      const options = await scene.expect(200, browser, 'POST', '/login/passkey/options', {});
      const response = authenticator.get(options as never);
      const answers = await Promise.all(
        Array.from({ length: 5 }, () => scene.api(browser, 'POST', '/login/passkey', { response })),
      );
      assert.equal(answers.filter(({ status }) => status === 200).length, 1);
    });

    it('the challenge of another browser (login CSRF), and of no browser', async () => {
      const { authenticator } = await enrolled();
      for (const elsewhere of [new Browser(), new Browser()]) {
        const options = await scene.expect(200, new Browser(), 'POST', '/login/passkey/options', {});
        await scene.api(elsewhere, 'POST', '/login/passkey/options', {});
        const response = authenticator.get(options as never);
        await scene.expect(403, elsewhere, 'POST', '/login/passkey', { response });
      }
      const options = await scene.expect(200, new Browser(), 'POST', '/login/passkey/options', {});
      await scene.expect(403, new Browser(), 'POST', '/login/passkey', {
        response: authenticator.get(options as never),
      });
    });

    it('a challenge after five minutes', async () => {
      const { authenticator } = await enrolled();
      const browser = new Browser();
      const options = await scene.expect(200, browser, 'POST', '/login/passkey/options', {});
      scene.clock.advance(5 * MINUTE_MS + 1_000);
      await scene.expect(403, browser, 'POST', '/login/passkey', { response: authenticator.get(options as never) });
    });

    it('a challenge made for a registration', async () => {
      const { browser, authenticator } = await enrolled();
      scene.clock.advance(1_000);
      const again = await scene.api(browser, 'POST', '/factors/passkeys/options', {});
      assert.equal(again.status, 403, 'a session without the factor');
      const complete = new Browser();
      await scene.loginWithPasskey(complete, authenticator);
      const options = await scene.expect(200, complete, 'POST', '/factors/passkeys/options', {});
      const { challenge } = (options as { publicKey: { challenge: string } }).publicKey;
      const response = authenticator.get({ publicKey: { challenge, rpId: 'localhost' } });
      await scene.expect(403, complete, 'POST', '/login/passkey', { response });
    });

    it('the passkey of an account that was closed, and opens for it again when it is open', async () => {
      const { authenticator } = await enrolled();
      const { ownerId } = scene.organization;
      const set = async (status: string, hold: boolean): Promise<void> => {
        await scene.identity.admin(
          `UPDATE identity.account SET status = $1, admin_hold = $2, epoch = epoch + 1 WHERE id = $3`,
          [status, hold, ownerId],
        );
      };
      await set('inactive', true);
      assert.equal((await scene.loginWithPasskey(new Browser(), authenticator)).status, 403);
      assert.deepEqual(await reasons(), ['ACCOUNT_INACTIVE']);
      await set('active', false);
      assert.equal((await scene.loginWithPasskey(new Browser(), authenticator)).status, 200);
    });

    it('the passkey of somebody who has an identity provider: nobody gets around it', async () => {
      const { authenticator } = await enrolled();
      const connectionId = crypto.randomUUID();
      const accountId = crypto.randomUUID();
      const { orgId } = scene.organization;
      await scene.identity.admin(
        `INSERT INTO identity.connection (org_id, id, name, created_at, updated_at) VALUES ($1, $2, 'IdP', now(), now())`,
        [orgId, connectionId],
      );
      await scene.identity.admin(
        `INSERT INTO identity.account (org_id, id, kind, status, connection_id, user_name, user_name_key, display_name_key,
           search_document, created_at, updated_at)
         VALUES ($1, $2, 'user', 'active', $3, 'fay', 'fay', '', '{}', now(), now())`,
        [orgId, accountId, connectionId],
      );
      await scene.identity.admin('UPDATE identity.passkey SET account_id = $1', [accountId]);
      const userHandle = Buffer.from(accountId.replaceAll('-', ''), 'hex').toString('base64url');
      const answer = await scene.loginWithPasskey(new Browser(), authenticator, { userHandle });
      assert.equal(answer.status, 403);
      assert.deepEqual(await reasons(), ['ACCOUNT_INACTIVE']);
    });
  });

  describe('at registration, refuse', () => {
    const hostile: readonly (readonly [what: string, deviation: Deviation])[] = [
      ['another origin', { origin: 'https://evil.example' }],
      ['another RP id', { rpId: 'evil.example' }],
      ['a sign-in in place of a registration', { type: 'webauthn.get' }],
      ['a frame of another site', { crossOrigin: true }],
      ['a challenge that is not ours', { challenge: Buffer.alloc(32).toString('base64url') }],
      ['a user who was not verified', { userVerified: false }],
      ['an algorithm we did not ask for', { algorithm: -36 }],
    ];
    for (const [what, deviation] of hostile)
      it(what, async () => {
        const browser = await scene.signedIn();
        const options = await scene.expect(200, browser, 'POST', '/factors/passkeys/options', {});
        const response = new Authenticator(scene.origin).create(options as never, deviation);
        await scene.expect(400, browser, 'POST', '/factors/passkeys', { response, name: 'Laptop' });
        assert.deepEqual((await scene.expect(200, browser, 'GET', '/factors'))['passkeys'], []);
      });

    it('an answer that was used, and the challenge of another session', async () => {
      const browser = await scene.signedIn();
      const other = await scene.signedIn();
      const authenticator = new Authenticator(scene.origin);
      const options = await scene.expect(200, browser, 'POST', '/factors/passkeys/options', {});
      const response = authenticator.create(options as never);
      await scene.expect(400, other, 'POST', '/factors/passkeys', { response });
      await scene.expect(400, browser, 'POST', '/factors/passkeys', { response });
    });

    it('an authenticator that is registered already, wherever it is', async () => {
      const { authenticator } = await enrolled();
      const browser = new Browser();
      await scene.loginWithPasskey(browser, authenticator);
      const options = await scene.expect(200, browser, 'POST', '/factors/passkeys/options', {});
      const { excludeCredentials } = (options as { publicKey: { excludeCredentials: { id: string }[] } }).publicKey;
      assert.deepEqual(
        excludeCredentials.map(({ id }) => id),
        [authenticator.credentialId.toString('base64url')],
      );
      const response = authenticator.create(options as never);
      await scene.expect(400, browser, 'POST', '/factors/passkeys', { response });
    });

    it('malformed answers of every kind, without an error of ours', async () => {
      const browser = await scene.signedIn();
      const junk = Buffer.from('junk').toString('base64url');
      const options = await scene.expect(200, browser, 'POST', '/factors/passkeys/options', {});
      const whole = new Authenticator(scene.origin).create(options as never) as { response: object };
      for (const response of [
        {},
        { ...whole, response: { ...whole.response, attestationObject: junk } },
        { ...whole, response: { ...whole.response, attestationObject: Buffer.alloc(200, 0xbf).toString('base64url') } },
        { ...whole, response: { ...whole.response, clientDataJSON: junk } },
        { ...whole, id: 'other' },
        { ...whole, type: 'password' },
      ])
        await scene.expect(400, browser, 'POST', '/factors/passkeys', { response });
    });
  });

  describe('are kept', () => {
    it('several for one account, each with a name and its last use', async () => {
      const { authenticator, id } = await enrolled();
      const browser = new Browser();
      await scene.loginWithPasskey(browser, authenticator);
      const second = await scene.enrolPasskey(browser);
      assert.equal(second.recoveryCodes, null, 'there are codes already');
      await scene.expect(204, browser, 'PATCH', `/factors/passkeys/${id}`, { name: 'Telephone' });
      const factors = await scene.expect(200, browser, 'GET', '/factors');
      const passkeys = factors['passkeys'] as { id: string; name: string; lastUsedAt: string | null }[];
      assert.deepEqual(
        passkeys.map(({ name, lastUsedAt }) => [name, lastUsedAt !== null]),
        [
          ['Telephone', true],
          ['Laptop', false],
        ],
      );
      await scene.expect(204, browser, 'DELETE', `/factors/passkeys/${id}`);
      assert.equal((await scene.loginWithPasskey(new Browser(), authenticator)).status, 403);
      assert.equal((await scene.loginWithPasskey(new Browser(), second.authenticator)).status, 200);
      for (const action of ['passkey.added', 'passkey.renamed', 'passkey.removed'])
        assert.ok((await scene.entries(action)).length > 0, action);
    });

    it('also without a counter', async () => {
      const { authenticator } = await enrolled(new Authenticator(scene.origin, { counts: false }));
      assert.equal((await scene.loginWithPasskey(new Browser(), authenticator)).status, 200);
      assert.equal((await scene.loginWithPasskey(new Browser(), authenticator)).status, 200);
    });

    it('twenty at most', async () => {
      const { authenticator } = await enrolled();
      const browser = new Browser();
      await scene.loginWithPasskey(browser, authenticator);
      await scene.identity.admin(
        `INSERT INTO identity.passkey SELECT org_id, gen_random_uuid(), account_id, decode(md5(n::text), 'hex'), public_key,
           sign_count, transports, backed_up, multi_device, aaguid, name, created_at
           FROM identity.passkey, generate_series(1, 19) AS n`,
      );
      await scene.expect(409, browser, 'POST', '/factors/passkeys/options', {});
    });

    it('the last one when it is the only way in, or the only second factor where one is demanded', async () => {
      const { authenticator, id } = await enrolled();
      const browser = new Browser();
      await scene.loginWithPasskey(browser, authenticator);
      await scene.setRules({ secondFactorRequired: true });
      await scene.expect(409, browser, 'DELETE', `/factors/passkeys/${id}`);
      await scene.setRules({ secondFactorRequired: false });
      await scene.identity.admin('CREATE TABLE identity.kept AS SELECT * FROM identity.local_credential');
      await scene.identity.admin('DELETE FROM identity.local_credential');
      await scene.expect(409, browser, 'DELETE', `/factors/passkeys/${id}`);
      await scene.identity.admin('INSERT INTO identity.local_credential SELECT * FROM identity.kept');
      await scene.identity.admin('DROP TABLE identity.kept');
      await scene.expect(204, browser, 'DELETE', `/factors/passkeys/${id}`);
    });
  });
});
