import { constants, createCipheriv, type KeyObject, publicEncrypt, randomBytes } from 'node:crypto';
import { type CanonicalXml, element, text } from './xml.ts';

const XENC = 'http://www.w3.org/2001/04/xmlenc#';
const XENC11 = 'http://www.w3.org/2009/xmlenc11#';
const DSIG = 'http://www.w3.org/2000/09/xmldsig#';
const ASSERTION = 'urn:oasis:names:tc:SAML:2.0:assertion';
const KEY_BYTES = 32;
const NONCE_BYTES = 12;

/**
 * An assertion encrypted for a service provider: AES-256-GCM, the key wrapped by RSA-OAEP under the name, and so
 * with the hash, that every implementation knows.
 * @see XML Encryption 1.1 §5.2.4, §5.5.2; SAML Core §2.3.4
 */
export function encryptAssertion(assertion: CanonicalXml, recipient: KeyObject): CanonicalXml {
  const [key, nonce] = [randomBytes(KEY_BYTES), randomBytes(NONCE_BYTES)];
  const cipher = createCipheriv('aes-256-gcm', key, nonce);
  const encrypted = Buffer.concat([nonce, cipher.update(assertion, 'utf8'), cipher.final(), cipher.getAuthTag()]);
  const wrapped = publicEncrypt({ key: recipient, padding: constants.RSA_PKCS1_OAEP_PADDING, oaepHash: 'sha1' }, key);
  const encryptedKey = element(
    'xenc:EncryptedKey',
    {},
    element(
      'xenc:EncryptionMethod',
      { Algorithm: `${XENC}rsa-oaep-mgf1p` },
      element('ds:DigestMethod', { Algorithm: `${DSIG}sha1` }),
    ),
    cipherData(wrapped),
  );
  return element(
    'saml2:EncryptedAssertion',
    { 'xmlns:saml2': ASSERTION },
    element(
      'xenc:EncryptedData',
      { 'xmlns:xenc': XENC, Type: `${XENC}Element` },
      element('xenc:EncryptionMethod', { Algorithm: `${XENC11}aes256-gcm` }),
      element('ds:KeyInfo', { 'xmlns:ds': DSIG }, encryptedKey),
      cipherData(encrypted),
    ),
  );
}

function cipherData(bytes: Buffer): CanonicalXml {
  return element('xenc:CipherData', {}, element('xenc:CipherValue', {}, text(bytes.toString('base64'))));
}
