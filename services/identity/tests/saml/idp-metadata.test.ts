import assert from 'node:assert/strict';

import { createSelfSigned } from '@sallyport/dev-env';
import { isAppError } from '@sallyport/errors';

import { readIdpMetadata, type IdpDescription } from '../../src/saml/metadata/idp-metadata.ts';
import { signatureFor, type SigningKey } from './idp.ts';

// The certificates of this suite are valid from the moment they are made.
const NOW = new Date();
const inDays = (days: number): string => new Date(NOW.getTime() + days * 86_400_000).toISOString();
const SAML2 = 'urn:oasis:names:tc:SAML:2.0:protocol';
const REDIRECT = 'urn:oasis:names:tc:SAML:2.0:bindings:HTTP-Redirect';
const POST = 'urn:oasis:names:tc:SAML:2.0:bindings:HTTP-POST';

const service = (name: string, binding: string, url: string, more = ''): string =>
  `<md:${name} Binding="${binding}" Location="${url}"${more}></md:${name}>`;
const key = ({ cert }: SigningKey, use = ' use="signing"'): string =>
  `<md:KeyDescriptor${use}><ds:KeyInfo xmlns:ds="http://www.w3.org/2000/09/xmldsig#"><ds:X509Data><ds:X509Certificate>${cert.replaceAll(/-----[^-]+-----|\s/g, '')}</ds:X509Certificate></ds:X509Data></ds:KeyInfo></md:KeyDescriptor>`;
const role = (inner: string, attributes = ''): string =>
  `<md:IDPSSODescriptor${attributes} protocolSupportEnumeration="${SAML2}">${inner}</md:IDPSSODescriptor>`;
const entity = (inner: string, attributes = ''): string =>
  `<md:EntityDescriptor xmlns:md="urn:oasis:names:tc:SAML:2.0:metadata" ID="_m1" entityID="https://idp.example"${attributes}>${inner}</md:EntityDescriptor>`;

