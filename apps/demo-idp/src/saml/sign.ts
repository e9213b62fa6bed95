import { createHash, type KeyObject, sign } from 'node:crypto';
import { certificateBody } from './certificate.ts';
import type { SigningKey } from './keys.ts';
import { type CanonicalXml, element, nothing, text } from './xml.ts';

const DSIG = 'http://www.w3.org/2000/09/xmldsig#';
const EXCLUSIVE_C14N = 'http://www.w3.org/2001/10/xml-exc-c14n#';

/** Signature algorithms; SHA-1 exists only so that a service provider can be seen refusing it. */
export const SIGNATURE_ALGORITHMS = {
  'rsa-sha256': { uri: 'http://www.w3.org/2001/04/xmldsig-more#rsa-sha256', hash: 'sha256', keyType: 'rsa' },
  'rsa-sha384': { uri: 'http://www.w3.org/2001/04/xmldsig-more#rsa-sha384', hash: 'sha384', keyType: 'rsa' },
  'rsa-sha512': { uri: 'http://www.w3.org/2001/04/xmldsig-more#rsa-sha512', hash: 'sha512', keyType: 'rsa' },
  'ecdsa-sha256': { uri: 'http://www.w3.org/2001/04/xmldsig-more#ecdsa-sha256', hash: 'sha256', keyType: 'ec' },
  'rsa-sha1': { uri: 'http://www.w3.org/2000/09/xmldsig#rsa-sha1', hash: 'sha1', keyType: 'rsa' },
} as const;

export const DIGEST_ALGORITHMS = {
  sha256: 'http://www.w3.org/2001/04/xmlenc#sha256',
  sha512: 'http://www.w3.org/2001/04/xmlenc#sha512',
  sha1: 'http://www.w3.org/2000/09/xmldsig#sha1',
} as const;

export type SignatureAlgorithm = keyof typeof SIGNATURE_ALGORITHMS;
export type DigestAlgorithm = keyof typeof DIGEST_ALGORITHMS;

/** How a signature is made and written. */
export interface SignatureStyle {
  readonly key: SigningKey;
  /** null = the SHA-256 algorithm of the key's type. */
  readonly algorithm: SignatureAlgorithm | null;
  readonly digest: DigestAlgorithm;
  /** Namespace prefix of the signature elements; '' writes them in the default namespace. */
  readonly prefix: 'ds' | '';
  /** Prefix kept by exclusive canonicalisation although only attribute values use it (`xs` of `xs:string`). */
  readonly inclusivePrefix: 'xs' | null;
  readonly includeKeyInfo: boolean;
}

/**
 * The enveloped signature over one element, ready to be placed inside it.
 * @param signed the element's canonical form *without* the signature: exactly the octets the digest covers.
 * @see XML Signature Syntax and Processing §4, RFC 9231 §2.3.6 (ECDSA as r || s)
 */
export function envelopedSignature(signed: CanonicalXml, id: string, style: SignatureStyle): CanonicalXml {
  const algorithm =
    style.algorithm ?? (style.key.privateKey.asymmetricKeyType === 'ec' ? 'ecdsa-sha256' : 'rsa-sha256');
  const { uri, hash } = SIGNATURE_ALGORITHMS[algorithm];
  const name = (local: string): string => (style.prefix === '' ? local : `${style.prefix}:${local}`);
  const namespace = style.prefix === '' ? 'xmlns' : `xmlns:${style.prefix}`;

  const inclusive =
    style.inclusivePrefix === null
      ? nothing
      : element('ec:InclusiveNamespaces', { 'xmlns:ec': EXCLUSIVE_C14N, PrefixList: style.inclusivePrefix });
  const reference = element(
    name('Reference'),
    { URI: `#${id}` },
    element(
      name('Transforms'),
      {},
      element(name('Transform'), { Algorithm: `${DSIG}enveloped-signature` }),
      element(name('Transform'), { Algorithm: EXCLUSIVE_C14N }, inclusive),
    ),
    element(name('DigestMethod'), { Algorithm: DIGEST_ALGORITHMS[style.digest] }),
    element(name('DigestValue'), {}, text(createHash(style.digest).update(signed, 'utf8').digest('base64'))),
  );
  const signedInfo = (attributes: Readonly<Record<string, string>>): CanonicalXml =>
    element(
      name('SignedInfo'),
      attributes,
      element(name('CanonicalizationMethod'), { Algorithm: EXCLUSIVE_C14N }),
      element(name('SignatureMethod'), { Algorithm: uri }),
      reference,
    );

  // Canonicalised by itself, SignedInfo declares the namespace that it inherits inside the document.
  const value = signOctets(signedInfo({ [namespace]: DSIG }), hash, style.key.privateKey);
  return element(
    name('Signature'),
    { [namespace]: DSIG },
    signedInfo({}),
    element(name('SignatureValue'), {}, text(value)),
    style.includeKeyInfo ? keyInfo(name, style.key) : nothing,
  );
}

function signOctets(signedInfo: CanonicalXml, hash: string, privateKey: KeyObject): string {
  return sign(hash, Buffer.from(signedInfo, 'utf8'), { key: privateKey, dsaEncoding: 'ieee-p1363' }).toString('base64');
}

function keyInfo(name: (local: string) => string, key: SigningKey): CanonicalXml {
  const certificate = element(name('X509Certificate'), {}, text(certificateBody(key.certificatePem)));
  return element(name('KeyInfo'), {}, element(name('X509Data'), {}, certificate));
}
