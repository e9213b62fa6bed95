/** Encrypted assertions that must not be opened, or must not count once they are. */
import { randomBytes } from 'node:crypto';

import type { ResponseOptions, SigningKey } from './idp.ts';
import {
  AES256_CBC,
  encryptedAssertion,
  MGF1_SHA256,
  RSA_1_5,
  RSA_OAEP,
  RSA_OAEP_MGF1P,
  SHA1,
  SHA256,
  type EncryptOptions,
} from './encrypt.ts';

type Sign = NonNullable<ResponseOptions['sign']>;

export interface HostileEncryption {
  readonly name: string;
  readonly reason: string;
  /** What is signed; default the assertion, before it is encrypted. */
  readonly sign?: Sign;
  readonly encrypt?: Partial<EncryptOptions>;
  /** Works on the assertion before it is encrypted. */
  readonly plain?: (assertion: string) => string;
  /** Works on the finished message. */
  readonly after?: (xml: string) => string;
  /** Encrypted for somebody else's key. */
  readonly otherKey?: boolean;
}

const flipped =
  (at: number) =>
  (bytes: Buffer): Buffer => {
    const copy = Buffer.from(bytes);
    const index = at < 0 ? copy.length + at : at;
    copy[index] = (copy[index] ?? 0) ^ 1;
    return copy;
  };

const victim = (assertion: string): string => assertion.replace('00u1', '00uVICTIM');
const inside = (mark: string, inner: string) => (xml: string) => xml.replace(mark, () => inner + mark);

