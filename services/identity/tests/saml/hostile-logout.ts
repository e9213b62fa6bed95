/** Logout messages that must not end anybody's session, nor count as an answer. */
import { deflateRawSync } from 'node:zlib';

import { responseText } from './idp.ts';
import type { LogoutOptions, QueryOptions } from './idp-logout.ts';

const HOUR = 3_600_000;
const SIGNATURE = /<ds:Signature .*?<\/ds:Signature>/s;
const SHA1_DIGEST = 'http://www.w3.org/2000/09/xmldsig#sha1';
const RSA_SHA1 = 'http://www.w3.org/2000/09/xmldsig#rsa-sha1';

export interface HostileLogout {
  readonly name: string;
  readonly reason: string;
  readonly binding: 'post' | 'redirect';
  readonly at?: (now: number) => Partial<LogoutOptions>;
  readonly signing?: Partial<LogoutOptions['signing']> & { readonly foreignKey?: boolean };
  readonly query?: QueryOptions;
  /** Replaces the message altogether, given the valid one (its text, or its query). */
  readonly replace?: (message: string, options: LogoutOptions) => string;
  /** What the form field was called. */
  readonly sentAs?: 'LogoutRequest' | 'LogoutResponse';
}

type Row = Omit<HostileLogout, 'binding'>;

/** What is wrong in the message itself is wrong by either binding, for a request and for a response. */
const messageCases: readonly Row[] = [
  { name: 'other issuer', reason: 'ISSUER_MISMATCH', at: () => ({ issuer: 'https://evil.example' }) },
  { name: 'no issuer', reason: 'ELEMENT_MISSING', at: () => ({ issuer: null }) },
  { name: 'other destination', reason: 'DESTINATION_MISMATCH', at: () => ({ destination: 'https://other.example/' }) },
  { name: 'no destination', reason: 'DESTINATION_MISSING', at: () => ({ destination: null }) },
  { name: 'SAML 1.1', reason: 'VERSION_UNSUPPORTED', at: () => ({ version: '1.1' }) },
  { name: 'issued in the future', reason: 'ISSUED_IN_FUTURE', at: (now) => ({ issueInstant: now + 61_000 }) },
  { name: 'issued an hour ago', reason: 'ISSUED_TOO_LONG_AGO', at: (now) => ({ issueInstant: now - HOUR }) },
  { name: 'no usable ID', reason: 'ID_MALFORMED', at: () => ({ id: '1 x' }) },
  {
    name: 'Extensions',
    reason: 'ELEMENT_FORBIDDEN',
    at: () => ({ beforeSigning: (xml) => xml.replace('<sig-root>', '<samlp:Extensions/><sig-root>') }),
  },
  { name: 'a comment', reason: 'COMMENT_FORBIDDEN', at: () => ({ afterSigning: (xml) => `<!-- -->${xml}` }) },
  { name: 'a DOCTYPE', reason: 'DOCTYPE_FORBIDDEN', at: () => ({ afterSigning: (xml) => `<!DOCTYPE r>${xml}` }) },
];

