/**
 * The structural allow-list, element by element: messages in which everything stands that may stand, and every way of
 * changing one of them in one place. What may be repeated or left out is written down here a second time.
 */
import assert from 'node:assert/strict';

import { DOMParser, XMLSerializer, type Document, type Element } from '@xmldom/xmldom';

import { SamlRefusal } from '../../src/saml/reasons.ts';
import { checkLogoutStructure, checkResponseStructure } from '../../src/saml/verify/structure.ts';
import { MESSAGE_LIMITS } from '../../src/saml/xml/limits.ts';
import { parseXml } from '../../src/saml/xml/parse.ts';

const NAMESPACES = `xmlns:samlp="urn:oasis:names:tc:SAML:2.0:protocol" xmlns:saml="urn:oasis:names:tc:SAML:2.0:assertion" xmlns:ds="http://www.w3.org/2000/09/xmldsig#" xmlns:ds11="http://www.w3.org/2009/xmldsig11#" xmlns:ec="http://www.w3.org/2001/10/xml-exc-c14n#" xmlns:xenc="http://www.w3.org/2001/04/xmlenc#" xmlns:xenc11="http://www.w3.org/2009/xmlenc11#" xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" xmlns:f="urn:foreign"`;
const prefixes = '<ec:InclusiveNamespaces PrefixList="xs"/>';
const keyInfo =
  '<ds:KeyInfo Id="_k"><ds:KeyName>k</ds:KeyName><ds:X509Data><ds:X509Certificate>AAAA</ds:X509Certificate></ds:X509Data><ds:KeyValue><ds11:ECKeyValue Id="_e"><ds11:NamedCurve URI="urn:oid:1"/></ds11:ECKeyValue></ds:KeyValue><ds:RetrievalMethod URI="#x" Type="t"><ds:Transforms><ds:Transform Algorithm="a"/></ds:Transforms></ds:RetrievalMethod></ds:KeyInfo>';
const signature = (id: string): string =>
  `<ds:Signature Id="${id}"><ds:SignedInfo><ds:CanonicalizationMethod Algorithm="a">${prefixes}</ds:CanonicalizationMethod><ds:SignatureMethod Algorithm="a"/><ds:Reference URI="#x"><ds:Transforms><ds:Transform Algorithm="a">${prefixes}</ds:Transform></ds:Transforms><ds:DigestMethod Algorithm="a"/><ds:DigestValue>AAAA</ds:DigestValue></ds:Reference></ds:SignedInfo><ds:SignatureValue>AAAA</ds:SignatureValue>${id === '_sig1' ? keyInfo : ''}</ds:Signature>`;
const status =
  '<samlp:Status><samlp:StatusCode Value="a"><samlp:StatusCode Value="b"/></samlp:StatusCode><samlp:StatusMessage>m</samlp:StatusMessage><samlp:StatusDetail>d</samlp:StatusDetail></samlp:Status>';
const message = 'Version="2.0" IssueInstant="2026-01-01T00:00:00Z" Destination="d"';
const issuer = '<saml:Issuer>i</saml:Issuer>';
const response = (inner: string): string =>
  `<samlp:Response ${NAMESPACES} ID="_r" ${message}>${issuer}${signature('_sig1')}${status}${inner}</samlp:Response>`;
const conditions =
  '<saml:Conditions><saml:AudienceRestriction><saml:Audience>a</saml:Audience></saml:AudienceRestriction><saml:OneTimeUse/><saml:ProxyRestriction Count="1"><saml:Audience>a</saml:Audience></saml:ProxyRestriction></saml:Conditions>';
const authentication =
  '<saml:AuthnStatement AuthnInstant="t"><saml:SubjectLocality Address="1"/><saml:AuthnContext><saml:AuthnContextClassRef>c</saml:AuthnContextClassRef><saml:AuthnContextDeclRef>d</saml:AuthnContextDeclRef><saml:AuthenticatingAuthority>a</saml:AuthenticatingAuthority></saml:AuthnContext></saml:AuthnStatement>';
const attributes =
  '<saml:AttributeStatement><saml:Attribute Name="n"><saml:AttributeValue>v</saml:AttributeValue></saml:Attribute></saml:AttributeStatement>';
