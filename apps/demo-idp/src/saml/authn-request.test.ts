import assert from 'node:assert/strict';
import { checkAuthnRequest, parseAuthnRequest } from './authn-request.ts';

const SSO_URL = 'http://localhost:8090/saml/sso';
const TARGET = { spEntityId: 'https://app.example', acsUrl: 'https://app.example/acs', spMetadataUrl: null };
const ISSUED_AT = '2026-01-02T03:04:05Z';

function requestXml(
  attributes: Record<string, string> = {},
  children = '<saml:Issuer>https://app.example</saml:Issuer>',
): string {
  const all = { ID: '_1', Version: '2.0', IssueInstant: ISSUED_AT, ...attributes };
  const written = Object.entries(all).map(([name, value]) => `${name}="${value}"`);
  const namespaces =
    'xmlns:samlp="urn:oasis:names:tc:SAML:2.0:protocol" xmlns:saml="urn:oasis:names:tc:SAML:2.0:assertion"';
  return `<samlp:AuthnRequest ${namespaces} ${written.join(' ')}>${children}</samlp:AuthnRequest>`;
}

function check(attributes: Record<string, string> = {}, nowMs = Date.parse(ISSUED_AT)): void {
  checkAuthnRequest(parseAuthnRequest(requestXml(attributes)), TARGET, SSO_URL, new Date(nowMs));
}

describe('AuthnRequest', () => {
  it('is accepted when it is the configured application, here and now (SAML Core §3.4.1)', () => {
    check();
    const post = 'urn:oasis:names:tc:SAML:2.0:bindings:HTTP-POST';
    check({ Destination: SSO_URL, AssertionConsumerServiceURL: TARGET.acsUrl, ProtocolBinding: post });
  });

  const refused: readonly [string, Record<string, string>, RegExp][] = [
    ['another Destination', { Destination: `${SSO_URL}/` }, /Destination/],
    ['another AssertionConsumerServiceURL', { AssertionConsumerServiceURL: `${TARGET.acsUrl}?x` }, /AssertionConsumer/],
    ['another response binding', { ProtocolBinding: 'urn:oasis:names:tc:SAML:2.0:bindings:HTTP-Artifact' }, /Binding/],
    ['another version', { Version: '1.1' }, /2\.0/],
    ['an ID that is no name', { ID: '1 2' }, /ID/],
    ['no readable IssueInstant', { IssueInstant: 'yesterday' }, /IssueInstant/],
  ];
  for (const [name, attributes, reason] of refused) {
    it(`is refused with ${name}`, () => {
      assert.throws(() => {
        check(attributes);
      }, reason);
    });
  }

  it('is refused when it is old or comes from the future', () => {
    const minute = 60_000;
    check({}, Date.parse(ISSUED_AT) + 10 * minute);
    check({}, Date.parse(ISSUED_AT) - minute);
    for (const nowMs of [Date.parse(ISSUED_AT) + 10 * minute + 1, Date.parse(ISSUED_AT) - minute - 1]) {
      assert.throws(() => {
        check({}, nowMs);
      }, /fresh/);
    }
  });

  it('is refused without exactly one Issuer, and when it is something else', () => {
    const issuer = '<saml:Issuer>https://app.example</saml:Issuer>';
    for (const children of ['', `${issuer}${issuer}`, '<Issuer>https://app.example</Issuer>']) {
      assert.throws(() => parseAuthnRequest(requestXml({}, children)), /Issuer/);
    }
    assert.throws(() => parseAuthnRequest(requestXml().replaceAll('AuthnRequest', 'LogoutRequest')), /AuthnRequest/);
  });
});
