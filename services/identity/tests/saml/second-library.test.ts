import assert from 'node:assert/strict';
import { setSchemaValidator, IdentityProvider, ServiceProvider } from 'samlify';

import { Browser } from '../support/browser.ts';
import { iso } from './idp.ts';
import { IDP, SamlScene } from './scene.ts';

const HTTP_REDIRECT = 'urn:oasis:names:tc:SAML:2.0:bindings:HTTP-Redirect';
const MINUTE_MS = 60_000;
const PERSISTENT = 'urn:oasis:names:tc:SAML:2.0:nameid-format:persistent';
const CLASS = 'urn:oasis:names:tc:SAML:2.0:ac:classes:PasswordProtectedTransport';

const TEMPLATE = `<samlp:Response xmlns:samlp="urn:oasis:names:tc:SAML:2.0:protocol" xmlns:saml="urn:oasis:names:tc:SAML:2.0:assertion" ID="{ID}" Version="2.0" IssueInstant="{IssueInstant}" Destination="{Destination}" InResponseTo="{InResponseTo}"><saml:Issuer>{Issuer}</saml:Issuer><samlp:Status><samlp:StatusCode Value="{StatusCode}"/></samlp:Status><saml:Assertion ID="{AssertionID}" Version="2.0" IssueInstant="{IssueInstant}" xmlns:saml="urn:oasis:names:tc:SAML:2.0:assertion"><saml:Issuer>{Issuer}</saml:Issuer><saml:Subject><saml:NameID Format="{NameIDFormat}">{NameID}</saml:NameID><saml:SubjectConfirmation Method="urn:oasis:names:tc:SAML:2.0:cm:bearer"><saml:SubjectConfirmationData NotOnOrAfter="{End}" Recipient="{Destination}" InResponseTo="{InResponseTo}"/></saml:SubjectConfirmation></saml:Subject><saml:Conditions NotBefore="{IssueInstant}" NotOnOrAfter="{End}"><saml:AudienceRestriction><saml:Audience>{Audience}</saml:Audience></saml:AudienceRestriction></saml:Conditions><saml:AuthnStatement AuthnInstant="{IssueInstant}" SessionIndex="{AssertionID}"><saml:AuthnContext><saml:AuthnContextClassRef>${CLASS}</saml:AuthnContextClassRef></saml:AuthnContext></saml:AuthnStatement></saml:Assertion></samlp:Response>`;

// samlify reads here, in the IdP's place, what our service provider sends.
describe('a second SAML library at the other end (samlify as identity provider)', () => {
  let scene: SamlScene;
  before(async () => {
    scene = await SamlScene.start();
    await scene.person('00u1', 'ada@example.com');
    setSchemaValidator({ validate: () => Promise.resolve('not judged here') });
  });
  after(async () => {
    setSchemaValidator({ validate: () => Promise.reject(new TypeError('samlify reads nothing here')) });
    await scene.close();
  });

  interface Habits {
    /** Nobody asked: the library begins. */
    readonly unsolicited?: boolean;
    readonly message?: boolean;
    readonly encrypted?: boolean;
  }

  /** Our metadata as served, the IdP's request checks, and its answer: all of it the library's. */
  const signIn = async ({ message = false, encrypted = false, unsolicited = false }: Habits): Promise<Response> => {
    const metadata = await (await fetch(`${scene.origin}/saml/${scene.connectionId}/metadata`)).text();
    const sp = ServiceProvider({ metadata, wantMessageSigned: message });
    const settings = {
      entityID: IDP,
      privateKey: scene.idp.key,
      signingCert: scene.idp.cert,
      requestSignatureAlgorithm: 'http://www.w3.org/2001/04/xmldsig-more#rsa-sha256',
      wantAuthnRequestsSigned: true,
      isAssertionEncrypted: encrypted,
      dataEncryptionAlgorithm: 'http://www.w3.org/2009/xmlenc11#aes256-gcm',
      keyEncryptionAlgorithm: 'http://www.w3.org/2001/04/xmlenc#rsa-oaep-mgf1p',
      messageSigningOrder: 'encrypt-then-sign',
      singleSignOnService: [{ Binding: HTTP_REDIRECT, Location: 'https://idp.example/sso' }],
      singleLogoutService: [{ Binding: HTTP_REDIRECT, Location: 'https://idp.example/slo' }],
      loginResponseTemplate: { context: TEMPLATE, attributes: [] },
    };
    const idp = IdentityProvider(settings);
    const browser = new Browser();
    const sent = await browser.open(`${scene.origin}/saml/${scene.connectionId}/login`);
    const location = new URL(sent.headers.get('location') ?? '');
    const query = Object.fromEntries(location.searchParams);
    const octetString = location.search.slice(1).replace(/&Signature=.*$/, '');
    const request = await idp.parseLoginRequest(sp, 'redirect', { query, octetString });
    const inResponseTo = unsolicited ? '' : (request.extract as { request: { id: string } }).request.id;
    const now = Date.now();
    const values: Readonly<Record<string, string>> = {
      ID: `_r${now}`,
      AssertionID: `_a${now}${Math.floor(performance.now() * 1000)}`,
      IssueInstant: iso(now),
      End: iso(now + 5 * MINUTE_MS),
      Destination: scene.acs(),
      Audience: `${scene.origin}/saml/${scene.connectionId}/metadata`,
      InResponseTo: inResponseTo,
      Issuer: IDP,
      StatusCode: 'urn:oasis:names:tc:SAML:2.0:status:Success',
      NameIDFormat: PERSISTENT,
      NameID: '00u1',
    };
    const context = (template: string): string =>
      template.replaceAll(/\{(\w+)\}/g, (_, name: string) => values[name] ?? '').replaceAll(' InResponseTo=""', '');
    const response = await idp.createLoginResponse(
      sp,
      request as never,
      'post',
      {},
      {
        customTagReplacement: (template: string) => ({ id: values['ID'] ?? '', context: context(template) }),
        encryptThenSign: true,
      },
    );
    const xml = Buffer.from(response.context, 'base64').toString();
    assert.equal(xml.includes('<saml:EncryptedAssertion'), encrypted);
    assert.equal(/<\/saml:Issuer><ds:Signature[\s\S]*<\/ds:Signature><samlp:Status>/.test(xml), message);
    const fields = { SAMLResponse: response.context, RelayState: location.searchParams.get('RelayState') ?? '' };
    return await browser.post(scene.acs(), fields, 'https://idp.example');
  };

  for (const [name, habits] of [
    ['a signed assertion', {}],
    ['a signed response around it', { message: true }],
    ['an encrypted assertion', { encrypted: true }],
    ['an encrypted assertion in a signed response', { encrypted: true, message: true }],
  ] as const) {
    it(`takes our metadata and request, and signs in with ${name}`, async () => {
      const answer = await signIn(habits);
      assert.equal(await scene.refusalOf(answer), undefined);
      assert.deepEqual([answer.status, answer.headers.get('location')], [303, '/account']);
    });
  }

  it('signs in by an answer nobody asked for, once the connection allows that', async () => {
    assert.equal(await scene.refusalOf(await signIn({ unsolicited: true })), 'UNSOLICITED_FORBIDDEN');
    await scene.putFacet(scene.connectionId, { allowIdpInitiated: true });
    const answer = await signIn({ unsolicited: true });
    assert.equal(await scene.refusalOf(answer), undefined);
    assert.deepEqual([answer.status, answer.headers.get('location')], [303, '/account']);
  });
});