const requestCases: readonly Row[] = [
  { name: 'past its end', reason: 'EXPIRED', at: (now) => ({ notOnOrAfter: now - 61_000 }) },
  {
    name: 'an end that is no time',
    reason: 'TIME_MALFORMED',
    at: () => ({ beforeSigning: (xml) => xml.replace(/NotOnOrAfter="[^"]*"/, 'NotOnOrAfter="never"') }),
  },
  {
    name: 'no name',
    reason: 'ELEMENT_MISSING',
    at: () => ({ beforeSigning: (xml) => xml.replace(/<saml:NameID.*<\/saml:NameID>/, '') }),
  },
  {
    name: 'two names',
    reason: 'ELEMENT_REPEATED',
    at: () => ({ beforeSigning: (xml) => xml.replace(/(<saml:NameID.*<\/saml:NameID>)/, '$1$1') }),
  },
  {
    name: 'an encrypted name',
    reason: 'ELEMENT_FORBIDDEN',
    at: () => ({
      beforeSigning: (xml) =>
        xml.replace(
          /<saml:NameID.*<\/saml:NameID>/,
          '<saml:EncryptedID xmlns:saml="urn:oasis:names:tc:SAML:2.0:assertion"/>',
        ),
    }),
  },
  { name: 'an empty name', reason: 'NAME_ID_INVALID', at: () => ({ nameId: '' }) },
  { name: 'a name with a line break', reason: 'NAME_ID_INVALID', at: () => ({ nameId: '00u1\n' }) },
  { name: 'an empty session index', reason: 'SESSION_INDEX_INVALID', at: () => ({ sessionIndexes: ['_s1', ' '] }) },
  {
    name: 'a session index of 513 characters',
    reason: 'SESSION_INDEX_INVALID',
    at: () => ({ sessionIndexes: ['x'.repeat(513)] }),
  },
  {
    name: '1,001 session indexes',
    reason: 'TOO_MANY_VALUES',
    at: () => ({ sessionIndexes: Array.from({ length: 1_001 }, (_, index) => `s${index}`) }),
  },
];

const responseCases: readonly Row[] = [
  { name: 'no request it answers', reason: 'ATTRIBUTE_MISSING', at: () => ({ inResponseTo: null }) },
  {
    name: 'no status',
    reason: 'ELEMENT_MISSING',
    at: () => ({ beforeSigning: (xml) => xml.replace(/<samlp:Status>.*<\/samlp:Status>/, '') }),
  },
];

const asResponse = (row: Row): Row => ({
  ...row,
  name: `${row.name} (response)`,
  at: (now) => ({ ...row.at?.(now), kind: 'LogoutResponse' }),
});

/** A login the same IdP signed for us, to be abused as proof in a logout. */
const signedAssertion = (o: LogoutOptions): string => {
  const text = responseText({
    now: o.now,
    issuer: o.issuer ?? '',
    audience: 'https://sp.example/saml',
    acsUrl: 'https://sp.example/saml/c1/acs',
    inResponseTo: null,
    signing: o.signing,
  });
  return /<saml:Assertion .*<\/saml:Assertion>/s.exec(text)?.[0] ?? '';
};

const postCases: readonly Row[] = [
  { name: 'unsigned', reason: 'SIGNATURE_MISSING', at: () => ({ signed: false }) },
  { name: 'unsigned response', reason: 'SIGNATURE_MISSING', at: () => ({ signed: false, kind: 'LogoutResponse' }) },
  { name: 'signed by a foreign key', reason: 'SIGNATURE_INVALID', signing: { foreignKey: true } },
  { name: 'RSA-SHA1', reason: 'SIGNATURE_ALGORITHM_FORBIDDEN', signing: { algorithm: RSA_SHA1 } },
  { name: 'SHA-1 digest', reason: 'DIGEST_ALGORITHM_FORBIDDEN', signing: { digestAlgorithm: SHA1_DIGEST } },
  { name: 'a Reference to nothing', reason: 'REFERENCE_INVALID', signing: { reference: '' } },
  {
    name: 'the name changed after signing',
    reason: 'DIGEST_MISMATCH',
    at: () => ({ afterSigning: (xml) => xml.replace('00u1', '00uVICTIM') }),
  },
  {
    name: 'a signed request inside a forged one (wrapping)',
    reason: 'ELEMENT_FORBIDDEN',
    at: () => ({
      afterSigning: (xml) =>
        xml
          .replace(SIGNATURE, '')
          .replace('"_l1"', '"_evil"')
          .replace('00u1', '00uVICTIM')
          .replace('</samlp:LogoutRequest>', () => `${xml}</samlp:LogoutRequest>`),
    }),
  },
  {
    name: 'a forged request that carries the signature of another',
    reason: 'REFERENCE_INVALID',
    at: () => ({ afterSigning: (xml) => xml.replace('"_l1"', '"_evil"').replace('00u1', '00uVICTIM') }),
  },
  {
    name: 'the signed original in a ds:Object',
    reason: 'ELEMENT_FORBIDDEN',
    at: () => ({
      afterSigning: (xml) =>
        xml.replace('</ds:Signature>', () => `<ds:Object>${xml.replace(SIGNATURE, '')}</ds:Object></ds:Signature>`),
    }),
  },
  {
    name: 'a signed Assertion as its proof (samlify#634, CVE-2024-6800)',
    reason: 'ELEMENT_FORBIDDEN',
    at: () => ({ signed: false }),
    replace: (xml, o) => xml.replace('</samlp:LogoutRequest>', () => `${signedAssertion(o)}</samlp:LogoutRequest>`),
  },
  {
    name: 'the signature of a signed Assertion',
    reason: 'REFERENCE_INVALID',
    at: () => ({ signed: false }),
    replace: (xml, o) =>
      xml.replace('</saml:Issuer>', () => `</saml:Issuer>${SIGNATURE.exec(signedAssertion(o))?.[0] ?? ''}`),
  },
  {
    name: 'two signatures',
    reason: 'ELEMENT_REPEATED',
    at: () => ({ afterSigning: (xml) => xml.replace(SIGNATURE, (signature) => signature + signature) }),
  },
  { name: 'a login response', reason: 'ROOT_NOT_LOGOUT', replace: (_xml, o) => signedAssertion(o) },
  { name: 'a request sent as a response', reason: 'ROOT_NOT_LOGOUT', sentAs: 'LogoutResponse' },
  {
    name: 'a response sent as a request',
    reason: 'ROOT_NOT_LOGOUT',
    at: () => ({ kind: 'LogoutResponse' }),
    sentAs: 'LogoutRequest',
  },
  { name: 'nothing', reason: 'MESSAGE_MISSING', replace: () => '' },
];

const bomb = (): Buffer => deflateRawSync(Buffer.alloc(4 * 1024 * 1024, ' '));

const redirectCases: readonly Row[] = [
  {
    name: 'no ID, which nothing inside has to name',
    reason: 'ATTRIBUTE_MISSING',
    at: () => ({ beforeSigning: (xml) => xml.replace(/ ID="[^"]*"/, '') }),
  },
  { name: 'unsigned', reason: 'SIGNATURE_MISSING', at: () => ({ signed: false }) },
  { name: 'unsigned response', reason: 'SIGNATURE_MISSING', at: () => ({ signed: false, kind: 'LogoutResponse' }) },
  { name: 'signed by a foreign key', reason: 'SIGNATURE_INVALID', signing: { foreignKey: true } },
  { name: 'RSA-SHA1', reason: 'SIGNATURE_ALGORITHM_FORBIDDEN', query: { algorithm: RSA_SHA1 } },
  {
    name: 'no algorithm',
    reason: 'SIGNATURE_MISSING',
    query: { afterSigning: (query) => query.replace(/&SigAlg=[^&]*/, '') },
  },
  {
    name: 'an empty signature',
    reason: 'SIGNATURE_INVALID',
    query: { afterSigning: (query) => query.replace(/Signature=[^&]*/, 'Signature=') },
  },
  {
    name: 'another RelayState than the signed one',
    reason: 'SIGNATURE_INVALID',
    query: { relayState: 'a', afterSigning: (query) => query.replace('RelayState=a', 'RelayState=b') },
  },
  {
    name: 'a RelayState that was not signed',
    reason: 'SIGNATURE_INVALID',
    query: { afterSigning: (query) => `${query}&RelayState=b` },
  },
  {
    name: 'the message written with other escapes than the signed ones',
    reason: 'SIGNATURE_INVALID',
    query: {
      afterSigning: (query) =>
        query.replace(/SAMLRequest=(.)/, (_, first: string) => `SAMLRequest=%${first.charCodeAt(0).toString(16)}`),
    },
  },
  {
    name: 'parameters signed in another order',
    reason: 'SIGNATURE_INVALID',
    query: { relayState: 'a', beforeSigning: (query) => query.split('&').reverse().join('&') },
  },
  {
    name: 'the message twice',
    reason: 'PARAMETER_REPEATED',
    query: { afterSigning: (query) => `${query}&${query.split('&')[0] ?? ''}` },
  },
  {
    name: 'the signature twice',
    reason: 'PARAMETER_REPEATED',
    query: { afterSigning: (query) => `${query}&Signature=AAAA` },
  },
  {
    name: 'a request and a response',
    reason: 'PARAMETER_REPEATED',
    query: { afterSigning: (query) => `${query}&SAMLResponse=AAAA` },
  },
  {
    name: 'another encoding',
    reason: 'PARAMETER_UNSUPPORTED',
    query: { afterSigning: (query) => `${query}&SAMLEncoding=urn%3Aother` },
  },
  { name: 'no message', reason: 'MESSAGE_MISSING', replace: () => 'Signature=AAAA' },
  {
    name: 'a parameter of 9 KiB',
    reason: 'MESSAGE_TOO_LARGE',
    query: { afterSigning: (query) => query.replace('SAMLRequest=', `SAMLRequest=${'A'.repeat(9_216)}`) },
  },
  { name: 'a message that inflates to 4 MiB', reason: 'MESSAGE_TOO_LARGE', query: { deflate: bomb } },
  {
    name: 'a message that does not inflate',
    reason: 'DEFLATE_MALFORMED',
    query: { deflate: () => Buffer.from('not deflated') },
  },
  {
    name: 'a message that is not base64',
    reason: 'BASE64_MALFORMED',
    query: { beforeSigning: (query) => query.replace(/SAMLRequest=[^&]*/, 'SAMLRequest=_-_-') },
  },
  {
    name: 'broken escapes',
    reason: 'BASE64_MALFORMED',
    query: { beforeSigning: (query) => query.replace('=', '=%zz') },
  },
  {
    name: 'a signature of its own inside',
    reason: 'ELEMENT_FORBIDDEN',
    at: () => ({
      beforeSigning: (xml) =>
        xml.replace(
          '<sig-root>',
          '<ds:Signature xmlns:ds="http://www.w3.org/2000/09/xmldsig#"><ds:SignedInfo><ds:CanonicalizationMethod/><ds:SignatureMethod/><ds:Reference><ds:Transforms><ds:Transform/></ds:Transforms><ds:DigestMethod/><ds:DigestValue/></ds:Reference></ds:SignedInfo><ds:SignatureValue/></ds:Signature><sig-root>',
        ),
    }),
  },
  {
    name: 'a response in the place of a request',
    reason: 'ROOT_NOT_LOGOUT',
    at: () => ({ kind: 'LogoutResponse' }),
    query: { beforeSigning: (query) => query.replace('SAMLResponse', 'SAMLRequest') },
  },
];

const by = (binding: HostileLogout['binding'], rows: readonly Row[]): HostileLogout[] =>
  rows.map((row) => ({ ...row, binding, name: `${row.name}, by ${binding}` }));

/** Every hostile logout message. */
export const logoutCases: readonly HostileLogout[] = (['post', 'redirect'] as const).flatMap((binding) => [
  ...by(binding, [...messageCases, ...requestCases]),
  ...by(binding, [...messageCases, ...responseCases].map(asResponse)),
  ...by(binding, binding === 'post' ? postCases : redirectCases),
]);
