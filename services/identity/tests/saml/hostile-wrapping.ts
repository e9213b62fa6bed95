/**
 * Signature wrapping: the published shapes XSW1 to XSW8, for a signed Response and for a signed Assertion, and kin.
 * Each takes a valid message and moves its signed element to where the signature still finds it, with a forged one in
 * the place that is read.
 */
import type { HostileCase } from './hostile.ts';

const SIGNATURE = /<ds:Signature .*?<\/ds:Signature>/s;
const ASSERTION = /<saml:Assertion .*<\/saml:Assertion>/s;
const DS_OBJECT = (inner: string): string =>
  `<ds:Object xmlns:ds="http://www.w3.org/2000/09/xmldsig#">${inner}</ds:Object>`;

const partOf = (xml: string, pattern: RegExp): string => {
  const found = pattern.exec(xml)?.[0];
  if (found === undefined) throw new Error('the message is not of the shape this attack needs');
  return found;
};

/** The same element with another ID, the victim's name, and without signatures. */
const forged = (element: string): string =>
  element
    .replaceAll(new RegExp(SIGNATURE, 'gs'), '')
    .replaceAll('"_a1"', '"_evil_a"')
    .replaceAll('"_r1"', '"_evil_r"')
    .replaceAll('00u1', '00uVICTIM');

const withoutSignature = (element: string): string => element.replace(SIGNATURE, '');

/** Puts `inner` before the closing tag of the outer signature. */
const insideSignature = (xml: string, inner: string): string =>
  xml.replace('</ds:Signature>', () => `${inner}</ds:Signature>`);

const beforeEnd = (xml: string, inner: string): string =>
  xml.replace('</samlp:Response>', () => `${inner}</samlp:Response>`);

type Wrap = (xml: string) => string;

/** Forged Response outside; the signed original somewhere within, so that `#_r1` still resolves to it. */
const forgedResponse = (xml: string, place: (forged: string, signature: string, original: string) => string): string =>
  place(forged(xml), partOf(xml, SIGNATURE), withoutSignature(xml));

const afterIssuer = (xml: string, inner: string): string =>
  xml.replace('</saml:Issuer>', () => `</saml:Issuer>${inner}`);

const responseWraps: readonly (readonly [string, string, Wrap])[] = [
  [
    'XSW1, original Response inside the Signature',
    'ASSERTION_MULTIPLE',
    (xml) =>
      forgedResponse(xml, (evil, signature, original) => afterIssuer(evil, insideSignature(signature, original))),
  ],
  [
    'XSW2, original Response beside a detached Signature',
    'ASSERTION_MULTIPLE',
    (xml) => forgedResponse(xml, (evil, signature, original) => afterIssuer(evil, original + signature)),
  ],
  [
    'XSW7, forged Assertion in Extensions',
    'ASSERTION_MULTIPLE',
    (xml) => afterIssuer(xml, `<samlp:Extensions>${forged(partOf(xml, ASSERTION))}</samlp:Extensions>`),
  ],
  [
    'XSW8, original Response in ds:Object',
    'ASSERTION_MULTIPLE',
    (xml) =>
      forgedResponse(xml, (evil, signature, original) =>
        afterIssuer(evil, insideSignature(signature, DS_OBJECT(original))),
      ),
  ],
  [
    'a forged Assertion beside the signed one',
    'ASSERTION_MULTIPLE',
    (xml) => beforeEnd(xml, forged(partOf(xml, ASSERTION))),
  ],
  [
    'the signature of the Response moved into its Assertion',
    'REFERENCE_INVALID',
    (xml) =>
      withoutSignature(xml).replace(
        /(<saml:Assertion [^>]*>.*?<\/saml:Issuer>)/s,
        (start) => start + partOf(xml, SIGNATURE),
      ),
  ],
];

