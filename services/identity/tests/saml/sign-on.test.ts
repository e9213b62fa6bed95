import assert from 'node:assert/strict';

import { createSelfSigned } from '@sallyport/dev-env';

import { Browser } from '../support/browser.ts';
import { apiClient } from '../support/http.ts';
import { newOrganization } from '../support/identity.ts';
import { hostileCases, type HostileCase } from './hostile.ts';
import { encoded, responseText, type SigningKey } from './idp.ts';
import { SamlScene, type Started } from './scene.ts';

const uuid = /[0-9a-f]{8}-[0-9a-f-]{27}/g;

describe('SAML sign-on over HTTP', () => {
  let scene: SamlScene;
  let foreign: SigningKey;

  before(async () => {
    [scene, foreign] = await Promise.all([SamlScene.start(), createSelfSigned('foreign')]);
    await scene.person('00u1', 'ada@example.com');
  });
  after(async () => {
    await scene.close();
  });
  beforeEach(async () => {
    await scene.forgetAttempts();
  });

  it('signs in the person the directory provisioned, and goes where the login began', async () => {
    const started = await scene.begin();
    const answer = await scene.answer(started);
    assert.deepEqual([answer.status, answer.headers.get('location')], [303, '/account?from=saml']);
    const who = await scene.me(started.browser);
    assert.equal(who['acr'], 'urn:oasis:names:tc:SAML:2.0:ac:classes:PasswordProtectedTransport');
    assert.match(
      await (await started.browser.open(`${scene.origin}/account`)).text(),
      /ada@example.com<\/strong> via Okta/,
    );
  });

  it('finds by user name where the IdP sends that as the name', async () => {
    assert.equal((await scene.answer(await scene.begin(), { nameId: 'ada@example.com' })).status, 303);
  });

  it('serves metadata that names this connection and its own addresses', async () => {
    const answer = await fetch(`${scene.origin}/saml/${scene.connectionId}/metadata`);
    assert.match(answer.headers.get('content-type') ?? '', /^application\/samlmetadata\+xml/);
    const xml = await answer.text();
    assert.ok(xml.includes(`entityID="${scene.origin}/saml/${scene.connectionId}/metadata"`));
    assert.ok(xml.includes(`Location="${scene.acs()}"`));
    assert.equal((await fetch(`${scene.origin}/saml/0190c0de-0000-7000-8000-000000000000/metadata`)).status, 404);
  });

  it('signs in many of one address at once; none waits for another for ever', async () => {
    for (let round = 0; round < 3; round += 1) {
      const started = await Promise.all(Array.from({ length: 16 }, () => scene.begin()));
      const answers = await Promise.all(
        started.map((one, index) => scene.answer(one, { assertionId: `_many${round}-${index}` })),
      );
      const outcomes = answers.map(async (one) => (one.status === 303 ? 'signed in' : await scene.refusalOf(one)));
      assert.deepEqual(
        await Promise.all(outcomes),
        started.map(() => 'signed in'),
      );
    }
  });

  it('caps the session by SessionNotOnOrAfter (IPSIE SL1)', async () => {
    const started = await scene.begin();
    const endsAt = Date.now() + 120_000;
    await scene.answer(started, { sessionNotOnOrAfter: endsAt });
    const who = await scene.me(started.browser);
    assert.equal(Date.parse(String(who['expiresAt'])), endsAt);
  });

  describe('refuses, with one page and the reason in the audit log', () => {
    /** Answers one waiting sign-in with a row of the table; none of them uses it up. */
    const attack = async (started: Started, row: HostileCase): Promise<Response> => {
      const { foreignKey, weakKey: _weak, ...signing } = row.signing ?? {};
      const options = {
        ...scene.response(row.response?.inResponseTo === null ? null : started.requestId),
        assertionId: '_a1',
        ...row.response,
        ...(row.response?.inResponseTo === undefined ? {} : { inResponseTo: row.response.inResponseTo }),
        signing: { with: foreignKey === true ? foreign : scene.idp, ...signing },
      };
      // The table speaks of its own service provider; here it is this connection.
      const rebase = (text: string): string => text.replaceAll('https://sp.example/saml', options.audience);
      const audiences = options.audiences?.map((list) => list.map(rebase));
      const xml = responseText({ ...options, ...(audiences === undefined ? {} : { audiences }) });
      return await scene.post(started.browser, (row.encode ?? encoded)(xml), started.relayState);
    };

    it('every hostile message of the table; no 5xx, no session, no difference to be seen', async () => {
      // Rows that need a facet, a key or a moment of their own are judged in verify.test.ts.
      const rows = hostileCases.filter((row) => row.expected === undefined && row.signing?.weakKey !== true);
      const pages = new Set<string>();
      const before = await scene.sessions();
      const started = await scene.begin();
      for (let from = 0; from < rows.length; from += 8) {
        await scene.forgetAttempts();
        const judged = rows.slice(from, from + 8).map(async (row) => {
          const answer = await attack(started, row);
          if (answer.status === 413) return; // The body is over the cap of any form: not even read.
          assert.equal(answer.status, 403, row.name);
          assert.equal(await scene.refusalOf(answer), row.reason, row.name);
          pages.add((await answer.text()).replaceAll(uuid, 'ID'));
        });
        await Promise.all(judged);
      }
      assert.equal(pages.size, 1);
      assert.equal(await scene.sessions(), before);
      assert.equal((await scene.answer(started)).status, 303); // The request they all answered is still good.
    }).timeout(180_000);

    it('a replay of the same response', async () => {
      const started = await scene.begin();
      const message = encoded(responseText(scene.response(started.requestId)));
      assert.equal((await scene.post(started.browser, message)).status, 303);
      await scene.isRefused(await scene.post(started.browser, message), 'REQUEST_CONSUMED');
    });

    it('the same assertion for another request', async () => {
      const [first, second] = [await scene.begin(), await scene.begin()];
      const assertionId = '_once';
      assert.equal((await scene.answer(first, { assertionId })).status, 303);
      await scene.isRefused(await scene.answer(second, { assertionId }), 'ASSERTION_REPLAYED');
    });

    it('all but one of many posts of one response at once', async () => {
      const started = await scene.begin();
      const message = encoded(responseText(scene.response(started.requestId)));
      const before = await scene.sessions();
      const answers = await Promise.all(Array.from({ length: 8 }, () => scene.post(started.browser, message)));
      assert.equal(answers.filter(({ status }) => status === 303).length, 1);
      assert.equal(await scene.sessions(), before + 1);
    });

    it('the response of another browser (login CSRF)', async () => {
      const started = await scene.begin();
      await scene.isRefused(await scene.answer({ ...started, browser: new Browser() }), 'REQUEST_OTHER_BROWSER');
      const other = await scene.begin();
      await scene.isRefused(await scene.answer({ ...started, browser: other.browser }), 'REQUEST_OTHER_BROWSER');
      assert.equal((await scene.answer(started)).status, 303); // The rightful browser is not locked out by that.
    });

    it('a response to a request we never made, or made long ago', async () => {
      const started = await scene.begin();
      await scene.isRefused(await scene.answer({ ...started, requestId: '_never' }), 'REQUEST_UNKNOWN');
      await scene.identity.admin(`UPDATE identity.pending_login SET expires_at = now() - interval '1 second'`);
      await scene.isRefused(await scene.answer(started), 'REQUEST_EXPIRED');
    });

    it('an assertion issued before the request', async () => {
      const now = Date.now() - 5 * 60_000;
      await scene.isRefused(await scene.answer(await scene.begin(), { now }), 'ISSUED_BEFORE_REQUEST');
    });

    it('the RelayState of another login', async () => {
      const [first, second] = [await scene.begin(), await scene.begin()];
      await scene.isRefused(await scene.answer({ ...first, relayState: second.relayState }), 'RELAY_STATE_MISMATCH');
    });

    it('a response meant for another connection, of the same or of another organisation', async () => {
      const sibling = await scene.api('POST', '/connections', { name: 'Second IdP' });
      await scene.putFacet(sibling.body.id, {});
      const stranger = await newOrganization(scene.identity);
      const strangerApi = apiClient(scene.identity, stranger);
      const foreignConnection = await strangerApi('POST', '/connections', { name: 'Theirs' });
      await scene.putFacet(foreignConnection.body.id, {}, strangerApi);
      for (const other of [sibling.body.id, foreignConnection.body.id]) {
        const started = await scene.begin();
        const message = encoded(responseText(scene.response(started.requestId)));
        assert.equal((await scene.post(started.browser, message, started.relayState, other)).status, 403);
        // Signed anew for the other one by the IdP both share: the request is still not that connection's.
        const moved = encoded(responseText(scene.response(started.requestId, {}, other)));
        assert.equal((await scene.post(started.browser, moved, started.relayState, other)).status, 403);
      }
      // The same name from another IdP is another person (ASVS 6.8.1).
      await scene.isRefused(await scene.answer(await scene.begin(new Browser(), sibling.body.id)), 'ACCOUNT_UNKNOWN');
    });

    it('a person nobody provisioned; nobody is created while the directory is on', async () => {
      await scene.putFacet(scene.connectionId, { accountRule: { createOnFirstLogin: true } });
      await scene.isRefused(await scene.answer(await scene.begin(), { nameId: '00uSTRANGER' }), 'ACCOUNT_UNKNOWN');
      await scene.putFacet(scene.connectionId, {});
    });

    it('a deactivated person, also with an assertion from before that, once active again', async () => {
      const id = await scene.person('00u2', 'ben@example.com');
      const started = await scene.begin();
      const early = await scene.begin();
      const old = responseText(scene.response(early.requestId, { nameId: '00u2' }));
      await scene.setActive(id, false);
      await scene.isRefused(await scene.answer(started, { nameId: '00u2' }), 'ACCOUNT_INACTIVE');
      await scene.setActive(id, true);
      await scene.isRefused(
        await scene.post(early.browser, encoded(old), early.relayState),
        'LOGIN_OLDER_THAN_DEACTIVATION',
      );
      assert.equal((await scene.answer(await scene.begin(), { nameId: '00u2' })).status, 303);
    });

    it('a value that names two people, one by external id and one by user name', async () => {
      await scene.person('clash@example.com', 'carol@example.com');
      await scene.person('00u9', 'clash@example.com');
      await scene.isRefused(
        await scene.answer(await scene.begin(), { nameId: 'clash@example.com' }),
        'ACCOUNT_AMBIGUOUS',
      );
    });

    it('the local Owner, whatever the IdP says (nOAuth)', async () => {
      await scene.isRefused(
        await scene.answer(await scene.begin(), { nameId: 'owner@example.com' }),
        'ACCOUNT_UNKNOWN',
      );
      await scene.isRefused(
        await scene.answer(await scene.begin(), { nameId: scene.organization.ownerId }),
        'ACCOUNT_UNKNOWN',
      );
    });

    it('an unsolicited response, unless the connection allows it', async () => {
      const unsolicited = () => encoded(responseText(scene.response(null)));
      await scene.isRefused(await scene.post(new Browser(), unsolicited()), 'UNSOLICITED_FORBIDDEN');
      await scene.putFacet(scene.connectionId, { allowIdpInitiated: true });
      const message = unsolicited();
      const browser = new Browser();
      const answer = await scene.post(browser, message, 'https://evil.example/');
      assert.deepEqual([answer.status, answer.headers.get('location')], [303, '/account']);
      await scene.isRefused(await scene.post(new Browser(), message), 'ASSERTION_REPLAYED');
      await scene.putFacet(scene.connectionId, {});
    });

    it('the removed key at once, and accepts the new one (rollover)', async () => {
      const next = await createSelfSigned('next');
      await scene.putFacet(scene.connectionId, { certificates: [scene.idp.cert, next.cert] });
      assert.equal((await scene.answer(await scene.begin(), { signing: { with: next } })).status, 303);
      await scene.putFacet(scene.connectionId, { certificates: [next.cert] });
      await scene.isRefused(await scene.answer(await scene.begin()), 'SIGNATURE_INVALID');
      await scene.putFacet(scene.connectionId, {});
    });

    it('everything through a disabled connection', async () => {
      const other = await scene.api('POST', '/connections', { name: 'Closed' });
      await scene.putFacet(other.body.id, {});
      const started = await scene.begin(new Browser(), other.body.id);
      await scene.api('PATCH', `/connections/${other.body.id}`, { enabled: false });
      const message = encoded(responseText(scene.response(started.requestId, {}, other.body.id)));
      assert.equal((await scene.post(started.browser, message, started.relayState, other.body.id)).status, 403);
      assert.equal((await fetch(`${scene.origin}/saml/${other.body.id}/login`, { redirect: 'manual' })).status, 403);
    });

    it('a form with the response twice, none, or of another kind', async () => {
      const started = await scene.begin();
      const message = encodeURIComponent(encoded(responseText(scene.response(started.requestId))));
      const send = async (body: string, type = 'application/x-www-form-urlencoded'): Promise<number> =>
        (await started.browser.open(scene.acs(), { method: 'POST', body, headers: { 'content-type': type } })).status;
      assert.equal(await send(`SAMLResponse=${message}&SAMLResponse=${message}`), 403);
      assert.equal(await send(''), 403);
      assert.equal(await send('{}', 'application/json'), 415);
      assert.equal(await send(`SAMLResponse=${message}`), 303);
    });

    it('beyond the limit of one address, with 429', async () => {
      await scene.identity.admin(
        `INSERT INTO identity.login_throttle SELECT sha256(convert_to($1, 'UTF8')), 100000, now() + interval '1 hour'`,
        [`federated:127.0.0.1`],
      );
      const started = await scene.begin();
      const answer = await scene.answer(started);
      assert.equal(answer.status, 429);
      await scene.identity.admin(
        `UPDATE identity.login_throttle SET failures = 100000 WHERE key = sha256(convert_to($1, 'UTF8'))`,
        ['start:127.0.0.1'],
      );
      const login = `${scene.origin}/saml/${scene.connectionId}/login`;
      assert.equal((await fetch(login, { redirect: 'manual' })).status, 429);
    });
  });
});
