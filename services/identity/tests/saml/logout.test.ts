import assert from 'node:assert/strict';
import { inflateRawSync } from 'node:zlib';

import { SAML } from '@node-saml/node-saml';
import { createSelfSigned } from '@sallyport/dev-env';

import { Browser } from '../support/browser.ts';
import { apiClient } from '../support/http.ts';
import { newOrganization } from '../support/identity.ts';
import { logoutCases } from './hostile-logout.ts';
import { encoded, type SigningKey } from './idp.ts';
import { logoutQuery, logoutText, type LogoutOptions, type QueryOptions } from './idp-logout.ts';
import { sentLogout } from './logout-scene.ts';
import { IDP, SamlScene, SLO_ENDPOINT } from './scene.ts';

const uuid = /[0-9a-f]{8}-[0-9a-f-]{27}/g;
const PERSISTENT = 'urn:oasis:names:tc:SAML:2.0:nameid-format:persistent';

describe('SAML single logout over HTTP', () => {
  let scene: SamlScene;
  let foreign: SigningKey;
  let last = 0;

  before(async () => {
    [scene, foreign] = await Promise.all([SamlScene.start(), createSelfSigned('foreign')]);
    await scene.person('00u1', 'ada@example.com');
    await scene.person('00u2', 'ben@example.com');
  });
  after(async () => {
    await scene.close();
  });
  beforeEach(async () => {
    await scene.forgetAttempts();
    await scene.putFacet(scene.connectionId, { singleLogout: { url: SLO_ENDPOINT } });
  });

  const signIn = async (sessionIndex: string | null = '_s1', nameId = '00u1'): Promise<Browser> => {
    const started = await scene.begin();
    assert.equal((await scene.answer(started, { sessionIndex, nameId })).status, 303);
    return started.browser;
  };
  const isSignedIn = async (browser: Browser): Promise<boolean> =>
    (await browser.open(`${scene.origin}/api/identity/v1/me`)).status === 200;
  const message = (over: Partial<LogoutOptions> = {}, connectionId = scene.connectionId): LogoutOptions => {
    last += 1;
    const destination = scene.slo(connectionId);
    return { now: Date.now(), issuer: IDP, destination, signing: { with: scene.idp }, id: `_l${last}`, ...over };
  };
  const byRedirect = async (
    browser: Browser,
    over: Partial<LogoutOptions> = {},
    query: QueryOptions = {},
    connectionId = scene.connectionId,
  ): Promise<Response> =>
    await browser.open(`${scene.slo(connectionId)}?${logoutQuery(message(over, connectionId), query)}`);
  const byPost = async (browser: Browser, over: Partial<LogoutOptions> = {}, relayState = ''): Promise<Response> => {
    const options = message(over);
    const field = options.kind === 'LogoutResponse' ? 'SAMLResponse' : 'SAMLRequest';
    const fields = { [field]: encoded(logoutText(options)), ...(relayState === '' ? {} : { RelayState: relayState }) };
    return await browser.post(scene.slo(), fields, 'https://idp.example');
  };
  const isRefused = async (answer: Response, reason: string): Promise<void> => {
    assert.equal(answer.status, 403);
    assert.equal(await scene.refusalOf(answer, 'logout.refused'), reason);
    const requestId = answer.headers.get('x-request-id') ?? '';
    const entries = await scene.identity.context.audit.list(scene.organization.orgId, { limit: 9, requestId });
    assert.equal(entries.length, 1, 'what was refused was nothing else as well');
  };
  const ourCertificate = async (): Promise<string> => {
    const metadata = await (await fetch(`${scene.origin}/saml/${scene.connectionId}/metadata`)).text();
    return /X509Certificate>([^<]+)</.exec(metadata)?.[1] ?? '';
  };
  /** An independent library in the IdP's place: it reads what we send, and sends what we read. */
  const library = async (over: Partial<ConstructorParameters<typeof SAML>[0]> = {}): Promise<SAML> =>
    new SAML({
      issuer: IDP,
      callbackUrl: 'https://idp.example/acs',
      entryPoint: 'https://idp.example/sso',
      logoutUrl: scene.slo(),
      idpCert: await ourCertificate(),
      idpIssuer: `${scene.origin}/saml/${scene.connectionId}/metadata`,
      audience: false,
      privateKey: scene.idp.key,
      signatureAlgorithm: 'sha256',
      ...over,
    });
  const query = (location: URL): Record<string, string> => Object.fromEntries(location.searchParams);
  const inflated = (location: URL, name: string): string =>
    inflateRawSync(Buffer.from(location.searchParams.get(name) ?? '', 'base64')).toString();

  describe('asked for by the identity provider', () => {
    it('ends the session, takes the cookie away and answers, signed (HTTP-Redirect)', async () => {
      const browser = await signIn();
      const answer = await byRedirect(browser, {}, { relayState: 'back to you' });
      assert.equal(answer.status, 303);
      const location = new URL(answer.headers.get('location') ?? '');
      assert.equal(location.origin + location.pathname, SLO_ENDPOINT);
      assert.equal(location.searchParams.get('RelayState'), 'back to you');
      assert.match(answer.headers.get('set-cookie') ?? '', /^__Host-sallyport_session=;/);
      const xml = inflated(location, 'SAMLResponse');
      assert.ok(xml.includes(`InResponseTo="_l${last}"`) && xml.includes(':status:Success"'), xml);
      const saml = await library();
      const { loggedOut } = await saml.validateRedirectAsync(query(location), location.search.slice(1));
      assert.equal(loggedOut, true);
      assert.equal(await isSignedIn(browser), false);
    });

    it('ends the session (HTTP-POST), whatever browser carries the message', async () => {
      const browser = await signIn();
      const answer = await byPost(new Browser(), {}, 'state');
      assert.equal(answer.status, 303);
      assert.equal(answer.headers.get('set-cookie'), null);
      assert.equal(new URL(answer.headers.get('location') ?? '').searchParams.get('RelayState'), 'state');
      assert.equal(await isSignedIn(browser), false);
    });

    it('answers by POST, with a signed message, where the IdP wants that', async () => {
      const singleLogout = { url: SLO_ENDPOINT, binding: 'post', responseUrl: 'https://idp.example/slo/answers' };
      await scene.putFacet(scene.connectionId, { singleLogout });
      const answer = await byRedirect(await signIn());
      assert.equal(answer.status, 200);
      const page = await answer.text();
      assert.match(page, /action="https:\/\/idp\.example\/slo\/answers"/);
      assert.match(answer.headers.get('content-security-policy') ?? '', /form-action 'self' https:\/\/idp\.example;/);
      const SAMLResponse = /name="SAMLResponse" value="([^"]+)"/.exec(page)?.[1] ?? '';
      assert.ok(Buffer.from(SAMLResponse, 'base64').toString().includes('<ds:Signature '));
    });

    it('ends the sessions it names, and no others', async () => {
      const [named, unnamed, other] = await Promise.all([signIn('_s1'), signIn('_s2'), signIn('_s1', '00u2')]);
      assert.equal((await byRedirect(named, { sessionIndexes: ['_s1', '_unknown'] })).status, 303);
      assert.deepEqual(await Promise.all([named, unnamed, other].map(isSignedIn)), [false, true, true]);
    });

    it('without an index ends all of that person', async () => {
      const [first, second, other] = await Promise.all([signIn('_s1'), signIn('_s2'), signIn('_s1', '00u2')]);
      assert.equal((await byRedirect(first, { sessionIndexes: [] })).status, 303);
      assert.deepEqual(await Promise.all([first, second, other].map(isSignedIn)), [false, false, true]);
    });

    it('ends a session the IdP never gave an index', async () => {
      for (const none of [null, ' ']) {
        const browser = await signIn(none);
        assert.equal((await byRedirect(browser, { sessionIndexes: ['_s7'] })).status, 303);
        assert.equal(await isSignedIn(browser), false);
      }
    });

    it('knows a person named by the value alone, not one named otherwise', async () => {
      const browser = await signIn();
      const foreignFormat = 'urn:oasis:names:tc:SAML:1.1:nameid-format:emailAddress';
      assert.equal((await byRedirect(browser, { nameIdFormat: foreignFormat })).status, 303);
      assert.equal(await isSignedIn(browser), true);
      assert.equal((await byRedirect(browser, { nameIdFormat: null, nameId: '0u1' })).status, 303);
      assert.equal(await isSignedIn(browser), true);
      assert.equal((await byRedirect(browser, { nameIdFormat: null })).status, 303);
      assert.equal(await isSignedIn(browser), false);
    });

    it('records what was received and what ended', async () => {
      const answer = await byRedirect(await signIn());
      const filter = { limit: 10, requestId: answer.headers.get('x-request-id') ?? '' };
      const entries = await scene.identity.context.audit.list(scene.organization.orgId, filter);
      const actions = entries.map(({ entry }) => entry['action']);
      assert.deepEqual(
        actions.map(String).toSorted((one, other) => one.localeCompare(other)),
        ['logout.received', 'session.ended'],
      );
    });

    it('is refused a second time, by either binding', async () => {
      const id = '_once';
      assert.equal((await byRedirect(new Browser(), { id })).status, 303);
      const browser = await signIn();
      await isRefused(await byRedirect(browser, { id }), 'LOGOUT_REPLAYED');
      await isRefused(await byPost(browser, { id }), 'LOGOUT_REPLAYED');
      assert.equal(await isSignedIn(browser), true);
    });

    it('ends once when it comes many times at once', async () => {
      await signIn();
      const sent = `${scene.slo()}?${logoutQuery(message())}`;
      const answers = await Promise.all(Array.from({ length: 6 }, () => new Browser().open(sent)));
      assert.equal(answers.filter(({ status }) => status === 303).length, 1);
    });

    it('cannot use up the assertion of a login that has its ID, nor the reverse', async () => {
      assert.equal((await byRedirect(new Browser(), { id: '_shared' })).status, 303);
      assert.equal((await scene.answer(await scene.begin(), { assertionId: '_shared' })).status, 303);
    });

    it('is refused with a RelayState beyond 512 bytes', async () => {
      const answer = await byRedirect(new Browser(), {}, { relayState: 'x'.repeat(513) });
      await isRefused(answer, 'RELAY_STATE_TOO_LONG');
    });

    it('never reaches sessions of another connection, of this or another organisation', async () => {
      const browser = await signIn();
      const sibling = await scene.api('POST', '/connections', { name: `Sibling ${last}` });
      await scene.putFacet(sibling.body.id, { singleLogout: { url: SLO_ENDPOINT } });
      const stranger = await newOrganization(scene.identity);
      const theirApi = apiClient(scene.identity, stranger);
      const theirs = await theirApi('POST', '/connections', { name: 'Theirs' });
      await scene.putFacet(theirs.body.id, { singleLogout: { url: SLO_ENDPOINT } }, theirApi);
      for (const id of [sibling.body.id, theirs.body.id]) {
        assert.equal((await byRedirect(browser, {}, {}, id)).status, 303);
        // A message for this connection, sent there.
        const moved = await browser.open(`${scene.slo(id)}?${logoutQuery(message())}`);
        assert.equal(moved.status, 403);
      }
      assert.equal(await isSignedIn(browser), true);
    });

    it('is refused through a disabled connection', async () => {
      const closed = await scene.api('POST', '/connections', { name: `Closed ${last}` });
      await scene.putFacet(closed.body.id, {});
      await scene.api('PATCH', `/connections/${closed.body.id}`, { enabled: false });
      assert.equal((await byRedirect(new Browser(), {}, {}, closed.body.id)).status, 403);
    });

    it('as an independent library writes it', async () => {
      const browser = await signIn();
      const saml = await library();
      const profile = { issuer: IDP, nameID: '00u1', nameIDFormat: PERSISTENT, sessionIndex: '_s1' };
      const address = await saml.getLogoutUrlAsync(profile, 'state', {});
      const answer = await browser.open(address);
      assert.equal(answer.status, 303, await answer.text());
      assert.equal(await isSignedIn(browser), false);
    });

    it('ends it without an answer where the IdP takes none', async () => {
      await scene.putFacet(scene.connectionId, {});
      const browser = await signIn();
      const answer = await byRedirect(browser);
      assert.equal(answer.status, 200);
      assert.match(await answer.text(), /You are signed out/);
      assert.equal(await isSignedIn(browser), false);
    });
  });

  describe('refuses, with one page and the reason in the audit log', () => {
    it('every hostile message of the table; no 5xx, no session ended, no difference to be seen', async () => {
      const browser = await signIn();
      const pages = new Set<string>();
      for (let from = 0; from < logoutCases.length; from += 8) {
        const judged = logoutCases.slice(from, from + 8).map(async (row) => {
          const sent = sentLogout(row, message({ id: '_l1' }), foreign);
          const field = sent.binding === 'post' && sent.kind === 'LogoutResponse' ? 'SAMLResponse' : 'SAMLRequest';
          const answer =
            sent.binding === 'redirect'
              ? await browser.open(`${scene.slo()}?${sent.rawQuery}`)
              : await browser.post(scene.slo(), { [field]: sent.message }, 'https://idp.example');
          assert.equal(answer.status, 403, row.name);
          assert.equal(await scene.refusalOf(answer, 'logout.refused'), row.reason, row.name);
          pages.add((await answer.text()).replaceAll(uuid, 'ID'));
        });
        await Promise.all(judged);
      }
      assert.equal(pages.size, 1);
      assert.equal(await isSignedIn(browser), true);
    }).timeout(180_000);

    it('a form with two messages, or none', async () => {
      const xml = encoded(logoutText(message()));
      const send = async (body: string): Promise<Response> =>
        await new Browser().open(scene.slo(), {
          method: 'POST',
          body,
          headers: { 'content-type': 'application/x-www-form-urlencoded' },
        });
      const value = encodeURIComponent(xml);
      await isRefused(await send(`SAMLRequest=${value}&SAMLRequest=${value}`), 'PARAMETER_REPEATED');
      await isRefused(await send(`SAMLRequest=${value}&SAMLResponse=${value}`), 'PARAMETER_REPEATED');
      await isRefused(await send(''), 'MESSAGE_MISSING');
    });

    it('beyond the limit of one address, with 429', async () => {
      await scene.identity.admin(
        `INSERT INTO identity.login_throttle SELECT sha256(convert_to($1, 'UTF8')), 100000, now() + interval '1 hour'`,
        ['federated:127.0.0.1'],
      );
      assert.equal((await byRedirect(new Browser())).status, 429);
    });
  });

  describe('asked for by us', () => {
    const signOut = async (browser: Browser): Promise<URL> => {
      const answer = await browser.post(`${scene.origin}/logout`, {});
      assert.equal(answer.status, 200);
      assert.match(answer.headers.get('set-cookie') ?? '', /^__Host-sallyport_session=;/);
      const href = /http-equiv="refresh" content="0; url=([^"]+)"/.exec(await answer.text())?.[1] ?? '';
      return new URL(href.replaceAll('&amp;', '&'));
    };
    const requestId = (location: URL): string => / ID="([^"]+)"/.exec(inflated(location, 'SAMLRequest'))?.[1] ?? '';

    it('sends the person on to the IdP, with a signed request an independent library takes', async () => {
      const browser = await signIn('_s&9');
      const location = await signOut(browser);
      assert.equal(location.origin + location.pathname, SLO_ENDPOINT);
      assert.equal(await isSignedIn(browser), false);
      const saml = await library();
      const { profile, loggedOut } = await saml.validateRedirectAsync(query(location), location.search.slice(1));
      assert.equal(loggedOut, true);
      const { nameID, nameIDFormat, sessionIndex } = profile ?? {};
      assert.deepEqual([nameID, nameIDFormat, sessionIndex], ['00u1', PERSISTENT, '_s&9']);
      assert.ok(inflated(location, 'SAMLRequest').includes(`Destination="${SLO_ENDPOINT}"`));
    });

    it('takes the answer once, from this IdP, to this request', async () => {
      const browser = await signIn();
      const inResponseTo = requestId(await signOut(browser));
      const response = { kind: 'LogoutResponse', inResponseTo } as const;
      await isRefused(await byRedirect(browser, { ...response, inResponseTo: '_never' }), 'REQUEST_UNKNOWN');
      await isRefused(await byRedirect(browser, { ...response, signing: { with: foreign } }), 'SIGNATURE_INVALID');
      const answer = await byRedirect(browser, response);
      assert.deepEqual([answer.status, answer.headers.get('location')], [303, '/login?signedOut=1']);
      await isRefused(await byPost(browser, response), 'REQUEST_CONSUMED');
    });

    it('tells the truth about an incomplete logout', async () => {
      const status = 'urn:oasis:names:tc:SAML:2.0:status:Responder';
      const inResponseTo = requestId(await signOut(await signIn()));
      const answer = await byPost(new Browser(), { kind: 'LogoutResponse', inResponseTo, status });
      assert.match(await answer.text(), /could not end everything/);
      const filter = { limit: 1, action: 'logout.answered', requestId: answer.headers.get('x-request-id') ?? '' };
      const [recorded] = await scene.identity.context.audit.list(scene.organization.orgId, filter);
      assert.equal(recorded?.entry['outcome'], 'failed');
    });

    it('refuses an answer that comes too late', async () => {
      const inResponseTo = requestId(await signOut(await signIn()));
      await scene.identity.admin(`UPDATE identity.pending_logout SET expires_at = now() - interval '1 second'`);
      await isRefused(await byPost(new Browser(), { kind: 'LogoutResponse', inResponseTo }), 'REQUEST_EXPIRED');
    });

    it('refuses the answer to the request of another connection', async () => {
      const inResponseTo = requestId(await signOut(await signIn()));
      const sibling = await scene.api('POST', '/connections', { name: `Other ${inResponseTo}` });
      await scene.putFacet(sibling.body.id, {});
      const answer = await byRedirect(new Browser(), { kind: 'LogoutResponse', inResponseTo }, {}, sibling.body.id);
      await isRefused(answer, 'REQUEST_UNKNOWN');
    });

    it('by a form, where the IdP takes logouts that way', async () => {
      await scene.putFacet(scene.connectionId, { singleLogout: { url: SLO_ENDPOINT, binding: 'post' } });
      const browser = await signIn();
      const page = await (await browser.post(`${scene.origin}/logout`, {})).text();
      const SAMLRequest = /name="SAMLRequest" value="([^"]+)"/.exec(page)?.[1] ?? '';
      const saml = await library();
      const { loggedOut } = await saml.validatePostRequestAsync({ SAMLRequest });
      assert.equal(loggedOut, true);
      assert.equal(await isSignedIn(browser), false);
    });

    it('ends only here where the IdP takes no logouts, or is another one by now', async () => {
      await scene.putFacet(scene.connectionId, {});
      const first = await signIn();
      assert.equal((await first.post(`${scene.origin}/logout`, {})).status, 303);
      const second = await signIn();
      const singleLogout = { url: 'https://other.example/slo' };
      await scene.putFacet(scene.connectionId, { entityId: 'https://other.example', singleLogout });
      assert.equal((await second.post(`${scene.origin}/logout`, {})).status, 303);
      assert.deepEqual(await Promise.all([first, second].map(isSignedIn)), [false, false]);
    });

    it('is over here also when the request to the IdP cannot be made', async () => {
      const browser = await signIn();
      await scene.identity.admin('REVOKE INSERT ON identity.pending_logout FROM sallyport_identity');
      const answer = await browser.post(`${scene.origin}/logout`, {});
      await scene.identity.admin('GRANT INSERT ON identity.pending_logout TO sallyport_identity');
      assert.equal(answer.status, 303);
      assert.equal(await isSignedIn(browser), false);
    });
  });
});
