/**
 * XML Signature as SAML uses it, on node:crypto: one enveloped signature over its own parent element, verified with
 * pinned certificates only. KeyInfo is never read.
 * @see SAML Core 2.0 §5.4, XML Signature 1.1, RFC 9231 (algorithm identifiers)
 */
import { createHash, timingSafeEqual, verify, X509Certificate, type KeyObject } from 'node:crypto';

import { refuse } from '../reasons.ts';
import { canonicalize } from '../xml/canonicalize.ts';
import { MESSAGE_LIMITS } from '../xml/limits.ts';
import { attributeOf, childElements, childrenNamed, textOf, type XmlElement } from '../xml/tree.ts';
import { DS, ENVELOPED_SIGNATURE, EXCLUSIVE_C14N } from './names.ts';

const MIN_RSA_BITS = 2048;
const EC_CURVES: ReadonlySet<string> = new Set(['prime256v1', 'secp384r1', 'secp521r1']);

interface SignatureAlgorithm {
  readonly keyType: 'rsa' | 'ec';
  readonly hash: string;
}

/** SHA-1, HMAC and everything else is absent and therefore refused. */
const SIGNATURE_ALGORITHMS: ReadonlyMap<string, SignatureAlgorithm> = new Map([
  ['http://www.w3.org/2001/04/xmldsig-more#rsa-sha256', { keyType: 'rsa', hash: 'sha256' }],
  ['http://www.w3.org/2001/04/xmldsig-more#rsa-sha384', { keyType: 'rsa', hash: 'sha384' }],
  ['http://www.w3.org/2001/04/xmldsig-more#rsa-sha512', { keyType: 'rsa', hash: 'sha512' }],
  ['http://www.w3.org/2001/04/xmldsig-more#ecdsa-sha256', { keyType: 'ec', hash: 'sha256' }],
  ['http://www.w3.org/2001/04/xmldsig-more#ecdsa-sha384', { keyType: 'ec', hash: 'sha384' }],
  ['http://www.w3.org/2001/04/xmldsig-more#ecdsa-sha512', { keyType: 'ec', hash: 'sha512' }],
]);

const DIGEST_ALGORITHMS: ReadonlyMap<string, string> = new Map([
  ['http://www.w3.org/2001/04/xmlenc#sha256', 'sha256'],
  ['http://www.w3.org/2001/04/xmldsig-more#sha384', 'sha384'],
  ['http://www.w3.org/2001/04/xmlenc#sha512', 'sha512'],
]);

/** A certificate as it was read. */
interface ReadCertificate {
  readonly key: KeyObject;
  readonly validFromMs: number;
  readonly validToMs: number;
}

// Reading one takes longer than verifying with it. By its full text, so that what is found is what was read from it.
const READ = new Map<string, ReadCertificate | null>();
const MAX_READ = 256;

/**
 * The keys a connection trusts at this moment: certificates within their validity whose key is strong enough.
 * @throws SamlRefusal NO_USABLE_CERTIFICATE when none is left: a connection without a key logs nobody in
 */
export function usableKeys(certificates: readonly string[], nowMs: number): KeyObject[] {
  const keys = certificates.flatMap((pem) => {
    const certificate = readOnce(pem);
    if (certificate === null) return []; // An unreadable one is one less, never a way around the check.
    const { key, validFromMs, validToMs } = certificate;
    return validFromMs <= nowMs && nowMs < validToMs && isStrong(key) ? [key] : [];
  });
  return keys.length > 0 ? keys : refuse('NO_USABLE_CERTIFICATE');
}

function readOnce(pem: string): ReadCertificate | null {
  const known = READ.get(pem);
  if (known !== undefined) return known;
  if (READ.size >= MAX_READ) READ.clear();
  const read = readCertificate(pem);
  READ.set(pem, read);
  return read;
}

function readCertificate(pem: string): ReadCertificate | null {
  try {
    const { publicKey: key, validFrom, validTo } = new X509Certificate(pem);
    return { key, validFromMs: Date.parse(validFrom), validToMs: Date.parse(validTo) };
  } catch {
    return null;
  }
}

function isStrong(key: KeyObject): boolean {
  const { asymmetricKeyType: type, asymmetricKeyDetails: details } = key;
  if (type === 'rsa') return (details?.modulusLength ?? 0) >= MIN_RSA_BITS;
  return type === 'ec' && EC_CURVES.has(details?.namedCurve ?? '');
}

/** The Signature that is a direct child, or null. The structure check has limited it to one. */
export const signatureOf = (element: XmlElement): XmlElement | null =>
  childrenNamed(element, DS, 'Signature')[0] ?? null;

/**
 * Verifies the enveloped signature of an element and returns the canonical bytes it covers.
 * 1. the Reference names the parent's own ID, and nothing else can be referenced;
 * 2. the transforms are enveloped-signature, then exclusive c14n; digest and signature algorithms are allowed ones;
 * 3. the digest of the canonical bytes without the Signature matches;
 * 4. SignedInfo, canonicalised, is signed by one of the keys.
 * Only these bytes may be read afterwards.
 * @throws SamlRefusal
 */
