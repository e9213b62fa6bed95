/** Unsigned messages, foreign keys, weak or confusing algorithms, tampering. */
import type { HostileCase } from './hostile.ts';

const SHA1 = 'http://www.w3.org/2000/09/xmldsig#sha1';
const MANY_PREFIXES = Array.from({ length: 20_000 }, (_, index) => `p${index}`).join(' ');

const insertBefore =
  (mark: string, inner: string) =>
  (xml: string): string =>
    xml.replace(mark, () => inner + mark);

export const signatureCases: readonly HostileCase[] = [
  { name: 'no signature at all', reason: 'SIGNATURE_MISSING', response: { sign: 'none' } },
  { name: 'signed by a foreign key', reason: 'SIGNATURE_INVALID', signing: { foreignKey: true } },
  {
    name: 'Response signed by a foreign key',
    reason: 'SIGNATURE_INVALID',
    response: { sign: 'response' },
    signing: { foreignKey: true },
  },
  {
    name: 'signed by a foreign key whose certificate is in KeyInfo',
    reason: 'SIGNATURE_INVALID',
    signing: {
      foreignKey: true,
      keyInfo: '<ds:KeyInfo><ds:X509Data><ds:X509Certificate>AAAA</ds:X509Certificate></ds:X509Data></ds:KeyInfo>',
    },
  },
  {
    name: 'RSA-SHA1',
    reason: 'SIGNATURE_ALGORITHM_FORBIDDEN',
    signing: { algorithm: 'http://www.w3.org/2000/09/xmldsig#rsa-sha1' },
  },
  {
    name: 'HMAC keyed with the public certificate',
    reason: 'SIGNATURE_ALGORITHM_FORBIDDEN',
    signing: { algorithm: 'http://www.w3.org/2001/04/xmldsig-more#hmac-sha256' },
  },
  { name: 'no signature algorithm', reason: 'SIGNATURE_ALGORITHM_FORBIDDEN', signing: { algorithm: '' } },
  {
    name: 'RSA algorithm named ECDSA',
    reason: 'SIGNATURE_INVALID',
    signing: { algorithm: 'http://www.w3.org/2001/04/xmldsig-more#ecdsa-sha256' },
  },
  { name: 'SHA-1 digest', reason: 'DIGEST_ALGORITHM_FORBIDDEN', signing: { digestAlgorithm: SHA1 } },
  {
    name: 'MD5 digest',
    reason: 'DIGEST_ALGORITHM_FORBIDDEN',
    signing: { digestAlgorithm: 'http://www.w3.org/2001/04/xmldsig-more#md5' },
  },
  {
    name: 'inclusive canonicalisation of SignedInfo',
    reason: 'CANONICALIZATION_FORBIDDEN',
    signing: { c14n: 'http://www.w3.org/TR/2001/REC-xml-c14n-20010315' },
  },
  {
    name: 'XSLT transform',
    reason: 'TRANSFORM_FORBIDDEN',
    signing: { transforms: ['http://www.w3.org/TR/1999/REC-xslt-19991116', 'http://www.w3.org/2001/10/xml-exc-c14n#'] },
  },
  {
    name: 'XPath transform',
    reason: 'TRANSFORM_FORBIDDEN',
    signing: {
      transforms: ['http://www.w3.org/TR/1999/REC-xpath-19991116', 'http://www.w3.org/2001/10/xml-exc-c14n#'],
    },
  },
  {
    name: 'three transforms',
    reason: 'TRANSFORM_FORBIDDEN',
    signing: {
      transforms: [
        'http://www.w3.org/2000/09/xmldsig#enveloped-signature',
        'http://www.w3.org/2001/10/xml-exc-c14n#',
        'http://www.w3.org/2001/10/xml-exc-c14n#',
      ],
    },
  },
  {
    name: 'no canonicalisation transform',
    reason: 'TRANSFORM_FORBIDDEN',
    signing: { transforms: ['http://www.w3.org/2000/09/xmldsig#enveloped-signature'] },
  },
  {
    name: 'prefixes for the enveloped-signature transform',
    reason: 'TRANSFORM_FORBIDDEN',
    response: {
      afterSigning: (xml) =>
        xml.replace(
          'enveloped-signature"></ds:Transform>',
          'enveloped-signature"><ec:InclusiveNamespaces xmlns:ec="http://www.w3.org/2001/10/xml-exc-c14n#" PrefixList="x"/></ds:Transform>',
        ),
    },
  },
  {
    name: 'tens of thousands of prefixes to canonicalise with, looked for at every element',
    reason: 'TOO_MANY_NAMESPACES',
    response: {
      afterSigning: (xml) =>
        xml.replace(
          /(xml-exc-c14n#")><\/ds:Transform>/,
          `$1><ec:InclusiveNamespaces xmlns:ec="http://www.w3.org/2001/10/xml-exc-c14n#" PrefixList="${MANY_PREFIXES}"/></ds:Transform>`,
        ),
    },
  },
  { name: 'empty Reference URI (whole document)', reason: 'REFERENCE_INVALID', signing: { reference: '' } },
  {
    name: 'Reference to another ID',
    reason: 'REFERENCE_INVALID',
    only: 'assertion',
    signing: { reference: '#_r1' },
  },
  {
    name: 'Reference of the Response to the Assertion',
    reason: 'REFERENCE_INVALID',
    response: { sign: 'response' },
    signing: { reference: '#_a1' },
  },
  { name: 'Reference by XPointer', reason: 'REFERENCE_INVALID', signing: { reference: '#xpointer(/)' } },
  { name: 'Reference to the outside', reason: 'REFERENCE_INVALID', signing: { reference: 'http://127.0.0.1/x.xml' } },
  { name: 'two References', reason: 'ELEMENT_REPEATED', signing: { extraReference: true } },
  {
    name: 'NameID changed after signing',
    reason: 'DIGEST_MISMATCH',
    response: { afterSigning: (xml) => xml.replace('00u1', '00uVICTIM') },
  },
  {
    name: 'attribute value changed after signing',
    reason: 'DIGEST_MISMATCH',
    response: {
      sign: 'response',
      attributes: [['groups', ['dev']]],
      afterSigning: (xml) => xml.replace('>dev<', '>owners<'),
    },
  },
  {
    name: 'text added inside signed bytes',
    reason: 'TEXT_FORBIDDEN',
    response: { afterSigning: insertBefore('<saml:Subject>', 'x') },
  },
  {
    name: 'white space added inside signed bytes',
    reason: 'DIGEST_MISMATCH',
    response: { afterSigning: insertBefore('<saml:Subject>', '\n') },
  },
  {
    name: 'SignatureValue changed',
    reason: 'SIGNATURE_INVALID',
    response: { afterSigning: (xml) => xml.replace(/<ds:SignatureValue>..../, '<ds:SignatureValue>AAAA') },
  },
  {
    name: 'empty SignatureValue',
    reason: 'SIGNATURE_INVALID',
    response: { afterSigning: (xml) => xml.replace(/<ds:SignatureValue>[^<]*/, '<ds:SignatureValue>') },
  },
  {
    name: 'digest truncated to nothing',
    reason: 'DIGEST_MISMATCH',
    response: { afterSigning: (xml) => xml.replace(/<ds:DigestValue>[^<]*/, '<ds:DigestValue>') },
  },
  {
    name: 'good Assertion signature, broken Response signature',
    reason: 'SIGNATURE_INVALID',
    response: {
      sign: 'both',
      afterSigning: (xml) => xml.replace(/<ds:SignatureValue>..../, '<ds:SignatureValue>AAAA'),
    },
  },
  {
    name: 'only the Assertion signed where the Response must be',
    reason: 'RESPONSE_NOT_SIGNED',
    only: 'assertion',
    expected: { requireSignedResponse: true },
  },
  {
    name: 'only the Response signed where the Assertion must be',
    reason: 'ASSERTION_NOT_SIGNED',
    response: { sign: 'response' },
    expected: { requireSignedAssertion: true },
  },
  { name: 'no certificate configured', reason: 'NO_USABLE_CERTIFICATE', expected: { certificates: [] } },
  {
    name: 'certificate unreadable',
    reason: 'NO_USABLE_CERTIFICATE',
    expected: { certificates: ['-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----'] },
  },
  { name: 'RSA key of 1024 bits', reason: 'NO_USABLE_CERTIFICATE', signing: { weakKey: true } },
  {
    name: 'an encrypted Assertion beside the plain one',
    reason: 'ASSERTION_MULTIPLE',
    response: {
      sign: 'response',
      afterSigning: insertBefore(
        '</samlp:Response>',
        '<saml:EncryptedAssertion xmlns:saml="urn:oasis:names:tc:SAML:2.0:assertion"/>',
      ),
    },
  },
];