describe('reading the metadata of an identity provider', () => {
  let [first, second, pin, foreign]: SigningKey[] = [];
  const used = (one: SigningKey | undefined): SigningKey => one ?? assert.fail();
  const sso = service('SingleSignOnService', REDIRECT, 'https://idp.example/sso');
  const plain = (): string => entity(role(key(used(first)) + sso));

  before(async () => {
    [first, second, pin, foreign] = await Promise.all(
      ['a', 'b', 'pin', 'foreign'].map((name) => createSelfSigned(name)),
    );
  });

  const read = (xml: string, pins: readonly string[] = []): IdpDescription => readIdpMetadata(xml, { pins, now: NOW });
  const problem = (xml: string, pins: readonly string[] = []): string => {
    try {
      read(xml, pins);
      return 'taken';
    } catch (error) {
      assert.ok(isAppError(error) && error.code === 'INVALID_VALUE', String(error));
      return error.message;
    }
  };

  it('takes what a login needs', () => {
    const { certificates, ...rest } = read(plain());
    assert.equal(certificates.length, 1);
    assert.deepEqual(rest, {
      entityId: 'https://idp.example',
      ssoUrl: 'https://idp.example/sso',
      logout: null,
      wantsSignedRequests: false,
      validUntil: null,
    });
  });

  it('takes every certificate that signs once, and none that only encrypts', () => {
    const [one, other] = [used(first), used(second)];
    const count = (keys: string): number => read(entity(role(keys + sso))).certificates.length;
    assert.equal(count(key(one) + key(other, '')), 2);
    assert.equal(count(key(one) + key(one)), 1);
    assert.equal(count(key(one) + key(other, ' use="encryption"')), 1);
    assert.equal(
      problem(entity(role(key(one, ' use="encryption"') + sso))),
      'The metadata holds no signing certificate.',
    );
    const nine = key(one).repeat(8) + key(other);
    assert.equal(count(nine), 2);
  });

  it('sends logouts by redirect where it can, and answers where they are wanted', () => {
    const logoutOf = (services: string): unknown => read(entity(role(key(used(first)) + services + sso))).logout;
    const byPost = service('SingleLogoutService', POST, 'https://idp.example/post');
    const byRedirect = service(
      'SingleLogoutService',
      REDIRECT,
      'https://idp.example/slo',
      ' ResponseLocation="https://idp.example/done"',
    );
    const redirect = { url: 'https://idp.example/slo', binding: 'redirect', responseUrl: 'https://idp.example/done' };
    assert.deepEqual(logoutOf(byPost + byRedirect), redirect);
    assert.deepEqual(logoutOf(byPost), { url: 'https://idp.example/post', binding: 'post', responseUrl: null });
    assert.equal(logoutOf(service('SingleLogoutService', 'urn:x', 'https://idp.example/soap')), null);
    assert.equal(logoutOf(byPost.replace(/ Location="[^"]*"/, '')), null);
  });

  it('knows who wants signed requests', () => {
    for (const [said, expected] of [
      ['true', true],
      ['1', true],
      ['false', false],
      ['0', false],
    ] as const) {
      const xml = entity(role(key(used(first)) + sso, ` WantAuthnRequestsSigned="${said}"`));
      assert.equal(read(xml).wantsSignedRequests, expected, said);
    }
  });

  it('ends with the earlier of the two ends it names, and is not taken from that moment on', () => {
    const until = (outer: string, inner: string): string =>
      entity(
        role(key(used(first)) + sso, inner === '' ? '' : ` validUntil="${inner}"`),
        outer === '' ? '' : ` validUntil="${outer}"`,
      );
    assert.deepEqual(read(until(inDays(9), inDays(8))).validUntil, new Date(inDays(8)));
    assert.deepEqual(read(until(inDays(9), '')).validUntil, new Date(inDays(9)));
    const over = 'The metadata is no longer valid (validUntil).';
    assert.equal(problem(until(inDays(9), NOW.toISOString())), over);
    assert.equal(problem(until(NOW.toISOString(), '')), over);
    assert.equal(problem(until('tomorrow', '')), 'The metadata has a validUntil that is no time.');
  });

  const refusals: readonly (readonly [name: string, change: (xml: string) => string, problem: RegExp])[] = [
    ['another document', (xml) => xml.replaceAll('EntityDescriptor', 'EntitiesDescriptor'), /not the metadata of one/],
    ['another namespace', (xml) => xml.replace('SAML:2.0:metadata', 'SAML:1.0:metadata'), /not the metadata of one/],
    ['no entityID', (xml) => xml.replace(/ entityID="[^"]*"/, ''), /names no entityID/],
    ['an empty entityID', (xml) => xml.replace(/entityID="[^"]*"/, 'entityID=""'), /names no entityID/],
    ['no identity provider', (xml) => xml.replaceAll('IDPSSODescriptor', 'SPSSODescriptor'), /no SAML 2.0 identity/],
    ['SAML 1.1 only', (xml) => xml.replace(SAML2, 'urn:oasis:names:tc:SAML:1.1:protocol'), /no SAML 2.0 identity/],
    [
      'no address',
      (xml) =>
        xml
          .replace('SingleSignOnService Binding', 'NameIDMappingService Binding')
          .replace('</md:SingleSignOnService>', '</md:NameIDMappingService>'),
      /no single sign-on address/,
    ],
    ['an address without a place', (xml) => xml.replace(/ Location="[^"]*"/, ''), /no single sign-on address/],
    ['POST only', (xml) => xml.replace(REDIRECT, POST), /no single sign-on address/],
    ['a certificate that is none', (xml) => xml.replace(/(X509Certificate>)[^<]+/, '$1AAAA'), /not an X\.509/],
    ['a certificate that is no base64', (xml) => xml.replace(/(X509Certificate>)[^<]+/, '$1%'), /not an X\.509/],
    ['a DOCTYPE', (xml) => `<!DOCTYPE m>${xml}`, /DOCTYPE_FORBIDDEN/],
    ['CDATA', (xml) => xml.replace('<md:IDPSSO', '<![CDATA[x]]><md:IDPSSO'), /CDATA_FORBIDDEN/],
    ['a comment without an end', (xml) => xml.replace('<md:IDPSSO', '<!-- <md:IDPSSO'), /COMMENT_FORBIDDEN/],
  ];
  for (const [name, change, expected] of refusals) {
    it(`refuses ${name}`, () => {
      assert.match(problem(change(plain())), expected);
    });
  }

  it('skips comments, wherever they stand', () => {
    const xml = `<!-- a -->${plain().replace('<md:IDPSSO', '<!-- <x> --><!----><md:IDPSSO')}<!-- z -->`;
    assert.equal(problem(xml), 'taken');
  });

  describe('with a pinned key', () => {
    const signed = (by: SigningKey, xml = plain()): string =>
      xml.replace(/(<md:EntityDescriptor[^>]*>)/, (_, tag: string) => tag + signatureFor(xml, '_m1', { with: by }));

    it('takes what that key, or one of several, has signed', () => {
      assert.equal(problem(signed(used(pin)), [used(pin).cert]), 'taken');
      assert.equal(problem(signed(used(pin)), [used(foreign).cert, used(pin).cert]), 'taken');
    });

    it('takes nothing else', () => {
      const pins = [used(pin).cert];
      assert.match(problem(plain(), pins), /SIGNATURE_MISSING/);
      assert.match(problem(signed(used(foreign)), pins), /SIGNATURE_INVALID/);
      assert.match(problem(signed(used(pin)).replace('/sso', '/evil'), pins), /DIGEST_MISMATCH/);
      assert.match(problem(signed(used(pin)), ['no certificate']), /NO_USABLE_CERTIFICATE/);
    });

    it('canonicalises with as many prefixes as a document may declare, and no more', () => {
      const listing = (count: number): string => {
        const inclusive = Array.from({ length: count }, (_, index) => `p${index}`).join(' ');
        const xml = plain();
        return xml.replace(
          /(<md:EntityDescriptor[^>]*>)/,
          (_, tag: string) => tag + signatureFor(xml, '_m1', { with: used(pin), inclusive }),
        );
      };
      const pins = [used(pin).cert];
      assert.equal(problem(listing(64), pins), 'taken');
      // Each costs a look at every element, before anything is verified: 23 s with as many as fit into a document.
      for (const count of [65, 50_000]) assert.match(problem(listing(count), pins), /TOO_MANY_NAMESPACES/);
    });
  });
});