export function verifiedBytes(parent: XmlElement, signature: XmlElement, keys: readonly KeyObject[]): Buffer {
  const signedInfo = only(signature, 'SignedInfo');
  const reference = only(signedInfo, 'Reference');
  const id = attributeOf(parent, 'ID');
  if (id === null || attributeOf(reference, 'URI') !== `#${id}`) refuse('REFERENCE_INVALID');
  const inclusivePrefixes = checkTransforms(only(reference, 'Transforms'));
  const digestHash = DIGEST_ALGORITHMS.get(algorithmOf(only(reference, 'DigestMethod')));
  if (digestHash === undefined) return refuse('DIGEST_ALGORITHM_FORBIDDEN');

  const bytes = canonicalize(parent, { omit: signature, inclusivePrefixes });
  const digest = createHash(digestHash).update(bytes).digest();
  const claimed = decodeBase64(textOf(only(reference, 'DigestValue')));
  if (claimed === null || claimed.byteLength !== digest.byteLength || !timingSafeEqual(claimed, digest)) {
    refuse('DIGEST_MISMATCH');
  }
  checkSignatureValue(signature, signedInfo, keys);
  return bytes;
}

function checkTransforms(transforms: XmlElement): string[] {
  const [first, second, ...more] = childElements(transforms);
  const expected = first !== undefined && second !== undefined && more.length === 0;
  if (!expected || algorithmOf(first) !== ENVELOPED_SIGNATURE || algorithmOf(second) !== EXCLUSIVE_C14N) {
    return refuse('TRANSFORM_FORBIDDEN');
  }
  if (childElements(first).length > 0) refuse('TRANSFORM_FORBIDDEN');
  return inclusivePrefixesOf(second);
}

function checkSignatureValue(signature: XmlElement, signedInfo: XmlElement, keys: readonly KeyObject[]): void {
  const method = only(signedInfo, 'CanonicalizationMethod');
  if (algorithmOf(method) !== EXCLUSIVE_C14N) refuse('CANONICALIZATION_FORBIDDEN');
  const value = decodeBase64(textOf(only(signature, 'SignatureValue')));
  const signed = canonicalize(signedInfo, { inclusivePrefixes: inclusivePrefixesOf(method) });
  checkSignedBy(keys, { algorithm: algorithmOf(only(signedInfo, 'SignatureMethod')), signed, value });
}

/** A signature over octets as it arrived; `value` is null when it was not even base64. */
export interface DetachedSignature {
  /** URI. */
  readonly algorithm: string;
  readonly signed: Buffer;
  readonly value: Buffer | null;
}

/** One of the keys has signed exactly these octets, by an allowed algorithm. @throws SamlRefusal */
export function checkSignedBy(keys: readonly KeyObject[], { algorithm: uri, signed, value }: DetachedSignature): void {
  const algorithm = SIGNATURE_ALGORITHMS.get(uri);
  if (algorithm === undefined) return refuse('SIGNATURE_ALGORITHM_FORBIDDEN');
  if (value === null) return refuse('SIGNATURE_INVALID');
  const candidates = keys.filter((key) => key.asymmetricKeyType === algorithm.keyType);
  // XMLDSig writes ECDSA as r || s (RFC 4050 §3.3), not as DER; the option is ignored for RSA.
  const matches = (key: KeyObject): boolean =>
    verify(algorithm.hash, signed, { key, dsaEncoding: 'ieee-p1363' }, value);
  if (!candidates.some(matches)) refuse('SIGNATURE_INVALID');
}

/** Each is looked for at every element that is canonicalised, before anything is verified. @throws SamlRefusal */
function inclusivePrefixesOf(method: XmlElement): string[] {
  const list = childElements(method)[0];
  if (list === undefined) return [];
  const prefixes = new Set((attributeOf(list, 'PrefixList') ?? '').split(' ').filter((prefix) => prefix !== ''));
  if (prefixes.size > MESSAGE_LIMITS.maxNamespaces) refuse('TOO_MANY_NAMESPACES', 'ec:InclusiveNamespaces');
  return [...prefixes].map((prefix) => (prefix === '#default' ? '' : prefix));
}

/** The algorithm an element names; the empty text when it names none. */
export const algorithmOf = (element: XmlElement): string => attributeOf(element, 'Algorithm') ?? '';

const only = (parent: XmlElement, localName: string): XmlElement =>
  childrenNamed(parent, DS, localName)[0] ?? refuse('ELEMENT_MISSING', `ds:${localName}`);

/** Base64 with line breaks as XML tools write it; null for anything that does not decode to exactly these characters. */
export function decodeBase64(text: string): Buffer | null {
  const compact = text.replaceAll(/[ \t\r\n]+/g, '');
  const bytes = Buffer.from(compact, 'base64');
  return compact !== '' && bytes.toString('base64') === compact ? bytes : null;
}
