/**
 * XML Encryption as SAML uses it, on node:crypto: one EncryptedData with one EncryptedKey for one of our keys.
 *
 * Encrypted is not signed: what comes out is as untrusted as what went in, and goes through the same checks. The
 * structure check has run, so every element looked for here is where the allow-list lets it be.
 * @see XML Encryption 1.1 §3, §5; SAML Core 2.0 §2.3.4, §6
 */
import { constants, createDecipheriv, privateDecrypt, randomBytes, type KeyObject } from 'node:crypto';

import { refuse } from '../reasons.ts';
import { attributeOf, childrenNamed, textOf, type XmlElement } from '../xml/tree.ts';
import { DS, XENC, XENC11 } from './names.ts';
import { algorithmOf, decodeBase64 } from './signature.ts';

const ELEMENT_TYPE = `${XENC}Element`;
const NONCE_BYTES = 12;
const TAG_BYTES = 16;

/** Authenticated modes only. CBC (padding oracles) and everything else is absent and therefore refused. */
const CONTENT_ALGORITHMS: ReadonlyMap<string, { readonly cipher: 'aes-128-gcm' | 'aes-256-gcm'; keyBytes: number }> =
  new Map([
    [`${XENC11}aes128-gcm`, { cipher: 'aes-128-gcm', keyBytes: 16 }],
    [`${XENC11}aes256-gcm`, { cipher: 'aes-256-gcm', keyBytes: 32 }],
  ]);

const OAEP_MGF1P = `${XENC}rsa-oaep-mgf1p`;
const OAEP = `${XENC11}rsa-oaep`;
const SHA1 = `${DS}sha1`;

/** Hashes of OAEP and its mask. SHA-1 is safe in this place: OAEP does not rest on its collision resistance. */
const OAEP_HASHES: ReadonlyMap<string, { readonly hash: string; readonly mask: string }> = new Map([
  [SHA1, { hash: 'sha1', mask: `${XENC11}mgf1sha1` }],
  [`${XENC}sha256`, { hash: 'sha256', mask: `${XENC11}mgf1sha256` }],
  [`${XENC}sha512`, { hash: 'sha512', mask: `${XENC11}mgf1sha512` }],
]);

/**
 * The octets inside an EncryptedAssertion.
 * 1. content algorithm, key transport and its hashes are allowed ones, before any key is used; 2. the key is unwrapped
 * with each of our keys, always with all of them; 3. a key that did not come out is replaced by a random one, so that
 * a wrong key and a wrong text fail at the same place, in the same way (no oracle).
 * @throws SamlRefusal
 */
export function decryptedBytes(encrypted: XmlElement, keys: readonly KeyObject[]): Buffer {
  if (keys.length === 0) refuse('DECRYPTION_KEY_MISSING');
  const data = only(encrypted, 'EncryptedData');
  if ((attributeOf(data, 'Type') ?? ELEMENT_TYPE) !== ELEMENT_TYPE)
    refuse('ATTRIBUTE_FORBIDDEN', 'EncryptedData/@Type');
  const content = CONTENT_ALGORITHMS.get(algorithmOf(only(data, 'EncryptionMethod')));
  if (content === undefined) return refuse('ENCRYPTION_ALGORITHM_FORBIDDEN');
  const encryptedKey = keyOf(encrypted, data);
  const oaepHash = oaepHashOf(only(encryptedKey, 'EncryptionMethod')); // 1
  const [wrapped, text] = [cipherValue(encryptedKey), cipherValue(data)];
  if (text.byteLength <= NONCE_BYTES + TAG_BYTES) refuse('DECRYPTION_FAILED');
  const unwrapped = keys.map((key) => unwrap(wrapped, key, oaepHash)); // 2
  const contentKeys = unwrapped.filter((key) => key?.byteLength === content.keyBytes);
  const contentKey = contentKeys[0] ?? randomBytes(content.keyBytes); // 3
  return opened(text, contentKey, content.cipher) ?? refuse('DECRYPTION_FAILED');
}

function opened(text: Buffer, key: Buffer, cipher: 'aes-128-gcm' | 'aes-256-gcm'): Buffer | null {
  const nonce = text.subarray(0, NONCE_BYTES);
  const decipher = createDecipheriv(cipher, key, nonce, { authTagLength: TAG_BYTES });
  decipher.setAuthTag(text.subarray(-TAG_BYTES));
  const plain = decipher.update(text.subarray(NONCE_BYTES, -TAG_BYTES));
  try {
    decipher.final();
    return plain;
  } catch {
    return null; // The tag does not match: nothing of it is looked at.
  }
}

function unwrap(wrapped: Buffer, key: KeyObject, oaepHash: string): Buffer | null {
  try {
    return privateDecrypt({ key, padding: constants.RSA_PKCS1_OAEP_PADDING, oaepHash }, wrapped);
  } catch {
    return null;
  }
}

/** Inside the KeyInfo, or beside the EncryptedData; a pointer to it has to point to that very one. */
function keyOf(encrypted: XmlElement, data: XmlElement): XmlElement {
  const [info] = childrenNamed(data, DS, 'KeyInfo');
  const inside = info === undefined ? undefined : childrenNamed(info, XENC, 'EncryptedKey')[0];
  const [beside] = childrenNamed(encrypted, XENC, 'EncryptedKey');
  if (inside !== undefined && beside !== undefined) refuse('ELEMENT_REPEATED', 'xenc:EncryptedKey');
  const pointer = info === undefined ? undefined : childrenNamed(info, DS, 'RetrievalMethod')[0];
  if (pointer !== undefined && (beside === undefined || !isPointedTo(pointer, beside))) refuse('REFERENCE_INVALID');
  return inside ?? beside ?? refuse('ELEMENT_MISSING', 'xenc:EncryptedKey');
}

const isPointedTo = (pointer: XmlElement, key: XmlElement): boolean => {
  const id = attributeOf(key, 'Id');
  return id !== null && attributeOf(pointer, 'URI') === `#${id}`;
};

/** The one hash of an OAEP key transport; label and mask must use the same. PKCS #1 v1.5 and all else is refused. */
function oaepHashOf(method: XmlElement): string {
  const algorithm = algorithmOf(method);
  if (algorithm !== OAEP && algorithm !== OAEP_MGF1P) refuse('KEY_TRANSPORT_FORBIDDEN');
  const [digests, masks] = [childrenNamed(method, DS, 'DigestMethod'), childrenNamed(method, XENC11, 'MGF')];
  if (digests.length > 1 || masks.length > 1) refuse('ELEMENT_REPEATED', 'xenc:EncryptionMethod');
  const [digest, mask] = [digests[0], masks[0]];
  const known = OAEP_HASHES.get(digest === undefined ? SHA1 : algorithmOf(digest));
  // XML Encryption 1.1 §5.5.2: MGF1 with SHA-1 by definition (mgf1p), or unless something else is said.
  const saidMask = mask === undefined || algorithm === OAEP_MGF1P ? `${XENC11}mgf1sha1` : algorithmOf(mask);
  if (known === undefined || known.mask !== saidMask) return refuse('KEY_TRANSPORT_FORBIDDEN', 'OAEP hash');
  return known.hash;
}

const cipherValue = (parent: XmlElement): Buffer =>
  decodeBase64(textOf(only(only(parent, 'CipherData'), 'CipherValue'))) ?? refuse('DECRYPTION_FAILED');

const only = (parent: XmlElement, localName: string): XmlElement =>
  childrenNamed(parent, XENC, localName)[0] ?? refuse('ELEMENT_MISSING', `xenc:${localName}`);