const plain = `<saml:Assertion ID="_a" Version="2.0" IssueInstant="t">${issuer}${signature('_sig2')}<saml:Subject><saml:NameID>n</saml:NameID><saml:SubjectConfirmation Method="m"><saml:SubjectConfirmationData Recipient="r"/></saml:SubjectConfirmation></saml:Subject>${conditions}${authentication}${attributes}</saml:Assertion>`;
const cipher = '<xenc:CipherData><xenc:CipherValue>AAAA</xenc:CipherValue></xenc:CipherData>';
const encryptedKey = (info: string): string =>
  `<xenc:EncryptedKey Id="_ek${String(info.length)}"><xenc:EncryptionMethod Algorithm="a"><ds:DigestMethod Algorithm="a"/><xenc11:MGF Algorithm="a"/></xenc:EncryptionMethod>${info}${cipher}<xenc:ReferenceList><xenc:DataReference URI="#_ed"/></xenc:ReferenceList><xenc:CarriedKeyName>k</xenc:CarriedKeyName></xenc:EncryptedKey>`;
const encrypted = (inside: string, beside = ''): string =>
  `<saml:EncryptedAssertion><xenc:EncryptedData Id="_ed"><xenc:EncryptionMethod Algorithm="a"/><ds:KeyInfo>${inside}</ds:KeyInfo>${cipher}</xenc:EncryptedData>${beside}</saml:EncryptedAssertion>`;
const named = '<ds:KeyInfo><ds:KeyName>k</ds:KeyName></ds:KeyInfo>';
const pointer = '<ds:RetrievalMethod URI="#_ek" Type="t"/>';
const logout = (kind: string, inner: string): string =>
  `<samlp:${kind} ${NAMESPACES} ID="_l" ${message}>${issuer}${signature('_sig1')}${inner}</samlp:${kind}>`;

type Check = (xml: string) => void;
const asResponse: Check = (xml) => {
  checkResponseStructure(parseXml(Buffer.from(xml), MESSAGE_LIMITS));
};
const asLogout =
  (kind: 'LogoutRequest' | 'LogoutResponse'): Check =>
  (xml) => {
    checkLogoutStructure(parseXml(Buffer.from(xml), MESSAGE_LIMITS), kind);
  };

const MESSAGES: readonly (readonly [name: string, xml: string, check: Check])[] = [
  ['Response with an Assertion', response(plain), asResponse],
  ['Response with an EncryptedAssertion', response(encrypted(encryptedKey(named))), asResponse],
  ['Response with the key beside', response(encrypted(pointer, encryptedKey(named))), asResponse],
  [
    'LogoutRequest',
    logout('LogoutRequest', '<saml:NameID>n</saml:NameID><samlp:SessionIndex>s</samlp:SessionIndex>'),
    asLogout('LogoutRequest'),
  ],
  ['LogoutResponse', logout('LogoutResponse', status), asLogout('LogoutResponse')],
];

/** Elements beneath these are of the vocabulary of signatures and never read; they have rules of their own. */
const inKeyInfo = (element: Element): boolean => {
  const parent = element.parentNode as Element | null;
  return parent?.nodeName === 'ds:KeyInfo' && parent.parentNode?.nodeName !== 'xenc:EncryptedData'
    ? true
    : parent?.nodeType === 1 && inKeyInfo(parent);
};

