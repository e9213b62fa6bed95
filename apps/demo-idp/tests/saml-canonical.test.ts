import assert from 'node:assert/strict';
import { DOMParser } from '@xmldom/xmldom';
import fc from 'fast-check';
import { ExclusiveCanonicalization, SignedXml } from 'xml-crypto';
import { systemClock } from '../src/clock.ts';
import { Directory } from '../src/directory/directory.ts';
import { DemoIdpError } from '../src/errors.ts';
import { issueResponse, type Issuing } from '../src/saml/issue-response.ts';
import { createSamlKeys } from '../src/saml/keys.ts';
import { openStateStore } from '../src/state/store.ts';
import { text, toWire } from '../src/saml/xml.ts';

const DSIG = 'http://www.w3.org/2000/09/xmldsig#';
const ASSERTION = 'urn:oasis:names:tc:SAML:2.0:assertion';

const nasty = fc.constantFrom(
  '&',
  '<',
  '>',
  '"',
  "'",
  '\n',
  '\r',
  '\r\n',
  '\t',
  ' ',
  ']]>',
  '&amp;',
  '<!--',
  '\u0085',
  '\u2028',
  'é',
  'ß',
  '中',
  '😀',
  '\u202E',
);
const awkwardText = fc
  .array(fc.oneof(nasty, fc.string({ unit: 'grapheme', maxLength: 3 }), fc.string({ unit: 'binary', maxLength: 2 })), {
    minLength: 1,
    maxLength: 12,
  })
  .map((parts) => parts.join(''))
  .filter((value) => /^[\t\n\r\u0020-\uD7FF\uE000-\uFFFD\u{10000}-\u{10FFFF}]+$/u.test(value));

describe('SAML response text', () => {
  const store = openStateStore(null, 'okta');
  const directory = new Directory(store);
  const issuing: Issuing = {
    directory,
    behavior: store.state.behavior,
    keys: createSamlKeys(store, systemClock),
    entityId: 'http://localhost:8090/saml/metadata',
    now: systemClock.now(),
  };
  const dana = directory.getPerson('dana');
  const certificate = issuing.keys.get('primary').certificatePem;

  for (const flavor of ['okta', 'entra'] as const) {
    it(`is its own exclusive canonical form and verifies, whatever people are called (${flavor}; xml-exc-c14n §3)`, () => {
      store.state.flavor = flavor;
      fc.assert(
        fc.property(
          awkwardText,
          fc.array(awkwardText, { maxLength: 3 }),
          awkwardText,
          (nameId, values, attributeName) => {
            const address = {
              acsUrl: `https://app.example/?a=${encodeURIComponent(nameId)}&b="<'`,
              audience: nameId,
              inResponseTo: '_r',
            };
            const attributes = [{ name: attributeName, values: [nameId, ...values] }];
            const xml = issueResponse(issuing, dana, address, { sign: 'both', nameId, attributes });
            const document = new DOMParser().parseFromString(xml, 'text/xml');

            const root = document.documentElement;
            const canonical = new ExclusiveCanonicalization().process(
              root as unknown as Parameters<ExclusiveCanonicalization['process']>[0],
              {
                inclusiveNamespacesPrefixList: ['xs'],
              },
            );
            assert.equal(toWire(canonical as unknown as ReturnType<typeof text>), xml.replace(/^<\?xml[^>]*\?>/, ''));

            const read = Array.from(
              document.getElementsByTagNameNS(ASSERTION, 'AttributeValue'),
              (node) => node.textContent,
            );
            assert.deepEqual(read, [nameId, ...values]);
            assert.equal(document.getElementsByTagNameNS(ASSERTION, 'NameID')[0]?.textContent, nameId);

            const signatures = Array.from(document.getElementsByTagNameNS(DSIG, 'Signature'));
            assert.equal(signatures.length, 2);
            for (const node of signatures) {
              const signed = new SignedXml({ publicCert: certificate, getCertFromKeyInfo: () => null });
              signed.loadSignature(node as unknown as string);
              assert.ok(signed.checkSignature(xml));
            }
          },
        ),
        { numRuns: 150 },
      );
    });
  }

  it('refuses characters that XML cannot carry', () => {
    for (const value of ['\u0000', '\u0008', '\uD800', '\uFFFE', 'a\u001Bb']) {
      assert.throws(
        () => text(value),
        (error) => error instanceof DemoIdpError && error.code === 'XML_REFUSED',
      );
    }
  });
});
