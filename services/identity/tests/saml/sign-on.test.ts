import assert from 'node:assert/strict';
import { inflateRawSync } from 'node:zlib';

import { createSelfSigned, freePort } from '@sallyport/dev-env';

import { Browser } from '../support/browser.ts';
import { apiClient, newDirectory, type Client, type Directory } from '../support/http.ts';
import { newOrganization, startIdentity, type TestIdentity, type TestOrganization } from '../support/identity.ts';
import { hostileCases } from './hostile.ts';
import { encoded, responseText, type ResponseOptions, type SigningKey } from './idp.ts';

const IDP = 'https://idp.example/saml';
const SESSION = '__Host-sallyport_session';
const uuid = /[0-9a-f]{8}-[0-9a-f-]{27}/g;

/** A sign-in that has reached the IdP. */
interface Started {
  readonly browser: Browser;
  readonly requestId: string;
  readonly relayState: string;
}

describe('SAML sign-on over HTTP', () => {
  let identity: TestIdentity;
  let organization: TestOrganization;
  let api: Client;
  let directory: Directory;
  let origin: string;
  let idp: SigningKey;
  let foreign: SigningKey;
  let connectionId: string;

  before(async () => {
    [idp, foreign] = await Promise.all([createSelfSigned('idp'), createSelfSigned('foreign')]);
    const port = await freePort();
    origin = `http://localhost:${port}`;
    identity = await startIdentity({ config: { httpPort: port, publicOrigin: origin } });
    organization = await newOrganization(identity);
    api = apiClient(identity, organization);
    directory = await newDirectory(identity, organization);
    connectionId = directory.connectionId;
    await putFacet(connectionId, {});
    await person('00u1', 'ada@example.com');
  });
  after(async () => {
    await identity.close();
  });
  beforeEach(async () => {
    // Hundreds of refusals from one address are the point of this suite; the limit has a test of its own.
    await identity.admin('TRUNCATE identity.login_throttle');
  });

  const putFacet = async (id: string, more: object) => {
    const answer = await api('PUT', `/connections/${id}/saml`, {
      entityId: IDP,
      ssoUrl: 'https://idp.example/sso',
      certificates: [idp.cert],
      ...more,
    });
    assert.equal(answer.status, 200, JSON.stringify(answer.body));
    return answer.body;
  };

  const person = async (externalId: string, userName: string): Promise<string> => {
    const answer = await directory.scim('POST', '/Users', {
      schemas: ['urn:ietf:params:scim:schemas:core:2.0:User'],
      userName,
      externalId,
      emails: [{ value: userName, primary: true }],
      active: true,
    });
    assert.equal(answer.status, 201, JSON.stringify(answer.body));
    return answer.body.id as string;
  };

  const setActive = async (id: string, active: boolean): Promise<void> => {
    const body = {
      schemas: ['urn:ietf:params:scim:api:messages:2.0:PatchOp'],
      Operations: [{ op: 'replace', path: 'active', value: active }],
    };
    assert.equal((await directory.scim('PATCH', `/Users/${id}`, body)).status, 200);
  };

  const acs = (id = connectionId): string => `${origin}/saml/${id}/acs`;

  const start = async (
    browser = new Browser(),
    id = connectionId,
    returnTo = '/account?from=saml',
  ): Promise<Started> => {
    const answer = await browser.open(`${origin}/saml/${id}/login?returnTo=${encodeURIComponent(returnTo)}`);
    assert.equal(answer.status, 303);
    const location = new URL(answer.headers.get('location') ?? '');
    assert.equal(location.origin + location.pathname, 'https://idp.example/sso');
    const request = inflateRawSync(Buffer.from(location.searchParams.get('SAMLRequest') ?? '', 'base64')).toString();
    const requestId = / ID="([^"]+)"/.exec(request)?.[1] ?? '';
    return { browser, requestId, relayState: location.searchParams.get('RelayState') ?? '' };
  };

  const response = (
    requestId: string | null,
    over: Partial<ResponseOptions> = {},
    id = connectionId,
  ): ResponseOptions => ({
    now: Date.now(),
    issuer: IDP,
    audience: `${origin}/saml/${id}/metadata`,
    acsUrl: acs(id),
    inResponseTo: requestId,
    assertionId: `_a${Math.floor(performance.now() * 1000)}`,
    signing: { with: idp },
    ...over,
  });

  const post = async (
    browser: Browser,
    samlResponse: string,
    relayState?: string,
    id = connectionId,
  ): Promise<Response> =>
    await browser.post(
      acs(id),
      { SAMLResponse: samlResponse, ...(relayState === undefined ? {} : { RelayState: relayState }) },
      'https://idp.example',
    );

  const answerTo = async (started: Started, over: Partial<ResponseOptions> = {}): Promise<Response> =>
    await post(started.browser, encoded(responseText(response(started.requestId, over))), started.relayState);

  const lastRefusal = async (): Promise<unknown> =>
    (
      await identity.context.audit.list(organization.orgId, {
        limit: 1,
        order: 'newest-first',
        action: 'login.refused',
      })
    )[0]?.entry['reason'];

  const sessions = async (): Promise<number> =>
    (await identity.admin<{ n: number }>('SELECT count(*)::int AS n FROM identity.browser_session'))[0]?.n ?? -1;

  const me = async (browser: Browser): Promise<Response> => await browser.open(`${origin}/api/identity/v1/me`);

  /** Refused with the one page, audited with this reason, and without a session. */
  const isRefused = async (answer: Response, reason: string): Promise<void> => {
    assert.equal(answer.status, 403);
    assert.equal(await lastRefusal(), reason);
    assert.ok(!answer.headers.getSetCookie().some((cookie) => cookie.startsWith(SESSION)));
  };

  it('signs in the person the directory provisioned, and goes where the login began', async () => {
    const started = await start();
    const answer = await answerTo(started);
    assert.deepEqual([answer.status, answer.headers.get('location')], [303, '/account?from=saml']);
    const who = (await (await me(started.browser)).json()) as Record<string, unknown>;
    assert.equal(who['acr'], 'urn:oasis:names:tc:SAML:2.0:ac:classes:PasswordProtectedTransport');
    assert.match(await (await started.browser.open(`${origin}/account`)).text(), /ada@example.com<\/strong> via Okta/);
  });

  it('finds by user name where the IdP sends that as the name', async () => {
    assert.equal((await answerTo(await start(), { nameId: 'ada@example.com' })).status, 303);
  });

  it('serves metadata that names this connection and its own addresses', async () => {
    const answer = await fetch(`${origin}/saml/${connectionId}/metadata`);
    assert.match(answer.headers.get('content-type') ?? '', /^application\/samlmetadata\+xml/);
    const xml = await answer.text();
    assert.ok(xml.includes(`entityID="${origin}/saml/${connectionId}/metadata"`));
    assert.ok(xml.includes(`Location="${acs()}"`));
    assert.equal((await fetch(`${origin}/saml/0190c0de-0000-7000-8000-000000000000/metadata`)).status, 404);
  });

  it('caps the session by SessionNotOnOrAfter (IPSIE SL1)', async () => {
    const started = await start();
    const endsAt = Date.now() + 120_000;
    await answerTo(started, { sessionNotOnOrAfter: endsAt });
    const who = (await (await me(started.browser)).json()) as { expiresAt: string };
    assert.equal(Date.parse(who.expiresAt), endsAt);
  });

  describe('refuses, with one page and the reason in the audit log', () => {
    it('every hostile message of the table; no 5xx, no session, no difference to be seen', async () => {
      const pages = new Set<string>();
      const before = await sessions();
      for (const [index, row] of hostileCases.entries()) {
        if (row.expected !== undefined || row.signing?.weakKey === true) continue; // Needs a facet of its own.
        if (index % 50 === 0) await identity.admin('TRUNCATE identity.login_throttle');
        const started = await start();
        const { foreignKey, weakKey: _weak, ...signing } = row.signing ?? {};
        const options = {
          ...response(row.response?.inResponseTo === null ? null : started.requestId),
          assertionId: '_a1',
          ...row.response,
          ...(row.response?.inResponseTo === undefined ? {} : { inResponseTo: row.response.inResponseTo }),
          signing: { with: foreignKey === true ? foreign : idp, ...signing },
        };
        // The table speaks of its own service provider; here it is this connection.
        const rebase = (text: string): string => text.replaceAll('https://sp.example/saml', options.audience);
        const audiences = options.audiences?.map((list) => list.map(rebase));
        const xml = responseText({ ...options, ...(audiences === undefined ? {} : { audiences }) });
        const answer = await post(started.browser, (row.encode ?? encoded)(xml), started.relayState);
        if (answer.status === 413) continue; // The body is over the cap of any form: not even read.
        assert.equal(answer.status, 403, row.name);
        assert.equal(await lastRefusal(), row.reason, row.name);
        pages.add((await answer.text()).replaceAll(uuid, 'ID'));
      }
      assert.equal(pages.size, 1);
      assert.equal(await sessions(), before);
    }).timeout(60_000);

    it('a replay of the same response', async () => {
      const started = await start();
      const message = encoded(responseText(response(started.requestId)));
      assert.equal((await post(started.browser, message)).status, 303);
      await isRefused(await post(started.browser, message), 'REQUEST_CONSUMED');
    });

    it('the same assertion for another request', async () => {
      const [first, second] = [await start(), await start()];
      const assertionId = '_once';
      assert.equal((await answerTo(first, { assertionId })).status, 303);
      await isRefused(await answerTo(second, { assertionId }), 'ASSERTION_REPLAYED');
    });

    it('all but one of many posts of one response at once', async () => {
      const started = await start();
      const message = encoded(responseText(response(started.requestId)));
      const before = await sessions();
      const answers = await Promise.all(Array.from({ length: 8 }, () => post(started.browser, message)));
      assert.equal(answers.filter(({ status }) => status === 303).length, 1);
      assert.equal(await sessions(), before + 1);
    });

    it('the response of another browser (login CSRF)', async () => {
      const started = await start();
      await isRefused(await answerTo({ ...started, browser: new Browser() }), 'REQUEST_OTHER_BROWSER');
      const other = await start();
      await isRefused(await answerTo({ ...started, browser: other.browser }), 'REQUEST_OTHER_BROWSER');
      assert.equal((await answerTo(started)).status, 303); // The rightful browser is not locked out by that.
    });

    it('a response to a request we never made, or made long ago', async () => {
      const started = await start();
      await isRefused(await answerTo({ ...started, requestId: '_never' }), 'REQUEST_UNKNOWN');
      await identity.admin(`UPDATE identity.pending_login SET expires_at = now() - interval '1 second'`);
      await isRefused(await answerTo(started), 'REQUEST_EXPIRED');
    });

    it('an assertion issued before the request', async () => {
      const now = Date.now() - 5 * 60_000;
      await isRefused(await answerTo(await start(), { now }), 'ISSUED_BEFORE_REQUEST');
    });

    it('the RelayState of another login', async () => {
      const [first, second] = [await start(), await start()];
      await isRefused(await answerTo({ ...first, relayState: second.relayState }), 'RELAY_STATE_MISMATCH');
    });

    it('a response meant for another connection, of the same or of another organisation', async () => {
      const sibling = await api('POST', '/connections', { name: 'Second IdP' });
      await putFacet(sibling.body.id, {});
      const stranger = await newOrganization(identity);
      const strangerApi = apiClient(identity, stranger);
      const foreignConnection = await strangerApi('POST', '/connections', { name: 'Theirs' });
      await strangerApi('PUT', `/connections/${foreignConnection.body.id}/saml`, {
        entityId: IDP,
        ssoUrl: 'https://idp.example/sso',
        certificates: [idp.cert],
      });
      for (const other of [sibling.body.id as string, foreignConnection.body.id as string]) {
        const started = await start();
        const message = encoded(responseText(response(started.requestId)));
        assert.equal((await post(started.browser, message, started.relayState, other)).status, 403);
        // Signed anew for the other one by the IdP both share: the request is still not that connection's.
        const moved = encoded(responseText(response(started.requestId, {}, other)));
        assert.equal((await post(started.browser, moved, started.relayState, other)).status, 403);
      }
      await isRefused(await answerTo(await start(new Browser(), sibling.body.id)), 'REQUEST_UNKNOWN');
    });

    it('a person nobody provisioned; nobody is created while the directory is on', async () => {
      await putFacet(connectionId, { accountRule: { createOnFirstLogin: true } });
      await isRefused(await answerTo(await start(), { nameId: '00uSTRANGER' }), 'ACCOUNT_UNKNOWN');
      await putFacet(connectionId, {});
    });

    it('a deactivated person, also with an assertion from before that, once active again', async () => {
      const id = await person('00u2', 'ben@example.com');
      const started = await start();
      const early = await start();
      const old = responseText(response(early.requestId, { nameId: '00u2' }));
      await setActive(id, false);
      await isRefused(await answerTo(started, { nameId: '00u2' }), 'ACCOUNT_INACTIVE');
      await setActive(id, true);
      await isRefused(await post(early.browser, encoded(old), early.relayState), 'LOGIN_OLDER_THAN_DEACTIVATION');
      assert.equal((await answerTo(await start(), { nameId: '00u2' })).status, 303);
    });

    it('a value that names two people, one by external id and one by user name', async () => {
      await person('clash@example.com', 'carol@example.com');
      await person('00u9', 'clash@example.com');
      await isRefused(await answerTo(await start(), { nameId: 'clash@example.com' }), 'ACCOUNT_AMBIGUOUS');
    });

    it('the local Owner, whatever the IdP says (nOAuth)', async () => {
      await isRefused(await answerTo(await start(), { nameId: 'owner@example.com' }), 'ACCOUNT_UNKNOWN');
      await isRefused(await answerTo(await start(), { nameId: organization.ownerId }), 'ACCOUNT_UNKNOWN');
    });

    it('an unsolicited response, unless the connection allows it', async () => {
      const unsolicited = () => encoded(responseText(response(null)));
      await isRefused(await post(new Browser(), unsolicited()), 'UNSOLICITED_FORBIDDEN');
      await putFacet(connectionId, { allowIdpInitiated: true });
      const message = unsolicited();
      const browser = new Browser();
      const answer = await post(browser, message, 'https://evil.example/');
      assert.deepEqual([answer.status, answer.headers.get('location')], [303, '/account']);
      await isRefused(await post(new Browser(), message), 'ASSERTION_REPLAYED');
      await putFacet(connectionId, {});
    });

    it('the removed key at once, and accepts the new one (rollover)', async () => {
      const next = await createSelfSigned('next');
      await putFacet(connectionId, { certificates: [idp.cert, next.cert] });
      assert.equal((await answerTo(await start(), { signing: { with: next } })).status, 303);
      await putFacet(connectionId, { certificates: [next.cert] });
      await isRefused(await answerTo(await start()), 'SIGNATURE_INVALID');
      await putFacet(connectionId, {});
    });

    it('everything through a disabled connection', async () => {
      const other = await api('POST', '/connections', { name: 'Closed' });
      await putFacet(other.body.id, {});
      const started = await start(new Browser(), other.body.id);
      await api('PATCH', `/connections/${other.body.id}`, { enabled: false });
      const message = encoded(responseText(response(started.requestId, {}, other.body.id)));
      assert.equal((await post(started.browser, message, started.relayState, other.body.id)).status, 403);
      assert.equal((await fetch(`${origin}/saml/${other.body.id}/login`, { redirect: 'manual' })).status, 403);
    });

    it('a form with the response twice, none, or of another kind', async () => {
      const started = await start();
      const message = encodeURIComponent(encoded(responseText(response(started.requestId))));
      const send = async (body: string, type = 'application/x-www-form-urlencoded'): Promise<number> =>
        (await started.browser.open(acs(), { method: 'POST', body, headers: { 'content-type': type } })).status;
      assert.equal(await send(`SAMLResponse=${message}&SAMLResponse=${message}`), 403);
      assert.equal(await send(''), 403);
      assert.equal(await send('{}', 'application/json'), 415);
      assert.equal(await send(`SAMLResponse=${message}`), 303);
    });

    it('beyond the limit of one address, with 429', async () => {
      await identity.admin(
        `INSERT INTO identity.login_throttle SELECT sha256(convert_to($1, 'UTF8')), 100000, now() + interval '1 hour'`,
        [`federated:127.0.0.1`],
      );
      const started = await start();
      const answer = await answerTo(started);
      assert.equal(answer.status, 429);
    });
  });

  describe('without a directory', () => {
    let id: string;

    before(async () => {
      const made = await api('POST', '/connections', { name: 'No directory' });
      id = made.body.id as string;
      await api('PUT', `/connections/${id}/domains`, { domains: ['Example.org'] });
    });

    const signIn = async (nameId: string, email: string): Promise<Response> => {
      const started = await start(new Browser(), id);
      const options = response(
        started.requestId,
        {
          nameId,
          attributes: [
            ['email', [email]],
            ['displayName', ['Ada L.']],
          ],
        },
        id,
      );
      return await post(started.browser, encoded(responseText(options)), started.relayState, id);
    };

    it('creates nobody unless told so', async () => {
      await putFacet(id, {});
      await isRefused(await signIn('p-1', 'first@example.org'), 'ACCOUNT_UNKNOWN');
    });

    it('creates at the first login and knows the subject again, whatever its address becomes', async () => {
      await putFacet(id, { accountRule: { createOnFirstLogin: true } });
      assert.equal((await signIn('p-1', 'first@example.org')).status, 303);
      assert.equal((await signIn('p-1', 'renamed@example.org')).status, 303);
      const rows = await identity.admin('SELECT id FROM identity.account WHERE connection_id = $1', [id]);
      assert.equal(rows.length, 1);
    });

    it('never adopts an address somebody else has, nor takes one of another domain', async () => {
      await isRefused(await signIn('p-2', 'first@example.org'), 'NAME_TAKEN');
      await isRefused(await signIn('p-2', 'ada@example.com'), 'DOMAIN_NOT_OF_CONNECTION');
      await api('PUT', `/connections/${id}/domains`, { domains: ['example.org', 'example.com'] });
      await isRefused(await signIn('p-2', 'ada@example.com'), 'NAME_TAKEN');
      await isRefused(await signIn('p-2', 'OWNER@example.com'), 'NAME_TAKEN');
    });

    it('lets nobody back in who was closed out', async () => {
      const [row] = await identity.admin<{ id: string }>('SELECT id FROM identity.account WHERE connection_id = $1', [
        id,
      ]);
      assert.equal((await api('POST', `/accounts/${row?.id}/deactivate`, { reason: 'left' })).status, 200);
      await isRefused(await signIn('p-1', 'first@example.org'), 'ACCOUNT_INACTIVE');
    });
  });
});