const REPEATABLE: ReadonlySet<string> = new Set([
  'saml:AudienceRestriction',
  'saml:OneTimeUse',
  'saml:ProxyRestriction',
  'saml:Audience',
  'saml:AuthnStatement',
  'saml:AuthenticatingAuthority',
  'saml:AttributeStatement',
  'saml:Attribute',
  'saml:AttributeValue',
  'samlp:SessionIndex',
  'ds:Transform',
  'xenc:DataReference',
  'xenc11:MGF',
]);
/** One element may be absent in one place and not in another. */
const OPTIONAL: ReadonlySet<string> = new Set([
  'samlp:Response>saml:Issuer',
  'samlp:Response>saml:Assertion',
  'samlp:Response>saml:EncryptedAssertion',
  'samlp:StatusCode>samlp:StatusCode',
  'samlp:Status>samlp:StatusMessage',
  'samlp:Status>samlp:StatusDetail',
  'samlp:LogoutRequest>samlp:SessionIndex',
  'samlp:Response>ds:Signature',
  'samlp:LogoutRequest>ds:Signature',
  'samlp:LogoutResponse>ds:Signature',
  'saml:Assertion>ds:Signature',
  'saml:Assertion>saml:Conditions',
  'saml:Assertion>saml:AuthnStatement', // one of the two statements stays
  'saml:Assertion>saml:AttributeStatement',
  'saml:SubjectConfirmation>saml:SubjectConfirmationData',
  'saml:Conditions>saml:AudienceRestriction',
  'saml:Conditions>saml:OneTimeUse',
  'saml:Conditions>saml:ProxyRestriction',
  'saml:ProxyRestriction>saml:Audience',
  'saml:AuthnStatement>saml:SubjectLocality',
  'saml:AuthnContext>saml:AuthnContextClassRef',
  'saml:AuthnContext>saml:AuthnContextDeclRef',
  'saml:AuthnContext>saml:AuthenticatingAuthority',
  'saml:Attribute>saml:AttributeValue',
  'ds:Signature>ds:KeyInfo',
  'ds:CanonicalizationMethod>ec:InclusiveNamespaces',
  'ds:Transform>ec:InclusiveNamespaces',
  'saml:EncryptedAssertion>xenc:EncryptedKey',
  'xenc:EncryptedData>ds:KeyInfo',
  'xenc:EncryptedKey>ds:KeyInfo',
  'xenc:EncryptedKey>xenc:ReferenceList',
  'xenc:EncryptedKey>xenc:CarriedKeyName',
  'xenc:EncryptionMethod>ds:DigestMethod',
  'xenc:EncryptionMethod>xenc11:MGF',
]);
const WITH_TEXT: ReadonlySet<string> = new Set([
  'saml:Issuer',
  'saml:NameID',
  'saml:Audience',
  'saml:AuthnContextClassRef',
  'saml:AuthnContextDeclRef',
  'saml:AuthenticatingAuthority',
  'saml:AttributeValue',
  'samlp:StatusMessage',
  'samlp:StatusDetail',
  'samlp:SessionIndex',
  'ds:DigestValue',
  'ds:SignatureValue',
  'xenc:CipherValue',
  'xenc:CarriedKeyName',
]);

/** What becomes of a message when one element of it is changed. */
const outcomesOf = (
  xml: string,
  check: Check,
  change: (element: Element, document: Document) => void,
): Map<string, string> => {
  const parse = (): Document => new DOMParser().parseFromString(xml, 'text/xml');
  const all = (document: Document): Element[] => [...document.getElementsByTagName('*')];
  const outcomes = new Map<string, string>();
  for (const index of all(parse()).keys()) {
    const document = parse();
    const element = all(document)[index];
    if (element === undefined || inKeyInfo(element)) continue;
    const place = `${element.parentNode?.nodeName ?? ''}>${element.nodeName} ${String(index)}`;
    change(element, document);
    outcomes.set(
      place,
      reasonOf(() => {
        check(new XMLSerializer().serializeToString(document));
      }),
    );
  }
  return outcomes;
};

const reasonOf = (work: () => void): string => {
  try {
    work();
    return 'accepted';
  } catch (error) {
    assert.ok(error instanceof SamlRefusal, String(error));
    return error.reason;
  }
};

const isRoot = (element: Element): boolean => element.parentNode === element.ownerDocument;

const nameIn = (place: string): string => place.replace(/^.*>/, '').replace(/ \d+$/, '');
const withoutIds = (element: Element): Element => {
  const copy = element.cloneNode(true) as Element;
  for (const one of [copy, ...copy.getElementsByTagName('*')]) {
    for (const name of ['ID', 'Id']) one.removeAttribute(name);
  }
  return copy;
};