const algorithmCases: readonly HostileEncryption[] = [
  { name: 'AES-CBC', reason: 'ENCRYPTION_ALGORITHM_FORBIDDEN', encrypt: { content: AES256_CBC } },
  {
    name: 'Triple DES',
    reason: 'ENCRYPTION_ALGORITHM_FORBIDDEN',
    encrypt: { alter: (xml) => xml.replace(/xmlenc11#aes256-gcm/, 'xmlenc#tripledes-cbc') },
  },
  {
    name: 'no content algorithm',
    reason: 'ENCRYPTION_ALGORITHM_FORBIDDEN',
    encrypt: { alter: (xml) => xml.replace('http://www.w3.org/2009/xmlenc11#aes256-gcm', '') },
  },
  {
    name: 'RSA PKCS #1 v1.5 key transport',
    reason: 'KEY_TRANSPORT_FORBIDDEN',
    encrypt: { transport: RSA_1_5, digest: null, mask: null },
  },
  {
    name: 'symmetric key wrap',
    reason: 'KEY_TRANSPORT_FORBIDDEN',
    encrypt: { alter: (xml) => xml.replace(RSA_OAEP, 'http://www.w3.org/2001/04/xmlenc#kw-aes256') },
  },
  {
    name: 'OAEP with MD5',
    reason: 'KEY_TRANSPORT_FORBIDDEN',
    encrypt: { digest: 'http://www.w3.org/2001/04/xmldsig-more#md5' },
  },
  { name: 'OAEP with two different hashes', reason: 'KEY_TRANSPORT_FORBIDDEN', encrypt: { digest: SHA1 } },
  { name: 'OAEP whose mask is left to the default', reason: 'KEY_TRANSPORT_FORBIDDEN', encrypt: { mask: null } },
  {
    name: 'OAEP by its older name with a hash it does not have',
    reason: 'KEY_TRANSPORT_FORBIDDEN',
    encrypt: { transport: RSA_OAEP_MGF1P, digest: SHA256, mask: MGF1_SHA256 },
  },
  {
    name: 'two hashes named for OAEP',
    reason: 'ELEMENT_REPEATED',
    encrypt: { alter: (xml) => xml.replace(/(<ds:DigestMethod [^>]*><\/ds:DigestMethod>)/, '$1$1') },
  },
  { name: 'a hash for OAEP that was not used', reason: 'DECRYPTION_FAILED', encrypt: { oaepHash: 'sha1' } },
];

const tamperingCases: readonly HostileEncryption[] = [
  { name: 'encrypted for another key', reason: 'DECRYPTION_FAILED', otherKey: true },
  { name: 'the wrapped key changed', reason: 'DECRYPTION_FAILED', encrypt: { alterKey: flipped(7) } },
  {
    name: 'the wrapped key shortened',
    reason: 'DECRYPTION_FAILED',
    encrypt: { alterKey: (bytes) => bytes.subarray(1) },
  },
  { name: 'the text changed', reason: 'DECRYPTION_FAILED', encrypt: { alterText: flipped(40) } },
  { name: 'the nonce changed', reason: 'DECRYPTION_FAILED', encrypt: { alterText: flipped(0) } },
  { name: 'the tag changed', reason: 'DECRYPTION_FAILED', encrypt: { alterText: flipped(-1) } },
  {
    name: 'the tag cut short',
    reason: 'DECRYPTION_FAILED',
    encrypt: { alterText: (bytes) => bytes.subarray(0, -4) },
  },
  {
    name: 'no text but a nonce and a tag',
    reason: 'DECRYPTION_FAILED',
    encrypt: { alterText: (bytes) => bytes.subarray(0, 28) },
  },
  {
    name: 'a text shorter than a tag',
    reason: 'DECRYPTION_FAILED',
    encrypt: { alterText: (bytes) => bytes.subarray(0, 13) },
  },
  { name: 'an empty text', reason: 'DECRYPTION_FAILED', encrypt: { alterText: () => Buffer.alloc(0) } },
  {
    name: 'a content key of another length',
    reason: 'DECRYPTION_FAILED',
    encrypt: { contentKey: randomBytes(16) },
  },
  {
    name: 'base64url in the text',
    reason: 'DECRYPTION_FAILED',
    encrypt: {
      alter: (xml) =>
        xml.replace(
          /<xenc:CipherValue>...(?=[^<]*<\/xenc:CipherValue><\/xenc:CipherData><\/xenc:EncryptedData>)/,
          '<xenc:CipherValue>_-_',
        ),
    },
  },
];

const structureCases: readonly HostileEncryption[] = [
  {
    name: 'content instead of an element',
    reason: 'ATTRIBUTE_FORBIDDEN',
    encrypt: { type: 'http://www.w3.org/2001/04/xmlenc#Content' },
  },
  {
    name: 'a text to be fetched (CipherReference)',
    reason: 'ELEMENT_FORBIDDEN',
    encrypt: {
      alter: (xml) =>
        xml.replace(/<xenc:CipherValue>[^<]*<\/xenc:CipherValue>/, '<xenc:CipherReference URI="http://127.0.0.1/"/>'),
    },
  },
  {
    name: 'two wrapped keys',
    reason: 'ELEMENT_REPEATED',
    encrypt: {
      place: 'beside',
      alter: (xml) =>
        xml.replace(/(<xenc:EncryptedKey.*<\/xenc:EncryptedKey>)/, (key) => key + key.replace('_ek', '_ek2')),
    },
  },
  {
    name: 'a wrapped key inside and one beside',
    reason: 'ELEMENT_REPEATED',
    encrypt: {
      alter: (xml) =>
        xml.replace('</saml:EncryptedAssertion>', () => {
          const key = /<xenc:EncryptedKey.*<\/xenc:EncryptedKey>/.exec(xml)?.[0] ?? '';
          return `${key.replace('_ek', '_ek2')}</saml:EncryptedAssertion>`;
        }),
    },
  },
  {
    name: 'no wrapped key',
    reason: 'ELEMENT_MISSING',
    encrypt: { place: 'beside', alter: (xml) => xml.replace(/<xenc:EncryptedKey.*<\/xenc:EncryptedKey>/, '') },
  },
  {
    name: 'a pointer to another key',
    reason: 'REFERENCE_INVALID',
    encrypt: { place: 'pointer', alter: (xml) => xml.replace('URI="#_ek"', 'URI="#_other"') },
  },
  {
    name: 'a pointer to the outside',
    reason: 'REFERENCE_INVALID',
    encrypt: { place: 'pointer', alter: (xml) => xml.replace('URI="#_ek"', 'URI="http://127.0.0.1/key"') },
  },
  {
    name: 'a wrapped key in a KeyInfo that carries an assertion',
    reason: 'ASSERTION_MULTIPLE',
    encrypt: { alter: inside('</xenc:EncryptedKey>', '<ds:KeyInfo><saml:Assertion/></ds:KeyInfo>') },
  },
  {
    name: 'a plain Assertion beside the encrypted one',
    reason: 'ASSERTION_MULTIPLE',
    after: inside('</samlp:Response>', '<saml:Assertion xmlns:saml="urn:oasis:names:tc:SAML:2.0:assertion"/>'),
  },
  {
    name: 'two encrypted Assertions',
    reason: 'ASSERTION_MULTIPLE',
    after: (xml) => xml.replace(/(<saml:EncryptedAssertion .*<\/saml:EncryptedAssertion>)/, '$1$1'),
  },
];

const contentCases: readonly HostileEncryption[] = [
  { name: 'encrypted, but nothing signed', reason: 'SIGNATURE_MISSING', sign: 'none' },
  { name: 'another name than the signed one', reason: 'DIGEST_MISMATCH', plain: victim },
  {
    name: 'another name than the signed one, in a signed Response',
    reason: 'DIGEST_MISMATCH',
    sign: 'both',
    plain: victim,
  },
  {
    name: 'exchanged for one of ours after the Response was signed',
    reason: 'DIGEST_MISMATCH',
    sign: 'response',
    after: (xml) => xml.replace(/<xenc:CipherValue>..../, '<xenc:CipherValue>AAAA'),
  },
  { name: 'something that is no Assertion', reason: 'ASSERTION_MISSING', plain: () => '<x xmlns="urn:x"/>' },
  { name: 'something that is no XML', reason: 'XML_MALFORMED', plain: () => 'hello' },
  {
    name: 'a whole Response',
    reason: 'ASSERTION_MISSING',
    plain: (assertion) =>
      `<samlp:Response xmlns:samlp="urn:oasis:names:tc:SAML:2.0:protocol">${assertion}</samlp:Response>`,
  },
  { name: 'a DOCTYPE', reason: 'DOCTYPE_FORBIDDEN', plain: (assertion) => `<!DOCTYPE r>${assertion}` },
  {
    name: 'a comment in NameID',
    reason: 'COMMENT_FORBIDDEN',
    plain: (assertion) => assertion.replace('00u1', '00u<!---->1'),
  },
  { name: '2,001 elements', reason: 'TOO_MANY_ELEMENTS', plain: inside('<saml:Subject>', '<x/>'.repeat(2_001)) },
  { name: 'two Assertions', reason: 'XML_MALFORMED', plain: (assertion) => assertion + assertion },
  {
    name: 'an Assertion in an Assertion',
    reason: 'ASSERTION_MULTIPLE',
    plain: (assertion) => assertion.replace('</saml:Assertion>', () => `${victim(assertion)}</saml:Assertion>`),
  },
  {
    name: 'an encrypted Assertion once more',
    reason: 'ASSERTION_MISSING',
    plain: (assertion) =>
      `<saml:EncryptedAssertion xmlns:saml="urn:oasis:names:tc:SAML:2.0:assertion">${assertion}</saml:EncryptedAssertion>`,
  },
  {
    name: 'an encrypted name',
    reason: 'ELEMENT_FORBIDDEN',
    plain: (assertion) => assertion.replace(/<saml:NameID .*<\/saml:NameID>/, '<saml:EncryptedID/>'),
  },
  {
    name: 'a prefix that only the Response declares',
    reason: 'NAMESPACE_INVALID',
    plain: (assertion) => assertion.replace(' xmlns:saml="urn:oasis:names:tc:SAML:2.0:assertion"', ''),
  },
  {
    name: 'an ID that the Response has',
    reason: 'ID_DUPLICATE',
    plain: (assertion) => assertion.replace('"_a1"', '"_r1"'),
  },
];

/** Every way an encrypted assertion is wrong; the suites open it with the key it was made for. */
export const encryptionCases: readonly HostileEncryption[] = [
  ...algorithmCases,
  ...tamperingCases,
  ...structureCases,
  ...contentCases,
];

/** The options of a response that plays a case. */
export const sealing = (
  row: Pick<HostileEncryption, 'sign' | 'encrypt' | 'plain' | 'after' | 'otherKey'>,
  keys: { readonly ours: SigningKey; readonly other: SigningKey },
): Pick<ResponseOptions, 'sign' | 'seal' | 'afterSigning'> => ({
  sign: row.sign ?? 'assertion',
  seal: (assertion) =>
    encryptedAssertion(row.plain?.(assertion) ?? assertion, {
      for: row.otherKey === true ? keys.other : keys.ours,
      ...row.encrypt,
    }),
  ...(row.after === undefined ? {} : { afterSigning: row.after }),
});