const assertionWraps: readonly (readonly [string, string, Wrap])[] = [
  [
    'XSW3, forged Assertion before the original',
    'ASSERTION_MULTIPLE',
    (xml) => xml.replace(ASSERTION, (original) => forged(original) + original),
  ],
  [
    'XSW3, forged Assertion after the original',
    'ASSERTION_MULTIPLE',
    (xml) => xml.replace(ASSERTION, (original) => original + forged(original)),
  ],
  [
    'XSW4, original Assertion inside the forged one',
    'ASSERTION_MULTIPLE',
    (xml) =>
      xml.replace(ASSERTION, (original) =>
        forged(original).replace('</saml:Assertion>', () => `${original}</saml:Assertion>`),
      ),
  ],
  [
    'XSW5, forged Assertion carries the Signature, original at the end',
    'ASSERTION_MULTIPLE',
    (xml) =>
      xml.replace(ASSERTION, (original) => {
        const evil = original
          .replaceAll('"_a1"', '"_evil_a"')
          .replaceAll('00u1', '00uVICTIM')
          .replaceAll('URI="#_evil_a"', 'URI="#_a1"');
        return evil + withoutSignature(original);
      }),
  ],
  [
    'XSW6, original inside the Signature of the forged Assertion',
    'ASSERTION_MULTIPLE',
    (xml) =>
      xml.replace(ASSERTION, (original) => {
        const signature = insideSignature(partOf(original, SIGNATURE), withoutSignature(original));
        return afterIssuer(forged(original), signature);
      }),
  ],
  [
    'XSW7, forged Assertion in Extensions',
    'ASSERTION_MULTIPLE',
    (xml) => afterIssuer(xml, `<samlp:Extensions>${forged(partOf(xml, ASSERTION))}</samlp:Extensions>`),
  ],
  [
    'XSW8, original in a ds:Object of the forged Assertion',
    'ASSERTION_MULTIPLE',
    (xml) =>
      xml.replace(ASSERTION, (original) =>
        afterIssuer(
          forged(original),
          insideSignature(partOf(original, SIGNATURE), DS_OBJECT(withoutSignature(original))),
        ),
      ),
  ],
  [
    'the same ID on both Assertions',
    'ASSERTION_MULTIPLE',
    (xml) => xml.replace(ASSERTION, (original) => forged(original).replace('_evil_a', '_a1') + original),
  ],
  [
    'an Assertion in Advice',
    'ASSERTION_MULTIPLE',
    (xml) =>
      xml.replace(
        '</saml:Conditions>',
        () => `</saml:Conditions><saml:Advice>${forged(partOf(xml, ASSERTION))}</saml:Advice>`,
      ),
  ],
  [
    'an Assertion in KeyInfo',
    'ASSERTION_MULTIPLE',
    (xml) => insideSignature(xml, `<ds:KeyInfo>${forged(partOf(xml, ASSERTION))}</ds:KeyInfo>`),
  ],
  [
    'the Signature moved up to the Response',
    'REFERENCE_INVALID',
    (xml) => afterIssuer(withoutSignature(xml), partOf(xml, SIGNATURE)),
  ],
  [
    'the Signature anywhere but after the Issuer',
    'ELEMENT_FORBIDDEN',
    (xml) => withoutSignature(xml).replace('</saml:Assertion>', () => `${partOf(xml, SIGNATURE)}</saml:Assertion>`),
  ],
  [
    'two Signatures on one element',
    'ELEMENT_REPEATED',
    (xml) => xml.replace(SIGNATURE, (signature) => signature + signature),
  ],
  [
    'a second SignedInfo before the signed one',
    'ELEMENT_REPEATED',
    (xml) =>
      xml.replace(
        '<ds:SignedInfo>',
        () => `${partOf(xml, /<ds:SignedInfo>.*<\/ds:SignedInfo>/s).replace('#_a1', '#_evil')}<ds:SignedInfo>`,
      ),
  ],
  [
    'a second DigestValue',
    'ELEMENT_REPEATED',
    (xml) => xml.replace('</ds:DigestValue>', () => '</ds:DigestValue><ds:DigestValue>AAAA</ds:DigestValue>'),
  ],
  [
    'an element inside DigestValue',
    'ELEMENT_FORBIDDEN',
    (xml) => xml.replace('<ds:DigestValue>', '<ds:DigestValue><x/>'),
  ],
  ['a foreign root around the signed message', 'ROOT_NOT_RESPONSE', (xml) => `<x>${xml}</x>`],
  ['a signed Assertion without a Response', 'ROOT_NOT_RESPONSE', (xml) => partOf(xml, ASSERTION)],
];

/** Every wrapping case, with the reason it must be refused for. */
export const wrappingCases: readonly HostileCase[] = [
  ...responseWraps.map(([name, reason, wrap]): HostileCase => ({
    name: `${name} (signed Response)`,
    reason,
    response: { sign: 'response', afterSigning: wrap },
  })),
  ...assertionWraps.map(([name, reason, wrap]): HostileCase => ({
    name: `${name} (signed Assertion)`,
    reason,
    response: { sign: 'assertion', afterSigning: wrap },
  })),
];
