import assert from 'node:assert/strict';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { createPrivateKey, generateKeyPairSync } from 'node:crypto';
import { SAML } from '@node-saml/node-saml';
import { selfSignedCertificate } from '../src/saml/certificate.ts';
import { firstForm, PlainBrowser } from './support/browser.ts';
import { startTestIdp, type TestIdp } from './support/running-idp.ts';

const ACS_URL = 'https://app.example/saml/acs';
const SLO_URL = 'https://app.example/saml/slo';
const ENTITY_ID = 'https://app.example/saml/metadata';

describe('SAML sign-on', () => {
  let idp: TestIdp;
  let metadataServer: Server;
  const keys = generateKeyPairSync('rsa', {
    modulusLength: 2048,
    privateKeyEncoding: { type: 'pkcs8', format: 'pem' },
    publicKeyEncoding: { type: 'spki', format: 'pem' },
  });
  const certificate = selfSignedCertificate(createPrivateKey(keys.privateKey), 'app', new Date());

  before(async () => {
    idp = await startTestIdp();
    const metadata = (await serviceProvider()).generateServiceProviderMetadata(null, certificate);
    metadataServer = createServer((_request, response) => response.end(metadata));
    await new Promise<void>((resolve) => {
      metadataServer.listen(0, '127.0.0.1', resolve);
    });
    const spMetadataUrl = `http://127.0.0.1:${String((metadataServer.address() as AddressInfo).port)}/`;
    await idp.api('PUT', '/api/targets', { saml: { spEntityId: ENTITY_ID, acsUrl: ACS_URL, spMetadataUrl } });
  });
  after(async () => {
    metadataServer.close();
    await idp.close();
  });

  async function serviceProvider(options: Partial<ConstructorParameters<typeof SAML>[0]> = {}): Promise<SAML> {
    const metadata = await (await fetch(`${idp.origin}/saml/metadata`)).text();
    return new SAML({
      callbackUrl: ACS_URL,
      issuer: ENTITY_ID,
      audience: ENTITY_ID,
      entryPoint: `${idp.origin}/saml/sso`,
      idpCert: /X509Certificate>([^<]+)</.exec(metadata)?.[1] ?? '',
      privateKey: keys.privateKey,
      signatureAlgorithm: 'sha256',
      ...options,
    });
  }

  it('by redirect: asks who it is, then posts a response to the request (SAML Bindings §3.4)', async () => {
    const sp = await serviceProvider();
    const browser = new PlainBrowser();
    const asked = await browser.get(await sp.getAuthorizeUrlAsync('where-i-was', '', {}));
    assert.equal(asked.status, 200, asked.text);
    assert.match(asked.text, /Sign in as Dana Developer/);
    const choice = firstForm(asked.text);
    const answered = await browser.post(`${idp.origin}${choice.action}`, { ...choice.fields, as: 'dana' });
    const { action, fields } = firstForm(answered.text);
    assert.equal(action, ACS_URL);
    assert.equal(fields['RelayState'], 'where-i-was');
    const { profile } = await sp.validatePostResponseAsync({ SAMLResponse: fields['SAMLResponse'] ?? '' });
    assert.equal(profile?.nameID, '00u1d4n4dev3l0per5d7');
    const again = await browser.post(`${idp.origin}${choice.action}`, { ...choice.fields, as: 'rosa' });
    assert.equal(again.status, 400, 'a request is answered once');
  });

  it('by redirect with login_hint or as: answers at once, for scripts', async () => {
    const sp = await serviceProvider();
    for (const hint of ['login_hint=ROSA@acme.example', 'as=rosa']) {
      const page = await new PlainBrowser().get(`${await sp.getAuthorizeUrlAsync('', '', {})}&${hint}`);
      const { SAMLResponse = '' } = firstForm(page.text).fields;
      const { profile } = await sp.validatePostResponseAsync({ SAMLResponse });
      assert.equal(profile?.['email'], 'rosa@acme.example');
    }
  });

  it('by POST (SAML Bindings §3.5)', async () => {
    const sp = await serviceProvider({ authnRequestBinding: 'HTTP-POST', skipRequestCompression: true });
    const { SAMLRequest } = await sp.getAuthorizeMessageAsync('', '');
    const page = await new PlainBrowser().post(`${idp.origin}/saml/sso?as=otto`, { SAMLRequest: String(SAMLRequest) });
    const { SAMLResponse = '' } = firstForm(page.text).fields;
    const { profile } = await sp.validatePostResponseAsync({ SAMLResponse });
    assert.equal(profile?.['email'], 'otto@acme.example');
  });

  it('started here: an unsolicited response without InResponseTo', async () => {
    const page = await new PlainBrowser().get(`${idp.origin}/saml/initiate?as=dana`);
    const xml = Buffer.from(firstForm(page.text).fields['SAMLResponse'] ?? '', 'base64').toString();
    assert.match(xml, /Response /);
    assert.doesNotMatch(xml, /InResponseTo/);
  });

  it('refuses deactivated and unassigned people with 403, unless a slow identity provider is played', async () => {
    await idp.api('POST', '/api/people/vera/deactivate');
    const sp = await serviceProvider();
    for (const person of ['vera', 'nils']) {
      const refused = await new PlainBrowser().get(`${await sp.getAuthorizeUrlAsync('', '', {})}&as=${person}`);
      assert.equal(refused.status, 403);
      assert.doesNotMatch(refused.text, /SAMLResponse/);
    }
    const asked = await new PlainBrowser().get(await sp.getAuthorizeUrlAsync('', '', {}));
    assert.match(asked.text, /value="vera"\s+disabled/);
    await idp.api('PUT', '/api/targets', { behavior: { inactiveMaySignIn: true } });
    const page = await new PlainBrowser().get(`${await sp.getAuthorizeUrlAsync('', '', {})}&as=vera`);
    assert.match(page.text, /SAMLResponse/);
    await idp.api('PUT', '/api/targets', { behavior: { inactiveMaySignIn: false } });
    await idp.api('POST', '/api/people/vera/activate');
  });

  it('remembers a browser only when told to, not across ForceAuthn, and answers passive requests (SAML Core §3.4.1)', async () => {
    const browser = new PlainBrowser();
    const passive = await serviceProvider({ passive: true });
    const unknown = await browser.get(await passive.getAuthorizeUrlAsync('', '', {}));
    const xml = Buffer.from(firstForm(unknown.text).fields['SAMLResponse'] ?? '', 'base64').toString();
    assert.match(xml, /status:NoPassive/);
    assert.doesNotMatch(xml, /Assertion>/);

    await idp.api('PUT', '/api/targets', { behavior: { rememberSignIn: true } });
    const sp = await serviceProvider();
    await browser.get(`${await sp.getAuthorizeUrlAsync('', '', {})}&as=dana`);
    assert.match((await browser.get(await passive.getAuthorizeUrlAsync('', '', {}))).text, /SAMLResponse/);
    const forced = await serviceProvider({ forceAuthn: true });
    assert.match((await browser.get(await forced.getAuthorizeUrlAsync('', '', {}))).text, /Who are you\?/);
    await idp.api('POST', '/api/people/dana/deactivate');
    assert.match((await browser.get(await sp.getAuthorizeUrlAsync('', '', {}))).text, /Who are you\?/);
    await idp.api('POST', '/api/people/dana/activate');
    await idp.api('PUT', '/api/targets', { behavior: { rememberSignIn: false } });
  });

  describe('refuses', () => {
    const cases: readonly [string, Partial<ConstructorParameters<typeof SAML>[0]>, RegExp][] = [
      ['a request of a service provider it does not know', { issuer: 'https://stranger.example' }, /Issuer/],
      [
        'an answer address that is not configured',
        { callbackUrl: 'https://evil.example/acs' },
        /AssertionConsumerServiceURL/,
      ],
      [
        'a signature by another key',
        {
          privateKey: generateKeyPairSync('rsa', { modulusLength: 2048 })
            .privateKey.export({ type: 'pkcs8', format: 'pem' })
            .toString(),
        },
        /does not verify/,
      ],
      ['a SHA-1 signature', { signatureAlgorithm: 'sha1' }, /algorithm/],
    ];
    for (const [name, options, reason] of cases) {
      it(name, async () => {
        const sp = await serviceProvider(options);
        const answer = await new PlainBrowser().get(`${await sp.getAuthorizeUrlAsync('', '', {})}&as=dana`);
        assert.equal(answer.status, 400);
        assert.match(answer.text, reason);
      });
    }

    it('a signed request whose RelayState was exchanged', async () => {
      const sp = await serviceProvider();
      const url = (await sp.getAuthorizeUrlAsync('mine', '', {})).replace('RelayState=mine', 'RelayState=theirs');
      assert.equal((await new PlainBrowser().get(`${url}&as=dana`)).status, 400);
    });

    it('what is not an AuthnRequest, and inflation bombs', async () => {
      const { deflateRawSync } = await import('node:zlib');
      const documents = [
        'nothing',
        '<!DOCTYPE x [<!ENTITY a "b">]><x>&a;</x>',
        '<x><y></x></y>',
        '<x xmlns="urn:oasis:names:tc:SAML:2.0:protocol"/>',
        `<x>${' '.repeat(10_000_000)}</x>`,
        `<x>${'<y>'.repeat(5000)}${'</y>'.repeat(5000)}</x>`,
      ];
      for (const document of documents) {
        const SAMLRequest = encodeURIComponent(deflateRawSync(document).toString('base64'));
        const answer = await new PlainBrowser().get(`${idp.origin}/saml/sso?SAMLRequest=${SAMLRequest}`);
        assert.equal(answer.status, 400, document.slice(0, 60));
      }
      assert.equal((await new PlainBrowser().get(`${idp.origin}/saml/sso`)).status, 400);
    });
  });

  it('encrypts assertions for the key in the metadata; an independent library opens them (XML Encryption §5.5.2)', async () => {
    const { sp, close } = await withEncryption();
    try {
      await idp.api('PUT', '/api/targets', { behavior: { samlEncrypt: true } });
      const page = await new PlainBrowser().get(`${await sp.getAuthorizeUrlAsync('', '', {})}&as=dana`);
      const { SAMLResponse = '' } = firstForm(page.text).fields;
      const xml = Buffer.from(SAMLResponse, 'base64').toString();
      assert.ok(xml.includes('EncryptedAssertion') && !xml.includes('dana@acme.example'));
      const { profile } = await sp.validatePostResponseAsync({ SAMLResponse });
      assert.equal(profile?.nameID, '00u1d4n4dev3l0per5d7');
    } finally {
      await idp.api('PUT', '/api/targets', { behavior: { samlEncrypt: false } });
      await close();
    }
  });

  it('signs out when the service provider asks, and asks it in turn (SAML Profiles §4.4)', async () => {
    const { sp, close } = await withEncryption();
    try {
      const address = await sp.getLogoutUrlAsync(
        { issuer: ENTITY_ID, nameID: '00u1d4n4dev3l0per5d7', nameIDFormat: 'urn:x' },
        'back',
        {},
      );
      const answered = new URL((await new PlainBrowser().get(address)).url);
      assert.equal(answered.origin + answered.pathname, SLO_URL);
      assert.equal(answered.searchParams.get('RelayState'), 'back');
      const query = (url: URL) => Object.fromEntries(url.searchParams);
      const answer = await sp.validateRedirectAsync(query(answered), answered.search.slice(1));
      assert.equal(answer.loggedOut, true);
      const asked = new URL((await new PlainBrowser().get(`${idp.origin}/saml/logout?as=dana`)).url);
      const request = await sp.validateRedirectAsync(query(asked), asked.search.slice(1));
      assert.equal(request.profile?.nameID, '00u1d4n4dev3l0per5d7');
      const unsigned = await new PlainBrowser().get(address.replace(/&Signature=[^&]*/, ''));
      assert.equal(unsigned.status, 400);
    } finally {
      await close();
    }
  });

  /** A service provider whose metadata names an encryption key and a logout address. */
  async function withEncryption(): Promise<{ sp: SAML; close: () => Promise<void> }> {
    const sp = await serviceProvider({
      decryptionPvk: keys.privateKey,
      logoutUrl: `${idp.origin}/saml/slo`,
      logoutCallbackUrl: SLO_URL,
      wantAuthnResponseSigned: false,
    });
    const metadata = sp
      .generateServiceProviderMetadata(certificate, certificate)
      .replaceAll('bindings:HTTP-POST" Location="' + SLO_URL, 'bindings:HTTP-Redirect" Location="' + SLO_URL);
    const server = createServer((_request, response) => response.end(metadata));
    await new Promise<void>((resolve) => {
      server.listen(0, '127.0.0.1', resolve);
    });
    const target = (port: number) => ({
      saml: { spEntityId: ENTITY_ID, acsUrl: ACS_URL, spMetadataUrl: `http://127.0.0.1:${String(port)}/` },
    });
    await idp.api('PUT', '/api/targets', target((server.address() as AddressInfo).port));
    return {
      sp,
      close: async () => {
        await idp.api('PUT', '/api/targets', target((metadataServer.address() as AddressInfo).port));
        server.close();
      },
    };
  }
});