describe('SAML structure', () => {
  for (const [name, xml, check] of MESSAGES) {
    describe(name, () => {
      it('is accepted as it stands, whatever is optional included', () => {
        assert.equal(
          reasonOf(() => {
            check(xml);
          }),
          'accepted',
        );
      });

      it('names the element that stands twice where it may stand once', () => {
        const outcomes = outcomesOf(xml, check, (element) => {
          if (!isRoot(element)) element.parentNode?.insertBefore(withoutIds(element), element.nextSibling);
        });
        for (const [place, outcome] of outcomes) {
          if (place.startsWith('#document')) continue;
          const child = nameIn(place);
          const isAssertion = child === 'saml:Assertion' || child === 'saml:EncryptedAssertion';
          const isHash = place.startsWith('xenc:EncryptionMethod>ds:DigestMethod');
          const expected = isAssertion ? 'ASSERTION_MULTIPLE' : 'ELEMENT_REPEATED';
          assert.equal(outcome, REPEATABLE.has(child) || isHash ? 'accepted' : expected, place);
        }
      });

      it('misses every element that is not optional', () => {
        const outcomes = outcomesOf(xml, check, (element) => {
          if (!isRoot(element)) element.parentNode?.removeChild(element);
        });
        for (const [place, outcome] of outcomes) {
          if (place.startsWith('#document')) continue;
          if (OPTIONAL.has(place.replace(/ \d+$/, ''))) assert.equal(outcome, 'accepted', place);
          // What follows it is reported as the stranger in its place where it has no rule of its own.
          else assert.ok(['ELEMENT_MISSING', 'ELEMENT_FORBIDDEN'].includes(outcome), `${place}: ${outcome}`);
        }
      });

      it('lets no stranger stand anywhere, before or behind what belongs there', () => {
        for (const first of [true, false]) {
          const outcomes = outcomesOf(xml, check, (element, document) => {
            const stranger = document.createElementNS('urn:foreign', 'f:Stranger');
            element.insertBefore(stranger, first ? element.firstChild : null);
          });
          for (const [place, outcome] of outcomes) assert.equal(outcome, 'ELEMENT_FORBIDDEN', place);
        }
      });

      it('lets no attribute stand that nothing asks for', () => {
        for (const attribute of ['Stranger', 'f:Stranger', 'xsi:stranger']) {
          const outcomes = outcomesOf(xml, check, (element) => {
            element.setAttribute(attribute, 'x');
          });
          for (const [place, outcome] of outcomes) {
            const isTolerated = nameIn(place) === 'saml:Attribute' && attribute.includes(':');
            assert.equal(outcome, isTolerated ? 'accepted' : 'ATTRIBUTE_FORBIDDEN', `${place}/@${attribute}`);
          }
        }
      });

      it('lets text stand where text belongs, and nowhere else', () => {
        const outcomes = outcomesOf(xml, check, (element, document) => {
          element.insertBefore(document.createTextNode('text'), element.firstChild);
        });
        for (const [place, outcome] of outcomes) {
          if (nameIn(place) === 'ds:KeyInfo' && !place.startsWith('xenc:EncryptedData')) continue; // never read
          assert.equal(outcome, WITH_TEXT.has(nameIn(place)) ? 'accepted' : 'TEXT_FORBIDDEN', place);
        }
      });
    });
  }

  describe('KeyInfo, which is never read', () => {
    const having = (from: string, to: string): string =>
      reasonOf(() => {
        asResponse(response(plain).replace(from, () => to));
      });
    const inside = (inner: string): string => having('<ds:KeyName>', `${inner}<ds:KeyName>`);

    it('hides no signature, object or manifest', () => {
      for (const name of ['Signature', 'Object', 'Manifest', 'SignatureProperties']) {
        assert.equal(inside(`<ds:${name}/>`), 'ELEMENT_FORBIDDEN', name);
        assert.equal(inside(`<ds:X509Data><ds:${name}/></ds:X509Data>`), 'ELEMENT_FORBIDDEN', name);
      }
    });

    it('holds the vocabulary of signatures only', () => {
      for (const name of ['f:X', 'saml:NameID', 'saml:Issuer', 'samlp:Status', 'xenc:EncryptedKey'])
        assert.equal(inside(`<${name}/>`), 'ELEMENT_FORBIDDEN', name);
      assert.equal(inside('<ds:Anything/>'), 'accepted');
      assert.equal(inside('<ds11:Anything/>'), 'accepted');
    });

    it('has no attributes but Id, URI, Type and Algorithm', () => {
      for (const attribute of ['Id="_i"', 'URI="u"', 'Type="t"', 'Algorithm="a"'])
        assert.equal(inside(`<ds:X509Data ${attribute}/>`), 'accepted', attribute);
      for (const attribute of ['ID="_i"', 'Name="n"', 'f:Id="_i"', 'xsi:type="t"', 'ds:URI="u"'])
        assert.equal(inside(`<ds:X509Data ${attribute}/>`), 'ATTRIBUTE_FORBIDDEN', attribute);
      assert.equal(having('<ds:KeyInfo Id="_k">', '<ds:KeyInfo Stranger="x">'), 'ATTRIBUTE_FORBIDDEN');
    });

    it('repeats no ID', () => {
      assert.equal(inside('<ds:X509Data Id="_a"/>'), 'ID_DUPLICATE');
    });
  });
});
